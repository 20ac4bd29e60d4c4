// How long an orchestrator with a long past takes until it can serve: opens a
// journal of so many records, checks every link and replays every record.
//
//   bench-restart [RECORDS] [HOSTS]     1,000,000 records of 25 hosts
//
// The journal is made by the real loop on the real store first: isolations of
// the whole estate with each host's answer, agents that come and go, leases
// that are lost. One line of JSON comes out.

#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/contract.h"
#include "orchestrator/journal/codec.h"
#include "orchestrator/journal/sqlite_journal.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/runtime/loop.h"
#include "orchestrator/runtime/replay.h"

namespace sluice {
namespace {

std::string ManifestOf(int hosts) {
  std::string text =
      "sluice: 1\nestate: long-lived\n"
      "management: {orchestrators: [\"10.9.255.1:7443\"], operators: "
      "[10.9.255.1]}\n"
      "approvers:\n  duty-commander: {roles: [incident-commander]}\nhosts:\n";
  for (int i = 0; i < hosts; ++i) {
    absl::StrAppend(&text, "  h-", i, ": {address: [10.9.", i / 200, ".",
                    i % 200 + 1, "]}\n");
  }
  absl::StrAppend(&text, "systems:\n");
  for (int i = 0; i < hosts; ++i) {
    absl::StrAppend(&text, "  s-", i, ": {category: data, hosts: [h-", i,
                    "], ports: {p: 80/tcp}, health: [{tcp: p}]}\n");
  }
  return text;
}

absl::StatusOr<std::shared_ptr<const Plan>> LoadPlan(
    const std::vector<journal::SourceFile>& files) {
  ManifestSources sources;
  for (const journal::SourceFile& file : files) {
    sources.files.push_back({file.name, file.text});
  }
  const ManifestResult result = ParseManifest(sources);
  if (!result.ok()) return absl::InvalidArgumentError("the manifest is wrong");
  return MakePlan(result.model);
}

class Quiet : public runtime::OperatorSink {
 public:
  void Announced(const runtime::HistoryLine&) override {}
  absl::Time Turned(const runtime::Glimpse&) override {
    return absl::InfiniteFuture();
  }
};

// Hosts that obey at once.
class Obedient : public runtime::AgentLink {
 public:
  void Welcome(const HostId&, runtime::StreamId, uint64_t) override {}
  void Send(uint64_t, const engine::Order& order) override {
    orders.push_back(order);
  }
  void Renew(const HostId&, uint64_t,
             const std::vector<std::string>&) override {}
  void Refuse(const HostId&, runtime::StreamId, const std::string&) override {}
  std::vector<engine::Order> orders;
};

class Past {
 public:
  Past(const std::string& path, int hosts) : hosts_(hosts) {
    auto journal = journal::SqliteJournal::Open(path);
    SLUICE_CHECK(journal.ok());
    journal_ = *std::move(journal);
    writer_ = std::make_unique<runtime::DirectWriter>(journal_.get());
    runtime::LoopOptions options;
    options.instance = "bench";
    loop_ = std::make_unique<runtime::Loop>(runtime::Memory(), writer_.get(),
                                            &link_, &sink_, options);
    const std::vector<journal::SourceFile> files = {
        {"long.yaml", ManifestOf(hosts)}};
    engine::PlanAdopted plan;
    plan.plan = *LoadPlan(files);
    plan.sources = journal::EncodeSources(files);
    SLUICE_CHECK(loop_->Begin(plan, now_).ok());
  }

  void Make(uint64_t records) {
    for (uint64_t round = 0; journal_->last_sequence() < records; ++round) {
      if (round % 50 == 0) Return();
      runtime::FromPerson request;
      request.make = [](const runtime::Glimpse&) {
        engine::IsolationOrdered order;
        order.by = OperatorId("duty-commander");
        order.reason = "an exercise";
        return order;
      };
      request.reply = [](const runtime::Answer&) {};
      SLUICE_CHECK(loop_->inbox().Isolate(std::move(request)).ok());
      Turn();
      Obey();
    }
  }

