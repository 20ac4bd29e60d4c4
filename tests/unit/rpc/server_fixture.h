// A real server with mutual TLS on loopback, a real loop, a journal in memory.

#pragma once

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/str_replace.h"
#include "common/digest.h"
#include "orchestrator/rpc/agent_registry.h"
#include "orchestrator/rpc/operator_hub.h"
#include "orchestrator/rpc/server.h"
#include "orchestrator/rpc/tls.h"
#include "orchestrator/runtime/driver.h"
#include "orchestrator/runtime/system_clock.h"
#include "sluice/v1/agent.grpc.pb.h"
#include "sluice/v1/identity.grpc.pb.h"
#include "sluice/v1/operator.grpc.pb.h"
#include "tests/unit/rpc/certificates.h"
#include "tests/unit/rpc/people.h"
#include "tests/unit/runtime/fakes.h"

namespace sluice::rpc {

// Made once: openssl takes a while.
struct Keys {
  Authority authority;
  Authority foreign_authority;
  Pair server = authority.Issue(
      "URI:sluice://small/orchestrator,DNS:orchestrator.sluice");
  Pair db = authority.Issue("URI:sluice://small/agent/db-1");
  Pair app = authority.Issue("URI:sluice://small/agent/app-1");
  Pair stranger = authority.Issue("URI:sluice://small/agent/stranger");
  Pair other_estate = authority.Issue("URI:sluice://other/agent/db-1");
  Pair nameless = authority.Issue("DNS:db-1");
  Pair two_faced = authority.Issue(
      "URI:sluice://small/agent/db-1,URI:sluice://small/agent/app-1");
  Pair foreign_db = foreign_authority.Issue("URI:sluice://small/agent/db-1");
};
inline Keys& TheKeys() {
  static Keys keys;
  return keys;
}

// An agent that speaks the protocol and nothing else.
class Agent {
 public:
  // `acts_for`: the point that the stream is about; empty: its own host.
  explicit Agent(const std::shared_ptr<grpc::Channel>& channel,
                 const std::string& acts_for = "")
      : stub_(v1::AgentLink::NewStub(channel)) {
    if (!acts_for.empty()) context_.AddMetadata(kActsForKey, acts_for);
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::seconds(60));
    stream_ = stub_->Attach(&context_);
  }
  ~Agent() { context_.TryCancel(); }

  bool Hello(uint64_t highest_epoch = 0, uint64_t quarantine = 0) {
    v1::AgentMessage message;
    v1::Hello* hello = message.mutable_hello();
    hello->set_protocol(1);
    hello->set_agent_version("test");
    hello->set_boot_id("boot");
    hello->set_highest_epoch(highest_epoch);
    v1::FenceState* fence = hello->mutable_fence();
    fence->set_mode(quarantine == 0 ? v1::FENCE_MODE_OPEN
                                    : v1::FENCE_MODE_QUARANTINED);
    fence->set_quarantine_number(quarantine);
    return stream_->Write(message);
  }
  bool Write(const v1::AgentMessage& message) {
    return stream_->Write(message);
  }
  std::optional<v1::OrchestratorMessage> Read() {
    v1::OrchestratorMessage message;
    if (!stream_->Read(&message)) return std::nullopt;
    return message;
  }
  // The next order, past renewals.
  std::optional<v1::Order> ReadOrder() {
    while (auto message = Read()) {
      if (message->has_order()) return message->order();
    }
    return std::nullopt;
  }
  grpc::Status Finish() { return stream_->Finish(); }
  void Cancel() { context_.TryCancel(); }

 private:
  std::unique_ptr<v1::AgentLink::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientReaderWriter<v1::AgentMessage, v1::OrchestratorMessage>>
      stream_;
};

// Every call of a channel carries this session.
class WithSession : public grpc::MetadataCredentialsPlugin {
 public:
  explicit WithSession(std::string token) : token_(std::move(token)) {}
  bool IsBlocking() const override { return false; }
  grpc::Status GetMetadata(
      grpc::string_ref, grpc::string_ref, const grpc::AuthContext&,
      std::multimap<grpc::string, grpc::string>* metadata) override {
    metadata->emplace(kSessionKey, token_);
    return grpc::Status::OK;
  }

