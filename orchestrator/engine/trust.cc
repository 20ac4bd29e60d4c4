#include "orchestrator/engine/trust.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/delegation.h"
#include "common/rotation.h"
#include "common/status.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(30);
// Two clocks of one estate are not further apart than this.
constexpr absl::Duration kSkew = absl::Minutes(5);

bool IsRotation(const std::string& text) {
  return absl::StartsWith(text, "sluice rotation ");
}

absl::Status CheckEstate(const World& world, const EstateId& estate) {
  if (world.plan == nullptr) {
    return absl::FailedPreconditionError(
        "no plan is in force, so no hosts are known: give the orchestrator a "
        "manifest");
  }
  if (estate == world.plan->estate) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("it is about estate '", estate.str(), "' and this is '",
                   world.plan->estate.str(), "'"));
}

absl::Status CheckRotation(const World& world, const std::string& text) {
  SLUICE_ASSIGN_OR_RETURN(const Rotation rotation, Rotation::Parse(text));
  SLUICE_RETURN_IF_ERROR(CheckEstate(world, rotation.estate));
  for (const HostId& host : rotation.hosts) {
    if (world.plan->FindHost(host) != nullptr) continue;
    return absl::NotFoundError(
        absl::StrCat("no host is called '", host.str(),
                     "'; draft the rotation for hosts of this estate"));
  }
  if (rotation.serial > world.rotation_serial || text == world.rotation) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "rotation ", world.rotation_serial,
      " was sent already, and hosts take only higher serials: draft one with ",
      world.rotation_serial + 1));
}

absl::Status CheckDelegation(const World& world, const std::string& text,
                             absl::Time now) {
  SLUICE_ASSIGN_OR_RETURN(const Delegation delegation, Delegation::Parse(text));
  SLUICE_RETURN_IF_ERROR(CheckEstate(world, delegation.estate));
  const Approver* from = world.plan->FindApprover(delegation.delegator);
  for (const OperatorId& id : {delegation.delegator, delegation.deputy}) {
    if (world.plan->FindApprover(id) != nullptr) continue;
    return absl::NotFoundError(absl::StrCat(
        "'", id.str(),
        "' is not among the manifest's approvers, and only approvers stand in "
        "for each other"));
  }
  for (const RoleId& role : delegation.roles) {
    if (std::find(from->roles.begin(), from->roles.end(), role) !=
        from->roles.end()) {
      continue;
    }
    return absl::InvalidArgumentError(
        absl::StrCat(from->id.str(), " is not ", A(role.str()),
                     " and cannot give that away"));
  }
  if (delegation.from > now + kSkew || delegation.until <= now) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it counts from ", ClockText(delegation.from), " until ",
        ClockText(delegation.until), " and it is ", ClockText(now),
        ": sign it when it begins; look at the clock where it was signed"));
  }
  const auto known = world.stand_ins.find(delegation.delegator);
  if (known == world.stand_ins.end() || known->second.from < delegation.from ||
      known->second.text == text) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      from->id.str(), " signed another delegation at ",
      ClockText(known->second.from), " or later, and the newest counts"));
}

bool IsOnItsWay(const World& world, const HostId& id, const std::string& text) {
  const Host* host = world.FindHost(id);
  if (host == nullptr) return false;
  return std::any_of(
      host->pending.begin(), host->pending.end(), [&](const OrderKey& key) {
        const auto* change =
            std::get_if<ChangeTrust>(&world.orders.at(key).order.what);
        return change != nullptr && change->text == text;
      });
}

void SendTo(Turn& turn, const HostId& id, const TrustChanged& event,
            absl::Time good_until, const std::string& name) {
  if (IsOnItsWay(turn.world, id, event.text)) return;
  Pending meta;
  meta.purpose = Purpose::kTrust;
  meta.good_until = good_until;
  turn.Send(id, ChangeTrust{event.text, event.signatures}, kDeadline,
            std::move(meta));
  turn.world.hosts[id].trust = absl::StrCat(name, " is on its way");
}

std::string NameOf(const std::string& text) {
  if (IsRotation(text)) {
    const auto rotation = Rotation::Parse(text);
    return rotation.ok() ? absl::StrCat("rotation ", rotation->serial)
                         : "rotation";
  }
  const auto delegation = Delegation::Parse(text);
  return delegation.ok()
             ? absl::StrCat("delegation by ", delegation->delegator.str())
             : "delegation";
}

