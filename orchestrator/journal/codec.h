// Events as a record's bytes, and back.
//
// Reading is strict: a kind or version this program does not know, bytes that
// do not parse, and fields that this program would drop all stop with a
// sentence, because acting on half a history is worse than not acting.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "orchestrator/engine/event.h"

namespace sluice::journal {

struct Encoded {
  uint32_t kind = 0;
  uint32_t version = 0;
  std::string payload;
};

// One text of a manifest. (The manifest room's ManifestSources, which the
// journal must not depend on.)
struct SourceFile {
  std::string name;
  std::string text;

  friend bool operator==(const SourceFile&, const SourceFile&) = default;
};

// What engine::PlanAdopted::sources holds.
std::string EncodeSources(const std::vector<SourceFile>& files);
absl::StatusOr<std::vector<SourceFile>> DecodeSources(
    absl::string_view encoded);

// Makes the plan of these texts again. Injected: main wires the manifest and
// planner rooms here, tests wire what they like.
using PlanLoader = std::function<absl::StatusOr<std::shared_ptr<const Plan>>(
    const std::vector<SourceFile>& files)>;

// REQUIRES: a PlanAdopted has its plan.
Encoded Encode(const engine::Event& event);

// FailedPrecondition: written by a newer version, or the plan is not the same
// any more. DataLoss: not what was written.
absl::StatusOr<engine::Event> Decode(uint32_t kind, uint32_t version,
                                     absl::string_view payload,
                                     const PlanLoader& load_plan);

// "decision made", for messages; "unknown kind 99" for others.
std::string KindName(uint32_t kind);

}  // namespace sluice::journal
