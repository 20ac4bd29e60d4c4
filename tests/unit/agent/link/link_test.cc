#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "agents/link/agent_link.h"
#include "common/contract.h"
#include "sluice/v1/agent.grpc.pb.h"

namespace sluice::agent {
namespace {

// What happened, from other threads, in order.
template <class T>
class Inbox {
 public:
  void Put(T value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    wake_.notify_all();
  }
  T Next() {
    std::unique_lock lock(mutex_);
    SLUICE_CHECK(wake_.wait_for(lock, std::chrono::seconds(30),
                                [this] { return !values_.empty(); }));
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<T> values_;
};

// An orchestrator that welcomes whoever comes, keeps what they say, and sends
// one order after their first report.
class FakeOrchestrator : public v1::AgentLink::Service {
 public:
  explicit FakeOrchestrator(std::shared_ptr<grpc::ServerCredentials>
                                credentials = grpc::InsecureServerCredentials(),
                            int port = 0) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port), credentials,
                             &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    SLUICE_CHECK(server_ != nullptr);
  }
  ~FakeOrchestrator() override {
    server_->Shutdown(std::chrono::system_clock::now());
  }

  grpc::Status Attach(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::OrchestratorMessage, v1::AgentMessage>*
          stream) override {
    v1::AgentMessage said;
    while (stream->Read(&said)) {
      heard.Put(said);
      v1::OrchestratorMessage answer;
      if (said.has_hello()) {
        BeLate();
        answer.mutable_welcome()->set_epoch(4);
        answer.mutable_welcome()->set_estate("city-utility");
        stream->Write(answer);
        answer.mutable_order()->set_id("r/1/0");
        answer.mutable_order()->mutable_isolate_host()->set_reason("drill");
        stream->Write(answer);
      } else if (hang_up_after_report) {
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "going away");
      }
    }
    return context->IsCancelled() ? grpc::Status::CANCELLED : grpc::Status::OK;
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  int port() const { return port_; }

  Inbox<v1::AgentMessage> heard;
  bool hang_up_after_report = false;
  // How long a welcome waits behind those of others, as in a storm.
  std::chrono::milliseconds welcome_after{0};

 private:
  void BeLate() {
    std::unique_lock lock(late_mutex_);
    late_.wait_for(lock, welcome_after, [] { return false; });
  }

  std::mutex late_mutex_;
  std::condition_variable late_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class Agent {
 public:
  explicit Agent(std::vector<std::string> orchestrators,
                 std::shared_ptr<grpc::ChannelCredentials> credentials =
                     grpc::InsecureChannelCredentials(),
                 absl::Duration patience = absl::Seconds(10))
      : link_(
            {.orchestrators = std::move(orchestrators),
             .shortest_pause = absl::Milliseconds(10),
             .longest_pause = absl::Milliseconds(50),
             .patience = patience},
            std::move(credentials),
            [this](Event event) {
              if (std::holds_alternative<LinkConnected>(event)) {
                link_.Send(Hello{.agent_version = "test"});
              }
              happened.Put(std::move(event));
            },
            [this](const std::string& line) { logged.Put(line); }) {
    link_.Start();
  }

  // The next event of this type; others before it are dropped.
  template <class T>
  T Next() {
    while (true) {
      Event event = happened.Next();
      if (auto* wanted = std::get_if<T>(&event)) return *wanted;
    }
  }

  Inbox<Event> happened;
  Inbox<std::string> logged;

 private:
  AgentLink link_;

 public:
  AgentLink& link() { return link_; }
};

TEST(Link, SaysHelloIsWelcomedAndTakesOrders) {
  FakeOrchestrator orchestrator;
  Agent agent({orchestrator.address()});
  EXPECT_EQ(orchestrator.heard.Next().hello().agent_version(), "test");
  EXPECT_EQ(agent.Next<LinkWelcomed>().epoch, 4u);
  const Order order = agent.Next<OrderReceived>().order;
  EXPECT_EQ(std::get<IsolateHost>(order.what).reason, "drill");
  agent.link().Send(Report{.order = order.id});
  EXPECT_EQ(orchestrator.heard.Next().report().order_id(), "r/1/0");
}

TEST(Link, GoesOnToTheNextOrchestratorWhenOneDoesNotAnswer) {
  FakeOrchestrator orchestrator;
  Agent agent({"127.0.0.1:1", orchestrator.address()});
  EXPECT_THAT(agent.logged.Next(), ::testing::HasSubstr("127.0.0.1:1"));
  EXPECT_EQ(agent.Next<LinkWelcomed>().estate, "city-utility");
}

TEST(Link, DialsAgainWhenTheOrchestratorHangsUp) {
  FakeOrchestrator orchestrator;
  orchestrator.hang_up_after_report = true;
  Agent agent({orchestrator.address()});
  for (int i = 0; i < 3; ++i) {
    agent.Next<LinkWelcomed>();
    agent.link().Send(Report{.order = OrderId("r/1/0")});
    agent.Next<LinkDown>();
  }
}

TEST(Link, ComesBackWhenTheOrchestratorDoes) {
  auto first = std::make_unique<FakeOrchestrator>();
  const int port = first->port();
  Agent agent({first->address()});
  agent.Next<LinkWelcomed>();
  first.reset();
  agent.Next<LinkDown>();
  FakeOrchestrator second(grpc::InsecureServerCredentials(), port);
  agent.Next<LinkWelcomed>();
}

// Whoever gives up early in a storm never gets in.
TEST(Link, WaitsLongerFromRoundToRoundForAWelcomeThatIsLate) {
  FakeOrchestrator orchestrator;
  orchestrator.welcome_after = std::chrono::milliseconds(300);
  Agent agent({"127.0.0.1:1", orchestrator.address()},
              grpc::InsecureChannelCredentials(), absl::Milliseconds(20));
  EXPECT_EQ(agent.Next<LinkWelcomed>().estate, "city-utility");
}

TEST(Link, HangsUpWhenItIsTold) {
  FakeOrchestrator orchestrator;
  Agent agent({orchestrator.address()});
  agent.Next<LinkWelcomed>();
  agent.link().HangUp("wrong estate");
  agent.Next<LinkDown>();
}

TEST(Link, CarriesManyReportsInOrder) {
  FakeOrchestrator orchestrator;
  Agent agent({orchestrator.address()});
  agent.Next<LinkWelcomed>();
  orchestrator.heard.Next();
  for (int i = 0; i < 2000; ++i) {
    agent.link().Send(Report{.order = OrderId(absl::StrCat("r/", i, "/0"))});
  }
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(orchestrator.heard.Next().report().order_id(),
              absl::StrCat("r/", i, "/0"));
  }
}

TEST(Link, EndsWhileItIsDialling) {
  for (int i = 0; i < 20; ++i) Agent agent({"127.0.0.1:1"});
}

// Certificates of two authorities, made with openssl.
class TlsLink : public ::testing::Test {
 protected:
  TlsLink() {
    std::filesystem::create_directories(path_);
    ok_ = Authority("ca") && Authority("other") &&
          Leaf("ca", "server",
               "URI:sluice://city-utility/orchestrator,"
               "DNS:orchestrator.sluice") &&
          Leaf("ca", "agent", "URI:sluice://city-utility/agent/app-1") &&
          Leaf("other", "stranger", "URI:sluice://city-utility/agent/app-1");
  }
  ~TlsLink() override { std::filesystem::remove_all(path_); }

