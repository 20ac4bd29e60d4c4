// RFC 4180, as spreadsheets and databases really write it: any separator, LF or
// CRLF, quotes around what holds a separator, a quote or a line's end.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "orchestrator/importers/text.h"
#include "orchestrator/manifest/problems.h"

namespace sluice::importers {

struct CsvField {
  std::string text;
  Place place;
};

struct CsvRecord {
  Place place;
  std::vector<CsvField> fields;
  bool broken = false;  // its mistake was reported
};

// Every record but empty lines. A quote that is not closed costs its own line
// only: what comes after it is read as if it had been.
std::vector<CsvRecord> ReadCsv(absl::string_view text, const Lines& lines,
                               char separator, manifest::Problems& problems);

}  // namespace sluice::importers
