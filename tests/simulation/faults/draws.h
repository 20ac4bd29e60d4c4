// Every kind's draw, and what they share.

#pragma once

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {

using Draw = std::unique_ptr<Fault>(World& world, Random& random);

// weather.cc
Draw DrawLose, DrawDelay, DrawDuplicate, DrawReorder;
// partition.cc
Draw DrawPartition, DrawPartitionAll, DrawLinkBreaks;
// crash.cc
Draw DrawOrchestratorDies, DrawOrchestratorDiesWriting,
    DrawOrchestratorDiesSending, DrawOrchestratorFreezes, DrawAgentDies,
    DrawAgentDiesBetween;
// host.cc
Draw DrawReboot, DrawRollBack, DrawPowerCut, DrawAgentFileDamaged;
// clock.cc
Draw DrawWallClock, DrawDrift;
// disk.cc
Draw DrawDiskFull, DrawDiskReadOnly, DrawDiskHangs, DrawDiskLies,
    DrawJournalTorn, DrawAgentDiskFull, DrawAgentDiskHangs;
// kernel.cc
Draw DrawKernelRefuses, DrawKernelUndone;
// check.cc
Draw DrawCheckFails, DrawCheckInconclusive, DrawSlowChecks, DrawSilentChecks;
// people.cc
Draw DrawIsolate, DrawPause, DrawRefusing, DrawTwice, DrawSlowPeople, DrawEnd,
    DrawIsolateLocally;
// replan.cc
Draw DrawReplan;
// twin.cc
Draw DrawTwin;
// captured.cc
Draw DrawCaptured;

inline HostId AnyHost(World& world, Random& random) {
  return random.Pick(world.plan().hosts).id;
}

inline std::string Seconds(absl::Duration duration) {
  return absl::StrCat(absl::ToInt64Seconds(duration), "s");
}

}  // namespace sluice::simulation
