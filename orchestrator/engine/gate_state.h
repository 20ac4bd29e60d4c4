// A gate: the rounds in which people decide what a stage may open.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "common/release_order.h"
#include "orchestrator/engine/event.h"
#include "orchestrator/engine/step_state.h"

namespace sluice::engine {

// A host as one round knows it.
struct RoundHost {
  bool frozen = false;
  std::string boot_id;
  uint64_t quarantine_number = 0;
  absl::Time frozen_at;  // when it was asked: no later than when it froze
  std::string evidence_digest;
  std::string evidence;
  std::string evidence_signature;
  std::vector<CheckReport> results;
  std::string out;  // why it is not part of the round; empty: it is
  enum class Answer : uint8_t { kNone, kAccepts, kRefuses };
  Answer answer = Answer::kNone;
  std::string answer_reason;
  // Isolated or rebooted since: nothing opens on it under this round.
  bool is_void = false;
};

// For whom somebody stood in when they decided.
struct StandsIn {
  OperatorId delegator;
  std::vector<RoleId> roles;
};

struct Vote {
  DecisionMade decision;
  absl::Time at;
  std::vector<StandsIn> stands_in = {};
};

struct Round {
  enum class State : uint8_t {
    kInspecting,
    kProposing,
    kAsking,
    kReleased,
    kRefused,
    kHeld,
  };
  int number = 0;
  State state = State::kInspecting;
  std::shared_ptr<const Plan> plan;  // it was made under
  std::vector<int> steps;            // in the plan's order
  std::map<HostId, RoundHost> hosts;
  OrderSet waiting;
  ReleaseOrder order;
  std::string body;
  std::string digest;
  std::vector<Vote> votes;
  std::vector<Vote> confirm_votes;  // of a gate that confirms by decision
  std::vector<DecisionMade> confirmed_by;  // once they met the quorum
  absl::Time opened = absl::InfinitePast();
  absl::Time deadline = absl::InfiniteFuture();
  absl::Time valid_until = absl::InfiniteFuture();
  bool expired = false;  // valid_until passed, and what follows has happened
  std::string why;
  // What it was about has changed: its votes are void (S10). Empty: it stands.
  std::string stale;

  std::vector<DecisionMade> Decisions() const {
    std::vector<DecisionMade> decisions;
    for (const Vote& vote : votes) decisions.push_back(vote.decision);
    return decisions;
  }
};

struct Gate {
  StageId id;
  int last_round = 0;
  bool current = false;  // every earlier stage has settled
  int unsettled = 0;     // steps
  // Those of its steps that could join a round, and those on their way there:
  // what a gate looks at whenever anything happens.
  std::set<int> resting;
  std::set<int> isolating;
  std::optional<Round> forming;
  std::map<int, Round> released;
  std::string why;  // the last thing that happened to it, in words
};

}  // namespace sluice::engine
