// Whole files, small ones.

#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sluice::cli {

// The whole file. NotFound, PermissionDenied or InvalidArgument (a directory,
// more than `limit` bytes), in a sentence that names the file.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path,
                                          size_t limit);

// A new file of mode 0600, on disk when this returns. AlreadyExists when there
// is one of that name: nothing is ever overwritten.
absl::Status WriteNewFile(const std::string& path, absl::string_view bytes);

// The file's new content, on disk when this returns; at every moment it has the
// old one or the new one as a whole. Mode and owner stay. A symbolic link goes
// on pointing at the file. REQUIRES: the file exists.
absl::Status ReplaceFile(const std::string& path, absl::string_view bytes);

// "sha256:…" of a file of any size.
absl::StatusOr<std::string> FileDigest(const std::string& path);

}  // namespace sluice::cli