 private:
  const std::string token_;
};

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto memory = runtime::Replay(journal_, runtime::LoadPlan);
    ASSERT_TRUE(memory.ok());
    loop_ = std::make_unique<runtime::Loop>(
        *std::move(memory), &writer_, &agents_, &operators_,
        runtime::LoopOptions{"instance", absl::Milliseconds(200)});
    ASSERT_TRUE(
        loop_->Begin(runtime::Adopted(InForce()), clock_.Now())
            .ok());
    driver_ = std::make_unique<runtime::Driver>(&clock_, loop_.get());
    ServerOptions options;
    options.listen = {"127.0.0.1:0"};
    options.certificate = TheKeys().server.certificate;
    options.key = TheKeys().server.key;
    options.authority = TheKeys().authority.certificate();
    options.estate = "small";
    options.load_plan = runtime::LoadPlan;
    auto server =
        Server::Start(options, &agents_, &operators_, &loop_->inbox());
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    for (const char* name : {"duty-commander", "security-officer"}) {
      sessions_[name] = LogIn(name);
    }
    while (AllRecords() < 2 + sessions_.size()) std::this_thread::yield();
  }
  virtual std::string InForce() const { return ThePeople().Manifest(); }
  void TearDown() override {
    server_.reset();
    driver_.reset();
  }

  std::shared_ptr<grpc::Channel> Dial(const Pair& pair,
                                      const std::string& session = "") {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = TheKeys().authority.certificate();
    tls.pem_cert_chain = pair.certificate;
    tls.pem_private_key = pair.key;
    auto credentials = grpc::SslCredentials(tls);
    if (!session.empty()) {
      credentials = grpc::CompositeChannelCredentials(
          credentials, grpc::MetadataCredentialsFromPlugin(
                           std::make_unique<WithSession>(session)));
    }
    grpc::ChannelArguments arguments;
    arguments.SetString(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG,
                        "orchestrator.sluice");
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(
        absl::StrCat("127.0.0.1:", server_->ports()[0]), credentials,
        arguments);
  }
  std::string LogIn(const std::string& who) {
    const auto stub = v1::Login::NewStub(Dial(Pair()));
    v1::ChallengeRequest ask;
    ask.set_operator_(who);
    v1::LoginChallenge challenge;
    grpc::ClientContext asking;
    EXPECT_TRUE(stub->Challenge(&asking, ask, &challenge).ok());
    v1::LoginRequest request;
    request.set_text(challenge.text());
    request.set_signature(
        ThePeople().keys.at(who).Sign(signed_as::kLogin, challenge.text()));
    v1::Session session;
    grpc::ClientContext context;
    const grpc::Status status = stub->Login(&context, request, &session);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return session.token();
  }
  std::unique_ptr<v1::Operator::Stub> Operator(const Pair& pair) {
    return v1::Operator::NewStub(Dial(pair));
  }
  // Somebody who is logged in.
  std::unique_ptr<v1::Operator::Stub> Operator(const std::string& who) {
    return v1::Operator::NewStub(Dial(Pair(), sessions_.at(who)));
  }
  // Once the loop has done what it had to.
  void OnLoop(std::function<void()> work) {
    std::promise<void> done;
    ASSERT_TRUE(loop_->inbox()
                    .LookAt([&](const runtime::Glimpse&) {
                      work();
                      done.set_value();
                    })
                    .ok());
    done.get_future().wait();
  }
  // Without those of the logins that every test begins with.
  size_t Records() { return AllRecords() - sessions_.size(); }
  size_t AllRecords() {
    size_t records = 0;
    OnLoop([&] { records = journal_.size(); });
    return records;
  }
  v1::Status StatusNow() {
    grpc::ClientContext context;
    v1::Status status;
    const grpc::Status got =
        Operator("duty-commander")->GetStatus(&context, {}, &status);
    EXPECT_TRUE(got.ok()) << got.error_message();
    return status;
  }
  grpc::Status AttachFails(const Pair& pair) {
    Agent agent(Dial(pair));
    agent.Hello();
    EXPECT_FALSE(agent.Read().has_value());
    return agent.Finish();
  }

  runtime::StickingJournal journal_;
  runtime::ThreadWriter writer_{&journal_};
  runtime::SystemClock clock_;
  AgentRegistry agents_{{"small", "instance", absl::Milliseconds(200)}};
  OperatorHub operators_;
  std::unique_ptr<runtime::Loop> loop_;
  std::unique_ptr<runtime::Driver> driver_;
  std::unique_ptr<Server> server_;
  std::map<std::string, std::string> sessions_;  // open, by operator
};
}  // namespace sluice::rpc