  bool OpenSsl(const std::string& arguments) {
    return std::system(absl::StrCat("cd ", path_.string(), " && openssl ",
                                    arguments, " >/dev/null 2>&1")
                           .c_str()) == 0;
  }
  bool Authority(const std::string& name) {
    return OpenSsl(absl::StrCat(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 ",
        "-subj /CN=", name, " -keyout ", name, ".key -out ", name, ".crt"));
  }
  bool Leaf(const std::string& authority, const std::string& name,
            const std::string& san) {
    std::ofstream(path_ / (name + ".ext")) << "subjectAltName=" << san << "\n";
    return OpenSsl(absl::StrCat(
               "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "
               "/CN=",
               name, " -keyout ", name, ".key -out ", name, ".csr")) &&
           OpenSsl(absl::StrCat("x509 -req -days 2 -in ", name, ".csr -CA ",
                                authority, ".crt -CAkey ", authority,
                                ".key -CAcreateserial -extfile ", name,
                                ".ext -out ", name, ".crt"));
  }
  std::string File(const std::string& name) const {
    return (path_ / name).string();
  }
  std::string Text(const std::string& name) const {
    std::stringstream text;
    text << std::ifstream(path_ / name).rdbuf();
    return text.str();
  }
  std::shared_ptr<grpc::ServerCredentials> ServerCredentials() const {
    grpc::SslServerCredentialsOptions options(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = Text("ca.crt");
    options.pem_key_cert_pairs = {{Text("server.key"), Text("server.crt")}};
    return grpc::SslServerCredentials(options);
  }

  const std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                      absl::StrCat("sluice-tls-", getpid());
  bool ok_ = false;
};

TEST_F(TlsLink, KnowsTheOrchestratorByItsNameWhateverAddressItHas) {
  ASSERT_TRUE(ok_) << "openssl could not make the certificates";
  FakeOrchestrator orchestrator(ServerCredentials());
  const auto credentials =
      ReadCredentials(File("agent.crt"), File("agent.key"), File("ca.crt"));
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  Agent agent({orchestrator.address()}, *credentials);
  EXPECT_EQ(agent.Next<LinkWelcomed>().epoch, 4u);
}

TEST_F(TlsLink, ComesUpNeitherToNorFromAnotherAuthority) {
  ASSERT_TRUE(ok_) << "openssl could not make the certificates";
  FakeOrchestrator orchestrator(ServerCredentials());
  Agent stranger({orchestrator.address()},
                 *ReadCredentials(File("stranger.crt"), File("stranger.key"),
                                  File("ca.crt")));
  EXPECT_THAT(stranger.logged.Next(), ::testing::HasSubstr("no link"));
  Agent misled({orchestrator.address()},
               *ReadCredentials(File("agent.crt"), File("agent.key"),
                                File("other.crt")));
  EXPECT_THAT(misled.logged.Next(), ::testing::HasSubstr("no link"));
}

TEST_F(TlsLink, NeedsFilesThatArePem) {
  EXPECT_FALSE(
      ReadCredentials("/no/such.crt", File("agent.key"), File("ca.crt")).ok());
}

}  // namespace
}  // namespace sluice::agent
