// The release order: the text that lets agents open a stage's flows.
//
// Its body is canonical UTF-8, one fact a line, ending in a newline. Every
// decision is a statement about exactly these bytes, so the text has one form:
// Parse(Body()) gives the same value and Body(Parse(text)) the same bytes.
//
//   sluice release order 1
//   estate city-utility
//   run 2026-11-21-1
//   plan sha256:…
//   stage applications
//   stage-digest sha256:…
//   round 1
//   started-by duty-commander
//   quorum incident-commander=1 system-owner=1
//   no-self-approval yes
//   journal-head sha256:…
//   valid-seconds 1800
//   confirm automatic
//   step billing-engine
//   step citizens>customer-portal:https
//   host app-1 quarantine=3 evidence=sha256:… flows=sha256:… lease=60 soak=300
//
// Steps and hosts are sorted by name and stand once each.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"

namespace sluice {

enum class ConfirmRule : uint8_t { kAutomatic, kByDecision };

struct ReleaseOrder {
  struct Host {
    HostId id;
    uint64_t quarantine_number = 0;
    std::string evidence_digest;  // "sha256:…": the host's frozen evidence
    std::string flows_digest;     // FlowsDigest of what opens on this host
    int64_t lease_seconds = 60;
    int64_t soak_seconds = 0;

    friend bool operator==(const Host&, const Host&) = default;
  };

  EstateId estate;
  RunId run;
  std::string plan_digest;
  StageId stage;
  std::string stage_digest;
  int round = 1;  // counts up each time the same gate asks again in a run
  OperatorId started_by;
  std::map<RoleId, int> quorum;
  bool no_self_approval = false;
  std::string journal_head;
  int64_t valid_seconds = 0;  // from each agent's freezing of its evidence
  ConfirmRule confirm = ConfirmRule::kAutomatic;
  std::vector<StepId> steps;  // sorted, unique
  std::vector<Host> hosts;    // sorted by id, unique

  // The canonical text. REQUIRES: names without spaces or control characters
  // (the manifest room refuses others), steps and hosts sorted and unique.
  std::string Body() const;
  // Sha256(Body()): what a release order is called everywhere else.
  std::string Digest() const;

  // The line about `host`, or nullptr when this order does not name it.
  const Host* Find(const HostId& host) const;

  // Refuses anything that is not byte for byte what Body() writes, texts over
  // 1 MiB among them. The message says which line.
  static absl::StatusOr<ReleaseOrder> Parse(absl::string_view body);

  friend bool operator==(const ReleaseOrder&, const ReleaseOrder&) = default;
};

}  // namespace sluice
