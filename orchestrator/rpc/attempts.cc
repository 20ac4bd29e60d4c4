#include "orchestrator/rpc/attempts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "orchestrator/rpc/sessions.h"

namespace sluice::rpc {

// REQUIRES: mutex_ is held.
Attempts::Bucket& Attempts::Of(const std::string& address, absl::Time now) {
  const auto found = buckets_.find(address);
  if (found != buckets_.end()) return found->second;
  if (buckets_.size() >= options_.addresses) {
    // Whoever has been quiet long enough to have all of theirs back is
    // forgotten.
    std::erase_if(buckets_, [&](const auto& one) {
      return now - one.second.at >= options_.burst * options_.one_more_every;
    });
  }
  const bool room = buckets_.size() < options_.addresses;
  return buckets_.try_emplace(room ? address : "", Bucket{options_.burst, now})
      .first->second;
}

absl::Status Attempts::Take(absl::string_view peer, absl::Time now) {
  const std::string address = AddressOf(peer);
  const std::lock_guard<std::mutex> lock(mutex_);
  Bucket& bucket = Of(address, now);
  bucket.left = std::min(
      options_.burst,
      bucket.left +
          absl::FDivDuration(std::max(now - bucket.at, absl::ZeroDuration()),
                             options_.one_more_every));
  bucket.at = now;
  if (bucket.left < 1) {
    return absl::ResourceExhaustedError(
        absl::StrCat("too many attempts from this address; try again in ",
                     absl::FormatDuration(options_.one_more_every)));
  }
  bucket.left -= 1;
  return absl::OkStatus();
}

void Attempts::GiveBack(absl::string_view peer) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = buckets_.find(AddressOf(peer));
  if (found != buckets_.end()) {
    found->second.left = std::min(options_.burst, found->second.left + 1);
  }
}

}  // namespace sluice::rpc
