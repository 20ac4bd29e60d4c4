#include "orchestrator/engine/proposal.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/turn.h"
#include "orchestrator/planner/opening.h"

namespace sluice::engine {
namespace {

constexpr absl::Duration kProposeDeadline = absl::Seconds(15);

std::vector<StepId> StepIds(Turn& turn, const Round& round) {
  std::vector<StepId> ids;
  for (const int number : round.steps) {
    ids.push_back(turn.plan().planned(number).id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

// Hosts that only steps which left the round had to do with are not asked.
void KeepConcernedHosts(Turn& turn, Round* round) {
  std::set<HostId> concerned;
  for (const int number : round->steps) {
    const std::vector<HostId>& hosts = turn.plan().step(number).all_hosts;
    concerned.insert(hosts.begin(), hosts.end());
  }
  for (auto it = round->hosts.begin(); it != round->hosts.end();) {
    it = concerned.contains(it->first) ? std::next(it) : round->hosts.erase(it);
  }
}

// Why a system goes on without one of its hosts; empty: it does not, or the
// host is none of its own.
std::string WhyMissing(Turn& turn, int system, const HostId& host) {
  if (system < 0) return "";
  const Step& step = turn.step(system);
  const auto part = step.parts.find(host);
  if (part == step.parts.end() || part->second.in) return "";
  return absl::StrCat(turn.plan().name(system), " goes on without it",
                      Because(part->second.why));
}

// A host that the round only has as a server of systems that go on without it
// stays closed: nothing is proposed to it or about it.
void LeaveOutMissing(Turn& turn, Round* round) {
  std::set<HostId> own;
  std::map<HostId, std::string> missing;  // host → why
  std::set<HostId> wanted;
  for (const int number : round->steps) {
    const std::vector<HostId>& hosts = turn.plan().planned(number).hosts;
    own.insert(hosts.begin(), hosts.end());
    for (const int grant : turn.plan().step(number).grants) {
      const GrantInfo& info = turn.plan().grant(grant);
      for (const HostId& server : info.servers) {
        const std::string why = WhyMissing(turn, info.target, server);
        if (why.empty()) {
          wanted.insert(server);
        } else {
          missing.emplace(server, why);
        }
      }
    }
  }
  for (const auto& [host, why] : missing) {
    if (own.contains(host) || wanted.contains(host)) continue;
    const auto it = round->hosts.find(host);
    if (it != round->hosts.end() && it->second.out.empty()) {
      it->second.out = why;
    }
  }
}

// "plugin check_pgsql"; empty: a check that needs nobody's leave.
std::string AskWord(const CheckSpec& spec) {
  static constexpr std::pair<absl::string_view, absl::string_view> kNamed[] = {
      {"plugin", "name"}, {"yara", "rules"}, {"files", "baseline"}};
  for (const auto& [kind, argument] : kNamed) {
    if (spec.kind != kind) continue;
    const auto it = spec.args.find(std::string(argument));
    if (it == spec.args.end()) return "";
    return absl::StrCat(kind == "files" ? "baseline" : kind, " ", it->second);
  }
  return "";
}

// One line of the body stands for all steps on the host: the shortest lease
// closes soonest; the soak is the shortest too, since the engine itself waits
// out each step's own.
struct Times {
  absl::Duration lease = absl::InfiniteDuration();
  absl::Duration soak = absl::InfiniteDuration();
};

std::map<HostId, Times> TimesOf(Turn& turn, const Round& round) {
  std::map<HostId, Times> all;
  for (const int number : round.steps) {
    const PlannedStep& planned = turn.plan().planned(number);
    for (const HostId& id : turn.plan().step(number).all_hosts) {
      Times& times = all[id];
      times.lease = std::min(times.lease, planned.lease);
      times.soak = std::min(times.soak, planned.soak);
    }
  }
  return all;
}

ReleaseOrder::Host HostLine(Turn& turn, const Round& round, const HostId& id,
                            const std::vector<Flow>& flows,
                            const Times& times) {
  ReleaseOrder::Host line;
  line.id = id;
  const Host& host = turn.world.hosts[id];
  line.quarantine_number = host.fence ? host.fence->quarantine_number : 0;
  line.evidence_digest = round.hosts.at(id).evidence_digest;
  line.flows_digest = FlowsDigest(flows);
  line.lease_seconds = std::max<int64_t>(1, absl::ToInt64Seconds(times.lease));
  line.soak_seconds = std::max<int64_t>(0, absl::ToInt64Seconds(times.soak));
  return line;
}

// What the steps will ask of the host once their flows are open, in words that
// its agent looks up in its own file.
std::vector<std::string> WillAsk(Turn& turn, const Round& round,
                                 const HostId& id) {
  std::set<std::string> asks;
  for (const int number : round.steps) {
    const PlannedStep& step = turn.plan().planned(number);
    if (!std::binary_search(step.hosts.begin(), step.hosts.end(), id)) continue;
    if (!step.start_unit.empty() && !turn.plan().step(number).entry) {
      asks.insert(absl::StrCat("unit ", step.start_unit));
    }
    for (const std::vector<PlannedCheck>* checks :
         {&step.health, &step.watch}) {
      for (const PlannedCheck& check : *checks) {
        const std::string word = AskWord(check.spec);
        if (!word.empty()) asks.insert(word);
      }
    }
  }
  return {asks.begin(), asks.end()};
}

}  // namespace

void ProposeRound(Turn& turn, int stage) {
  Run& run = turn.run();
  Round& round = *run.gates[stage].forming;
  const Plan& plan = turn.plan().plan();
  const PlannedStage& planned = turn.plan().planned_stage(stage);
  KeepConcernedHosts(turn, &round);
  LeaveOutMissing(turn, &round);

  ReleaseOrder& order = round.order;
  order.estate = plan.estate;
  order.run = run.id;
  order.plan_digest = plan.digest;
  order.stage = planned.id;
  order.stage_digest = planned.digest;
  order.round = round.number;
  order.started_by = run.by;
  order.quorum = planned.gate.approvals;
  order.no_self_approval = planned.gate.no_self_approval;
  order.journal_head = turn.stamp.journal_head;
  order.valid_seconds = absl::ToInt64Seconds(planned.gate.evidence_max_age);
  order.confirm = planned.gate.confirm;
  order.steps = StepIds(turn, round);
  order.hosts.clear();

  std::set<HostId> part;
  for (const auto& [id, host] : round.hosts) {
    if (host.frozen && host.out.empty()) part.insert(id);
  }
  std::map<HostId, FlowsByGrant> grants =
      FlowsAmongAll(plan, order.steps, part);
  const std::map<HostId, Times> times = TimesOf(turn, round);
  absl::Time frozen_first = absl::InfiniteFuture();
  for (const HostId& id : part) {
    RoundHost& host = round.hosts.at(id);
    frozen_first = std::min(frozen_first, host.frozen_at);
    std::vector<Flow> flows;
    for (const auto& [grant, on_host] : grants[id]) {
      flows.insert(flows.end(), on_host.begin(), on_host.end());
    }
    order.hosts.push_back(HostLine(turn, round, id, flows, times.at(id)));
    host.quarantine_number = order.hosts.back().quarantine_number;
  }
  round.body = order.Body();
  round.digest = Sha256(round.body);
  if (frozen_first != absl::InfiniteFuture()) {
    round.valid_until = frozen_first + planned.gate.evidence_max_age;
  }
  round.state = Round::State::kProposing;
  for (const int number : round.steps) {
    if (In<Inspecting>(turn.step(number))) turn.Enter(number, Ready{});
  }
  const SharedText body = round.body;
  for (auto& [id, opening] : grants) {
    Pending meta;
    meta.purpose = Purpose::kPropose;
    meta.gate = stage;
    meta.round = round.number;
    round.waiting.insert(
        turn.Send(id,
                  Propose{absl::StrCat(planned.id.str(), "/", round.number),
                          body, std::move(opening), WillAsk(turn, round, id)},
                  kProposeDeadline, std::move(meta)));
  }
  turn.TouchGate(stage);
}

void ProposalReported(Turn& turn, OrderKey key, const Pending& pending,
                      const OrderReported& report) {
  if (!turn.world.run_active() || pending.gate < 0) return;
  Gate& gate = turn.run().gates[pending.gate];
  if (!gate.forming.has_value() || gate.forming->waiting.erase(key) == 0) {
    return;
  }
  turn.TouchGate(pending.gate);
  RoundHost& host = gate.forming->hosts[report.host];
  const auto* answer = std::get_if<ReleaseAnswered>(&report.detail);
  if (report.outcome == Outcome::kDone && answer != nullptr &&
      answer->accepts) {
    host.answer = RoundHost::Answer::kAccepts;
    host.answer_reason = answer->reason;
    if (!answer->reason.empty()) {
      turn.Say("gate", report.host.str(),
               absl::StrCat(report.host.str(), " accepts the release of '",
                            turn.plan().planned_stage(pending.gate).id.str(),
                            "', but ", answer->reason));
    }
    return;
  }
  // Shown at the gate before anybody votes; people may still go without it.
  host.answer = RoundHost::Answer::kRefuses;
  const bool said = answer != nullptr && !answer->reason.empty();
  host.answer_reason = said ? answer->reason : report.reason;
  if (host.answer_reason.empty()) host.answer_reason = "it did not say why";
  turn.Say("gate", report.host.str(),
           absl::StrCat(report.host.str(), " would refuse the release of '",
                        turn.plan().planned_stage(pending.gate).id.str(),
                        "': ", host.answer_reason));
}

}  // namespace sluice::engine
