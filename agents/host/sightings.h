// What this host's network was seen to do, kept: who tried to reach whom in
// quarantine, who talked to whom before it, what listens, and whose it was.
//
// The kernel counts; this remembers when, by whom, and what a reboot would
// forget. Bounded: past the bound something is left out, and `full` says so.
// Any thread.

#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agents/core/observed.h"
#include "agents/isolation/fence.h"
#include "agents/isolation/observe_table.h"
#include "agents/isolation/packet_log.h"

namespace sluice::agent {

struct Listening {
  ListenerKey key;
  Process process;
};

class Sightings {
 public:
  static constexpr size_t kMaxPeers = 4096;
  static constexpr size_t kMaxNames = 512;
  static constexpr size_t kMaxListeners = 512;

  // A packet that the rules told of, and whose it is. Whether it was news.
  bool Saw(const LoggedPacket& packet, const Process& process, absl::Time now);
  // The fence, read back: its counters are the truth in quarantine. `watched`:
  // for how long it has missed nothing, if that is known.
  void Saw(const FenceReading& fence, std::optional<absl::Duration> watched,
           absl::Time now);
  void Saw(const ObserveReading& reading, absl::Time now);
  void Saw(const std::vector<Listening>& listening, absl::Time now);

  SensorNotes notes() const;
  // The fence's sensor was emptied: so is what quarantine saw besides.
  void BeginAnew();
  Observations observations() const;
  // What a fence that the kernel forgot should go on from; none when the host
  // was not in quarantine. `gapless`: nothing left this host since.
  std::optional<SensorMemory> Memory(bool gapless) const;

  // Changes whenever something was seen, and every ten minutes that the host
  // was watched; and when it was not known before.
  uint64_t version() const;
  uint64_t news() const;

  // JSON, one value a line, its last line a digest of all before.
  std::string Encode() const;
  // Takes what Encode() wrote; any other text is DataLoss and changes nothing.
  absl::Status Decode(absl::string_view text);

 private:
  struct State {
    bool quarantined = false;
    absl::Duration watched;
    bool names_full = false;
    std::map<std::string, Sighting> names;
    Observations seen;
    // Openings the kernel counts besides those in `seen`, by its last reading.
    std::map<PeerKey, uint64_t> counted;
  };

  mutable std::mutex mutex_;
  State state_;           // guarded by mutex_
  absl::Duration dated_;  // `watched` by version_; guarded by mutex_
  uint64_t version_ = 1;  // guarded by mutex_
  uint64_t news_ = 1;     // guarded by mutex_
};

}  // namespace sluice::agent
