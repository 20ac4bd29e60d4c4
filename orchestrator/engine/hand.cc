#include "orchestrator/engine/hand.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "orchestrator/engine/connect.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/hand_answer.h"
#include "orchestrator/engine/isolation.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/orders.h"
#include "orchestrator/engine/trust.h"
#include "orchestrator/engine/turn.h"
#include "orchestrator/planner/opening.h"

namespace sluice::engine {
namespace {

constexpr char kIsolate[] = "isolate";
constexpr char kClose[] = "close";
constexpr char kOpen[] = "open";
constexpr char kStart[] = "start";

// What a person does for an order; empty: nothing, it is answered at once.
std::string VerbOf(const OrderKind& what) {
  if (std::holds_alternative<IsolateHost>(what)) return kIsolate;
  if (std::holds_alternative<Withdraw>(what)) return kClose;
  if (std::holds_alternative<OpenFlows>(what)) return kOpen;
  if (std::holds_alternative<StartUnit>(what)) return kStart;
  return "";
}

const PlannedHost* PlannedOf(const World& world, const HostId& host) {
  return world.plan == nullptr ? nullptr : world.plan->FindHost(host);
}

// ── flows ───────────────────────────────────────────────────────────────────

std::string EndName(const HostId& host, const ExternalId& external) {
  return host.empty() ? external.str() : host.str();
}

// The flows of a grant that pass the point, as the plan has them.
std::vector<PointFlow> PlannedFlows(const Plan& plan, const GrantId& id,
                                    const HostId& host) {
  std::vector<PointFlow> flows;
  const PlannedGrant* grant = plan.FindGrant(id);
  if (grant == nullptr) return flows;
  for (const HostFlow& flow : grant->flows) {
    const bool passes = flow.client == host || flow.server == host ||
                        std::find(flow.through.begin(), flow.through.end(),
                                  host) != flow.through.end();
    if (!passes) continue;
    flows.push_back({EndName(flow.client, grant->client_external),
                     EndName(flow.server, grant->server_external), flow.flow});
  }
  return flows;
}

const Round* FindRound(const World& world, const std::string& digest) {
  if (!world.run.has_value()) return nullptr;
  for (const Gate& gate : world.run->gates) {
    if (gate.forming.has_value() && gate.forming->digest == digest) {
      return &*gate.forming;
    }
    for (const auto& [number, round] : gate.released) {
      if (round.digest == digest) return &round;
    }
  }
  return nullptr;
}

// What a release order opens at the point: exactly what people decided on, but
// for what reaches a host that was isolated since. An agent remembers that.
std::map<GrantId, std::vector<PointFlow>> ReleasedFlows(const World& world,
                                                        const HostId& host,
                                                        const OpenFlows& open) {
  std::map<GrantId, std::vector<PointFlow>> all;
  const Round* round = FindRound(world, open.release_digest);
  if (round == nullptr || round->plan == nullptr) return all;
  std::set<HostId> part;
  for (const ReleaseOrder::Host& line : round->order.hosts) {
    const auto state = round->hosts.find(line.id);
    const bool is_void = state != round->hosts.end() && state->second.is_void;
    if (!is_void) part.insert(line.id);
  }
  const std::map<GrantId, std::vector<Flow>> opening =
      FlowsAmong(*round->plan, round->order.steps, part, host);
  for (const GrantId& grant : open.grants) {
    const auto allowed = opening.find(grant);
    if (allowed == opening.end()) continue;
    for (PointFlow& flow : PlannedFlows(*round->plan, grant, host)) {
      const std::vector<Flow>& lines = allowed->second;
      if (std::find(lines.begin(), lines.end(), flow.flow) != lines.end()) {
        all[grant].push_back(std::move(flow));
      }
    }
  }
  return all;
}

bool IsWith(const PointFlow& flow, const std::vector<Prefix>& peers) {
  if (peers.empty()) return true;
  return std::any_of(peers.begin(), peers.end(), [&](const Prefix& peer) {
    return peer.Overlaps(flow.flow.client) || peer.Overlaps(flow.flow.server);
  });
}

bool IsMeant(const Withdraw& withdraw, const GrantId& grant) {
  return withdraw.grants.empty() ||
         std::find(withdraw.grants.begin(), withdraw.grants.end(), grant) !=
             withdraw.grants.end();
}

void SortUnique(std::vector<PointFlow>* flows) {
  std::sort(
      flows->begin(), flows->end(), [](const PointFlow& a, const PointFlow& b) {
        return std::tie(a.flow, a.from, a.to) < std::tie(b.flow, b.from, b.to);
      });
  flows->erase(std::unique(flows->begin(), flows->end(),
                           [](const PointFlow& a, const PointFlow& b) {
                             return a.flow == b.flow && a.from == b.from &&
                                    a.to == b.to;
                           }),
               flows->end());
}

// ── what is believed of the point ───────────────────────────────────────────

// What is said to be open, as an agent's reading would have it: no lease.
FenceSeen FenceOf(const Host& host, bool isolated_anew) {
  FenceSeen fence = host.fence.value_or(FenceSeen{});
  fence.mode = FenceSeen::Mode::kQuarantined;
  fence.quarantine_number += isolated_anew ? 1 : 0;
  ++fence.state_serial;
  fence.releases.clear();
  std::map<std::string, int> flows;
  for (const auto& [grant, opened] : host.opened_by_hand) {
    flows[opened.release] += static_cast<int>(opened.flows.size());
  }
  for (const auto& [digest, count] : flows) {
    fence.releases.push_back({digest, 0, count, absl::ZeroDuration(), {}});
  }
  return fence;
}

void NoteOpened(Host* host, const ByHand& by_hand, bool in_doubt) {
  for (const auto& [grant, flows] : by_hand.opens) {
    if (flows.empty()) continue;
    OpenedByHand& opened = host->opened_by_hand[grant];
    // What may be open beside it stays in mind until somebody closed it.
    opened.flows.insert(opened.flows.end(), flows.begin(), flows.end());
    SortUnique(&opened.flows);
    opened.release = by_hand.release;
    const bool all_said = !in_doubt && opened.flows.size() == flows.size();
    opened.in_doubt = !all_said && (opened.in_doubt || in_doubt);
  }
}

void NoteClosed(Host* host, const Withdraw& withdraw) {
  for (auto& [grant, opened] : host->opened_by_hand) {
    if (!IsMeant(withdraw, grant)) continue;
    std::erase_if(opened.flows, [&](const PointFlow& flow) {
      return IsWith(flow, withdraw.peers);
    });
  }
  std::erase_if(host->opened_by_hand, [](const auto& entry) {
    return entry.second.flows.empty();
  });
}

// What may be open of what is to be closed: said to be, or perhaps.
std::vector<PointFlow> FlowsToClose(const Host& host, const OrderKind& what) {
  std::vector<PointFlow> flows;
  const auto* withdraw = std::get_if<Withdraw>(&what);
  for (const auto& [grant, opened] : host.opened_by_hand) {
    if (withdraw != nullptr && !IsMeant(*withdraw, grant)) continue;
    for (const PointFlow& flow : opened.flows) {
      if (withdraw == nullptr || IsWith(flow, withdraw->peers)) {
        flows.push_back(flow);
      }
    }
  }
  SortUnique(&flows);
  return flows;
}

TaskId NextTask(Host* host, const HostId& id, absl::string_view verb) {
  return TaskId(absl::StrCat(id.str(), "/", verb, "-", ++host->tasks_made));
}

// ── words ───────────────────────────────────────────────────────────────────

std::string WhatText(const HostId& host, const Pending& pending) {
  const std::string& verb = pending.by_hand->verb;
  if (verb == kIsolate) {
    return absl::StrCat("close ", host.str(), ": nothing in, nothing out");
  }
  if (verb == kStart) {
    return absl::StrCat("start ", std::get<StartUnit>(pending.order.what).unit,
                        " on ", host.str());
  }
  return absl::StrCat(verb, " ", Count(pending.by_hand->flows.size(), "flow"),
                      " at ", host.str());
}

std::string NextText(const Pending& pending) {
  return absl::StrCat("sluice task done ", pending.by_hand->id.str());
}

std::string ReasonOf(const OrderKind& what) {
  if (const auto* isolate = std::get_if<IsolateHost>(&what)) {
    return isolate->reason;
  }
  if (const auto* withdraw = std::get_if<Withdraw>(&what)) {
    return withdraw->reason;
  }
  return "";
}

void Tell(Turn& turn, const OrderKey& key) {
  Pending& pending = turn.world.orders.at(key);
  const HostId& id = pending.order.host;
  pending.by_hand->told = true;
  const bool closes =
      pending.by_hand->verb == kIsolate || pending.by_hand->verb == kClose;
  turn.Say(
      closes ? "alarm" : "task", id.str(),
      absl::StrCat(id.str(), " has no agent: ", HandOwnerText(turn.world, id),
                   " is to ", WhatText(id, pending), ", by hand",
                   Because(ReasonOf(pending.order.what)),
                   closes ? ". Until they say so it counts as open" : "", ". `",
                   NextText(pending), "`"));
}

std::vector<PointFlow> FlowsOf(
    const std::map<GrantId, std::vector<PointFlow>>& grants) {
  std::vector<PointFlow> all;
  for (const auto& [grant, flows] : grants) {
    all.insert(all.end(), flows.begin(), flows.end());
  }
  SortUnique(&all);
  return all;
}

// S5: what is withdrawn is not asked to be opened any more. Somebody may have
// begun, so these flows are perhaps open, and what is left is another task.
void NarrowOpenings(Turn& turn, const HostId& id, const Withdraw& withdraw) {
  Host& host = turn.world.hosts[id];
  const OrderSet pending = host.pending;
  for (const OrderKey& key : pending) {
    const auto it = turn.world.orders.find(key);
    if (it == turn.world.orders.end()) continue;
    if (!it->second.by_hand.has_value() || it->second.by_hand->answered) {
      continue;
    }
    ByHand& by_hand = *it->second.by_hand;
    ByHand gone = by_hand;
    gone.opens.clear();
    for (auto& [grant, flows] : by_hand.opens) {
      if (!IsMeant(withdraw, grant)) continue;
      const auto first = std::stable_partition(
          flows.begin(), flows.end(), [&](const PointFlow& flow) {
            return !IsWith(flow, withdraw.peers);
          });
      if (first == flows.end()) continue;
      gone.opens[grant].assign(first, flows.end());
      flows.erase(first, flows.end());
    }
    if (gone.opens.empty()) continue;
    by_hand.flows = FlowsOf(by_hand.opens);
    if (!by_hand.told) continue;
    NoteOpened(&host, gone, true);
    by_hand.id = NextTask(&host, id, by_hand.verb);
    turn.Say("task", id.str(),
             absl::StrCat("task ", gone.id.str(), " is void: ",
                          by_hand.flows.empty()
                              ? "nothing of it is to be opened any more"
                              : absl::StrCat(by_hand.id.str(),
                                             " stands for what is left of it"),
                          "; close what you opened"));
    if (!by_hand.flows.empty()) continue;
    by_hand.answered = true;
    AnswerAtOnce(turn, it->second);
  }
}

const Pending* FindTask(const World& world, const HostId& host,
                        const TaskId& task) {
  const Host* state = world.FindHost(host);
  if (state == nullptr) return nullptr;
  for (const OrderKey& key : state->pending) {
    const Pending& pending = world.orders.at(key);
    if (pending.by_hand.has_value() && pending.by_hand->id == task) {
      return &pending;
    }
  }
  return nullptr;
}

// A closing at the point that was asked for before; empty: none is left. A
// person has no queue as an agent has one.
TaskId ClosingBefore(const World& world, const HostId& host,
                     const Pending& opening) {
  for (const OrderKey& key : world.hosts.at(host).pending) {
    const Pending& pending = world.orders.at(key);
    if (&pending == &opening) break;
    if (!pending.by_hand.has_value() || pending.by_hand->answered) continue;
    const std::string& verb = pending.by_hand->verb;
    if (verb == kIsolate || verb == kClose) return pending.by_hand->id;
  }
  return TaskId();
}

// What was known came from the other side, an agent or people.
void Become(Turn& turn, const HostId& id, bool manual) {
  Host& host = turn.world.hosts[id];
  host.manual = manual;
  host.fence.reset();
  host.closed.reset();
  host.opened_by_hand.clear();
  turn.SetHostTimer(id, absl::InfiniteFuture());
  const OrderSet pending = host.pending;
  for (const OrderKey& key : pending) {
    turn.SetOrderDeadline(key, absl::InfiniteFuture());
    if (manual) {
      turn.SendByHand(key);
    } else {
      turn.world.orders.at(key).by_hand.reset();
    }
  }
}

}  // namespace

void NameManual(Turn& turn, const Plan& plan) {
  for (const PlannedHost& planned : plan.hosts) {
    const bool manual = !planned.has_agent();
    if (turn.world.hosts[planned.id].manual == manual) continue;
    Become(turn, planned.id, manual);
    if (!turn.world.run_active()) continue;
    IsolateHosts(turn, {planned.id}, Stop::kFailed,
                 manual ? "by the new plan people work it by hand"
                        : "by the new plan an agent works it");
  }
}

void CloseManual(Turn& turn) {
  for (const PlannedHost& planned : turn.world.plan->hosts) {
    if (planned.has_agent()) continue;
    Host& host = turn.world.hosts[planned.id];
    host.must_be_quarantined = true;
    const bool closed = host.quarantined() && host.opened_by_hand.empty();
    host.never_isolated = !closed;
    if (closed) continue;
    IsolateHosts(turn, {planned.id}, Stop::kIsolated,
                 "a run begins with everything closed");
  }
}

void DescribeByHand(Turn& turn, Pending* pending) {
  const std::string verb = VerbOf(pending->order.what);
  if (verb.empty()) return;
  const HostId& id = pending->order.host;
  ByHand by_hand;
  by_hand.id = NextTask(&turn.world.hosts[id], id, verb);
  by_hand.verb = verb;
  if (const auto* open = std::get_if<OpenFlows>(&pending->order.what)) {
    by_hand.release = open->release_digest;
    by_hand.opens = ReleasedFlows(turn.world, id, *open);
    by_hand.flows = FlowsOf(by_hand.opens);
  }
  pending->by_hand = std::move(by_hand);
}

void AskByHand(Turn& turn, const OrderKey& key) {
  const auto it = turn.world.orders.find(key);
  if (it == turn.world.orders.end()) return;
  Pending& pending = it->second;
  if (pending.by_hand.has_value()) {
    ByHand& by_hand = *pending.by_hand;
    const OrderKind& what = pending.order.what;
    if (const auto* withdraw = std::get_if<Withdraw>(&what)) {
      NarrowOpenings(turn, pending.order.host, *withdraw);
    }
    const bool closes = by_hand.verb == kIsolate || by_hand.verb == kClose;
    if (closes) {
      by_hand.flows = FlowsToClose(turn.world.hosts[pending.order.host], what);
    }
    // There is nothing of it there to be opened or closed.
    const bool nothing =
        by_hand.flows.empty() && (by_hand.verb == kClose ||
                                  by_hand.verb == kOpen);
    if (!nothing) {
      Tell(turn, key);
      return;
    }
    by_hand.answered = true;
  }
  AnswerAtOnce(turn, pending);
}

void SettleByHand(Turn& turn, const Pending& pending) {
  const ByHand& by_hand = *pending.by_hand;
  if (!by_hand.told || by_hand.answered) return;
  const HostId& id = pending.order.host;
  Host& host = turn.world.hosts[id];
  const bool opens = by_hand.verb == kOpen;
  if (opens) NoteOpened(&host, by_hand, true);
  turn.Say("task", id.str(),
           absl::StrCat("task ", by_hand.id.str(), " is void: ",
                        opens ? "do not open it, and close what you opened"
                              : "it is not wanted any more, or asked anew"));
}

absl::Status CheckPoint(const World& world, const PointReported& event,
                        absl::Time now) {
  const Pending* pending = FindTask(world, event.host, event.task);
  if (pending == nullptr) {
    std::vector<std::string> known;
    for (const PointTaskView& task : PointTasksOf(world)) {
      known.push_back(task.id.str());
    }
    return absl::NotFoundError(
        absl::StrCat("no task '", event.task.str(),
                     "' is waited for: it was answered, is "
                     "void, or there never was one",
                     DidYouMean(event.task.str(), known),
                     "; `sluice task list` has those there are"));
  }
  if (pending->order.id != event.order || pending->by_hand->answered) {
    return absl::FailedPreconditionError(
        absl::StrCat("task '", event.task.str(),
                     "' is another than the one you saw, or was answered "
                     "already: look at `sluice task list`"));
  }
  if (pending->by_hand->verb == kOpen) {
    const TaskId first = ClosingBefore(world, event.host, *pending);
    if (!first.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat("first '", first.str(), "': what it closes there was "
                       "to be closed before this opens"));
    }
  }
  if (event.saw.empty()) {
    return absl::InvalidArgumentError(
        event.done ? "say what you saw there, with `--saw TEXT`: nobody else "
                     "measures it"
                   : "say why it could not be done, with `--reason TEXT`");
  }
  const PlannedHost* planned = PlannedOf(world, event.host);
  const RoleId owner =
      planned == nullptr ? RoleId() : planned->instructions.owner;
  const bool may =
      owner.empty() ? !event.roles.empty()
                    : std::find(event.roles.begin(), event.roles.end(),
                                owner) != event.roles.end() ||
                          !TaskDelegator(world, event.by, owner, now).empty();
  if (may) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(
      "task '", event.task.str(), "' is for ", HandOwnerText(world, event.host),
      ", and ", event.by.str(), " is not one: whoever did it signs it"));
}

