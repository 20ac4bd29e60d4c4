// Twins of the loop's ports, and a small estate.

#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/journal/codec.h"
#include "orchestrator/journal/memory_journal.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/runtime/loop.h"

namespace sluice::runtime {

inline const char kManifest[] = R"(sluice: 1
estate: small
management: {orchestrators: ["10.9.0.1:7443"], operators: [10.9.0.1]}
approvers:
  duty-commander: {roles: [incident-commander]}
hosts:
  db-1: {address: [10.9.0.11]}
  app-1: {address: [10.9.0.12]}
systems:
  database:
    category: data
    hosts: [db-1]
    ports: {postgres: 5432/tcp}
    health: [{tcp: postgres}]
    soak: 5s
  application:
    category: billing
    hosts: [app-1]
    needs: [database:postgres]
    ports: {web: 8080/tcp}
    health: [{tcp: web}]
    soak: 5s
)";

inline absl::StatusOr<std::shared_ptr<const Plan>> LoadPlan(
    const std::vector<journal::SourceFile>& files) {
  ManifestSources sources;
  for (const journal::SourceFile& file : files) {
    sources.files.push_back({file.name, file.text});
  }
  const ManifestResult result = ParseManifest(sources);
  if (!result.ok()) {
    std::string text;
    for (const Diagnostic& diagnostic : result.diagnostics) {
      text += FormatDiagnostic(result, diagnostic, true, false);
    }
    return absl::InvalidArgumentError(text);
  }
  return MakePlan(result.model);
}

inline engine::PlanAdopted Adopted(const std::string& text = kManifest) {
  const std::vector<journal::SourceFile> files = {{"small.yaml", text}};
  auto plan = LoadPlan(files);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return {0, *plan, journal::EncodeSources(files), {}};
}

// A journal on a disk that can hang, for the threads of the real program.
class StickingJournal : public journal::Journal {
 public:
  absl::Status Append(uint64_t expected,
                      absl::Span<const journal::Record> records) override {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !stuck_; });
    return journal_.Append(expected, records);
  }
  absl::StatusOr<std::vector<journal::Record>> Read(uint64_t sequence,
                                                    size_t limit) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return journal_.Read(sequence, limit);
  }
  void FailWith(absl::Status status) {
    const std::lock_guard<std::mutex> lock(mutex_);
    journal_.FailWith(std::move(status));
  }
  void set_stuck(bool stuck) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stuck_ = stuck;
    }
    changed_.notify_all();
  }
  size_t size() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return journal_.records().size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  journal::MemoryJournal journal_;  // guarded by mutex_
  bool stuck_ = false;              // guarded by mutex_
};

// Remembers what left, in order, and how long the journal was then.
class FakeLink : public AgentLink {
 public:
  explicit FakeLink(journal::MemoryJournal* journal) : journal_(journal) {}

  struct Sent {
    engine::Order order;
    uint64_t epoch = 0;
    size_t records = 0;  // in the journal when it left
  };

  void Welcome(const HostId& host, StreamId stream, uint64_t epoch) override {
    welcomes.push_back({host, stream, epoch});
    said.push_back("welcome " + host.str());
  }
  void Send(uint64_t epoch, const engine::Order& order) override {
    sent.push_back({order, epoch, journal_->records().size()});
    said.push_back("order " + order.host.str());
  }
  void Renew(const HostId& host, uint64_t,
             const std::vector<std::string>& releases) override {
    renewed.emplace_back(host, releases);
  }
  void Refuse(const HostId& host, StreamId stream,
              const std::string& why) override {
    refused.emplace_back(host, stream);
    reasons.push_back(why);
  }

  struct Welcomed {
    HostId host;
    StreamId stream = 0;
    uint64_t epoch = 0;
  };
  std::vector<Welcomed> welcomes;
  std::vector<Sent> sent;
  std::vector<std::pair<HostId, std::vector<std::string>>> renewed;
  std::vector<std::pair<HostId, StreamId>> refused;
  std::vector<std::string> reasons;
  std::vector<std::string> said;

 private:
  journal::MemoryJournal* const journal_;
};

