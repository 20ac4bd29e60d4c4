// A whole small estate in one process: a real server with its loop and a
// journal in memory, an authority with its issuer, people with SSH keys, and a
// clock that can be set.

#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "agents/link/agent_link.h"
#include "agents/link/enrol.h"
#include "agents/link/tls.h"
#include "common/authority.h"
#include "common/digest.h"
#include "common/login_text.h"
#include "common/sshsig.h"
#include "common/x509.h"
#include "orchestrator/rpc/agent_registry.h"
#include "orchestrator/rpc/operator_hub.h"
#include "orchestrator/rpc/server.h"
#include "orchestrator/rpc/tls.h"
#include "orchestrator/runtime/driver.h"
#include "orchestrator/runtime/system_clock.h"
#include "sluice/v1/agent.grpc.pb.h"
#include "sluice/v1/identity.grpc.pb.h"
#include "sluice/v1/operator.grpc.pb.h"
#include "tests/unit/rpc/people.h"
#include "tests/unit/runtime/fakes.h"

namespace sluice::rpc {

class SmallEstate : public ::testing::Test {
 protected:
  void SetUp() override {
    auto memory = runtime::Replay(journal_, runtime::LoadPlan);
    ASSERT_TRUE(memory.ok());
    loop_ = std::make_unique<runtime::Loop>(
        *std::move(memory), &writer_, &agents_, &operators_,
        runtime::LoopOptions{"instance", absl::Milliseconds(200)});
    ASSERT_TRUE(loop_->Begin(runtime::Adopted(manifest_), clock_.Now()).ok());
    driver_ = std::make_unique<runtime::Driver>(&clock_, loop_.get());
    ServerOptions options;
    options.listen = listen_;
    options.acceptor = acceptor_;
    options.certificate = served_.certificate_pem;
    options.key = served_.key_pem;
    options.authority = ThePeople().authority.credential().certificate_pem;
    options.issuer = ThePeople().issuer.credential();
    options.estate = "small";
    options.load_plan = runtime::LoadPlan;
    options.attempts = attempts_;
    options.now = [this] {
      return absl::Now() + absl::Hours(ahead_hours_.load());
    };
    auto server =
        Server::Start(options, &agents_, &operators_, &loop_->inbox());
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void TearDown() override {
    server_.reset();
    driver_.reset();
  }

  std::string address() const {
    return absl::StrCat("127.0.0.1:", server_->ports()[0]);
  }
  std::string authority_digest() const {
    return ReadCertificate(ThePeople().authority.credential().certificate_pem)
        ->digest;
  }

  // With this certificate, or with none.
  std::shared_ptr<grpc::Channel> Dial(const Credential* credential = nullptr) {
    auto credentials =
        credential == nullptr
            ? agent::TokenCredentials(authority_digest(), EstateId("small"))
            : *agent::HostCredentials(
                  credential->certificate_pem, credential->key_pem,
                  ThePeople().authority.credential().certificate_pem,
                  EstateId("small"));
    return grpc::CreateCustomChannel(address(), credentials,
                                     agent::LinkArguments(absl::Seconds(20)));
  }
  static std::unique_ptr<grpc::ClientContext> Context(
      const std::string& session = "") {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() +
                          std::chrono::seconds(20));
    if (!session.empty()) context->AddMetadata(kSessionKey, session);
    return context;
  }

  // ── people ──
  absl::StatusOr<std::string> Challenge(const std::string& who) {
    v1::ChallengeRequest ask;
    ask.set_operator_(who);
    v1::LoginChallenge challenge;
    return Given(
        v1::Login::NewStub(Dial())->Challenge(Context().get(), ask, &challenge),
        [&] { return challenge.text(); });
  }
  absl::StatusOr<v1::Session> LoginWith(const std::string& text,
                                        const std::string& signature) {
    v1::LoginRequest request;
    request.set_text(text);
    request.set_signature(signature);
    v1::Session session;
    return Given(
        v1::Login::NewStub(Dial())->Login(Context().get(), request, &session),
        [&] { return session; });
  }
  absl::StatusOr<v1::Session> Login(const std::string& who,
                                    const std::string& key = "") {
    auto text = Challenge(who);
    if (!text.ok()) return text.status();
    return LoginWith(*text, ThePeople()
                                .keys.at(key.empty() ? who : key)
                                .Sign(signed_as::kLogin, *text));
  }
  std::string Session(const std::string& who) {
    const auto session = Login(who);
    EXPECT_TRUE(session.ok()) << session.status();
    return session.ok() ? session->token() : "";
  }

