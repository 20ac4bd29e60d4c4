// A whole run of one manifest with the real engine, loop and codec on a
// journal in memory, with agents made of a few rules, and one trouble in it.

#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/journal/codec.h"
#include "orchestrator/journal/memory_journal.h"
#include "orchestrator/runtime/loop.h"
#include "orchestrator/runtime/writer.h"
#include "tests/crash/person.h"
#include "tests/crash/trouble.h"
#include "tests/scenarios/fake_agent.h"
#include "tests/scenarios/order_checker.h"

namespace sluice::crash {

// What is left when a run is over.
struct Ending {
  std::set<std::string> fenced;                   // hosts
  std::set<std::pair<HostId, std::string>> open;  // grants, on each host
  std::string run;    // of the run and its steps, as people see it
  std::string notes;  // of the steps: what they wait for, what is missing
  std::set<std::string> told;  // to people, without places and times
  // What may not be: of the order checker, of the journal, or that it did not
  // end.
  std::vector<std::string> violations;
  uint64_t records = 0;
  uint64_t orders = 0;             // that reached agents
  std::set<uint64_t> with_checks;  // of these, those that check or try
  bool struck = false;             // the trouble came about
  std::vector<std::string> story;  // orders, reports and what people heard
};

// A manifest that was read once for all runs of it.
struct Case {
  std::string name;
  std::string sources;  // engine::PlanAdopted's
  std::shared_ptr<const Plan> plan;
};
absl::StatusOr<Case> ReadCase(const std::string& path);

class Estate : private journal::Journal,
               private runtime::AgentLink,
               private runtime::OperatorSink {
 public:
  Estate(const Case& manifest, bool drill, Trouble trouble);
  ~Estate() override;

  Ending Run();

 private:
  struct Died {};  // thrown by a port where the process dies

  // ── the disk ──────────────────────────────────────────────────────────────
  absl::Status Append(uint64_t expected,
                      absl::Span<const journal::Record> records) override;
  absl::StatusOr<std::vector<journal::Record>> Read(uint64_t sequence,
                                                    size_t limit) override {
    return journal_.Read(sequence, limit);
  }

  // ── to agents and to people ───────────────────────────────────────────────
  void Welcome(const HostId& host, runtime::StreamId stream,
               uint64_t epoch) override;
  void Send(uint64_t epoch, const engine::Order& order) override;
  void Renew(const HostId& host, uint64_t epoch,
             const std::vector<std::string>& releases) override;
  void Refuse(const HostId& host, runtime::StreamId stream,
              const std::string& why) override;
  void Announced(const runtime::HistoryLine& line) override;
  absl::Time Turned(const runtime::Glimpse&) override {
    return absl::InfiniteFuture();
  }

  void Start();
  void Restart();
  void Turn();
  void Attach();
  bool Deliver();
  void Obey(const engine::Order& order, bool again);
  void Tell(const HostId& host, const engine::Event& event);
  bool AskPeople();
  void CheckTorn();
  void Note(const std::string& line);
  void Look(Ending* ending);
  void CheckHistory(Ending* ending);

  const Case& case_;
  const Trouble trouble_;
  Person person_;
  journal::MemoryJournal journal_;
  journal::PlanLoader loader_;
  std::unique_ptr<runtime::DirectWriter> writer_;
  std::unique_ptr<runtime::Loop> loop_;
  testing::OrderChecker checker_;
  std::map<HostId, testing::FakeAgent> agents_;
  std::map<HostId, runtime::StreamId> streams_;
  runtime::StreamId last_stream_ = 0;

  absl::Time now_ = absl::FromUnixSeconds(1'795'000'000);
  absl::Time next_;
  int instance_ = 0;
  std::deque<engine::Order> mail_;  // on its way to agents
  std::deque<std::pair<int, engine::Order>> orders_again_;  // due at a round
  std::deque<std::pair<int, engine::Event>> reports_again_;
  int round_ = 0;
  std::vector<engine::Event> on_its_way_;  // to the journal
  struct Given {
    engine::Event event;
    runtime::Answer answer;
  };
  std::vector<Given> answers_;
  std::vector<runtime::HistoryLine> told_;
  uint64_t orders_ = 0;
  std::set<uint64_t> with_checks_;
  int leave_ = -1;  // orders that still leave before it dies; -1: all
  bool struck_ = false;
  std::vector<std::string> violations_;
  std::vector<std::string> story_;
};

}  // namespace sluice::crash
