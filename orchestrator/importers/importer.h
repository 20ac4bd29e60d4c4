// Other people's lists of machines and services → a manifest to go on with.
//
// An importer reads everything, reports every mistake at its place in one pass,
// and never guesses: what it cannot say in a manifest stands in the manifest as
// a comment beginning "not translated:". What it writes validates and plans,
// and the same input gives the same bytes.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/manifest/manifest.h"

namespace sluice::importers {

// The whole text of a file, or NotFound, or another error in a sentence.
using FileReader =
    std::function<absl::StatusOr<std::string>(const std::string& path)>;

// What no list of machines knows, and every manifest has to say.
struct EstateOptions {
  std::string estate;  // empty: made from what is imported
  // Where agents find the orchestrator. The default is of a range that is for
  // documentation only, so that nobody takes it for real.
  std::string orchestrator = "192.0.2.1:7443";
};

// Columns by their names in the header; empty: there is no such column.
struct CsvOptions {
  EstateOptions estate;
  std::string file;
  std::string host;
  std::string address;
  std::string system;
  std::string category;
  std::string port;
  std::string needs;
  std::string owner;
  std::string priority;
  char separator = ',';
  // Rows with mistakes become comments; without it one mistake is enough for
  // no manifest at all.
  bool keep_going = false;
};

struct ComposeOptions {
  EstateOptions estate;
  std::vector<std::string> files;     // merged in this order
  std::vector<std::string> profiles;  // active; "*" is all of them
  // For ${…} in the files; none: the ".env" beside the first file, if any.
  std::vector<std::string> env_files;
  // Compose has no addresses: hosts get those of this range, by sorted name.
  std::string addresses = "10.99.0.0/16";
};

struct ImportResult {
  // Empty when there was an error, unless asked to keep going.
  std::string manifest;
  int hosts = 0;
  int systems = 0;
  int not_translated = 0;  // comments that say so
  // The texts that were read and what is wrong with them, sorted by place, in
  // the form that FormatDiagnostic and DiagnosticsJson take. Its model is
  // empty.
  ManifestResult said;
};

// REQUIRES: options name at least the columns of host and address.
ImportResult ImportCsv(const CsvOptions& options, const FileReader& read);

// REQUIRES: at least one file.
ImportResult ImportCompose(const ComposeOptions& options,
                           const FileReader& read);

}  // namespace sluice::importers
