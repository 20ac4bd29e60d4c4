// One simulated estate: hosts, network, orchestrators, people, and what goes
// wrong; watched by the checkers. The same options give the same run, step by
// step, on every machine.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "orchestrator/planner/plan.h"
#include "tests/simulation/agenda.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/fault.h"
#include "tests/simulation/host.h"
#include "tests/simulation/network.h"
#include "tests/simulation/orchestrator.h"
#include "tests/simulation/people.h"
#include "tests/simulation/traffic.h"

namespace sluice::simulation {

struct Options {
  uint64_t seed = 1;
  std::string manifest;         // a path; empty: an estate drawn at random
  std::set<std::string> kinds;  // of faults; empty: all
  int most_faults = 10;
  std::set<int> left_out;  // faults, by their place in the drawing
  int most_systems = 6;
  bool traced = false;
  absl::Duration patience = absl::Minutes(90);  // for L1, after the healing
};

struct Violation {
  std::string promise;
  std::string text;
  absl::Duration at;
};

class World {
 public:
  explicit World(const Options& options);
  ~World();

  // Until all ended well, a promise was broken, or patience ran out.
  void Run();

  // ── what came of it ───────────────────────────────────────────────────────
  const std::vector<Violation>& violations() const { return violations_; }
  uint64_t steps() const { return agenda_.steps(); }
  std::string JournalHash() const;
  const std::vector<std::string>& trace() const { return trace_; }
  std::vector<std::string> FaultTexts() const;  // of all that were drawn
  const std::string& manifest() const { return manifest_; }
  absl::Duration elapsed() const { return now() - start_; }

  // ── for its parts ─────────────────────────────────────────────────────────
  Agenda& agenda() { return agenda_; }
  absl::Time now() const { return agenda_.now(); }
  const Plan& plan() const { return *plan_; }
  const std::string& sources() const { return sources_; }
  std::shared_ptr<const Plan> shared_plan() const { return plan_; }
  Host& host(const HostId& id) { return *hosts_.at(id); }
  const std::map<HostId, std::unique_ptr<Host>>& hosts() const {
    return hosts_;
  }
  Host* FindHost(const HostId& id);
  Network& network() { return *network_; }
  People& people() { return *people_; }
  Traffic& traffic() { return *traffic_; }
  Orchestrator& primary() { return *orchestrators_.front(); }
  // A further one, on a machine of its own; for faults.
  Orchestrator& AddOrchestrator();
  // Somebody else whom agents may come to; returns its number. Outlives it.
  int AddPeer(Peer* peer);
  Peer& peer(int number) { return *peers_[static_cast<size_t>(number)]; }
  bool healed() const { return healed_; }
  // Whether people work a point of the estate.
  bool by_hand() const { return by_hand_; }
  // The manifest as people have it now: what an orchestrator that starts reads.
  const std::string& newest_manifest() const { return newest_manifest_; }
  void SetManifest(const std::string& text);
  const std::vector<std::shared_ptr<const Plan>>& all_plans() const {
    return plans_;
  }
  int plans() const { return static_cast<int>(plans_.size()); }
  Watcher& watchers() { return *watchers_; }
  const Options& options() const { return options_; }

  // One line of the trace: who, then what.
  template <class... Parts>
  void Trace(absl::string_view who, const Parts&... what) {
    if (options_.traced) AddTrace(who, absl::StrCat(what...));
  }
  void Violate(absl::string_view promise, const std::string& text);

 private:
  void Draw();
  void DrawOne(const std::vector<const FaultKind*>& kinds, Random& random);
  void Heal();
  void Supervise();
  void AddTrace(absl::string_view who, const std::string& what);

  const Options options_;
  const absl::Time start_;
  Agenda agenda_;
  std::string manifest_;
  std::string sources_;
  std::shared_ptr<const Plan> plan_;
  std::string newest_manifest_;
  std::vector<std::shared_ptr<const Plan>> plans_;  // all there were
  std::unique_ptr<Watcher> watchers_;
  std::vector<std::unique_ptr<Checker>> checkers_;
  std::map<HostId, std::unique_ptr<Host>> hosts_;
  std::unique_ptr<Network> network_;
  std::vector<std::unique_ptr<Orchestrator>> orchestrators_;
  std::vector<Peer*> peers_;
  std::unique_ptr<People> people_;
  std::unique_ptr<Traffic> traffic_;
  struct Drawn {
    std::unique_ptr<Fault> fault;
    bool begun = false;
    bool ended = false;
  };
  std::vector<Drawn> faults_;
  bool healed_ = false;
  bool by_hand_ = false;
  std::vector<Violation> violations_;
  std::vector<std::string> trace_;
};

}  // namespace sluice::simulation
