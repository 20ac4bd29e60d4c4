// Gates and the run as a whole: where they are, and what they wait for.

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/state.h"
#include "orchestrator/engine/waits.h"

namespace sluice::engine {
namespace {

Wait OfGate(const PlannedStage& stage, const char* kind, std::string text) {
  Wait wait;
  wait.kind = kind;
  wait.on_kind = "gate";
  wait.on = stage.id.str();
  wait.text = std::move(text);
  return wait;
}

// What its steps wait for, each thing once. That they wait for their gate says
// nothing new, unless nothing else is to be said or a person can do something.
std::vector<Wait> StepsWaits(const World& world, const std::string& gate,
                             const std::vector<int>& steps, absl::Time now) {
  std::vector<Wait> waits;
  std::set<std::pair<std::string, std::string>> seen;
  for (const int number : steps) {
    for (Wait& wait : WaitsOf(world, number, now)) {
      if (!seen.insert({wait.on_kind, wait.on}).second) continue;
      wait.text = absl::StrCat(world.run->plan().name(number), " ", wait.text);
      waits.push_back(std::move(wait));
    }
  }
  const auto says_nothing = [&](const Wait& wait) {
    return wait.on_kind == "gate" && wait.on == gate && wait.next.empty();
  };
  if (!std::all_of(waits.begin(), waits.end(), says_nothing)) {
    std::erase_if(waits, says_nothing);
  }
  return waits;
}

}  // namespace

std::vector<Wait> GateWaitsOf(const World& world, int stage, absl::Time now) {
  const Run& run = *world.run;
  const Gate& gate = run.gates[stage];
  const PlannedStage& planned = run.plan().planned_stage(stage);
  const std::string& name = planned.id.str();
  if (!run.active) return {};
  if (!gate.forming.has_value()) {
    return StepsWaits(world, name, run.plan().stage(stage), now);
  }
  const Round& round = *gate.forming;
  switch (round.state) {
    case Round::State::kInspecting:
    case Round::State::kProposing:
    case Round::State::kReleased:
      return StepsWaits(world, name, round.steps, now);
    case Round::State::kAsking: {
      const std::string missing =
          QuorumText(MissingVotes(planned.gate.approvals, round.votes));
      Wait wait = OfGate(planned, "gate",
                         absl::StrCat("go still needed from ", missing));
      wait.who = missing;
      wait.since = round.opened;
      wait.until = round.deadline;
      wait.next = absl::StrCat("sluice go ", name);
      return {wait};
    }
    case Round::State::kRefused:
    case Round::State::kHeld: {
      Wait wait = OfGate(planned, "person", round.why);
      wait.since = round.votes.empty() ? round.deadline : round.votes.back().at;
      wait.next = "sluice retry";
      return {wait};
    }
  }
  return {};
}

std::string GateStateText(const World& world, int stage, absl::Time now) {
  const Run& run = *world.run;
  const Gate& gate = run.gates[stage];
  const auto steps_text = [&](const std::vector<int>& steps) -> std::string {
    for (const int number : steps) {
      const std::vector<Wait> waits = WaitsOf(world, number, now);
      if (waits.empty()) continue;
      return absl::StrCat(run.plan().name(number), " ", waits[0].text);
    }
    return "";
  };
  if (gate.forming.has_value()) {
    const Round& round = *gate.forming;
    switch (round.state) {
      case Round::State::kInspecting:
      case Round::State::kProposing:
        return absl::StrCat("it is inspecting, round ", round.number,
                            Because(steps_text(round.steps)));
      case Round::State::kAsking: {
        const std::map<RoleId, int> missing = MissingVotes(
            run.plan().planned_stage(stage).gate.approvals, round.votes);
        return absl::StrCat("it asks until ", ClockText(round.deadline),
                            "; go still needed from ", QuorumText(missing));
      }
      case Round::State::kReleased:
      case Round::State::kRefused:
        return absl::StrCat("it was refused: ", round.why,
                            "; `sluice retry` asks again");
      case Round::State::kHeld:
        return absl::StrCat("it holds: ", round.why,
                            "; `sluice retry` asks again");
    }
  }
  const bool done =
      std::all_of(run.plan().stage(stage).begin(),
                  run.plan().stage(stage).end(), [&](int number) {
                    const Step& step = run.steps[number];
                    return In<Reconnected>(step) && step.stop == Stop::kNone;
                  });
  if (done) return "all of its steps are back";
  const std::string waits = steps_text(run.plan().stage(stage));
  const bool live = std::any_of(
      run.plan().stage(stage).begin(), run.plan().stage(stage).end(),
      [&](int number) { return run.steps[number].round > 0; });
  return absl::StrCat(live ? "it was released, round " : "it waits",
                      live ? absl::StrCat(gate.last_round) : "",
                      Because(waits));
}

std::string HeldText(const World& world) {
  const Run& run = *world.run;
  std::vector<std::string> held;
  for (int i = 0; i < run.plan().stages(); ++i) {
    const Gate& gate = run.gates[i];
    if (!gate.forming.has_value()) continue;
    const Round::State state = gate.forming->state;
    if (state == Round::State::kHeld) {
      held.push_back(absl::StrCat(
          "gate '", run.plan().planned_stage(i).id.str(),
          "' holds: ", gate.forming->why, "; `sluice retry` asks again"));
    } else if (state != Round::State::kRefused) {
      return "";  // something else goes on
    }
  }
  for (const Step& step : run.steps) {
    if (step.stop == Stop::kNone && !step.settled && !In<Quarantined>(step)) {
      return "";
    }
  }
  for (int i = 0; i < run.plan().size(); ++i) {
    const Step& step = run.steps[i];
    if (step.stop == Stop::kNone || step.stop == Stop::kUnanswered) continue;
    held.push_back(absl::StrCat(run.plan().name(i), Because(step.reason)));
  }
  return held.empty() ? std::string() : NameList(held, 3);
}

}  // namespace sluice::engine
