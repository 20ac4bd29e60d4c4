// Waivers: a check that a person said to go on without, by whom, why and until
// when. A waiver is about one check's verdicts and nothing else: it opens no
// flow, and stands for no decision. Where its check matters it is shown first
// (S9), and when its time is over the gate, or a hold, comes back.

#pragma once

#include <string>
#include <vector>

#include "common/ids.h"
#include "orchestrator/engine/event.h"
#include "orchestrator/planner/plan.h"

namespace sluice::engine {

class Turn;
struct World;

// Nobody can foresee more than this of a recovery.
inline constexpr absl::Duration kLongestWaiver = absl::Hours(7 * 24);

bool IsWaived(const World& world, const CheckId& check);

// The checks of a step whose last verdict is not a pass; sorted. REQUIRES:
// there is a run.
std::vector<CheckId> NotPassing(const World& world, int step);
// Whether the step runs this check, at any time.
bool RunsCheck(const World& world, int step, const CheckId& check);
// What a step's hosts are to watch: all but what is waived.
std::vector<PlannedCheck> ToWatch(const World& world, int step);

// REQUIRES: admitted.
void ApplyWaiver(Turn& turn, const WaiverGiven& event);
// Those whose time is over.
void ExpireWaivers(Turn& turn);
absl::Time NextWaiverEnds(const World& world);

// What is waived of a step and of what it needs, in words: "waived until 12:00
// UTC: …". Empty: nothing.
std::vector<std::string> WaiverTexts(const World& world, int step);

}  // namespace sluice::engine
