#include "orchestrator/cli/head_seen.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/digest.h"
#include "orchestrator/cli/files.h"

namespace sluice::cli {
namespace {

constexpr size_t kMostBytes = 1024;

std::string PathOf(const std::string& client_file) {
  return absl::StrCat(client_file, ".head");
}

// Best effort: who looks from a folder that cannot be written looks all the
// same. Renamed, so that two commands at once leave one whole line.
void Keep(const std::string& client_file, const v1::Status& status) {
  const std::string path = PathOf(client_file);
  const std::string fresh = absl::StrCat(path, ".", getpid());
  unlink(fresh.c_str());
  const absl::Status written = WriteNewFile(
      fresh, absl::StrCat(status.estate(), " ", status.journal_sequence(), " ",
                          status.journal_head(), "\n"));
  if (!written.ok() || rename(fresh.c_str(), path.c_str()) != 0) {
    unlink(fresh.c_str());
  }
}

}  // namespace

std::optional<journal::SeenHead> HeadSeen(const std::string& client_file,
                                          const std::string& estate) {
  const auto text = ReadWholeFile(PathOf(client_file), kMostBytes);
  if (!text.ok()) return std::nullopt;
  const std::vector<std::string> words =
      absl::StrSplit(*text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  journal::SeenHead head;
  if (words.size() != 3 || (!estate.empty() && words[0] != estate) ||
      !absl::SimpleAtoi(words[1], &head.sequence) || !IsDigest(words[2])) {
    return std::nullopt;
  }
  head.hash = words[2];
  head.by = PathOf(client_file);
  return head;
}

std::string NoteHead(const std::string& client_file, const v1::Status& status) {
  if (!IsDigest(status.journal_head())) return "";
  const auto seen = HeadSeen(client_file, status.estate());
  if (!seen.has_value() || status.journal_sequence() > seen->sequence) {
    Keep(client_file, status);
    return "";
  }
  if (status.journal_sequence() < seen->sequence) {
    return absl::StrCat(
        "the orchestrator's journal ends at record ", status.journal_sequence(),
        ", but this client has seen record ", seen->sequence,
        ": its end was cut off, or it goes on from an older copy. Look at it "
        "with `sluice audit verify`; if the copy is meant, remove ",
        PathOf(client_file));
  }
  if (status.journal_head() != seen->hash) {
    return absl::StrCat(
        "record ", seen->sequence,
        " of the orchestrator's journal is not the one that this client saw: "
        "the history was written anew. Trust nothing it says before you have "
        "compared it with a copy (`sluice audit verify`)");
  }
  return "";
}

}  // namespace sluice::cli
