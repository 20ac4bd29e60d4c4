#include "agents/isolation/nftables_fence.h"

#include <time.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "agents/isolation/connections.h"
#include "agents/isolation/listing.h"
#include "agents/isolation/nft.h"
#include "agents/isolation/rules_check.h"
#include "agents/isolation/ruleset_parts.h"
#include "common/contract.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

absl::Status CheckDigest(const std::string& digest) {
  if (IsDigest(digest)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", digest.substr(0, 80), "' is not a release order's ",
                   "digest; one is 'sha256:' and 64 hex digits"));
}

// The names of a release's sets hold the first 12 digits of its digest.
absl::Status CheckSameRelease(const Listing& now, const std::string& digest) {
  const auto guard = now.guards.find(ReleaseGroup(digest));
  if (guard == now.guards.end() || guard->second.digest == digest) {
    return absl::OkStatus();
  }
  return absl::AlreadyExistsError(absl::StrCat(
      "release ", digest, " begins like release ", guard->second.digest,
      ", which is open here; ask the gate again for a release order of its ",
      "own"));
}

std::vector<Flow> Joined(std::vector<Flow> a, const std::vector<Flow>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<Flow> Sorted(std::vector<Flow> flows) {
  std::sort(flows.begin(), flows.end());
  flows.erase(std::unique(flows.begin(), flows.end()), flows.end());
  return flows;
}

// What the kernel was asked for and what it says it has, element by element.
absl::Status CheckHolds(absl::string_view what, const std::vector<Flow>& asked,
                        const std::vector<Flow>& held, bool exactly) {
  const std::vector<Flow> wanted = Sorted(asked);
  std::vector<Flow> missing;
  std::set_difference(wanted.begin(), wanted.end(), held.begin(), held.end(),
                      std::back_inserter(missing));
  std::vector<Flow> extra;
  if (exactly) {
    std::set_difference(held.begin(), held.end(), wanted.begin(), wanted.end(),
                        std::back_inserter(extra));
  }
  if (missing.empty() && extra.empty()) return absl::OkStatus();
  const Flow& first = missing.empty() ? extra.front() : missing.front();
  return absl::DataLossError(absl::StrCat(
      "read back from the kernel, the ", what, " flows ",
      missing.empty() ? "have one too many" : "lack one", ": '", first.Line(),
      "'; another program changes the fence. Find it, then isolate again"));
}

const FenceReading::Leased* FindRelease(const FenceReading& reading,
                                        const std::string& digest) {
  for (const FenceReading::Leased& leased : reading.releases) {
    if (leased.digest == digest) return &leased;
  }
  return nullptr;
}

// Whether a set of flows admits a connection, a guest's included.
class Keep {
 public:
  Keep(const std::vector<Flow>& flows, const RulesetOptions& options)
      : admission_(flows), guests_(!options.interior.empty()) {}
  bool operator()(const Connection& c) const {
    return admission_.Admits(c) || (guests_ && admission_.AdmitsOutside(c));
  }

 private:
  const Admission admission_;
  const bool guests_;
};

// The sensor goes on unless something of it was lost.
Sensor SensorFor(const Listing& before, const FenceRules& rules) {
  const auto since = before.Reading().watching_since;
  if (since.has_value() && !rules.watch_anew && !rules.sensor_anew) {
    return {before.attempts, *since};
  }
  timespec clock = {};
  SLUICE_CHECK(clock_gettime(CLOCK_BOOTTIME, &clock) == 0);
  const absl::Duration now = absl::DurationFromTimespec(clock);
  if (rules.sensor_anew) return {{}, now};
  const bool none = before.dated_sensors == 0 && before.attempts.empty();
  if (!none || !rules.sensor.has_value()) return {before.attempts, now};
  // Earlier than the boot, if need be: it is only a difference that counts.
  return {rules.sensor->attempts,
          rules.watch_anew ? now : now - rules.sensor->watched};
}

bool IsWithin(const std::set<AddressBytes>& local, const Connection& c) {
  return local.contains(c.client) && local.contains(c.server);
}

}  // namespace

NftablesFence::NftablesFence(RulesetOptions options)
    : options_(std::move(options)), nft_(std::make_unique<Nft>()) {}

