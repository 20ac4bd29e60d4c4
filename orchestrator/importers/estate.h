// What every imported manifest says besides what was imported.

#pragma once

#include <string>

#include "orchestrator/importers/draft.h"
#include "orchestrator/importers/importer.h"
#include "orchestrator/manifest/problems.h"

namespace sluice::importers {

// The estate's name (that of `options`, or made from `stem`), and where its
// orchestrator is; mistakes in them are reported without a place.
void FinishEstate(const EstateOptions& options, const std::string& stem,
                  ManifestDraft* draft, manifest::Problems& problems);

}  // namespace sluice::importers