void ApplyRotation(Turn& turn, const TrustChanged& event) {
  const auto rotation = Rotation::Parse(event.text);
  if (!rotation.ok()) return;
  turn.world.rotation_serial = rotation->serial;
  turn.world.rotation = event.text;
  turn.Say("trust", event.by.str(),
           absl::StrCat(event.by.str(), " sends rotation ", rotation->serial,
                        " with ", Count(event.signatures.size(), "signature"),
                        " to ", Count(rotation->hosts.size(), "host"), ": ",
                        Count(rotation->approvers.size(), "approver")));
  const auto kept = std::make_shared<const TrustChanged>(event);
  for (const HostId& id : rotation->hosts) {
    turn.world.hosts[id].rotation = kept;
    SendTo(turn, id, event, absl::InfiniteFuture(), NameOf(event.text));
  }
}

void ApplyDelegation(Turn& turn, const TrustChanged& event) {
  auto delegation = Delegation::Parse(event.text);
  if (!delegation.ok()) return;
  const std::string& from = delegation->delegator.str();
  turn.Say("trust", event.by.str(),
           delegation->roles.empty()
               ? absl::StrCat("nobody stands in for ", from, " any more")
               : absl::StrCat(delegation->deputy.str(), " stands in for ", from,
                              " (", NameList(Texts(delegation->roles)),
                              delegation->tasks ? ", tasks too" : "",
                              ") until ", ClockText(delegation->until)));
  turn.world.stand_ins[delegation->delegator] = {
      delegation->deputy, std::move(delegation->roles),
      delegation->from,   delegation->until,
      event.text,         event.signatures,
      delegation->tasks};
  for (const PlannedHost& host : turn.world.plan->hosts) {
    if (!host.has_agent()) continue;
    SendTo(turn, host.id, event, delegation->until, NameOf(event.text));
  }
}

}  // namespace

absl::Status CheckTrustChange(const World& world, const TrustChanged& event,
                              absl::Time now) {
  return IsRotation(event.text) ? CheckRotation(world, event.text)
                                : CheckDelegation(world, event.text, now);
}

void ApplyTrust(Turn& turn, const TrustChanged& event) {
  if (IsRotation(event.text)) {
    ApplyRotation(turn, event);
  } else {
    ApplyDelegation(turn, event);
  }
}

void ShowStanding(Turn& turn, const HostId& id) {
  const PlannedHost* planned =
      turn.world.plan == nullptr ? nullptr : turn.world.plan->FindHost(id);
  if (planned == nullptr || planned->grade != Grade::kKernel) return;
  if (const auto rotation = turn.world.hosts[id].rotation) {
    SendTo(turn, id, *rotation, absl::InfiniteFuture(), NameOf(rotation->text));
  }
  for (const auto& [delegator, one] : turn.world.stand_ins) {
    if (turn.now() >= one.until) continue;
    SendTo(turn, id, {.text = one.text, .signatures = one.signatures},
           one.until, NameOf(one.text));
  }
}

void ShowStandingToNew(Turn& turn, const Plan* before) {
  for (const PlannedHost& host : turn.world.plan->hosts) {
    const PlannedHost* was =
        before == nullptr ? nullptr : before->FindHost(host.id);
    if (was == nullptr || was->grade != Grade::kKernel) {
      ShowStanding(turn, host.id);
    }
  }
}

void TrustReported(Turn& turn, const Pending& pending,
                   const OrderReported& report) {
  const auto* change = std::get_if<ChangeTrust>(&pending.order.what);
  if (change == nullptr) return;
  const std::string name = NameOf(change->text);
  std::string& said = turn.world.hosts[report.host].trust;
  if (report.outcome == Outcome::kDone) {
    said = absl::StrCat("took ", name);
  } else {
    said = absl::StrCat(
        report.outcome == Outcome::kRefused ? "refused " : "did not take ",
        name, Because(report.reason));
  }
  turn.Say("trust", report.host.str(),
           absl::StrCat(report.host.str(), " ", said));
}

std::vector<StandsIn> StandInsOf(const World& world, const OperatorId& deputy,
                                 int stage, absl::Time now) {
  std::vector<StandsIn> found;
  const PlannedStage& planned = world.run->plan().planned_stage(stage);
  for (const auto& [delegator, one] : world.stand_ins) {
    if (one.deputy != deputy || one.roles.empty() || now >= one.until) continue;
    const bool barred =
        planned.gate.no_self_approval &&
        (delegator == world.run->by || delegator == world.run->planned_by);
    if (!barred) found.push_back({delegator, one.roles});
  }
  return found;
}

OperatorId TaskDelegator(const World& world, const OperatorId& deputy,
                         const RoleId& owner, absl::Time now) {
  for (const auto& [delegator, one] : world.stand_ins) {
    if (one.deputy != deputy || !one.tasks || now >= one.until) continue;
    if (std::find(one.roles.begin(), one.roles.end(), owner) !=
        one.roles.end()) {
      return delegator;
    }
  }
  return OperatorId();
}

}  // namespace sluice::engine
