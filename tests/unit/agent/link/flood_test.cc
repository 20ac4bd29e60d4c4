// An orchestrator in an attacker's hands, over a real link: ten thousand orders
// at once, of every bad kind. Each is refused and said, nothing opens, and an
// isolation sent behind all of them is obeyed.

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/host/driver.h"
#include "agents/host/state_store.h"
#include "agents/isolation/memory_fence.h"
#include "agents/link/agent_link.h"
#include "common/contract.h"
#include "common/digest.h"
#include "sluice/v1/agent.grpc.pb.h"

namespace sluice::agent {
namespace {

constexpr int kMany = 10'000;
constexpr uint64_t kEpoch = 4;

Flow F(absl::string_view line) { return *Flow::Parse(line); }

// One bad order of each kind, again and again.
v1::Order Bad(int number) {
  v1::Order order;
  order.set_id(absl::StrCat("bad/", number, "/0"));
  order.set_epoch(kEpoch);
  order.set_deadline_ms(1000);
  switch (number % 8) {
    case 0:  // of no kind that there is
      break;
    case 1:  // of an older reign
      order.set_epoch(kEpoch - 1);
      order.mutable_read_fence();
      break;
    case 2:  // nobody released it
      order.mutable_open_flows()->set_release_digest(Sha256("none"));
      order.mutable_open_flows()->add_grants("portal>engine:web");
      break;
    case 3:  // flows that are none
      order.mutable_try_flows()->add_flows("tcp 10.77.0.21 everywhere 70000");
      break;
    case 4:  // a port that is in no release order
      order.mutable_try_flows()->add_flows("tcp 10.77.0.21 10.77.0.11 22");
      break;
    case 5:  // outside the host's own file
      order.mutable_start_unit()->set_unit("../../bin/sh");
      break;
    case 6:  // another host's proposal, of no quarantine of this one
      order.mutable_propose()->set_body("sluice release order 1\nhost x\n");
      order.mutable_propose()->set_round("apps/1");
      break;
    default:
      order.mutable_change_trust()->set_text("sluice rotation 1\nestate x\n");
      break;
  }
  return order;
}

// Welcomes, isolates, then sends all of it with an isolation at its end.
class Flooder : public v1::AgentLink::Service {
 public:
  Flooder() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    SLUICE_CHECK(server_ != nullptr);
  }
  ~Flooder() override { server_->Shutdown(std::chrono::system_clock::now()); }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  using Stream =
      grpc::ServerReaderWriter<v1::OrchestratorMessage, v1::AgentMessage>;
  grpc::Status Attach(grpc::ServerContext*, Stream* stream) override {
    v1::AgentMessage said;
    if (!stream->Read(&said) || !said.has_hello()) return grpc::Status::OK;
    std::thread writer([&] { Flood(stream); });
    while (stream->Read(&said)) {
      if (said.has_report()) Take(said.report());
    }
    writer.join();
    return grpc::Status::OK;
  }

  // True when everything was answered; else after half a minute.
  bool AwaitAll() {
    std::unique_lock lock(mutex_);
    return wake_.wait_for(lock, std::chrono::seconds(30), [this] {
      return reports.size() == static_cast<size_t>(kMany) + 2;
    });
  }

  std::map<std::string, v1::Report> reports;  // by order; REQUIRES: AwaitAll()
  absl::Time sent, isolated;
  int repeats = 0;

 private:
  void Flood(Stream* stream) {
    v1::OrchestratorMessage message;
    message.mutable_welcome()->set_epoch(kEpoch);
    message.mutable_welcome()->set_instance("one");
    message.mutable_welcome()->set_estate("city-utility");
    stream->Write(message);
    Isolate(stream, "first");
    for (int i = 0; i < kMany; ++i) {
      *message.mutable_order() = Bad(i);
      stream->Write(message);
      if (i % 100 == 0) stream->Write(message);  // and again
    }
    {
      const std::lock_guard lock(mutex_);
      sent = absl::Now();
    }
    Isolate(stream, "last");
  }
  static void Isolate(Stream* stream, const std::string& id) {
    v1::OrchestratorMessage message;
    message.mutable_order()->set_id(id);
    message.mutable_order()->set_epoch(kEpoch - 1);  // in any
    message.mutable_order()->mutable_isolate_host()->set_reason("drill");
    stream->Write(message);
  }
  void Take(const v1::Report& report) {
    const std::lock_guard lock(mutex_);
    if (report.order_id() == "last") isolated = absl::Now();
    if (!reports.emplace(report.order_id(), report).second) ++repeats;
    wake_.notify_all();
  }

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  std::condition_variable wake_;
};

TEST(Flood, OfBadOrdersIsRefusedOneByOneAndDelaysNoIsolation) {
  Flooder orchestrator;
  MemoryFence fence([] { return absl::Now(); });
  MemoryStateStore store;
  std::unique_ptr<AgentLink> link;
  CoreOptions options;
  options.estate = EstateId("city-utility");
  options.host = HostId("app-1");
  options.management = {F("tcp 10.77.0.21 10.77.0.1 7443")};
  Driver driver(std::move(options),
                {.fence = &fence,
                 .store = &store,
                 .now = TimeSinceBoot,
                 .start_checks = [](StartChecks) { FAIL(); },
                 .start_tries = [](StartTries) { FAIL(); },
                 .start_unit = [](StartUnitNow) { FAIL(); },
                 .send = [&](const Message& m) { link->Send(m); },
                 .hang_up =
                     [&](const std::string& why) {
                       ADD_FAILURE() << why;
                       link->HangUp(why);
                     },
                 .log = [](const std::string&) {}});
  driver.Start("boot-1", 1'795'000'000);
  link = std::make_unique<AgentLink>(
      LinkOptions{.orchestrators = {orchestrator.address()}},
      grpc::InsecureChannelCredentials(),
      [&](Event event) { driver.Post(std::move(event)); },
      [](const std::string&) {});
  std::thread loop([&] { driver.Run(); });
  link->Start();
  EXPECT_TRUE(orchestrator.AwaitAll());
  driver.Stop();
  loop.join();
  link.reset();

  std::set<std::string> reasons;
  for (const auto& [id, report] : orchestrator.reports) {
    if (id == "first" || id == "last") {
      EXPECT_EQ(report.outcome(), v1::OUTCOME_DONE) << id;
      continue;
    }
    EXPECT_EQ(report.outcome(), v1::OUTCOME_REFUSED) << id;
    EXPECT_FALSE(report.reason().empty()) << id;
    reasons.insert(report.reason());
  }
  EXPECT_GE(reasons.size(), 7u);
  EXPECT_EQ(driver.state().mode, Mode::kQuarantined);
  EXPECT_EQ(driver.state().quarantine_number, 2u);
  EXPECT_TRUE(driver.state().releases.empty());
  EXPECT_FALSE(fence.Admits(F("tcp 10.77.0.21 10.77.0.11 22")));
  std::printf(
      "an isolation behind %d orders was acknowledged in %.0f ms\n", kMany,
      absl::ToDoubleMilliseconds(orchestrator.isolated - orchestrator.sent));
}

}  // namespace
}  // namespace sluice::agent
