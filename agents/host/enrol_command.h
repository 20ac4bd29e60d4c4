// `sluice-agent enrol`: how a host gets its identity.
//
// The keys are made here and never leave: the private ones stand in files of
// mode 0600 that only this host's root reads.

#pragma once

#include <functional>
#include <iosfwd>
#include <string>

#include "absl/status/statusor.h"
#include "agents/host/config.h"
#include "agents/link/enrol.h"
#include "common/enrol_token.h"

namespace sluice::agent {

// The token's line from a file, or from `in` when `file` is empty or "-".
// Never from the command line, which every process on the host can read.
absl::StatusOr<EnrolToken> ReadToken(const std::string& file, std::istream& in);

using Enroller = std::function<absl::StatusOr<Enrolment>(
    const EnrolToken& token, const std::string& signing_request,
    const std::string& evidence_key)>;

// Makes the keys, asks, and puts key, certificate and authority where
// agent.yaml names them, replacing those of an earlier enrolment; the evidence
// key stays when there is one. Nothing is changed when it fails. Returns a
// sentence for a person, with what to compare.
absl::StatusOr<std::string> EnrolHost(const AgentConfig& config,
                                      const EnrolToken& token,
                                      const Enroller& enrol);

// A file of mode 0600 with this text, as a whole or not at all.
absl::Status WriteSecretFile(const std::string& path, const std::string& text);

// Whether a renewed certificate is for the key and the name of the one in the
// file: an orchestrator may extend who a host is, never change it.
absl::Status CheckRenewed(const std::string& path, const std::string& renewed);

}  // namespace sluice::agent
