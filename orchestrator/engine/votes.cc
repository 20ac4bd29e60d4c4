// Decisions: one person, one vote (S10).

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/trust.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

// Seats to fill and people who may each fill one: a maximum matching by
// augmenting paths. Quorums are a handful of seats.
class Seating {
 public:
  Seating(const std::map<RoleId, int>& quorum, const std::vector<Vote>& votes) {
    for (const Vote& vote : votes) roles_.push_back(RolesOf(vote, votes));
    for (const auto& [role, count] : quorum) {
      for (int i = 0; i < count; ++i) seats_.push_back(role);
    }
    taken_by_.assign(seats_.size(), -1);
    for (size_t vote = 0; vote < roles_.size(); ++vote) {
      std::vector<bool> tried(seats_.size(), false);
      Seat(static_cast<int>(vote), &tried);
    }
  }

  std::map<RoleId, int> Empty() const {
    std::map<RoleId, int> empty;
    for (size_t seat = 0; seat < seats_.size(); ++seat) {
      if (taken_by_[seat] < 0) ++empty[seats_[seat]];
    }
    return empty;
  }

 private:
  // A deputy has the delegator's roles only while the delegator has not voted,
  // as hosts count it (agents/core/authority.cc).
  static std::vector<RoleId> RolesOf(const Vote& vote,
                                     const std::vector<Vote>& votes) {
    std::vector<RoleId> roles = vote.decision.roles;
    for (const StandsIn& one : vote.stands_in) {
      const bool voted =
          std::any_of(votes.begin(), votes.end(), [&](const Vote& other) {
            return other.decision.by == one.delegator;
          });
      if (!voted) roles.insert(roles.end(), one.roles.begin(), one.roles.end());
    }
    return roles;
  }

  bool Seat(int vote, std::vector<bool>* tried) {
    const std::vector<RoleId>& roles = roles_[vote];
    for (size_t seat = 0; seat < seats_.size(); ++seat) {
      if ((*tried)[seat]) continue;
      if (std::find(roles.begin(), roles.end(), seats_[seat]) == roles.end()) {
        continue;
      }
      (*tried)[seat] = true;
      if (taken_by_[seat] < 0 || Seat(taken_by_[seat], tried)) {
        taken_by_[seat] = vote;
        return true;
      }
    }
    return false;
  }

  std::vector<std::vector<RoleId>> roles_;  // by vote
  std::vector<RoleId> seats_;
  std::vector<int> taken_by_;
};

void Refuse(Turn& turn, int stage, const DecisionMade& decision) {
  Round& round = *turn.run().gates[stage].forming;
  round.state = Round::State::kRefused;
  round.why =
      absl::StrCat("no-go by ", decision.by.str(), Because(decision.reason));
  const std::vector<int> steps = round.steps;
  for (const int number : steps) {
    turn.step(number).round = 0;
    turn.step(number).parts.clear();
    turn.Enter(number, Quarantined{});
    turn.SetStop(number, Stop::kRefused, round.why);
  }
}

void ReleaseRound(Turn& turn, int stage) {
  Gate& gate = turn.run().gates[stage];
  Round round = std::move(*gate.forming);
  gate.forming.reset();
  round.state = Round::State::kReleased;
  round.deadline = absl::InfiniteFuture();
  turn.NoteReleased(stage, turn.now() - round.opened);
  const std::vector<int> steps = round.steps;
  const std::string& name = turn.plan().planned_stage(stage).id.str();
  turn.Say("gate", name,
           absl::StrCat("gate '", name, "', round ", round.number,
                        " is released: ", Count(steps.size(), "step")));
  gate.released.emplace(round.number, std::move(round));
  turn.TouchGate(stage);
  for (const int number : steps) turn.Touch(number);
}

// A gate that confirms by decision is asked once more, after the soak.
void ConfirmByDecision(Turn& turn, int stage, Round* round,
                       const DecisionMade& decision) {
  round->confirm_votes.push_back(
      {decision, turn.now(),
       StandInsOf(turn.world, decision.by, stage, turn.now())});
  const std::map<RoleId, int>& quorum =
      turn.plan().planned_stage(stage).gate.approvals;
  if (!MissingVotes(quorum, round->confirm_votes).empty()) return;
  round->confirmed_by.clear();
  for (const Vote& vote : round->confirm_votes) {
    round->confirmed_by.push_back(vote.decision);
  }
  round->confirm_votes.clear();
  for (const int number : round->steps) {
    Step& step = turn.step(number);
    if (step.round != round->number || step.gate != stage) continue;
    if (auto* accepting = std::get_if<Accepting>(&step.phase)) {
      accepting->decided = true;
      turn.Touch(number);
    }
  }
}

}  // namespace

std::map<RoleId, int> MissingVotes(const std::map<RoleId, int>& quorum,
                                   const std::vector<Vote>& votes) {
  return Seating(quorum, votes).Empty();
}

std::string QuorumText(const std::map<RoleId, int>& quorum) {
  return absl::StrJoin(quorum, ", ", [](std::string* out, const auto& entry) {
    absl::StrAppend(out, entry.first.str(), " ", entry.second);
  });
}

void ApplyDecision(Turn& turn, const DecisionMade& decision) {
  const int stage = turn.plan().FindStage(decision.gate);
  if (stage < 0) return;
  Gate& gate = turn.run().gates[stage];
  turn.Say(
      "decision", decision.by.str(),
      absl::StrCat(decision.by.str(), " (", NameList(Texts(decision.roles)),
                   ") said ", decision.go ? "go" : "no-go", " to '",
                   decision.gate.str(), "', round ", decision.round,
                   Because(decision.reason)));
  if (!gate.forming.has_value() ||
      gate.forming->digest != decision.body_digest) {
    for (auto& [number, round] : gate.released) {
      if (round.digest == decision.body_digest && decision.go) {
        ConfirmByDecision(turn, stage, &round, decision);
      }
    }
    return;
  }
  gate.forming->votes.push_back(
      {decision, turn.now(),
       StandInsOf(turn.world, decision.by, stage, turn.now())});
  turn.TouchGate(stage);
  if (!decision.go) {
    Refuse(turn, stage, decision);
    return;
  }
  const std::map<RoleId, int>& quorum =
      turn.plan().planned_stage(stage).gate.approvals;
  if (MissingVotes(quorum, gate.forming->votes).empty()) {
    ReleaseRound(turn, stage);
  }
}

}  // namespace sluice::engine