NftablesFence::~NftablesFence() = default;

absl::StatusOr<Listing> NftablesFence::List() {
  SLUICE_RETURN_IF_ERROR(CheckOptions(options_));
  // As a rule the last that is asked for a while.
  const absl::Cleanup rest = [this] { nft_->Rest(); };
  absl::StatusOr<std::string> json = nft_->List(ListTableText(options_));
  if (absl::IsNotFound(json.status())) return Listing();
  if (!json.ok()) return WithContext(json.status(), "reading the fence");
  SLUICE_ASSIGN_OR_RETURN(Listing listing, ParseListing(*json));
  for (auto& [group, guard] : listing.guards) {
    if (!guard.live) continue;
    // Listed again as text, for the milliseconds.
    absl::StatusOr<std::string> text =
        nft_->Run(ListGuardText(options_, group));
    if (!text.ok()) return WithContext(text.status(), "reading a lease");
    SLUICE_ASSIGN_OR_RETURN(const absl::Duration left, ParseExpires(*text));
    guard.live = left != absl::InfiniteDuration();
    guard.remaining = guard.live ? std::max(left, absl::Milliseconds(1))
                                 : absl::ZeroDuration();
  }
  return listing;
}

Listing NftablesFence::ListBefore(const FenceRules& rules) {
  if (rules.mode == Mode::kOpen || !rules.releases.empty()) {
    absl::StatusOr<Listing> listed = List();
    return listed.ok() ? *std::move(listed) : Listing();
  }
  Listing sensor;
  for (const std::string& text : ListSensorTexts(options_)) {
    const absl::StatusOr<std::string> json = nft_->List(text);
    if (!json.ok()) continue;
    absl::StatusOr<Listing> one = ParseListing(*json);
    if (!one.ok()) continue;
    sensor.attempts.insert(sensor.attempts.end(), one->attempts.begin(),
                           one->attempts.end());
    sensor.dated_sensors += one->dated_sensors;
    sensor.sensor_since = std::max(sensor.sensor_since, one->sensor_since);
  }
  return sensor;
}

absl::StatusOr<Listing> NftablesFence::ListFence(absl::string_view act) {
  SLUICE_ASSIGN_OR_RETURN(Listing listing, List());
  if (!listing.exists || !listing.upright) return NoFence(act);
  return listing;
}

// Connections that nothing admits are of no use to anyone, and would come back
// to life when something does (S4). This host's talk with itself goes on.
absl::Status NftablesFence::ForgetUnlessAdmittedBy(const Listing& listing) {
  SLUICE_ASSIGN_OR_RETURN(const std::set<AddressBytes> local, LocalAddresses());
  const Keep keep(Joined(listing.Live(), AllFlows(listing.Group(kManagement))),
                  options_);
  SLUICE_RETURN_IF_ERROR(ForgetConnections([&](const Connection& connection) {
    return keep(connection) || IsWithin(local, connection);
  }));
  swept_table_ = listing.table_handle;
  return absl::OkStatus();
}

absl::Status NftablesFence::ForgetForReplace(const Listing& before,
                                             const FenceRules& rules) {
  std::vector<Flow> leased;
  for (const Release& release : rules.releases) {
    leased.insert(leased.end(), release.leased.begin(), release.leased.end());
  }
  if (leased.empty() && rules.vital.empty() && rules.standing.empty() &&
      options_.interior.empty()) {
    return ForgetAllConnections();  // management is not tracked
  }
  // S4: a leased flow keeps only what the fence before this one admitted. A
  // standing one keeps what was seen to begin: what the kernel met in the
  // middle came to life while another hand had taken the fence away.
  const Keep keep_vital(Joined(rules.vital, rules.management), options_);
  const Keep keep_standing(rules.standing, options_);
  const Keep keep_leased(leased, options_);
  const Keep admitted(before.upright ? before.Live() : std::vector<Flow>(),
                      options_);
  SLUICE_ASSIGN_OR_RETURN(const std::set<AddressBytes> local, LocalAddresses());
  return ForgetConnections([&](const Connection& connection) {
    return keep_vital(connection) ||
           (keep_standing(connection) && !connection.picked_up) ||
           (keep_leased(connection) && admitted(connection)) ||
           IsWithin(local, connection);
  });
}

