// Decisions with a key that is somewhere else: what has to be signed goes into
// a folder, is signed there with plain ssh-keygen, and comes back.

#pragma once

#include <string>

#include "orchestrator/cli/session.h"

namespace sluice::cli {

struct GateFileOptions {
  std::string gate;
  std::string folder;
  std::string manifest;  // the operator's own copy; empty: client.yaml's
  std::string no_go;     // the reason; empty: a go
};

// Checks what the gate asks as `sluice go` does, then writes the text to sign
// and the command that signs it.
ExitCode ExportGate(const Terminal& terminal, const Common& common,
                    const GateFileOptions& options);

// Hands in `decision.txt.sig` of a folder that ExportGate() made.
ExitCode ImportGate(const Terminal& terminal, const Common& common,
                    const GateFileOptions& options);

}  // namespace sluice::cli