 private:
  void Turn() {
    now_ += absl::Seconds(1);
    loop_->Turn(now_);
  }
  void Return() {
    ++stream_;
    for (int i = 0; i < hosts_; ++i) {
      engine::AgentConnected hello;
      hello.host = HostId(absl::StrCat("h-", i));
      hello.agent_version = "0.1.0";
      hello.boot_id = "8c0ffee0-0000-4000-8000-000000000000";
      hello.fence = fences_[hello.host];
      SLUICE_CHECK(
          loop_->inbox().Tell({hello.host, stream_, hello, nullptr}).ok());
    }
    Turn();
    Obey();
  }
  void Obey() {
    for (const engine::Order& order : std::exchange(link_.orders, {})) {
      engine::OrderReported report;
      report.order = order.id;
      report.host = order.host;
      engine::FenceSeen& fence = fences_[order.host];
      fence.mode = engine::FenceSeen::Mode::kQuarantined;
      ++fence.quarantine_number;
      ++fence.state_serial;
      fence.rules_digest = absl::StrCat("sha256:", std::string(64, 'a'));
      report.fence = fence;
      SLUICE_CHECK(
          loop_->inbox().Tell({order.host, stream_, report, nullptr}).ok());
    }
    Turn();
  }

  const int hosts_;
  absl::Time now_ = absl::FromUnixSeconds(1'795'000'000);
  runtime::StreamId stream_ = 0;
  std::map<HostId, engine::FenceSeen> fences_;
  Obedient link_;
  Quiet sink_;
  std::unique_ptr<journal::SqliteJournal> journal_;
  std::unique_ptr<runtime::DirectWriter> writer_;
  std::unique_ptr<runtime::Loop> loop_;
};

// Of all threads: what a busy machine does not blur.
double CpuSeconds() {
  timespec used = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return absl::ToDoubleSeconds(absl::DurationFromTimespec(used));
}

int Main(int argc, char** argv) {
  uint64_t records = 1'000'000;
  int hosts = 25;
  if ((argc > 1 && !absl::SimpleAtoi(argv[1], &records)) ||
      (argc > 2 && !absl::SimpleAtoi(argv[2], &hosts)) || argc > 3) {
    std::fprintf(stderr, "usage: bench-restart [RECORDS] [HOSTS]\n");
    return 2;
  }
  std::string name =
      (std::filesystem::temp_directory_path() / "sluice-restart-XXXXXX")
          .string();
  const std::string directory = mkdtemp(name.data());
  const std::string path = directory + "/journal.db";
  const absl::Time started = absl::Now();
  Past(path, hosts).Make(records);
  const absl::Time made = absl::Now();
  const double cpu_before = CpuSeconds();
  auto journal = journal::SqliteJournal::Open(path);
  SLUICE_CHECK(journal.ok());
  const auto memory = runtime::Replay(**journal, LoadPlan);
  const absl::Duration took = absl::Now() - made;
  const double cpu = CpuSeconds() - cpu_before;
  std::filesystem::remove_all(directory);
  if (!memory.ok()) {
    std::fprintf(stderr, "%s\n",
                 std::string(memory.status().message()).c_str());
    return 1;
  }
  const double seconds = absl::ToDoubleSeconds(took);
  std::printf(
      "{\"records\": %llu, \"hosts\": %d, \"seconds\": %.2f, "
      "\"cpu_seconds\": %.2f, \"records_a_second\": %.0f, "
      "\"made_in_seconds\": %.1f}\n",
      static_cast<unsigned long long>(memory->head.sequence), hosts, seconds,
      cpu, static_cast<double>(memory->head.sequence) / seconds,
      absl::ToDoubleSeconds(made - started));
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::Main(argc, argv); }
