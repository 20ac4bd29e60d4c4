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

// What a release order opens at the point: exactly what people decided on.
std::map<GrantId, std::vector<PointFlow>> ReleasedFlows(const World& world,
                                                        const HostId& host,
                                                        const OpenFlows& open) {
  std::map<GrantId, std::vector<PointFlow>> all;
  const Round* round = FindRound(world, open.release_digest);
  if (round == nullptr || round->plan == nullptr) return all;
  std::set<HostId> part;
  for (const ReleaseOrder::Host& line : round->order.hosts) {
    part.insert(line.id);
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

// What may be open at the point of what is to be closed.
std::vector<PointFlow> FlowsToClose(const Plan* plan, const Host& host,
                                    const HostId& id,
                                    const Withdraw& withdraw) {
  std::vector<PointFlow> flows;
  const auto add = [&](const std::vector<PointFlow>& some) {
    for (const PointFlow& flow : some) {
      if (IsWith(flow, withdraw.peers)) flows.push_back(flow);
    }
  };
  for (const auto& [grant, opened] : host.opened_by_hand) {
    const bool meant = withdraw.grants.empty() ||
                       std::find(withdraw.grants.begin(), withdraw.grants.end(),
                                 grant) != withdraw.grants.end();
    if (meant) add(opened.flows);
  }
  // Nobody said that these were opened, but somebody may have begun.
  for (const GrantId& grant : withdraw.grants) {
    if (plan != nullptr && !host.opened_by_hand.contains(grant)) {
      add(PlannedFlows(*plan, grant, id));
    }
  }
  return flows;
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
    OpenedByHand& opened = host->opened_by_hand[grant];
    // What somebody said is open stays so.
    if (in_doubt && !opened.flows.empty()) continue;
    opened = {by_hand.release, flows, in_doubt};
  }
}

void NoteClosed(Host* host, const Withdraw& withdraw) {
  for (auto& [grant, opened] : host->opened_by_hand) {
    const bool meant = withdraw.grants.empty() ||
                       std::find(withdraw.grants.begin(), withdraw.grants.end(),
                                 grant) != withdraw.grants.end();
    if (!meant) continue;
    std::erase_if(opened.flows, [&](const PointFlow& flow) {
      return IsWith(flow, withdraw.peers);
    });
  }
  std::erase_if(host->opened_by_hand,
                [](const auto& entry) { return entry.second.flows.empty(); });
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
  if (pending.by_hand->verb == kIsolate) {
    // Among them what was asked for until this made it void.
    for (const auto& [grant, opened] : turn.world.hosts[id].opened_by_hand) {
      std::vector<PointFlow>& flows = pending.by_hand->flows;
      flows.insert(flows.end(), opened.flows.begin(), opened.flows.end());
    }
    SortUnique(&pending.by_hand->flows);
  }
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

// ── what needs no hand ──────────────────────────────────────────────────────

CheckReport Unchecked(const PlannedCheck& check, const HostId& host) {
  return {check.id,
          {Verdict::kInconclusive,
           absl::StrCat("nobody's program looks at ", host.str(),
                        "; look yourself, and `sluice skip` it"),
           absl::StrCat("host ", host.str())}};
}

std::vector<CheckReport> Unchecked(const std::vector<PlannedCheck>& checks,
                                   const HostId& host) {
  std::vector<CheckReport> reports;
  for (const PlannedCheck& check : checks) {
    reports.push_back(Unchecked(check, host));
  }
  return reports;
}

std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return text;
}

// The form of an agent's evidence, signed by nobody: it says who closed the
// point, and whatever is asked of it without a verdict.
EvidenceFrozen EvidenceOf(const World& world, const HostId& id,
                          const FreezeEvidence& freeze) {
  const Host& host = world.hosts.at(id);
  EvidenceFrozen frozen;
  frozen.text =
      absl::StrCat("sluice evidence 1\nestate ", world.plan->estate.str(),
                   "\nhost ", id.str(), "\nquarantine-number ",
                   host.fence ? host.fence->quarantine_number : 0, "\nround ",
                   freeze.round, "\nenforcement manual\n");
  if (const std::string said = SaidText(host); !said.empty()) {
    absl::StrAppend(&frozen.text, "by-hand ", OneLine(said), "\n");
  }
  frozen.results = Unchecked(freeze.inspections, id);
  for (size_t i = 0; i < frozen.results.size(); ++i) {
    absl::StrAppend(&frozen.text, "inspect ", freeze.inspections[i].id.str(),
                    " ", freeze.inspections[i].spec.Line(), "\ninconclusive ",
                    frozen.results[i].result.reason, "\n");
  }
  frozen.digest = Sha256(frozen.text);
  return frozen;
}

struct Answer {
  const World& world;
  const HostId& host;
  OrderReported* report;

  void operator()(const FreezeEvidence& freeze) const {
    report->detail = EvidenceOf(world, host, freeze);
  }
  void operator()(const Propose&) const {
    report->detail = ReleaseAnswered{true, ""};
  }
  void operator()(const RunChecks& run) const {
    report->detail = ChecksDone{Unchecked(run.checks, host)};
  }
  void operator()(const Watch& watch) const {
    report->detail = ChecksDone{Unchecked(watch.checks, host)};
  }
  void operator()(const TryFlows& flows) const {
    FlowsTried tried;
    for (const Flow& flow : flows.flows) {
      tried.tries.push_back(
          {flow, Verdict::kInconclusive, "nobody's program can try it"});
    }
    report->detail = std::move(tried);
  }
  void operator()(const ChangeTrust&) const {
    report->outcome = Outcome::kRefused;
    report->reason = "no agent runs there";
  }
  // A confirmation ends leases, and nothing there has one.
  template <class Other>
  void operator()(const Other&) const {}
};

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
  const World& world = turn.world;
  const std::string verb = VerbOf(pending->order.what);
  if (verb.empty()) return;
  const HostId& id = pending->order.host;
  Host& host = turn.world.hosts[id];
  ByHand by_hand;
  by_hand.id =
      TaskId(absl::StrCat(id.str(), "/", verb, "-", ++host.tasks_made));
  by_hand.verb = verb;
  const Plan* plan =
      world.run.has_value() ? &world.run->plan().plan() : world.plan.get();
  if (const auto* withdraw = std::get_if<Withdraw>(&pending->order.what)) {
    by_hand.flows = FlowsToClose(plan, host, id, *withdraw);
  } else if (const auto* open = std::get_if<OpenFlows>(&pending->order.what)) {
    by_hand.release = open->release_digest;
    by_hand.opens = ReleasedFlows(world, id, *open);
    for (const auto& [grant, flows] : by_hand.opens) {
      by_hand.flows.insert(by_hand.flows.end(), flows.begin(), flows.end());
    }
  }
  SortUnique(&by_hand.flows);
  pending->by_hand = std::move(by_hand);
}

void AskByHand(Turn& turn, const OrderKey& key) {
  const auto it = turn.world.orders.find(key);
  if (it == turn.world.orders.end()) return;
  const Pending& pending = it->second;
  // There is nothing of it there to be opened or closed.
  const bool nothing =
      pending.by_hand.has_value() && pending.by_hand->flows.empty() &&
      (pending.by_hand->verb == kClose || pending.by_hand->verb == kOpen);
  if (pending.by_hand.has_value() && !nothing) {
    Tell(turn, key);
    return;
  }
  OrderReported report;
  report.order = pending.order.id;
  report.host = pending.order.host;
  const HostId host = pending.order.host;
  std::visit(Answer{turn.world, host, &report}, pending.order.what);
  ApplyReport(turn, report);
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
