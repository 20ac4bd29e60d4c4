#include "agents/isolation/memory_fence.h"

#include <algorithm>
#include <utility>

#include "agents/isolation/rules_check.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

std::set<Flow> ToSet(const std::vector<Flow>& flows) {
  return {flows.begin(), flows.end()};
}

std::vector<Flow> ToVector(const std::set<Flow>& flows) {
  return {flows.begin(), flows.end()};
}

bool Covers(const std::set<Flow>& held, const Flow& flow) {
  return std::any_of(held.begin(), held.end(), [&](const Flow& wide) {
    return wide.protocol == flow.protocol &&
           wide.client.Contains(flow.client) &&
           wide.server.Contains(flow.server) &&
           wide.ports.first <= flow.ports.first &&
           flow.ports.last <= wide.ports.last;
  });
}

}  // namespace

MemoryFence::MemoryFence(std::function<absl::Time()> now)
    : now_(std::move(now)) {}

absl::StatusOr<FenceReading> MemoryFence::Replace(const FenceRules& rules) {
  SLUICE_RETURN_IF_ERROR(CheckRules(rules));
  releases_.clear();
  mode_ = rules.mode;
  const bool up = mode_ == Mode::kQuarantined;
  if (!up || rules.sensor_anew) attempts_.clear();
  management_ = up ? ToSet(rules.management) : std::set<Flow>();
  vital_ = up ? ToSet(rules.vital) : std::set<Flow>();
  standing_ = up ? ToSet(rules.standing) : std::set<Flow>();
  if (up) {
    for (const Release& release : rules.releases) {
      if (release.leased.empty()) continue;
      releases_[release.digest] = {now_() + release.lease,
                                   ToSet(release.leased)};
    }
  }
  return Read();
}

absl::StatusOr<FenceReading> MemoryFence::Open(const std::string& digest,
                                               absl::Duration lease,
                                               const std::vector<Flow>& flows) {
  if (mode_ == Mode::kOpen) return NoFence("opening flows");
  SLUICE_RETURN_IF_ERROR(CheckRelease({digest, lease, flows}));
  if (flows.empty()) return Read();
  auto found = releases_.find(digest);
  if (found == releases_.end() || !IsLive(found->second)) {
    releases_[digest] = {now_() + lease, ToSet(flows)};
  } else {
    found->second.flows.insert(flows.begin(), flows.end());
  }
  return Read();
}

absl::StatusOr<FenceReading> MemoryFence::Remove(
    const std::string& digest, const std::vector<Flow>& flows) {
  if (mode_ == Mode::kOpen) return NoFence("closing flows");
  for (auto it = releases_.begin(); it != releases_.end();) {
    if (digest.empty() || it->first == digest) {
      for (const Flow& flow : flows) it->second.flows.erase(flow);
    }
    it = it->second.flows.empty() ? releases_.erase(it) : std::next(it);
  }
  if (digest.empty()) {
    for (const Flow& flow : flows) standing_.erase(flow);
  }
  return Read();
}

absl::Status MemoryFence::Renew(
    const std::map<std::string, absl::Duration>& leases) {
  if (leases.empty()) return absl::OkStatus();
  if (mode_ == Mode::kOpen) return NoFence("renewing leases");
  std::vector<std::string> gone;
  for (const auto& [digest, lease] : leases) {
    SLUICE_RETURN_IF_ERROR(CheckLease(digest, lease));
  }
  for (const auto& [digest, lease] : leases) {
    auto found = releases_.find(digest);
    if (found == releases_.end() || !IsLive(found->second)) {
      gone.push_back(digest);
    } else {
      found->second.until = now_() + lease;
    }
  }
  return gone.empty() ? absl::OkStatus() : GuardsRanOut(gone);
}

absl::StatusOr<FenceReading> MemoryFence::Confirm(
    const std::string& digest, const std::vector<Flow>& flows) {
  if (mode_ == Mode::kOpen) return NoFence("confirming flows");
  auto found = releases_.find(digest);
  for (const Flow& flow : flows) {
    // What another grant made stand needs no lease, and may have none.
    if (standing_.contains(flow)) continue;
    if (found == releases_.end() || !found->second.flows.contains(flow)) {
      return NotLeased(digest, flow);
    }
    if (!IsLive(found->second)) return GuardsRanOut({digest});
  }
  standing_.insert(flows.begin(), flows.end());
  if (found != releases_.end()) {
    for (const Flow& flow : flows) found->second.flows.erase(flow);
    if (found->second.flows.empty()) releases_.erase(found);
  }
  return Read();
}

absl::StatusOr<FenceReading> MemoryFence::Read() {
  FenceReading reading;
  reading.mode = mode_;
  reading.management = ToVector(management_);
  reading.vital = ToVector(vital_);
  reading.standing = ToVector(standing_);
  for (const auto& [digest, held] : releases_) {
    reading.releases.push_back(
        {digest, std::max(absl::ZeroDuration(), held.until - now_()),
         ToVector(held.flows)});
  }
  reading.attempts = attempts_;
  reading.rules_digest = Sha256(absl::StrCat(
      mode_ == Mode::kOpen ? "open " : "quarantined ",
      FlowsDigest(reading.management), " ", FlowsDigest(reading.vital), " ",
      FlowsDigest(reading.standing)));
  return reading;
}

void MemoryFence::Refused(Attempt attempt) {
  if (mode_ == Mode::kOpen) return;
  for (Attempt& one : attempts_) {
    if (one.outbound == attempt.outbound && one.peer == attempt.peer &&
        one.port == attempt.port && one.protocol == attempt.protocol) {
      one.packets += attempt.packets;
      return;
    }
  }
  attempts_.push_back(std::move(attempt));
}

bool MemoryFence::Admits(const Flow& flow) const {
  if (mode_ == Mode::kOpen) return true;
  if (Covers(management_, flow) || Covers(vital_, flow) ||
      Covers(standing_, flow)) {
    return true;
  }
  return std::any_of(releases_.begin(), releases_.end(), [&](const auto& it) {
    return IsLive(it.second) && Covers(it.second.flows, flow);
  });
}

}  // namespace sluice::agent