void ApplyPoint(Turn& turn, const PointReported& event) {
  const std::optional<OrderKey> key = ParseOrderId(event.order);
  if (!key.has_value()) return;
  const auto it = turn.world.orders.find(*key);
  if (it == turn.world.orders.end()) return;
  Pending& pending = it->second;
  Host& host = turn.world.hosts[event.host];
  pending.by_hand->answered = true;
  const std::string what = WhatText(event.host, pending);
  OrderReported report;
  report.order = event.order;
  report.host = event.host;
  if (!event.done) {
    turn.Say(
        "task", event.by.str(),
        absl::StrCat(event.by.str(), " could not ", what, ": ", event.saw));
    report.outcome = Outcome::kFailed;
    report.reason = absl::StrCat(event.by.str(), " says: ", event.saw);
    ApplyReport(turn, report);
    return;
  }
  turn.Say("task", event.by.str(),
           absl::StrCat(event.by.str(), " says that they did: ", what,
                        " (not measured). They saw: ", event.saw));
  if (const auto* withdraw = std::get_if<Withdraw>(&pending.order.what)) {
    NoteClosed(&host, *withdraw);
    if (host.fence.has_value()) report.fence = FenceOf(host, false);
  } else if (pending.by_hand->verb == kOpen) {
    NoteOpened(&host, *pending.by_hand, false);
    if (host.fence.has_value()) report.fence = FenceOf(host, false);
    if (pending.step >= 0) {
      AddNote(&turn.step(pending.step),
              absl::StrCat(event.host.str(), " was opened by hand, says ",
                           event.by.str(), "; not measured"));
    }
  } else if (pending.by_hand->verb == kIsolate) {
    host.opened_by_hand.clear();
    host.closed = Host::Word{event.by, turn.now(), event.saw};
    report.fence = FenceOf(host, true);
  }
  ApplyReport(turn, report);
}

