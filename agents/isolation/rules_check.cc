#include "agents/isolation/rules_check.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

// The kernel counts timeouts in milliseconds; a lease of a day is no lease.
constexpr absl::Duration kShortestLease = absl::Milliseconds(100);
constexpr absl::Duration kLongestLease = absl::Hours(24);

std::string Named(const std::string& digest) {
  return absl::StrCat("release ", ShortDigest(digest));
}

}  // namespace

absl::Status CheckLease(const std::string& digest, absl::Duration lease) {
  if (digest.empty()) {
    return absl::InvalidArgumentError(
        "a release needs its order's digest; name the release order");
  }
  if (lease < kShortestLease || lease > kLongestLease) {
    return absl::InvalidArgumentError(absl::StrCat(
        Named(digest), ": a lease of ", absl::FormatDuration(lease),
        " cannot be kept; use between ", absl::FormatDuration(kShortestLease),
        " and ", absl::FormatDuration(kLongestLease)));
  }
  return absl::OkStatus();
}

absl::Status CheckFlows(const std::vector<Flow>& flows) {
  for (const Flow& flow : flows) {
    if (flow.client.family() != flow.server.family()) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", flow.Line(), "' joins IPv4 and IPv6; a flow has ",
                       "one family"));
    }
    if (flow.ports.first == 0 || flow.ports.last < flow.ports.first) {
      return absl::InvalidArgumentError(absl::StrCat(
          "'", flow.Line(), "' names no port; use one from 1 to 65535, or a ",
          "range"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRelease(const Release& release) {
  SLUICE_RETURN_IF_ERROR(CheckLease(release.digest, release.lease));
  return WithContext(CheckFlows(release.leased), Named(release.digest));
}

absl::Status CheckRules(const FenceRules& rules) {
  SLUICE_RETURN_IF_ERROR(
      WithContext(CheckFlows(rules.management), "management flows"));
  SLUICE_RETURN_IF_ERROR(WithContext(CheckFlows(rules.vital), "vital flows"));
  SLUICE_RETURN_IF_ERROR(
      WithContext(CheckFlows(rules.standing), "standing flows"));
  std::set<std::string> seen;
  for (const Release& release : rules.releases) {
    SLUICE_RETURN_IF_ERROR(CheckRelease(release));
    if (!seen.insert(release.digest).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          Named(release.digest), " is named twice; give its flows together"));
    }
  }
  return absl::OkStatus();
}

absl::Status NoFence(absl::string_view act) {
  return absl::FailedPreconditionError(absl::StrCat(
      act, ": this host has no fence, so nothing is closed here; isolate it ",
      "first"));
}

absl::Status GuardsRanOut(const std::vector<std::string>& digests) {
  return absl::FailedPreconditionError(absl::StrCat(
      digests.size() == 1 ? "the lease of release " : "the leases of releases ",
      absl::StrJoin(digests, ", ",
                    [](std::string* out, const std::string& digest) {
                      absl::StrAppend(out, ShortDigest(digest));
                    }),
      " ran out and the leased flows are closed; inspect again and reopen ",
      "them"));
}

absl::Status NotLeased(const std::string& digest, const Flow& flow) {
  return absl::NotFoundError(absl::StrCat(
      "'", flow.Line(), "' is not leased under release ", ShortDigest(digest),
      " on this host; open it before it is confirmed"));
}

}  // namespace sluice::agent