absl::StatusOr<FenceReading> NftablesFence::Replace(const FenceRules& rules) {
  SLUICE_RETURN_IF_ERROR(CheckRules(rules));
  for (const Release& release : rules.releases) {
    SLUICE_RETURN_IF_ERROR(CheckDigest(release.digest));
  }
  SLUICE_RETURN_IF_ERROR(CheckOptions(options_));
  const Listing before = ListBefore(rules);
  swept_table_ = 0;
  if (rules.mode == Mode::kOpen) {
    if (before.exists && before.upright) {
      SLUICE_RETURN_IF_ERROR(ForgetUnlessAdmittedBy(before));
      swept_table_ = 0;
    }
    SLUICE_RETURN_IF_ERROR(WithContext(nft_->Run(DeleteText(options_)).status(),
                                       "taking the fence down"));
    return Read();
  }
  const Sensor sensor = SensorFor(before, rules);
  SLUICE_ASSIGN_OR_RETURN(const std::string text,
                          ReplaceText(options_, rules, sensor));
  absl::Status put_up = nft_->Run(text).status();
  if (!put_up.ok() && options_.log_group != 0) {
    // A kernel that cannot tell of packets still closes.
    RulesetOptions silent = options_;
    silent.log_group = 0;
    SLUICE_ASSIGN_OR_RETURN(const std::string without,
                            ReplaceText(silent, rules, sensor));
    if (nft_->Run(without).ok()) put_up = absl::OkStatus();
  }
  SLUICE_RETURN_IF_ERROR(WithContext(put_up, "putting the fence up"));
  SLUICE_RETURN_IF_ERROR(ForgetForReplace(before, rules));
  SLUICE_ASSIGN_OR_RETURN(const Listing after, List());
  const FenceReading reading = after.Reading();
  if (reading.mode != Mode::kQuarantined) {
    return absl::DataLossError(
        "the fence was put up and is gone again; another program changes the "
        "kernel's rules. Find it, then isolate again");
  }
  SLUICE_RETURN_IF_ERROR(
      CheckHolds("management", rules.management, reading.management, true));
  SLUICE_RETURN_IF_ERROR(CheckHolds("vital", rules.vital, reading.vital, true));
  SLUICE_RETURN_IF_ERROR(
      CheckHolds("standing", rules.standing, reading.standing, true));
  for (const Release& release : rules.releases) {
    if (release.leased.empty()) continue;
    const FenceReading::Leased* held = FindRelease(reading, release.digest);
    SLUICE_RETURN_IF_ERROR(
        CheckHolds("leased", release.leased,
                   held == nullptr ? std::vector<Flow>() : held->flows, true));
  }
  swept_table_ = after.table_handle;
  return reading;
}

absl::StatusOr<FenceReading> NftablesFence::Open(
    const std::string& digest, absl::Duration lease,
    const std::vector<Flow>& flows) {
  SLUICE_RETURN_IF_ERROR(CheckDigest(digest));
  SLUICE_RETURN_IF_ERROR(CheckRelease({digest, lease, flows}));
  SLUICE_ASSIGN_OR_RETURN(const Listing before, ListFence("opening flows"));
  if (flows.empty()) return before.Reading();
  SLUICE_RETURN_IF_ERROR(CheckSameRelease(before, digest));
  SLUICE_ASSIGN_OR_RETURN(const std::string text,
                          OpenText(options_, before, {digest, lease, flows}));
  // S4: first what is not admitted now, then the flows.
  if (before.table_handle != swept_table_ || before.HasDeadGuard()) {
    SLUICE_RETURN_IF_ERROR(ForgetUnlessAdmittedBy(before));
  }
  SLUICE_RETURN_IF_ERROR(
      WithContext(nft_->Run(text).status(), "opening flows"));
  SLUICE_ASSIGN_OR_RETURN(FenceReading reading, Read());
  const FenceReading::Leased* held = FindRelease(reading, digest);
  SLUICE_RETURN_IF_ERROR(
      CheckHolds("leased", flows,
                 held == nullptr ? std::vector<Flow>() : held->flows, false));
  return reading;
}