std::string SaidText(const Host& host) {
  if (!host.manual || !host.closed.has_value()) return "";
  std::string text = absl::StrCat("closed, said by ", host.closed->by.str(),
                                  " at ", ClockText(host.closed->at),
                                  ", not measured: ", host.closed->saw);
  size_t open = 0;
  bool in_doubt = false;
  std::set<Flow> flows;
  for (const auto& [grant, opened] : host.opened_by_hand) {
    for (const PointFlow& flow : opened.flows) flows.insert(flow.flow);
    in_doubt = in_doubt || opened.in_doubt;
  }
  open = flows.size();
  if (open > 0) {
    absl::StrAppend(&text, "; since then ", Count(open, "flow"),
                    in_doubt ? " opened, or perhaps so" : " opened");
  }
  return text;
}

std::string HandOwnerText(const World& world, const HostId& host) {
  const PlannedHost* planned = PlannedOf(world, host);
  if (planned == nullptr || planned->instructions.owner.empty()) {
    return "an approver";
  }
  return A(planned->instructions.owner.str());
}

std::string HandWaitText(const World& world, const Pending& pending) {
  const HostId& host = pending.order.host;
  return absl::StrCat("waits for ", HandOwnerText(world, host), " to ",
                      WhatText(host, pending), ", by hand: `",
                      NextText(pending), "`");
}

std::vector<PointTaskView> PointTasksOf(const World& world) {
  std::vector<PointTaskView> tasks;
  for (const auto& [key, pending] : world.orders) {
    if (!pending.by_hand.has_value() || pending.by_hand->answered) continue;
    const HostId& id = pending.order.host;
    PointTaskView task;
    task.id = pending.by_hand->id;
    task.host = id;
    task.order = pending.order.id;
    task.verb = pending.by_hand->verb;
    task.what = WhatText(id, pending);
    task.flows = pending.by_hand->flows;
    task.release = pending.by_hand->release;
    task.reason = ReasonOf(pending.order.what);
    task.since = pending.sent;
    if (const PlannedHost* planned = PlannedOf(world, id)) {
      const Instructions& how = planned->instructions;
      task.owner = how.owner;
      const bool closes = task.verb == kIsolate || task.verb == kClose;
      if (closes) task.instructions = how.close;
      if (task.verb == kOpen) task.instructions = how.open;
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

}  // namespace sluice::engine