  // ── hosts ──
  absl::StatusOr<EnrolToken> MakeToken(const std::string& session,
                                       const std::string& host) {
    v1::MakeTokenRequest request;
    request.set_host(host);
    v1::Token token;
    return Given(v1::Identities::NewStub(Dial())->MakeToken(
                     Context(session).get(), request, &token),
                 [&] {
                   return EnrolToken{EstateId(token.estate()),
                                     HostId(host),
                                     token.secret(),
                                     token.authority_digest(),
                                     {address()}};
                 });
  }
  // By the agent's own code.
  absl::StatusOr<Credential> Enrol(const EnrolToken& token,
                                   std::string key = "") {
    if (key.empty()) key = *MakeKey();
    const auto enrolment =
        agent::Enrol(token, *MakeSigningRequest(key, "anything"),
                     SshSigner::Make().public_key().Line(), absl::Seconds(10));
    if (!enrolment.ok()) return enrolment.status();
    return Credential{enrolment->certificate, key};
  }
  Credential Enrolled(const std::string& host) {
    const auto token = MakeToken(Session("duty-commander"), host);
    EXPECT_TRUE(token.ok()) << token.status();
    const auto credential = Enrol(*token);
    EXPECT_TRUE(credential.ok()) << credential.status();
    return credential.ok() ? *credential : Credential();
  }
  absl::Status Revoke(const std::string& session, const std::string& host,
                      const std::string& key = "") {
    v1::RevokeRequest request;
    if (key.empty()) request.set_host(host);
    if (!key.empty()) request.set_key(key);
    request.set_reason("test");
    v1::Revoked revoked;
    return Given(v1::Identities::NewStub(Dial())->Revoke(Context(session).get(),
                                                         request, &revoked),
                 [] { return 0; })
        .status();
  }

  template <class Value>
  static auto Given(const grpc::Status& status, Value value)
      -> absl::StatusOr<decltype(value())> {
    if (status.ok()) return value();
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                        status.error_message());
  }

  void OnLoop(const std::function<void(const runtime::Glimpse&)>& work) {
    std::promise<void> done;
    ASSERT_TRUE(loop_->inbox()
                    .LookAt([&](const runtime::Glimpse& glimpse) {
                      work(glimpse);
                      done.set_value();
                    })
                    .ok());
    done.get_future().wait();
  }

  std::vector<std::string> listen_ = {"127.0.0.1:0"};
  Acceptor::Options acceptor_;
  Credential served_ = ThePeople().server;
  std::string manifest_ = ThePeople().Manifest();
  Attempts::Options attempts_ = {.burst = 10'000};
  std::atomic<int> ahead_hours_ = 0;  // of the gatekeeper's clock
  journal::MemoryJournal journal_;
  runtime::ThreadWriter writer_{&journal_};
  // The loop's clock, which can be put on.
  struct LoopClock : public runtime::SystemClock {
    absl::Time Now() override {
      return runtime::SystemClock::Now() + absl::Minutes(ahead.load());
    }
    std::atomic<int> ahead = 0;  // minutes
  };
  LoopClock clock_;
  AgentRegistry agents_{{"small", "instance", absl::Milliseconds(200)}};
  OperatorHub operators_;
  std::unique_ptr<runtime::Loop> loop_;
  std::unique_ptr<runtime::Driver> driver_;
  std::unique_ptr<Server> server_;
};

// One agent's stream, as far as these tests need it.
class Attachment {
 public:
  explicit Attachment(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::AgentLink::NewStub(channel)) {
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::seconds(20));
    stream_ = stub_->Attach(&context_);
    v1::AgentMessage message;
    v1::Hello* hello = message.mutable_hello();
    hello->set_protocol(1);
    hello->set_agent_version("test");
    hello->set_boot_id("boot");
    hello->mutable_fence()->set_mode(v1::FENCE_MODE_QUARANTINED);
    hello->mutable_fence()->set_quarantine_number(1);
    stream_->Write(message);
  }
  ~Attachment() { context_.TryCancel(); }

  // Whether a welcome came; `renew` is what it says of the certificate.
  bool Welcomed(bool* renew = nullptr) {
    v1::OrchestratorMessage message;
    if (!stream_->Read(&message) || !message.has_welcome()) return false;
    if (renew != nullptr) *renew = message.welcome().renew();
    return true;
  }
  // Reads to the end.
  grpc::Status End() {
    v1::OrchestratorMessage message;
    while (stream_->Read(&message)) {
    }
    return stream_->Finish();
  }

 private:
  std::unique_ptr<v1::AgentLink::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientReaderWriter<v1::AgentMessage, v1::OrchestratorMessage>>
      stream_;
};

}  // namespace sluice::rpc
