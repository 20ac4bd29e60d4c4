#include "orchestrator/importers/estate.h"

#include "absl/strings/str_cat.h"
#include "orchestrator/manifest/values.h"

namespace sluice::importers {

void FinishEstate(const EstateOptions& options, const std::string& stem,
                  ManifestDraft* draft, manifest::Problems& problems) {
  std::string why;
  if (!options.estate.empty()) {
    if (!manifest::ParseName(options.estate, &draft->estate, &why)) {
      problems.Error({0, 0, 0}, absl::StrCat("--estate: ", why));
    }
  } else {
    draft->estate = manifest::Slug(stem.substr(0, stem.find('.')));
    if (draft->estate.empty()) draft->estate = "estate";
  }
  Prefix address;
  if (!manifest::ParseEndpoint(options.orchestrator, &draft->orchestrator,
                               &address, &why)) {
    problems.Error({0, 0, 0}, absl::StrCat("--orchestrator: ", why));
    return;
  }
  if (options.orchestrator == EstateOptions().orchestrator) {
    draft->preface.push_back(absl::StrCat(
        "The orchestrator's address ", options.orchestrator,
        " is of a range for documentation: replace it by the one that agents "
        "reach, or give --orchestrator."));
  }
}

}  // namespace sluice::importers
