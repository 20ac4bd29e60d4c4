#include "agents/core/agent_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/core/admission.h"
#include "common/contract.h"
#include "common/digest.h"

namespace sluice::agent {
namespace {

// A table that is touched over and over is looked at so often and no more.
constexpr absl::Duration kLookAgain = absl::Milliseconds(200);
constexpr absl::Duration kSaveAgain = absl::Seconds(5);

}  // namespace

AgentCore::AgentCore(CoreOptions options) : options_(std::move(options)) {
  SLUICE_CHECK(IsName(options_.estate.str()));
  SLUICE_CHECK(IsName(options_.host.str()));
}

AgentCore::Output AgentCore::Step(const Event& event, absl::Duration now) {
  now_ = std::max(now_, now);
  SLUICE_CHECK(started_ != std::holds_alternative<Started>(event));
  std::visit([this](const auto& what) { On(what); }, event);
  OvertakeTheDisk();
  StartNext();
  RunDue();
  Output output;
  output.commands = std::exchange(out_, {});
  output.next_deadline = NextDeadline();
  return output;
}

void AgentCore::On(const Started& event) {
  started_ = true;
  fresh_number_ = event.fresh_number;
  audit_every_ = event.audit_every;
  if (!options_.trust.suspended.empty() && options_.driven_by.empty()) {
    suspended_ = options_.trust.suspended;
    Say(absl::StrCat("this host ", suspended_));
  }
  std::string problem = event.problem;
  bool corrupt = event.file == Started::File::kCorrupt;
  if (event.file == Started::File::kRead) {
    if (event.state.estate == options_.estate &&
        event.state.host == options_.host) {
      state_ = event.state;
    } else {
      corrupt = true;
      problem = absl::StrCat("it is about host ", event.state.host.str(),
                             " of estate ", event.state.estate.str());
    }
  }
  state_.estate = options_.estate;
  state_.host = options_.host;
  const bool rebooted = state_.boot_id != event.boot_id;
  state_.boot_id = event.boot_id;
  if (rebooted) {
    state_.evidence.clear();  // and with it every opening
    state_.shut_peers.clear();
    for (auto& [delegator, seen] : state_.delegations) seen.spent = true;
  }
  for (auto& [digest, release] : state_.releases) {
    for (auto& [name, grant] : release.grants) {
      if (grant.state == Grant::State::kOpen) {
        grant.state = Grant::State::kClosed;
      }
    }
  }
  std::erase_if(state_.releases, [rebooted](const auto& entry) {
    return rebooted && !entry.second.HasAny(Grant::State::kStanding);
  });
  for (const SavedAnswer& answer : state_.answers) {
    answers_.push_back({.order = answer.order,
                        .outcome = answer.outcome,
                        .reason = answer.reason});
  }
  if (corrupt) {
    alarm_ = absl::StrCat(
        "the state file cannot be believed (", problem,
        "); this host quarantined itself and counts its quarantines on from ",
        fresh_number_);
    Quarantine(alarm_, fresh_number_);
    return;
  }
  if (state_.mode == Mode::kQuarantined) {
    Say(absl::StrCat("this host is in its quarantine ",
                     state_.quarantine_number, "; the fence goes up"));
    // S3: the leased flows of an earlier process go, the standing ones stay;
    // unless the kernel knows better (see OnStartReading).
    looks_first_ = !rebooted && !StandingFlows(state_).empty();
    if (looks_first_) {
      Call(fence::Read{}, Purpose::kStart);
    } else {
      Call(fence::Replace{RulesWithoutLeases()}, Purpose::kStart);
    }
  } else {
    Call(fence::Read{}, Purpose::kStart);
  }
}

// Without an order: on its own authority, or root's.
void AgentCore::Quarantine(const std::string& reason, uint64_t number) {
  state_.quarantine_number =
      std::max(state_.quarantine_number, number == 0 ? 0 : number - 1);
  Order order;
  order.what = IsolateHost{reason};
  waiting_.push_front(std::move(order));
}

void AgentCore::On(const IsolatedLocally& event) {
  alarm_ = event.reason;
  Quarantine(event.reason, 0);
}

void AgentCore::On(const TableTouched& event) {
  if (state_.mode == Mode::kOpen) return;
  if (!event.hand.empty()) hand_ = OneLine(event.hand, 80);
  audit_at_ = std::min(audit_at_, std::max(now_, looked_at_ + kLookAgain));
}

void AgentCore::On(const LinkConnected&) {
  connected_ = true;
  welcomed_ = false;
  Call(fence::Read{}, Purpose::kHello);
}

void AgentCore::On(const LinkWelcomed& event) {
  if (!connected_) return;
  if (event.estate != options_.estate.str()) {
    out_.push_back(HangUp{absl::StrCat(
        "the orchestrator serves estate '", OneLine(event.estate, 100),
        "', this host belongs to '", options_.estate.str(),
        "'; check `orchestrators` in agent.yaml")});
    connected_ = false;
    return;
  }
  welcomed_ = true;
  link_epoch_ = event.epoch;
  stale_.clear();
  const std::string instance =
      IsName(event.instance) ? event.instance : std::string();
  if (event.epoch < state_.epoch) {
    stale_ = absl::StrCat("epoch ", event.epoch,
                          " is over; this host has seen ", state_.epoch,
                          ". Stop the older orchestrator, or start this one "
                          "again so that it takes a new epoch");
  } else if (event.epoch == state_.epoch && !state_.instance.empty() &&
             instance != state_.instance) {
    stale_ = absl::StrCat("two orchestrators claim epoch ", event.epoch,
                          ". Stop one of them and start the other again");
    // Neither can know. The next hello says that a reign above is needed; if
    // that was said already, it stays: isolations are obeyed all the same.
    if (!contested_) out_.push_back(HangUp{stale_});
    contested_ = true;
  } else if (event.epoch > state_.epoch) {
    state_.epoch = event.epoch;
    state_.instance = instance;
    contested_ = false;
    Save();
  }
  Say(stale_.empty()
          ? absl::StrCat("linked to the orchestrator of epoch ", event.epoch)
          : stale_);
  if (!alarm_.empty() || !suspended_.empty()) {
    Call(fence::Read{}, Purpose::kAudit);
  }
  SayGlass();
  for (const auto& [step, watching] : watches_) {
    for (const auto& [id, result] : watching.last) {
      SendMessage(WatchChanged{step, {id, result}});
    }
  }
}

void AgentCore::On(const LinkDown&) {
  connected_ = false;
  welcomed_ = false;
}

// False when all that is open under it stands by another grant: the fence
// keeps no guard for a release without leased flows.
bool AgentCore::NeedsGuard(const KnownRelease& release) const {
  const std::vector<Flow> open = FlowsIn(release, Grant::State::kOpen);
  const std::vector<Flow> standing = StandingFlows(state_);
  return !std::includes(standing.begin(), standing.end(), open.begin(),
                        open.end());
}

// Never past the release order's validity.
absl::Duration AgentCore::LeaseNow(const KnownRelease& release) const {
  return std::min(absl::Seconds(release.host(state_.host).lease_seconds),
                  release.valid_until() - now_);
}

void AgentCore::On(const RenewalReceived& event) {
  if (!welcomed_ || !stale_.empty() || event.epoch != link_epoch_) return;
  std::map<std::string, absl::Duration> leases;
  for (const std::string& digest : event.release_digests) {
    const auto at = state_.releases.find(digest);
    if (at == state_.releases.end()) continue;
    KnownRelease& release = at->second;
    // S3: what ran out stays closed; what is past its validity runs out.
    const absl::Duration lease = LeaseNow(release);
    if (!release.HasAny(Grant::State::kOpen) || now_ >= release.guard_until ||
        lease < kShortestLease) {
      continue;
    }
    release.guard_until = now_ + lease;
    if (NeedsGuard(release)) leases[digest] = lease;
  }
  if (!leases.empty()) Call(fence::Renew{std::move(leases)}, Purpose::kRenew);
  SendMessage(Heartbeat{event.counter});
}

void AgentCore::On(const StateSaved& event) {
  if (!event.status.ok()) {
    Say(absl::StrCat("the state could not be saved: ", event.status.message(),
                     "; it is tried again in ",
                     absl::FormatDuration(kSaveAgain)));
    save_at_ = now_ + kSaveAgain;
  }
  if (!job_.has_value() || job_->request != event.request) return;
  OnJobSaved(event.status);
}

void AgentCore::On(const TimePassed&) {}

void AgentCore::RunDue() {
  bool lease_due = false;
  for (const auto& [digest, release] : state_.releases) {
    lease_due |=
        release.HasAny(Grant::State::kOpen) && now_ >= release.guard_until;
  }
  const bool reading = std::any_of(
      calls_.begin(), calls_.end(),
      [](const auto& call) { return call.second == Purpose::kLease; });
  if (lease_due && !reading && now_ >= leases_at_) {
    Call(fence::Read{}, Purpose::kLease);
  }
  for (auto& [step, watching] : watches_) {
    if (watching.running != 0 || now_ < watching.next) continue;
    watching.running = ++last_request_;
    out_.push_back(StartChecks{watching.running, watching.checks, state_.past});
  }
  if (now_ >= repair_at_) {
    repair_at_ = absl::InfiniteDuration();
    FenceRules rules = RulesWithoutLeases();
    rules.watch_anew = true;
    Call(fence::Replace{std::move(rules)}, Purpose::kRepair);
  }
  if (now_ >= save_at_) Save();
  if (now_ >= audit_at_) {
    audit_at_ = now_ + audit_every_;
    looked_at_ = now_;
    unread_ = unread_ && state_.mode == Mode::kOpen;
    Call(fence::Read{}, unread_ ? Purpose::kStart : Purpose::kAudit);
  }
}

absl::Duration AgentCore::NextDeadline() const {
  absl::Duration next =
      std::min({audit_at_, repair_at_, save_at_, DiskDeadline()});
  for (const auto& [digest, release] : state_.releases) {
    if (release.HasAny(Grant::State::kOpen)) {
      next = std::min(next, std::max(release.guard_until, leases_at_));
    }
  }
  for (const auto& [step, watching] : watches_) {
    if (watching.running == 0) next = std::min(next, watching.next);
  }
  return next;
}

uint64_t AgentCore::Save() {
  save_at_ = absl::InfiniteDuration();
  ++state_.serial;
  out_.push_back(SaveState{++last_request_, state_});
  return last_request_;
}

void AgentCore::SendMessage(Message message) {
  if (welcomed_) out_.push_back(Send{std::move(message)});
}

std::string AgentCore::Holder() const {
  return options_.driven_by.empty() ? "the kernel" : "the driver";
}

void AgentCore::Say(std::string text) { out_.push_back(Note{std::move(text)}); }

}  // namespace sluice::agent
