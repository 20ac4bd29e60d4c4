// The end of the orchestrator's journal as this client last saw it, kept in
// "client.yaml.head": a chain cannot show by itself that its end was cut off.

#pragma once

#include <optional>
#include <string>

#include "orchestrator/journal/audit.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::cli {

// What was kept beside this client.yaml for `estate` (any, when empty).
std::optional<journal::SeenHead> HeadSeen(const std::string& client_file,
                                          const std::string& estate);

// Keeps what `status` says, as far as the folder can be written. When it is
// behind, or another chain than, what was seen before, that is kept instead
// and the result says so in a sentence; empty otherwise.
std::string NoteHead(const std::string& client_file, const v1::Status& status);

}  // namespace sluice::cli
