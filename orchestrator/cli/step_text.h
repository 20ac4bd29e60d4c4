// One step, in a line and in full.

#pragma once

#include <set>
#include <string>

#include "orchestrator/report/layout.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::cli {

// "●" and the like: how far a step is. The word always stands beside it.
const char* StateGlyph(const v1::Step& step);
// Glyph and word in the state's colour, padded to `width` columns.
std::string StateText(const v1::Step& step, int width, const Paint& paint);

// "● billing-db   reconnected  14:04:02  …", and below it the reason and the
// waits. Waits in `said` are left out: the stage says them once for all.
std::string StepLines(const v1::Step& step, int name_width, int64_t now_ms,
                      const std::set<std::string>& said, int width,
                      const Paint& paint);

// Everything that is known of a step: `sluice show STEP`.
std::string StepText(const v1::Status& status, const v1::Step& step, int width,
                     const Paint& paint);

// "✔ pass", "✖ fail", "? inconclusive".
std::string VerdictText(v1::Verdict verdict, const Paint& paint);
// "  ✖ fail  billing-engine/health-1  connection refused (host app-1)".
std::string CheckLine(const v1::CheckResult& check, int width,
                      const Paint& paint);

}  // namespace sluice::cli