absl::StatusOr<FenceReading> NftablesFence::Remove(
    const std::string& digest, const std::vector<Flow>& flows) {
  SLUICE_ASSIGN_OR_RETURN(const Listing before, ListFence("closing flows"));
  std::vector<std::string> groups;
  if (digest.empty()) {
    groups.push_back(kStanding);
    for (const auto& [group, guard] : before.guards) groups.push_back(group);
  } else {
    SLUICE_RETURN_IF_ERROR(CheckDigest(digest));
    SLUICE_RETURN_IF_ERROR(CheckSameRelease(before, digest));
    if (before.guards.contains(ReleaseGroup(digest))) {
      groups.push_back(ReleaseGroup(digest));
    }
  }
  const std::string text = RemoveText(options_, before, groups, flows);
  if (!text.empty()) {
    SLUICE_RETURN_IF_ERROR(
        WithContext(nft_->Run(text).status(), "closing flows"));
  }
  SLUICE_ASSIGN_OR_RETURN(const Listing after, ListFence("closing flows"));
  SLUICE_RETURN_IF_ERROR(ForgetUnlessAdmittedBy(after));
  for (const std::string& group : groups) {
    const std::vector<Flow> left = AllFlows(Find(after.Group(group), flows));
    SLUICE_RETURN_IF_ERROR(CheckHolds("removed", {}, left, true));
  }
  return after.Reading();
}

absl::Status NftablesFence::Renew(
    const std::map<std::string, absl::Duration>& leases) {
  if (leases.empty()) return absl::OkStatus();
  SLUICE_RETURN_IF_ERROR(CheckOptions(options_));
  for (const auto& [digest, lease] : leases) {
    SLUICE_RETURN_IF_ERROR(CheckDigest(digest));
    SLUICE_RETURN_IF_ERROR(CheckLease(digest, lease));
  }
  // All at once; the kernel refuses all when one guard has run out.
  const absl::Status all = nft_->Run(RenewText(options_, leases)).status();
  if (!absl::IsNotFound(all)) return WithContext(all, "renewing leases");
  std::vector<std::string> gone;
  for (const auto& one : leases) {
    const absl::Status status = nft_->Run(RenewText(options_, {one})).status();
    if (absl::IsNotFound(status)) {
      gone.push_back(one.first);
    } else if (!status.ok()) {
      return WithContext(status, "renewing leases");
    }
  }
  return gone.empty() ? absl::OkStatus() : GuardsRanOut(gone);
}

absl::StatusOr<FenceReading> NftablesFence::Confirm(
    const std::string& digest, const std::vector<Flow>& flows) {
  SLUICE_RETURN_IF_ERROR(CheckDigest(digest));
  SLUICE_ASSIGN_OR_RETURN(const Listing before, ListFence("confirming flows"));
  SLUICE_RETURN_IF_ERROR(CheckSameRelease(before, digest));
  const std::vector<Flow> standing = AllFlows(before.Group(kStanding));
  const auto guard = before.guards.find(ReleaseGroup(digest));
  const std::vector<Flow> leased = AllFlows(before.Group(ReleaseGroup(digest)));
  for (const Flow& flow : flows) {
    // What another grant made stand needs no lease, and may have none.
    if (std::binary_search(standing.begin(), standing.end(), flow)) continue;
    if (!std::binary_search(leased.begin(), leased.end(), flow)) {
      return NotLeased(digest, flow);
    }
    if (!guard->second.live) return GuardsRanOut({digest});
  }
  SLUICE_ASSIGN_OR_RETURN(const std::string text,
                          ConfirmText(options_, before, digest, flows));
  if (!text.empty()) {
    const absl::Status done = nft_->Run(text).status();
    if (absl::IsNotFound(done)) return GuardsRanOut({digest});
    SLUICE_RETURN_IF_ERROR(WithContext(done, "confirming flows"));
  }
  SLUICE_ASSIGN_OR_RETURN(FenceReading reading, Read());
  SLUICE_RETURN_IF_ERROR(
      CheckHolds("standing", flows, reading.standing, false));
  return reading;
}

absl::StatusOr<FenceReading> NftablesFence::Read() {
  SLUICE_ASSIGN_OR_RETURN(const Listing listing, List());
  return listing.Reading();
}

}  // namespace sluice::agent
