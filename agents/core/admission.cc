#include "agents/core/admission.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

// A lease longer than this is no lease; a shorter one cannot be renewed.
constexpr int64_t kMinLease = 1;
constexpr int64_t kMaxLease = 3600;
constexpr int64_t kMaxSoak = 7 * 24 * 3600;
constexpr int64_t kMaxValid = 7 * 24 * 3600;

absl::Status Refuse(absl::string_view why) {
  return absl::FailedPreconditionError(why);
}

absl::Status CheckNumbers(const ReleaseOrder& order,
                          const ReleaseOrder::Host& host) {
  if (host.lease_seconds < kMinLease || host.lease_seconds > kMaxLease) {
    return Refuse(absl::StrCat("its lease of ", host.lease_seconds,
                               " s is not between ", kMinLease, " and ",
                               kMaxLease, "; change the manifest"));
  }
  if (host.soak_seconds > kMaxSoak) {
    return Refuse(absl::StrCat("its soak of ", host.soak_seconds,
                               " s is over a week; change the manifest"));
  }
  if (order.valid_seconds < 1 || order.valid_seconds > kMaxValid) {
    return Refuse(absl::StrCat("its validity of ", order.valid_seconds,
                               " s is not between 1 and ", kMaxValid,
                               "; change the manifest"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<GrantId, Grant>> TakeGrants(const Propose& proposal) {
  std::map<GrantId, Grant> grants;
  size_t flows = 0;
  for (const GrantFlows& entry : proposal.grants) {
    if (!IsName(entry.grant.str())) {
      return Refuse("a grant's name is empty, too long or has spaces");
    }
    flows += entry.flows.size();
    if (flows > kMaxFlows) {
      return Refuse(absl::StrCat("it opens more than ", kMaxFlows,
                                 " flows on this host; split the stage"));
    }
    Grant grant;
    grant.flows = entry.flows;
    SortOnce(grant.flows);
    if (!grants.emplace(entry.grant, std::move(grant)).second) {
      return Refuse(absl::StrCat("grant ", entry.grant.str(),
                                 " stands twice in the proposal"));
    }
  }
  return grants;
}

absl::StatusOr<KnownRelease*> Find(AgentState& state, const std::string& digest,
                                   absl::Duration now) {
  if (state.mode != Mode::kQuarantined) {
    return Refuse(
        "this host is not in quarantine, so there is nothing to open; isolate "
        "it first");
  }
  const auto at = state.releases.find(digest);
  if (at == state.releases.end()) {
    return Refuse(absl::StrCat(
        "this host accepted no release order ",
        IsDigest(digest) ? ShortDigest(digest) : "of that digest",
        ", or it is void since an isolation or a reboot; ask the gate again"));
  }
  // A second is the shortest lease there is.
  if (now + absl::Seconds(1) > at->second.valid_until()) {
    return Refuse(absl::StrCat(
        "release order ", ShortDigest(digest), " was valid for ",
        at->second.order.valid_seconds,
        " s from the freezing of this host's evidence; ask the gate again"));
  }
  return &at->second;
}

absl::Status CheckGrants(const KnownRelease& release,
                         const std::vector<GrantId>& grants) {
  for (const GrantId& name : grants) {
    const auto at = release.grants.find(name);
    if (at == release.grants.end()) {
      return Refuse(absl::StrCat("grant '", OneLine(name.str(), 100),
                                 "' is not part of this release order"));
    }
    if (at->second.state == Grant::State::kWithdrawn) {
      return Refuse(absl::StrCat("grant ", name.str(),
                                 " was withdrawn under this release order; "
                                 "retry asks the gate again"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<KnownRelease> AdmitProposal(const Propose& proposal,
                                           const AgentState& state,
                                           const Trust& trust,
                                           absl::Duration now) {
  SLUICE_ASSIGN_OR_RETURN(ReleaseOrder order,
                          ReleaseOrder::Parse(proposal.body));
  if (order.estate != state.estate) {
    return Refuse(absl::StrCat("it is about estate ", order.estate.str(),
                               "; this host belongs to ", state.estate.str()));
  }
  const ReleaseOrder::Host* host = order.Find(state.host);
  if (host == nullptr) {
    return Refuse(absl::StrCat("it does not name host ", state.host.str()));
  }
  if (state.mode != Mode::kQuarantined) {
    return Refuse("this host is not in quarantine; isolate it first");
  }
  if (host->quarantine_number != state.quarantine_number) {
    return Refuse(
        absl::StrCat("it is about quarantine ", host->quarantine_number,
                     " of this host, which is in its quarantine ",
                     state.quarantine_number, "; retry asks the gate again"));
  }
  const auto evidence = state.evidence.find(proposal.round);
  if (evidence == state.evidence.end()) {
    return Refuse(absl::StrCat("this host froze no evidence for round ",
                               OneLine(proposal.round, 100),
                               " since its last isolation or reboot; retry"));
  }
  if (host->evidence_digest != evidence->second.digest) {
    return Refuse(
        "its evidence digest for this host is not that of this host's own "
        "evidence; retry freezes it again");
  }
  SLUICE_RETURN_IF_ERROR(CheckNumbers(order, *host));
  SLUICE_RETURN_IF_ERROR(CheckCanBeReleased(order, trust));
  KnownRelease release;
  SLUICE_ASSIGN_OR_RETURN(release.grants, TakeGrants(proposal));
  std::vector<Flow> all;
  for (const auto& [name, grant] : release.grants) {
    all.insert(all.end(), grant.flows.begin(), grant.flows.end());
  }
  size_t held = all.size();
  for (const auto& [digest, known] : state.releases) {
    for (const auto& [name, grant] : known.grants) held += grant.flows.size();
  }
  if (held > kMaxFlows) {
    return Refuse(absl::StrCat("this host would hold more than ", kMaxFlows,
                               " flows of release orders; end the run"));
  }
  if (FlowsDigest(all) != host->flows_digest) {
    return Refuse("the flows that came along are not those of its digest");
  }
  release.order = std::move(order);
  release.round = proposal.round;
  release.evidence_digest = evidence->second.digest;
  release.frozen_at = evidence->second.frozen_at;
  for (const auto& [peer, shut_at] : state.shut_peers) {
    if (shut_at < release.frozen_at) continue;
    for (const Flow& flow : all) {
      if (!peer.Contains(flow.client) && !peer.Contains(flow.server)) continue;
      return Refuse(absl::StrCat(
          "it opens ", flow.Line(), ", and everything to ", peer.ToString(),
          " was closed after this host's evidence was frozen; retry freezes "
          "it again"));
    }
  }
  if (now >= release.valid_until()) {
    return Refuse("this host's evidence is older than it allows; retry");
  }
  if (state.releases.size() >= kMaxReleases) {
    return Refuse(absl::StrCat("this host holds ", kMaxReleases,
                               " release orders already; end the run"));
  }
  return release;
}

absl::StatusOr<KnownRelease*> AdmitOpening(const OpenFlows& order,
                                           AgentState& state,
                                           const Trust& trust,
                                           absl::Duration now) {
  SLUICE_ASSIGN_OR_RETURN(KnownRelease * release,
                          Find(state, order.release_digest, now));
  SLUICE_RETURN_IF_ERROR(CheckGrants(*release, order.grants));
  const auto evidence = state.evidence.find(release->round);
  if (evidence == state.evidence.end() ||
      evidence->second.digest != release->evidence_digest) {
    return Refuse(
        "this host's evidence changed since the release order was made; retry");
  }
  SLUICE_RETURN_IF_ERROR(
      CheckDecisions(release->order, order.decisions, trust));
  return release;
}

absl::StatusOr<KnownRelease*> AdmitConfirmation(const Confirm& order,
                                                AgentState& state,
                                                const Trust& trust,
                                                absl::Duration now) {
  SLUICE_ASSIGN_OR_RETURN(KnownRelease * release,
                          Find(state, order.release_digest, now));
  SLUICE_RETURN_IF_ERROR(CheckGrants(*release, order.grants));
  const absl::Duration soak =
      absl::Seconds(release->host(state.host).soak_seconds);
  for (const GrantId& name : order.grants) {
    const Grant& grant = release->grants.at(name);
    if (grant.state == Grant::State::kStanding) continue;
    if (grant.state != Grant::State::kOpen || now >= release->guard_until) {
      return Refuse(absl::StrCat("the lease of ", name.str(),
                                 " has run out; it has to open again first"));
    }
    const absl::Duration left = grant.opened_at + soak - now;
    if (left > absl::ZeroDuration()) {
      return Refuse(
          absl::StrCat(name.str(), " soaks for ",
                       absl::FormatDuration(absl::Ceil(left, absl::Seconds(1))),
                       " more on this host's clock; confirm after that"));
    }
  }
  if (release->order.confirm == ConfirmRule::kByDecision) {
    SLUICE_RETURN_IF_ERROR(
        CheckConfirmation(release->order, order.decisions, trust));
  }
  return release;
}

void ForgetLapsed(AgentState& state, absl::Duration now) {
  std::erase_if(state.releases, [now](const auto& entry) {
    const KnownRelease& release = entry.second;
    return now >= release.valid_until() &&
           !release.HasAny(Grant::State::kOpen) &&
           !release.HasAny(Grant::State::kStanding);
  });
}

void SortOnce(std::vector<Flow>& flows) {
  std::sort(flows.begin(), flows.end());
  flows.erase(std::unique(flows.begin(), flows.end()), flows.end());
}

std::vector<Flow> FlowsOf(const KnownRelease& release,
                          const std::vector<GrantId>& grants) {
  std::vector<Flow> flows;
  for (const GrantId& name : grants) {
    const auto at = release.grants.find(name);
    if (at == release.grants.end()) continue;
    flows.insert(flows.end(), at->second.flows.begin(), at->second.flows.end());
  }
  SortOnce(flows);
  return flows;
}

std::vector<Flow> FlowsIn(const KnownRelease& release,
                          Grant::State grant_state) {
  std::vector<Flow> flows;
  for (const auto& [name, grant] : release.grants) {
    if (grant.state != grant_state) continue;
    flows.insert(flows.end(), grant.flows.begin(), grant.flows.end());
  }
  SortOnce(flows);
  return flows;
}

std::vector<Flow> StandingFlows(const AgentState& state) {
  std::vector<Flow> flows;
  for (const auto& [digest, release] : state.releases) {
    const std::vector<Flow> some = FlowsIn(release, Grant::State::kStanding);
    flows.insert(flows.end(), some.begin(), some.end());
  }
  for (const BrokenGlass& glass : state.glass) {
    if (!glass.in_force) continue;
    flows.insert(flows.end(), glass.flows.begin(), glass.flows.end());
  }
  SortOnce(flows);
  return flows;
}

}  // namespace sluice::agent
