// What agents saw of their hosts' networks: the last summary of each, kept in
// memory. It comes again with the agent's next stream, so nothing here is
// journaled.

#pragma once

#include <map>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::rpc {

class ObservationStore {
 public:
  // What an agent may send, so that no host fills the memory.
  static constexpr size_t kMaxBytes = 512 << 10;
  static constexpr int kMaxEntries = 8192;

  // In the place of what `host` said before. ResourceExhausted: too much.
  absl::Status Keep(const HostId& host, v1::Observations observations);

  // Hosts after `after`, by name, as many as fit into a message; at least one.
  void Fill(const std::string& after, v1::EstateObservations* out) const;

 private:
  struct Entry {
    absl::Time received;
    v1::Observations observations;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Entry> hosts_;  // guarded by mutex_
};

}  // namespace sluice::rpc