class FakeSink : public OperatorSink {
 public:
  void Announced(const HistoryLine& line) override { lines.push_back(line); }
  absl::Time Turned(const Glimpse&) override {
    ++turns;
    return absl::InfiniteFuture();
  }
  std::vector<HistoryLine> lines;
  int turns = 0;
};

// An orchestrator without threads, on a clock moved by hand.
class World : public ::testing::Test {
 protected:
  World() { Start(); }

  // As the program starts: from the journal alone.
  void Start(const std::string& manifest = kManifest) {
    loop_.reset();
    auto memory = Replay(journal_, LoadPlan);
    ASSERT_TRUE(memory.ok()) << memory.status();
    link_ = std::make_unique<FakeLink>(&journal_);
    sink_ = std::make_unique<FakeSink>();
    writer_ = std::make_unique<DirectWriter>(&journal_);
    loop_ = std::make_unique<Loop>(
        *std::move(memory), writer_.get(), link_.get(), sink_.get(),
        LoopOptions{"instance-" + std::to_string(++starts_)});
    const auto begun = loop_->Begin(Adopted(manifest), now_);
    ASSERT_TRUE(begun.ok()) << begun.status();
    in_force_ = *begun;
  }

  void Turn(absl::Duration later = absl::Milliseconds(1)) {
    now_ += later;
    next_ = loop_->Turn(now_);
  }

  void Say(const HostId& host, StreamId stream, engine::Event event) {
    EXPECT_TRUE(
        loop_->inbox().Tell({host, stream, std::move(event), nullptr}).ok());
  }
  engine::AgentConnected Hello(const HostId& host, uint64_t epoch = 0) {
    engine::AgentConnected hello;
    hello.host = host;
    hello.highest_epoch = epoch;
    hello.boot_id = "boot";
    hello.fence = fences_[host];
    return hello;
  }
  void Attach(const HostId& host, StreamId stream = 1, uint64_t epoch = 0) {
    Say(host, stream, Hello(host, epoch));
    Turn();
  }

  // A request of a person; its answer once a turn is over.
  std::shared_ptr<std::optional<Answer>> Ask(engine::Event event,
                                             bool isolation = false) {
    auto answer = std::make_shared<std::optional<Answer>>();
    FromPerson request;
    request.make = [event](const Glimpse&) { return event; };
    request.reply = [answer](const Answer& given) { *answer = given; };
    EXPECT_TRUE((isolation ? loop_->inbox().Isolate(std::move(request))
                           : loop_->inbox().Ask(std::move(request)))
                    .ok());
    return answer;
  }
  std::shared_ptr<std::optional<Answer>> IsolateAll() {
    engine::IsolationOrdered order;
    order.by = OperatorId("duty-commander");
    order.reason = "drill";
    return Ask(order, true);
  }
  // The host's agent obeys all isolations it was sent, and says so.
  void ObeyIsolations(StreamId stream = 1) {
    const auto sent = link_->sent;
    link_->sent.clear();
    for (const FakeLink::Sent& one : sent) {
      engine::OrderReported report;
      report.order = one.order.id;
      report.host = one.order.host;
      if (std::holds_alternative<engine::IsolateHost>(one.order.what)) {
        engine::FenceSeen& fence = fences_[report.host];
        fence.mode = engine::FenceSeen::Mode::kQuarantined;
        ++fence.quarantine_number;
        ++fence.state_serial;
      }
      report.fence = fences_[report.host];
      Say(report.host, stream, report);
    }
    Turn();
  }

  std::string Digest() { return loop_->Look().engine.StateDigest(); }

  const HostId db_ = HostId("db-1");
  const HostId app_ = HostId("app-1");
  absl::Time now_ = absl::FromUnixSeconds(1'795'000'000);
  absl::Time next_;
  int starts_ = 0;
  bool in_force_ = false;
  journal::MemoryJournal journal_;
  std::map<HostId, engine::FenceSeen> fences_;
  std::unique_ptr<FakeLink> link_;
  std::unique_ptr<FakeSink> sink_;
  std::unique_ptr<DirectWriter> writer_;
  std::unique_ptr<Loop> loop_;
};

}  // namespace sluice::runtime
