// The fence's answers: what was read back against what should be.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/core/admission.h"
#include "agents/core/agent_core.h"
#include "common/digest.h"

namespace sluice::agent {
namespace {

// What the kernel may say of a lease beyond what was asked of it.
constexpr absl::Duration kLeaseSlack = absl::Seconds(5);
constexpr absl::Duration kRetryEvery = absl::Seconds(1);
// A guard read while it still has a moment to live is read again after that.
constexpr absl::Duration kMoment = absl::Milliseconds(50);

std::vector<Flow> Sorted(std::vector<Flow> flows) {
  std::sort(flows.begin(), flows.end());
  flows.erase(std::unique(flows.begin(), flows.end()), flows.end());
  return flows;
}

bool Changes(const fence::Call& call) {
  return !std::holds_alternative<fence::Read>(call) &&
         !std::holds_alternative<fence::Renew>(call);
}

const FenceReading::Leased* FindLeased(const FenceReading& reading,
                                       const std::string& digest) {
  for (const FenceReading::Leased& leased : reading.releases) {
    if (leased.digest == digest) return &leased;
  }
  return nullptr;
}

}  // namespace

uint64_t AgentCore::Call(fence::Call call, Purpose purpose, bool notes) {
  const uint64_t request = ++last_request_;
  if (Changes(call)) last_change_ = request;
  calls_[request] = purpose;
  out_.push_back(ChangeFence{request, std::move(call), notes});
  return request;
}

void AgentCore::On(const FenceDone& event) {
  const auto at = calls_.find(event.request);
  if (at == calls_.end()) return;
  const Purpose purpose = at->second;
  calls_.erase(at);
  if (event.status.ok() && event.request == last_change_) {
    expected_digest_ = event.reading.rules_digest;
  }
  JudgeReading(event, purpose);
  // S9: nothing but the driver knows what a driven point holds. While it does
  // not say, the point is unknown, and whoever asks is not told otherwise.
  const bool looks = purpose == Purpose::kAudit || purpose == Purpose::kLease;
  if (!options_.driven_by.empty() && connected_ && looks &&
      !event.status.ok() && !absl::IsCancelled(event.status)) {
    out_.push_back(HangUp{OneLine(event.status.message(), 400)});
  }
  switch (purpose) {
    case Purpose::kJob:
      OnJobFence(event);
      break;
    case Purpose::kStart:
      OnStartReading(event);
      break;
    case Purpose::kHello:
      if (!event.status.ok()) {
        out_.push_back(HangUp{absl::StrCat(
            Holder(), "'s rules could not be read: ", event.status.message())});
      } else if (connected_) {
        out_.push_back(
            Send{Hello{.agent_version = options_.version,
                       .boot_id = state_.boot_id,
                       .highest_epoch = state_.epoch + (contested_ ? 1 : 0),
                       .fence = StateOf(event.reading)}});
      }
      break;
    case Purpose::kAnswer:
      for (Report& report : std::exchange(waiting_for_reading_, {})) {
        report.fence = StateOf(event.reading);
        if (!event.status.ok()) {
          report.outcome = Outcome::kFailed;
          report.reason = absl::StrCat(
              Holder(), "'s rules could not be read: ", event.status.message());
        }
        Deliver(std::move(report));
      }
      break;
    case Purpose::kRenew:
      if (!event.status.ok()) Call(fence::Read{}, Purpose::kLease);
      break;
    case Purpose::kLease:
      if (event.status.ok()) {
        OnLeaseReading(event.reading);
      } else {
        // What ran out is closed by the kernel itself; that much can wait.
        leases_at_ = now_ + kRetryEvery;
      }
      break;
    case Purpose::kSweep:
      if (!event.status.ok()) {
        Repair(absl::StrCat("flows whose lease ran out could not be cleared: ",
                            event.status.message()));
      }
      break;
    case Purpose::kAudit:
      if (event.status.ok() && last_change_ < event.request) {
        OnAuditReading(event.reading);
      } else if (!hand_.empty()) {
        audit_at_ = std::min(audit_at_, now_ + kRetryEvery);
      }
      break;
    case Purpose::kGlass:
      if (!event.status.ok()) break;  // said at the next welcome
      for (const BrokenGlass& one : state_.glass) {
        if (one.noted) continue;
        SendMessage(GlassBroken{one.text, one.signature, !one.in_force,
                                StateOf(event.reading)});
      }
      break;
    case Purpose::kRepair: {
      const std::string difference = event.status.ok()
                                         ? Difference(event.reading)
                                         : std::string(event.status.message());
      if (difference.empty()) {
        Say("the fence is up again");
        OnLeaseReading(event.reading);
        absl::StrAppend(&alarm_, "; the agent put it back");
        SayAlarm(event.reading);
      } else {
        Say(absl::StrCat("the fence is not as it should be: ", difference,
                         "; it is put up again in ",
                         absl::FormatDuration(kRetryEvery)));
        repair_at_ = now_ + kRetryEvery;
      }
      break;
    }
  }
}

// S9: what is known of the fence, for those who wait until this host is ready.
void AgentCore::JudgeReading(const FenceDone& event, Purpose purpose) {
  if (purpose == Purpose::kRenew || event.request < last_change_) return;
  if (event.status.ok()) {
    std::string difference = Difference(event.reading);
    // What the kernel said when it refused tells more than what is missing.
    const bool asked =
        purpose == Purpose::kStart || purpose == Purpose::kRepair;
    if (difference.empty() || asked || fence_problem_.empty()) {
      fence_problem_ = std::move(difference);
    }
    return;
  }
  const bool whole =
      purpose == Purpose::kStart || purpose == Purpose::kRepair ||
      (purpose == Purpose::kJob && job_.has_value() &&
       job_->request == event.request && job_->kind == Job::Kind::kIsolate);
  if (whole) fence_problem_ = std::string(event.status.message());
}

void AgentCore::OnStartReading(const FenceDone& event) {
  if (state_.mode == Mode::kOpen) {
    if (!event.status.ok()) {
      if (!std::exchange(unread_, true)) {
        Say(absl::StrCat(
            Holder(), "'s rules could not be read: ", event.status.message(),
            "; it is asked again every ", absl::FormatDuration(kRetryEvery)));
      }
      audit_at_ = now_ + kRetryEvery;
      return;
    }
    unread_ = false;
    audit_at_ = absl::InfiniteDuration();
    expected_digest_ = event.reading.rules_digest;
    // Killed between closing and writing it down, or the state is gone: the
    // fence that is there is believed.
    if (event.status.ok() && event.reading.mode == Mode::kQuarantined) {
      alarm_ =
          "the fence was up although this host's state did not say so; it "
          "stays up, as a new quarantine";
      Quarantine(alarm_, state_.serial == 0 ? fresh_number_ : 0);
    }
    return;
  }
  if (std::exchange(looks_first_, false)) {
    // S4, S5: an isolation closes the kernel first and is written down after. A
    // process that died between the two must not open again what it closed.
    const std::vector<Flow> there = Sorted(event.reading.standing);
    const std::vector<Flow> meant = StandingFlows(state_);
    if (event.status.ok() && event.reading.mode == Mode::kQuarantined &&
        !std::includes(there.begin(), there.end(), meant.begin(),
                       meant.end())) {
      alarm_ =
          "the fence holds fewer flows than this host's state says, so some "
          "were closed and that was not written down; all stay closed, as a "
          "new "
          "quarantine";
      Quarantine(alarm_, 0);
    } else {
      Call(fence::Replace{RulesWithoutLeases()}, Purpose::kStart);
    }
    return;
  }
  audit_at_ = now_ + audit_every_;
  const std::string difference = event.status.ok()
                                     ? Difference(event.reading)
                                     : std::string(event.status.message());
  if (!difference.empty()) {
    Repair(absl::StrCat("the fence did not go up at start: ", difference));
  }
}

void AgentCore::OnLeaseReading(const FenceReading& reading) {
  for (auto& [digest, release] : state_.releases) {
    if (!release.HasAny(Grant::State::kOpen)) continue;
    const FenceReading::Leased* leased = FindLeased(reading, digest);
    if (leased != nullptr && leased->remaining > absl::ZeroDuration()) {
      release.guard_until = now_ + std::max(leased->remaining, kMoment);
    } else if (!NeedsGuard(release) && now_ < release.guard_until) {
      continue;
    } else {
      LoseLease(digest, release, leased);
    }
  }
}

void AgentCore::LoseLease(const std::string& digest, KnownRelease& release,
                          const FenceReading::Leased* leased) {
  for (auto& [name, grant] : release.grants) {
    if (grant.state == Grant::State::kOpen) grant.state = Grant::State::kClosed;
  }
  Say(absl::StrCat("the lease of release order ", ShortDigest(digest),
                   " ran out; its flows are closed"));
  SendMessage(LeaseLost{digest});
  if (leased == nullptr) return;
  // Out of the dead guard's set, so that nothing is in it when the release
  // opens again. What stands by itself is not touched: its sessions live.
  const std::vector<Flow> standing = StandingFlows(state_);
  std::vector<Flow> dead;
  for (const Flow& flow : leased->flows) {
    if (!std::binary_search(standing.begin(), standing.end(), flow)) {
      dead.push_back(flow);
    }
  }
  if (!dead.empty()) {
    Call(fence::Remove{digest, std::move(dead)}, Purpose::kSweep);
  }
}

void AgentCore::OnAuditReading(const FenceReading& reading) {
  if (state_.mode == Mode::kOpen) return SayAlarm(reading);
  if (job_.has_value()) {
    if (!hand_.empty()) audit_at_ = std::min(audit_at_, now_ + kRetryEvery);
    return;
  }
  std::string difference = Difference(reading);
  if (difference.empty() && reading.rules_digest != expected_digest_) {
    difference = "its rules are not those this agent made";
  }
  if (difference.empty()) difference = LeaseDifference(reading);
  if (difference.empty() && !hand_.empty()) {
    // S4: what passed in between may have left a session behind.
    difference = "it is as it was again, but was not all the time";
  }
  if (!difference.empty()) {
    const std::string hand = std::exchange(hand_, "");
    Repair(absl::StrCat("the fence was changed by another hand",
                        hand.empty() ? "" : absl::StrCat(" (", hand, ")"), ": ",
                        difference));
    return;
  }
  SayAlarm(reading);
}

void AgentCore::SayAlarm(const FenceReading& reading) {
  if (!welcomed_) return;
  for (std::string* words : {&suspended_, &alarm_}) {
    if (words->empty()) continue;
    SendMessage(FenceChanged{std::exchange(*words, ""), StateOf(reading)});
  }
}

// Leased flows are not put back: while the fence was not ours, nobody knows
// what they carried. Their release can open them again.
void AgentCore::Repair(const std::string& why) {
  alarm_ = why;
  Say(why);
  FenceRules rules = RulesWithoutLeases();
  rules.watch_anew = true;
  Call(fence::Replace{std::move(rules)}, Purpose::kRepair);
}

FenceRules AgentCore::RulesWithoutLeases() const {
  FenceRules rules;
  rules.mode = state_.mode;
  if (rules.mode == Mode::kOpen) return rules;
  rules.management = options_.management;
  rules.vital = options_.vital;
  rules.standing = StandingFlows(state_);
  return rules;
}

// In words, or empty when the fence is as it should be. Leased flows are not
// looked at.
std::string AgentCore::Difference(const FenceReading& reading) const {
  if (reading.mode != state_.mode) {
    return state_.mode == Mode::kQuarantined
               ? "there is no fence although the host is in quarantine"
               : "there is a fence although the host is open";
  }
  if (state_.mode == Mode::kOpen) return "";
  if (Sorted(reading.management) != Sorted(options_.management)) {
    return "its management flows are not those of agent.yaml";
  }
  if (Sorted(reading.vital) != Sorted(options_.vital)) {
    return "its vital flows are not those of agent.yaml";
  }
  if (Sorted(reading.standing) != StandingFlows(state_)) {
    return "its standing flows are not those that were confirmed";
  }
  return "";
}

// In words, or empty: nothing is leased but what this agent opened, and for no
// longer. That less is open than was opened is no harm.
std::string AgentCore::LeaseDifference(const FenceReading& reading) const {
  for (const FenceReading::Leased& leased : reading.releases) {
    if (leased.remaining <= absl::ZeroDuration()) continue;
    const auto known = state_.releases.find(leased.digest);
    if (known == state_.releases.end()) {
      return "it has a lease for a release order that this host does not know";
    }
    const KnownRelease& release = known->second;
    std::vector<Flow> opened = FlowsIn(release, Grant::State::kOpen);
    const std::vector<Flow> standing =
        FlowsIn(release, Grant::State::kStanding);
    opened.insert(opened.end(), standing.begin(), standing.end());
    opened = Sorted(std::move(opened));
    for (const Flow& flow : leased.flows) {
      if (!std::binary_search(opened.begin(), opened.end(), flow)) {
        return absl::StrCat("it has a leased flow that nobody opened, ",
                            flow.Line());
      }
    }
    if (now_ + leased.remaining > release.guard_until + kLeaseSlack) {
      return "one of its leases is longer than it was made";
    }
  }
  return "";
}

FenceState AgentCore::StateOf(const FenceReading& reading) const {
  FenceState state;
  state.mode = reading.mode;
  state.quarantine_number = state_.quarantine_number;
  state.state_serial = state_.serial;
  state.dropped_packets = reading.dropped_packets;
  state.rules_digest = reading.rules_digest;
  for (const BrokenGlass& glass : state_.glass) {
    if (glass.in_force) state.broken_glass.push_back(Sha256(glass.text));
  }
  if (state_.past != nullptr) state.sensor_anew = state_.past->LastDone();
  const std::vector<Flow> standing = Sorted(reading.standing);
  for (const auto& [digest, release] : state_.releases) {
    FenceState::Release shown;
    shown.digest = digest;
    const FenceReading::Leased* leased = FindLeased(reading, digest);
    if (leased != nullptr && leased->remaining > absl::ZeroDuration()) {
      shown.lease_remaining = leased->remaining;
      shown.leased_flows = static_cast<int>(leased->flows.size());
    }
    for (const Flow& flow : FlowsIn(release, Grant::State::kStanding)) {
      shown.standing_flows +=
          std::binary_search(standing.begin(), standing.end(), flow) ? 1 : 0;
    }
    for (const auto& [name, grant] : release.grants) {
      if (grant.state == Grant::State::kWithdrawn) {
        shown.withdrawn.push_back(name);
      }
    }
    state.releases.push_back(std::move(shown));
  }
  return state;
}

}  // namespace sluice::agent
