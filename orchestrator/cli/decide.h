// `sluice go` and `sluice no-go`: one person's decision.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/cli/client_config.h"
#include "orchestrator/cli/own_copy.h"
#include "orchestrator/cli/session.h"

namespace sluice::cli {

struct DecideOptions {
  std::string gate;
  bool go = false;
  std::string reason;
  bool yes = false;      // do not ask again
  std::string key;       // the SSH key to sign with; empty: client.yaml's
  std::string manifest;  // the operator's own copy; empty: client.yaml's
};

// What a gate asks, checked: its parts agree with each other and, for a go,
// with the operator's own manifest and with what the hosts themselves signed.
struct Asked {
  ClientConfig config;
  std::unique_ptr<Client> client;
  v1::GateDetail detail;                  // as it came: not yet printable
  OwnCopy own;                            // of a go
  std::vector<std::string> without_pass;  // of a go: inspections waived
  // Of a go: points that take part and that people work; nobody signs for them.
  std::vector<std::string> unsigned_points;
  std::string plan_beside;                // of a go: see PlanBeside()
};
absl::StatusOr<Asked> AskedOf(const Common& common, const std::string& gate,
                              const std::string& manifest, bool go);

// Exactly the bytes that a decision signs: the body for a go, texts of their
// own for a no-go and for a confirmation (common/decision_text.h).
std::string TextToSign(const v1::GateDetail& detail, bool go,
                       const std::string& reason);

// Fetches the gate, checks it, shows it, asks, and signs exactly the bytes that
// were shown with the person's own SSH key.
ExitCode Decide(const Terminal& terminal, const Common& common,
                const DecideOptions& options);

}  // namespace sluice::cli
