// The enforcement port: what closes and opens flows on one host.
//
// A fence is either absent (Mode::kOpen) or up. Up, nothing passes but what
// this names: management, vital, standing and leased flows, loopback, and what
// IPv6 cannot live without. Every call is one transaction: it happens whole or
// not at all. Nothing here remembers: what is returned was read back from the
// enforcement point after the change.
//
// A flow is installed the same way whichever end the host is (or when it only
// forwards it). Closing a flow, by Remove(), by Replace() without it or by its
// release's guard running out, cuts its live sessions; none of them comes back
// to life when the flow is opened again (S4). A session of a flow that another
// live release, or standing, still admits goes on.
//
// A release without flows is gone from the reading: after its last flow was
// confirmed or removed. Opening a release whose guard has run out begins it
// anew with exactly the flows given: what it held before stays closed.
//
// Twins: NftablesFence (the kernel), MemoryFence (tests, with a clock).

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/flow.h"

namespace sluice::agent {

enum class Mode : uint8_t { kOpen, kQuarantined };

// One release order's leased flows behind one guard, which the enforcement
// point itself lets run out after `lease` unless renewed.
struct Release {
  std::string digest;  // the release order's
  absl::Duration lease;
  std::vector<Flow> leased;
};

// A packet the fence refused: who tried to reach whom (the sensor). For one
// that came in (or through), the peer is its source; else its destination.
struct Attempt {
  bool outbound = false;
  Protocol protocol = Protocol::kTcp;
  Prefix peer;
  uint16_t port = 0;  // the destination's
  uint64_t packets = 0;

  friend bool operator==(const Attempt&, const Attempt&) = default;
  friend auto operator<=>(const Attempt&, const Attempt&) = default;
};

// What the sensor held before the kernel forgot it (a reboot), and for how long
// it had watched without missing anything.
struct SensorMemory {
  std::vector<Attempt> attempts;
  absl::Duration watched;
};

// Everything a fence should hold.
struct FenceRules {
  Mode mode = Mode::kQuarantined;
  std::vector<Flow> management;  // stateless; this host is the client
  std::vector<Flow> vital;
  std::vector<Flow> standing;
  std::vector<Release> releases;
  // The sensor's time starts anew: nobody knows what it missed.
  bool watch_anew = false;
  // The sensor begins empty, and watches since now.
  bool sensor_anew = false;
  // For a kernel that has no sensor; else what is there goes on.
  std::optional<SensorMemory> sensor = std::nullopt;
};

// What the enforcement point holds now. Flows are sorted, each stands once.
struct FenceReading {
  Mode mode = Mode::kOpen;
  std::vector<Flow> management;
  std::vector<Flow> vital;
  std::vector<Flow> standing;
  struct Leased {
    std::string digest;
    absl::Duration remaining;  // zero: the guard has run out
    std::vector<Flow> flows;   // in the set; closed when remaining is zero
  };
  std::vector<Leased> releases;
  uint64_t dropped_packets = 0;  // since the table was made
  // Refused TCP openings and UDP datagrams, bounded; kept across Replace()
  // while the fence stays up.
  std::vector<Attempt> attempts;
  // Since when no refused opening outwards was missed, on the boot-time clock;
  // none when that is not known, or there is no sensor.
  std::optional<absl::Duration> watching_since;
  // There was no room for more; what came after was not recorded.
  bool sensor_full = false;
  // What the enforcement point does not keep, for people; empty: nothing.
  std::string remark;
  // Changes whenever anything but counters, timers and leased elements does.
  std::string rules_digest;
};

class Fence {
 public:
  virtual ~Fence() = default;

  // Makes the fence hold exactly `rules` (kOpen: no fence at all) and forgets
  // the connections of every flow that is not kept. Guards start anew.
  virtual absl::StatusOr<FenceReading> Replace(const FenceRules& rules) = 0;

  // Adds flows to a release, making it (and starting its guard) if it is not
  // there. Forgets old connections of these flows first.
  virtual absl::StatusOr<FenceReading> Open(const std::string& digest,
                                            absl::Duration lease,
                                            const std::vector<Flow>& flows) = 0;

  // Takes flows out of a release (any release, and standing, when `digest` is
  // empty) and forgets their connections.
  virtual absl::StatusOr<FenceReading> Remove(
      const std::string& digest, const std::vector<Flow>& flows) = 0;

  // Starts the guards of these releases anew, each with its own lease. One
  // whose guard has run out already stays closed: that is an error
  // (FailedPrecondition) naming it, and the others are renewed all the same.
  virtual absl::Status Renew(
      const std::map<std::string, absl::Duration>& leases) = 0;

  // Makes leased flows of a release standing. Refused when its guard has run
  // out, and when one of them is neither leased there nor standing already.
  // Live sessions go on.
  virtual absl::StatusOr<FenceReading> Confirm(
      const std::string& digest, const std::vector<Flow>& flows) = 0;

  virtual absl::StatusOr<FenceReading> Read() = 0;
};

}  // namespace sluice::agent
