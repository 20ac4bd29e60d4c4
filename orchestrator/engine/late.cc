// A soft need never blocks its client. When what it reaches is well only after
// the client opened, its grant opens then, under the same release order.

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/connect.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/soak.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

constexpr absl::Duration kLateDeadline = absl::Seconds(15);
constexpr absl::Duration kConfirmAgain = absl::Seconds(2);
constexpr int kConfirmRefusals = 20;

Pending Meta(int step, int grant) {
  Pending meta;
  meta.purpose = Purpose::kLate;
  meta.step = step;
  meta.grant = grant;
  return meta;
}

void SendTo(Turn& turn, int number, int grant, const OrderKind& what,
            const std::map<HostId, std::vector<GrantId>>& hosts) {
  Late& late = turn.step(number).late[grant];
  for (const auto& [host, ids] : hosts) {
    late.waiting.insert(
        turn.Send(host, what, kLateDeadline, Meta(number, grant)));
  }
}

void SendTries(Turn& turn, int number, int grant) {
  Step& step = turn.step(number);
  for (const auto& [host, part] : step.parts) {
    if (!part.in) continue;
    std::vector<std::string> notes;
    TryFlows tries;
    tries.flows = TryableFlows(turn, number, host, {grant}, &notes);
    for (const std::string& note : notes) AddNote(&step, note);
    if (tries.flows.empty()) continue;
    step.late[grant].waiting.insert(turn.Send(
        host, std::move(tries), absl::Seconds(30), Meta(number, grant)));
  }
}

// Opens the next part; it is confirmed when its own soak is over, and after the
// rest of the step.
void Proceed(Turn& turn, int number, int grant) {
  while (true) {
    Step& step = turn.step(number);
    Late& late = step.late[grant];
    if (!late.waiting.empty() || turn.now() < late.again) return;
    const Round* round = RoundOf(turn.run(), number);
    const GrantId& id = turn.plan().grant(grant).grant->id;
    const OpenFlows open{round->digest, {id}, round->Decisions()};
    const Confirm confirm{round->digest, {id}, turn.plan().planned(number).id};
    auto servers = ServersOf(turn, number, {grant});
    const auto clients = ClientsOf(turn, number, {grant});
    switch (late.stage) {
      case Late::Stage::kServers:
        ShutMissingServers(turn, number, {grant});
        SendTo(turn, number, grant, open, servers);
        late.stage = Late::Stage::kClients;
        break;
      case Late::Stage::kClients:
        SendTo(turn, number, grant, open, clients);
        late.stage = Late::Stage::kTry;
        break;
      case Late::Stage::kTry:
        SendTries(turn, number, grant);
        late.stage = Late::Stage::kConfirm;
        late.again = turn.now() + turn.plan().planned(number).soak;
        break;
      case Late::Stage::kConfirm:
        if (!In<Reconnected>(step)) return;
        servers.insert(clients.begin(), clients.end());
        SendTo(turn, number, grant, confirm, servers);
        late.stage = Late::Stage::kDone;
        break;
      case Late::Stage::kDone:
        turn.Touch(number);
        return;
    }
  }
}

void GiveUp(Turn& turn, int number, int grant, const std::string& why) {
  Step& step = turn.step(number);
  turn.ForgetAll(&step.late[grant].waiting);
  step.late.erase(grant);
  step.opened.erase(grant);
  step.closed.insert(grant);
  const GrantInfo& info = turn.plan().grant(grant);
  AddNote(&step, absl::StrCat("its soft need ", info.grant->id.str(),
                              " stays closed: ", why));
  auto hosts = ServersOf(turn, number, {grant});
  for (auto& [host, ids] : ClientsOf(turn, number, {grant})) hosts[host] = ids;
  for (const auto& [host, ids] : hosts) {
    Pending meta;
    meta.purpose = Purpose::kWithdraw;
    turn.Send(host, Withdraw{{info.grant->id}, why}, absl::Seconds(30),
              std::move(meta));
  }
  turn.Touch(number);
}

// A step that is back waits for nothing else, so its timer is free.
void AwaitSoaks(Turn& turn, int number) {
  if (!In<Reconnected>(turn.step(number))) return;
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [grant, late] : turn.step(number).late) {
    const bool soaks = late.stage == Late::Stage::kConfirm &&
                       late.waiting.empty() && late.again > turn.now();
    if (soaks) next = std::min(next, late.again);
  }
  if (next != turn.step(number).timer) turn.SetTimer(number, next);
}

}  // namespace

void AdvanceLate(Turn& turn, int number) {
  const Step& step = turn.step(number);
  if (!turn.plan().step(number).soft && step.late.empty()) return;
  const bool may_open = In<Probing>(step) || In<Soaking>(step) ||
                        In<Accepting>(step) || In<Reconnected>(step);
  if (!may_open || step.stop != Stop::kNone || turn.run().paused) return;
  const Round* round = RoundOf(turn.run(), number);
  if (round == nullptr || turn.now() >= round->valid_until) return;
  // S1: its hard needs count for whatever it opens.
  if (!NeedsMet(turn.world, number)) return;
  for (const int grant : turn.plan().step(number).grants) {
    const GrantInfo& info = turn.plan().grant(grant);
    if (info.hard || info.target < 0 || step.closed.contains(grant)) continue;
    const auto late = step.late.find(grant);
    if (late == step.late.end()) {
      if (step.opened.contains(grant)) continue;
      if (!IsHealthyNow(turn.world, info.target)) continue;
      turn.step(number).opened.insert(grant);
    } else if (late->second.stage == Late::Stage::kDone) {
      continue;
    }
    Proceed(turn, number, grant);
  }
  AwaitSoaks(turn, number);
}

void LateReported(Turn& turn, OrderKey key, const Pending& pending,
                  const OrderReported& report) {
  const int number = pending.step;
  const int grant = pending.grant;
  Step& step = turn.step(number);
  const auto it = step.late.find(grant);
  if (it == step.late.end() || it->second.waiting.erase(key) == 0) return;
  turn.Touch(number);
  Late& late = it->second;
  const bool confirms = std::holds_alternative<Confirm>(pending.order.what);
  if (report.outcome != Outcome::kDone) {
    // Several hosts refuse one attempt.
    const bool first = late.stage == Late::Stage::kDone;
    if (!confirms || (first && ++late.refusals >= kConfirmRefusals)) {
      GiveUp(turn, number, grant, report.reason);
      return;
    }
    // Its soak is not over on the agent's clock.
    late.stage = Late::Stage::kConfirm;
    if (first) late.again = turn.now() + kConfirmAgain;
    return;
  }
  if (const auto* tried = std::get_if<FlowsTried>(&report.detail)) {
    std::vector<std::string> notes;
    const std::string failed =
        TriedInVain(turn, number, report.host, grant, tried->tries, &notes);
    for (const std::string& note : notes) AddNote(&step, note);
    if (!failed.empty()) {
      AddNote(&step, absl::StrCat("its soft need does not answer: ", failed));
    }
  }
}

}  // namespace sluice::engine
