#include "orchestrator/rpc/observations.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sluice::rpc {
namespace {

constexpr size_t kMaxReply = 2 << 20;

}  // namespace

absl::Status ObservationStore::Keep(const HostId& host,
                                    v1::Observations observations) {
  if (observations.ByteSizeLong() > kMaxBytes ||
      observations.peers_size() + observations.listeners_size() >
          kMaxEntries) {
    return absl::ResourceExhaustedError(
        absl::StrCat("host ", host.str(),
                     " saw more than an agent of this version sends; install "
                     "the agent of this version"));
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  hosts_[host.str()] = {absl::Now(), std::move(observations)};
  return absl::OkStatus();
}

void ObservationStore::Fill(const std::string& after,
                            v1::EstateObservations* out) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  size_t bytes = 0;
  for (auto at = hosts_.upper_bound(after); at != hosts_.end(); ++at) {
    bytes += at->second.observations.ByteSizeLong();
    if (out->hosts_size() > 0 && bytes > kMaxReply) {
      out->set_more(true);
      return;
    }
    v1::HostObservations* host = out->add_hosts();
    host->set_host(at->first);
    host->set_received_ms(absl::ToUnixMillis(at->second.received));
    *host->mutable_observations() = at->second.observations;
  }
}

}  // namespace sluice::rpc
