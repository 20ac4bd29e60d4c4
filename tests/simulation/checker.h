// A checker watches one promise. It prints what is broken and when; the rest
// (which seed, which faults, the shortest trace) is the simulator's.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/watcher.h"

namespace sluice::simulation {

class Checker : public Watcher {
 public:
  explicit Checker(World& world) : world_(world) {}
  virtual absl::string_view promise() const = 0;  // "S1"
  // At the end of a run, when all has been healed.
  virtual void Ended() {}

 protected:
  void Violate(const std::string& what);

  World& world_;
};

// All of them, in the promises' order.
std::vector<std::unique_ptr<Checker>> MakeCheckers(World& world);

std::unique_ptr<Checker> MakeOrderChecker(World& world);      // S1
std::unique_ptr<Checker> MakeAuthorityChecker(World& world);  // S2
std::unique_ptr<Checker> MakeLeaseChecker(World& world);      // S3
std::unique_ptr<Checker> MakeSurvivorChecker(World& world);   // S4
std::unique_ptr<Checker> MakeIsolationChecker(World& world);  // S5
std::unique_ptr<Checker> MakeDiskChecker(World& world);       // S6
std::unique_ptr<Checker> MakeHistoryChecker(World& world);    // S7
std::unique_ptr<Checker> MakeStaleChecker(World& world);      // S8
std::unique_ptr<Checker> MakeHonestyChecker(World& world);    // S9
std::unique_ptr<Checker> MakeVoteChecker(World& world);       // S10
std::unique_ptr<Checker> MakeProgressChecker(World& world);   // L1
std::unique_ptr<Checker> MakeReasonChecker(World& world);     // L2

}  // namespace sluice::simulation
