// What people sign besides a release order's body, which is signed as it is:
// each a text of its own, so that no signature can be taken for another.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/flow.h"
#include "common/ids.h"

namespace sluice {

// Beside those of common/signature.h.
namespace signed_as {
inline constexpr absl::string_view kHead = "head@sluice";
inline constexpr absl::string_view kWaiver = "waiver@sluice";
inline constexpr absl::string_view kPoint = "point@sluice";
}

//   sluice head 1
//   estate city-utility
//   record 1234
//   head sha256:…
// That the journal was so far then: whoever keeps it shows later what was cut
// off or written anew.
std::string HeadText(const EstateId& estate, uint64_t record,
                     absl::string_view head);

//   sluice no-go 1
//   release sha256:…
//   reason wait for forensics
// A reason of several lines has one `reason` a line.
std::string NoGoText(absl::string_view release_digest,
                     absl::string_view reason);

//   sluice confirm 1
//   release sha256:…
// What a gate that confirms by decision asks for once more after the soak:
// leases become standing. Signed like a go; the go itself does not count.
std::string ConfirmText(absl::string_view release_digest);

//   sluice task 1
//   estate city-utility
//   run 2026-11-21-1
//   task billing-engine/accept-1
//   what known invoice matches paper
//   relayed-for billing-owner
//   note …
//   attachment sha256:…
// Lines without a value are left out.
struct TaskText {
  EstateId estate;
  RunId run;
  TaskId task;
  std::string what;
  // Whose word it is, when the signer passes on what they were told.
  OperatorId relayed_for;
  std::string note;
  std::string attachment_digest;

  std::string Body() const;
};

//   sluice waiver 1
//   estate city-utility
//   run 2026-11-21-1
//   step billing-engine
//   check billing-engine/health-1
//   until 2026-11-21T18:00:00.000Z
//   reason seen by hand
// Without a `check`: all of the step's that did not pass then.
struct WaiverText {
  EstateId estate;
  RunId run;
  StepId step;
  CheckId check;
  absl::Time until;  // whole milliseconds count
  std::string reason;

  std::string Body() const;
};

//   sluice point 1
//   estate city-utility
//   run 2026-11-21-1
//   point plc-1
//   task plc-1/open-4
//   order 2026-11-21-1:0a1b2c3d/120/3
//   verb open
//   release sha256:…
//   flow tcp 10.77.0.21 10.9.0.5 502
//   outcome done
//   saw the lamp of port 7 is green
// What a person did at a point that nobody's program drives, or could not do
// (`outcome failed`, and `saw` says why). Lines without a value are left out.
struct PointText {
  EstateId estate;
  RunId run;
  HostId point;
  TaskId task;
  std::string order;
  std::string verb;  // "isolate", "close", "open", "start"
  std::string release_digest;
  std::vector<Flow> flows;
  bool done = false;
  std::string saw;

  std::string Body() const;
};

}  // namespace sluice
