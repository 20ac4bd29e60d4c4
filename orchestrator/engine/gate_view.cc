#include "orchestrator/engine/gate_view.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/hand.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/proposal.h"
#include "orchestrator/engine/soak.h"
#include "orchestrator/engine/state.h"
#include "orchestrator/engine/waits.h"
#include "orchestrator/engine/waivers.h"

namespace sluice::engine {
namespace {

// The round people look at: the one that asks whether it may open, then the
// first that asks whether it may stand, otherwise the last.
const Round* ShownRound(const World& world, int stage) {
  const Gate& gate = world.run->gates[stage];
  const Round* forming = gate.forming.has_value() ? &*gate.forming : nullptr;
  if (forming != nullptr && forming->state == Round::State::kAsking) {
    return forming;
  }
  for (const auto& [number, round] : gate.released) {
    if (AsksToConfirm(world, stage, number)) return &round;
  }
  if (forming != nullptr) return forming;
  return gate.released.empty() ? nullptr : &gate.released.rbegin()->second;
}

bool AllBack(const Run& run, int stage) {
  const std::vector<int>& steps = run.plan().stage(stage);
  return std::all_of(steps.begin(), steps.end(), [&](int number) {
    const Step& step = run.steps[number];
    return In<Reconnected>(step) && step.stop == Stop::kNone;
  });
}

// A round that was released stays so while any of its steps is on its way.
bool AnyOnItsWay(const Run& run, int stage, const Round& round) {
  return std::any_of(round.steps.begin(), round.steps.end(), [&](int number) {
    const Step& step = run.steps[number];
    return step.round == round.number && step.gate == stage &&
           !In<Reconnected>(step);
  });
}

std::string AnswerText(const World& world, const HostId& id,
                       const RoundHost& host) {
  const Host* state = world.FindHost(id);
  if (host.out.empty() && state != nullptr && state->manual) {
    return absl::StrCat("by hand: ", HandOwnerText(world, id),
                        " opens it; no agent there looks at the release order");
  }
  if (!host.out.empty()) return absl::StrCat("left out: ", host.out);
  switch (host.answer) {
    case RoundHost::Answer::kAccepts:
      return host.answer_reason.empty()
                 ? "accepts"
                 : absl::StrCat("accepts, but ", host.answer_reason);
    case RoundHost::Answer::kRefuses:
      return absl::StrCat("refuses: ", host.answer_reason);
    case RoundHost::Answer::kNone:
      break;
  }
  return "has not answered";
}

}  // namespace

GateView MakeGateView(const World& world, int stage, absl::Time now) {
  const PlannedStage& planned = world.index->planned_stage(stage);
  GateView view;
  view.id = planned.id;
  view.state = "waiting";
  view.quorum = planned.gate.approvals;
  view.missing = planned.gate.approvals;
  view.opened = absl::InfinitePast();
  view.deadline = absl::InfiniteFuture();
  if (!world.run.has_value()) {
    view.steps = planned.steps;
    view.why = "it waits for a run: `sluice start`";
    Wait wait;
    wait.kind = "person";
    wait.on_kind = wait.on = "run";
    wait.text = "waits for a run: `sluice start`";
    wait.next = "sluice start";
    view.waits.push_back(std::move(wait));
    return view;
  }
  const Run& run = *world.run;
  const Gate& gate = run.gates[stage];
  const Round* round = ShownRound(world, stage);
  view.round = round == nullptr ? gate.last_round : round->number;
  view.why = GateStateText(world, stage, now);
  view.waits = GateWaitsOf(world, stage, now);
  if (!run.active) view.why = "the run has ended";
  if (round == nullptr) {
    for (const int number : run.plan().stage(stage)) {
      view.steps.push_back(run.plan().planned(number).id);
    }
    std::sort(view.steps.begin(), view.steps.end());
    if (!gate.why.empty()) absl::StrAppend(&view.why, "; ", gate.why);
    return view;
  }
  std::set<std::string> waived;
  for (const int number : round->steps) {
    for (const std::string& text : WaiverTexts(world, number)) {
      waived.insert(absl::StrCat(run.plan().name(number), ": ", text));
    }
  }
  view.waived = {waived.begin(), waived.end()};
  view.state = RoundStateName(round->state);
  if (round->state == Round::State::kReleased) {
    view.state = AllBack(run, stage)               ? "done"
                 : AnyOnItsWay(run, stage, *round) ? "released"
                                                   : "waiting";
  }
  view.missing = MissingVotes(planned.gate.approvals, round->votes);
  view.confirming =
      view.state == "released" && AsksToConfirm(world, stage, round->number);
  if (view.confirming) {
    view.missing = MissingVotes(planned.gate.approvals, round->confirm_votes);
  }
  for (const Vote& vote : round->votes) {
    view.votes.push_back({vote.decision.by,
                          vote.decision.roles,
                          vote.decision.go,
                          vote.decision.reason,
                          vote.at,
                          {}});
    for (const StandsIn& one : vote.stands_in) {
      view.votes.back().stands_in_for.push_back(one.delegator);
    }
  }
  for (const int number : round->steps) {
    view.steps.push_back(run.plan().planned(number).id);
  }
  std::sort(view.steps.begin(), view.steps.end());
  view.opened = round->opened;
  view.deadline = round->deadline;
  view.body_digest = round->digest;
  return view;
}

absl::StatusOr<GateDetail> Engine::MakeGateDetail(const StageId& id,
                                                  absl::Time now) const {
  const World& world = *state_;
  const int stage = world.index == nullptr ? -1 : world.index->FindStage(id);
  if (stage < 0) {
    std::vector<std::string> known;
    if (world.plan != nullptr) {
      for (const PlannedStage& planned : world.plan->stages) {
        known.push_back(planned.id.str());
      }
    }
    return absl::NotFoundError(absl::StrCat("no gate is called '", id.str(),
                                            "'", DidYouMean(id.str(), known),
                                            " `sluice gates` lists them"));
  }
  GateDetail detail;
  detail.gate = MakeGateView(world, stage, now);
  std::vector<StepId> steps = detail.gate.steps;
  std::sort(steps.begin(), steps.end());
  const Round* round =
      world.run.has_value() ? ShownRound(world, stage) : nullptr;
  if (round == nullptr) {
    // What it will open, as the plan has it.
    for (const HostId& host : world.plan->HostsOf(steps)) {
      for (const auto& [grant, flows] : world.plan->FlowsOn(host, steps)) {
        std::vector<Flow>& all = detail.flows[host];
        all.insert(all.end(), flows.begin(), flows.end());
      }
    }
    return detail;
  }
  detail.body = round->body;
  // The hosts that the body names: what is shown is what was proposed, whatever
  // has happened to a host since.
  std::set<HostId> part;
  for (const ReleaseOrder::Host& host : round->order.hosts) {
    part.insert(host.id);
  }
  for (const auto& [host, opening] : FlowsAmongAll(*round->plan, steps, part)) {
    if (!round->hosts.contains(host)) continue;
    for (const auto& [grant, flows] : opening) {
      std::vector<Flow>& all = detail.flows[host];
      all.insert(all.end(), flows.begin(), flows.end());
    }
  }
  for (const auto& [host, seen] : round->hosts) {
    const Host* state = world.FindHost(host);
    detail.evidence.push_back(
        {host, seen.evidence_digest, seen.evidence, seen.results,
         AnswerText(world, host, seen), seen.evidence_signature,
         state == nullptr ? std::nullopt : SensorAnewOf(*state)});
  }
  for (auto& [host, flows] : detail.flows) {
    std::sort(flows.begin(), flows.end());
    flows.erase(std::unique(flows.begin(), flows.end()), flows.end());
  }
  return detail;
}

std::optional<SensorAnewView> SensorAnewOf(const Host& host) {
  const std::string said =
      host.fence.has_value() ? host.fence->sensor_anew : "";
  const bool ours = host.sensor_anew.has_value() &&
                    (!host.sensor_anew->done || said == host.sensor_anew->act);
  if (ours) {
    return SensorAnewView{host.sensor_anew->by, host.sensor_anew->at,
                          host.sensor_anew->reason, host.sensor_anew->done};
  }
  if (said.empty()) return std::nullopt;
  // S9: the host says that somebody did, and this record does not know who.
  return SensorAnewView{.done = true};
}

}  // namespace sluice::engine
