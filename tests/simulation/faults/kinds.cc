#include "tests/simulation/faults/draws.h"

namespace sluice::simulation {

const std::vector<FaultKind>& FaultKinds() {
  static const std::vector<FaultKind> kinds = {
      {"agent-dies", 3, DrawAgentDies},
      {"agent-dies-between", 3, DrawAgentDiesBetween},
      {"agent-disk-full", 1, DrawAgentDiskFull},
      {"agent-disk-hangs", 0, DrawAgentDiskHangs},
      {"agent-file-damaged", 0, DrawAgentFileDamaged},
      {"captured", 2, DrawCaptured},
      {"check-fails", 3, DrawCheckFails},
      {"check-inconclusive", 1, DrawCheckInconclusive},
      {"delay", 2, DrawDelay},
      {"disk-full", 1, DrawDiskFull},
      {"disk-hangs", 1, DrawDiskHangs},
      {"disk-lies", 1, DrawDiskLies},
      {"disk-read-only", 1, DrawDiskReadOnly},
      {"drift", 1, DrawDrift},
      {"duplicate", 2, DrawDuplicate},
      {"end", 1, DrawEnd},
      {"isolate", 3, DrawIsolate},
      {"isolate-locally", 1, DrawIsolateLocally},
      {"journal-torn", 1, DrawJournalTorn},
      {"kernel-refuses", 1, DrawKernelRefuses},
      {"kernel-undone", 0, DrawKernelUndone},
      {"link-breaks", 2, DrawLinkBreaks},
      {"lose", 2, DrawLose},
      {"orchestrator-dies", 2, DrawOrchestratorDies},
      {"orchestrator-dies-sending", 2, DrawOrchestratorDiesSending},
      {"orchestrator-dies-writing", 3, DrawOrchestratorDiesWriting},
      {"orchestrator-freezes", 1, DrawOrchestratorFreezes},
      {"partition", 3, DrawPartition},
      {"partition-all", 1, DrawPartitionAll},
      {"pause", 1, DrawPause},
      {"power-cut", 1, DrawPowerCut},
      {"reboot", 3, DrawReboot},
      {"refusing-people", 1, DrawRefusing},
      {"reorder", 2, DrawReorder},
      {"replan", 2, DrawReplan},
      {"roll-back", 1, DrawRollBack},
      {"silent-checks", 1, DrawSilentChecks},
      {"slow-checks", 1, DrawSlowChecks},
      {"slow-people", 1, DrawSlowPeople},
      {"twice", 2, DrawTwice},
      {"twin", 2, DrawTwin},
      {"wall-clock", 1, DrawWallClock},
  };
  return kinds;
}

}  // namespace sluice::simulation
