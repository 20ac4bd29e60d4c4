// A gate, as a person who has to decide reads it.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/report/layout.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::cli {

// "1 incident-commander, 1 system-owner"; "nobody" when empty.
std::string QuorumText(const google::protobuf::Map<std::string, int>& quorum);

// "duty-commander (incident-commander), standing in for it-lead: the reason".
std::string VoterText(const v1::Vote& vote);

// The gate's state in its colour.
std::string GateWord(const v1::Gate& gate, const Paint& paint);
// What stands behind it in one line: who is needed, until when, or why.
std::string GateSummary(const v1::Gate& gate);

// All gates, a block each: `sluice gates`.
std::string GatesText(const v1::Status& status, int width, const Paint& paint);

// One gate: digest, what opens on which host, evidence with what is not a pass
// first, the agents' answers, votes, who is still needed. `with_body`: the
// release order's text too, byte for byte.
// REQUIRES: `gate` made printable.
std::string GateText(const v1::GateDetail& gate, bool with_body, int width,
                     const Paint& paint);

// What a host's evidence says it did in quarantine, one line each: "undeclared,
// outside: 203.0.113.66 443/tcp, 12 times, from … by curl, process 812".
std::vector<std::string> SeenLines(const v1::HostEvidence& host);

}  // namespace sluice::cli
