#include "tests/simulation/kernel.h"

#include <algorithm>
#include <utility>

#include "common/contract.h"

namespace sluice::simulation {

using agent::FenceReading;
using agent::FenceRules;
using agent::Mode;

namespace {

bool Covers(const Flow& wide, const Flow& flow) {
  return wide.protocol == flow.protocol && wide.client.Contains(flow.client) &&
         wide.server.Contains(flow.server) &&
         wide.ports.first <= flow.ports.first &&
         flow.ports.last <= wide.ports.last;
}

bool AnyCovers(const std::set<Flow>& flows, const Flow& flow) {
  return std::any_of(flows.begin(), flows.end(),
                     [&](const Flow& wide) { return Covers(wide, flow); });
}

}  // namespace

Kernel::Kernel(std::function<absl::Duration()> boot_clock)
    : boot_clock_(std::move(boot_clock)),
      fence_([this] { return absl::UnixEpoch() + boot_clock_(); }) {}

void Kernel::Boot() {
  SLUICE_CHECK(fence_.Replace(FenceRules{.mode = Mode::kOpen}).ok());
  mode_ = Mode::kOpen;
  kept_.clear();
  standing_.clear();
  leased_.clear();
  tracked_.clear();
  ++changes_;
}

absl::StatusOr<FenceReading> Kernel::Replace(const FenceRules& rules) {
  if (!failure_.ok()) return failure_;
  if (undone_) return fence_.Read();
  absl::StatusOr<FenceReading> reading = fence_.Replace(rules);
  if (!reading.ok()) return reading;
  ++changes_;
  mode_ = rules.mode;
  kept_.clear();
  standing_.clear();
  leased_.clear();
  if (mode_ == Mode::kQuarantined) {
    kept_.insert(rules.management.begin(), rules.management.end());
    kept_.insert(rules.vital.begin(), rules.vital.end());
    standing_.insert(rules.standing.begin(), rules.standing.end());
    for (const agent::Release& release : rules.releases) {
      leased_[release.digest] = {
          boot_clock_() + release.lease,
          {release.leased.begin(), release.leased.end()}};
    }
  }
  std::erase_if(tracked_, [&](const auto& entry) {
    return !AnyCovers(kept_, entry.second.original) &&
           !AnyCovers(standing_, entry.second.original);
  });
  return reading;
}

absl::StatusOr<FenceReading> Kernel::Open(const std::string& digest,
                                          absl::Duration lease,
                                          const std::vector<Flow>& flows) {
  if (!failure_.ok()) return failure_;
  if (undone_) return fence_.Read();
  absl::StatusOr<FenceReading> reading = fence_.Open(digest, lease, flows);
  if (!reading.ok()) return reading;
  ++changes_;
  if (flows.empty()) return reading;
  Forget(flows);
  const auto at = leased_.find(digest);
  if (at == leased_.end() || boot_clock_() >= at->second.until) {
    leased_[digest] = {boot_clock_() + lease, {flows.begin(), flows.end()}};
  } else {
    at->second.flows.insert(flows.begin(), flows.end());
  }
  return reading;
}

absl::StatusOr<FenceReading> Kernel::Remove(const std::string& digest,
                                            const std::vector<Flow>& flows) {
  if (!failure_.ok()) return failure_;
  if (undone_) return fence_.Read();
  absl::StatusOr<FenceReading> reading = fence_.Remove(digest, flows);
  if (!reading.ok()) return reading;
  ++changes_;
  for (auto it = leased_.begin(); it != leased_.end();) {
    if (digest.empty() || it->first == digest) {
      for (const Flow& flow : flows) it->second.flows.erase(flow);
    }
    it = it->second.flows.empty() ? leased_.erase(it) : std::next(it);
  }
  if (digest.empty()) {
    for (const Flow& flow : flows) standing_.erase(flow);
  }
  // A session that another live release still admits goes on.
  std::vector<Flow> gone;
  for (const Flow& flow : flows) {
    if (!Admits(flow)) gone.push_back(flow);
  }
  Forget(gone);
  return reading;
}

absl::Status Kernel::Renew(
    const std::map<std::string, absl::Duration>& leases) {
  if (!failure_.ok()) return failure_;
  if (undone_) return absl::OkStatus();
  const absl::Status status = fence_.Renew(leases);
  for (const auto& [digest, lease] : leases) {
    const auto at = leased_.find(digest);
    if (at == leased_.end() || boot_clock_() >= at->second.until) continue;
    at->second.until = boot_clock_() + lease;
  }
  return status;
}

absl::StatusOr<FenceReading> Kernel::Confirm(const std::string& digest,
                                             const std::vector<Flow>& flows) {
  if (!failure_.ok()) return failure_;
  if (undone_) return fence_.Read();
  absl::StatusOr<FenceReading> reading = fence_.Confirm(digest, flows);
  if (!reading.ok()) return reading;
  ++changes_;
  standing_.insert(flows.begin(), flows.end());
  const auto at = leased_.find(digest);
  if (at == leased_.end()) return reading;
  for (const Flow& flow : flows) at->second.flows.erase(flow);
  if (at->second.flows.empty()) leased_.erase(at);
  return reading;
}

absl::StatusOr<FenceReading> Kernel::Read() {
  if (!failure_.ok()) return failure_;
  return fence_.Read();
}

void Kernel::Forget(const std::vector<Flow>& flows) {
  std::erase_if(tracked_, [&](const auto& entry) {
    return std::any_of(flows.begin(), flows.end(), [&](const Flow& flow) {
      return Covers(flow, entry.second.original);
    });
  });
}

bool Kernel::Admits(const Flow& flow) const {
  if (AnyCovers(kept_, flow) || AnyCovers(standing_, flow)) return true;
  const absl::Duration now = boot_clock_();
  return std::any_of(leased_.begin(), leased_.end(), [&](const auto& entry) {
    return now < entry.second.until && AnyCovers(entry.second.flows, flow);
  });
}

bool Kernel::Keeps(const Flow& flow) const { return AnyCovers(kept_, flow); }

bool Kernel::Passes(const Tuple& tuple, bool from_client, bool syn) {
  const auto at = tracked_.find(tuple.session);
  Flow original = tuple.flow;
  if (at != tracked_.end()) {
    original = at->second.original;
  } else {
    // Seen from here, whoever sends first is the client.
    if (!from_client) {
      std::swap(original.client, original.server);
      const auto port = static_cast<uint16_t>(40'000 + tuple.session % 20'000);
      original.ports = {port, port};
    }
    const bool tcp = original.protocol == Protocol::kTcp;
    if (quarantined() && tcp && !syn) return false;
  }
  if (quarantined() && !Admits(original)) return false;
  if (at == tracked_.end()) tracked_[tuple.session] = {original};
  return true;
}

std::map<Flow, std::set<std::string>> Kernel::OpenFlows() const {
  std::map<Flow, std::set<std::string>> open;
  for (const Flow& flow : standing_) open[flow].insert("");
  const absl::Duration now = boot_clock_();
  for (const auto& [digest, held] : leased_) {
    if (now >= held.until) continue;
    for (const Flow& flow : held.flows) open[flow].insert(digest);
  }
  return open;
}

}  // namespace sluice::simulation
