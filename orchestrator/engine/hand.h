// Manual points: enforcement points that nobody's program drives. What an agent
// would be ordered to do there, a person is asked to do; their signed word
// stands in the place of the agent's report.
//
// Isolating, closing, opening and starting are tasks. What needs no hand is
// answered at once, and claims nothing (S9): evidence that says who closed the
// point and that nobody measured it, checks without a verdict. No lease closes
// anything there (S3). A task that is not wanted any more is void; what was to
// be opened by it counts as perhaps open until somebody says that it is closed.

#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "orchestrator/engine/event.h"
#include "orchestrator/engine/step_state.h"
#include "orchestrator/engine/view.h"

namespace sluice::engine {

class Turn;
struct Pending;
struct Host;
struct World;

// After a plan came: which hosts people act for. A host that changes in a run
// is isolated: what was known of it came from the other side.
void NameManual(Turn& turn, const Plan& plan);
// At the start of a run: every manual point is to be closed, and whatever needs
// it waits until somebody says so.
void CloseManual(Turn& turn);

// An order that has just been made for a manual point: what a person would do.
void DescribeByHand(Turn& turn, Pending* pending);
// Tells people of it, or answers it.
void AskByHand(Turn& turn, const OrderKey& key);
// It is outstanding no more; when nobody answered it, it is void.
void SettleByHand(Turn& turn, const Pending& pending);

absl::Status CheckPoint(const World& world, const PointReported& event,
                        absl::Time now);
void ApplyPoint(Turn& turn, const PointReported& event);

// "closed, said by network-operator-1 at 10:41 UTC, not measured: …"; empty:
// nobody has said so.
std::string SaidText(const Host& host);
// Whom it waits for, as a sentence that begins with a verb.
std::string HandWaitText(const World& world, const Pending& pending);
// "a network-operator", "an approver".
std::string HandOwnerText(const World& world, const HostId& host);
std::vector<PointTaskView> PointTasksOf(const World& world);

}  // namespace sluice::engine
