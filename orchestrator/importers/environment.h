// Compose's variables: .env files, and ${…} in values.

#pragma once

#include <map>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "orchestrator/manifest/problems.h"

namespace sluice::importers {

using Environment = std::map<std::string, std::string>;

// Puts the $NAME, ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message},
// ${NAME?message}, ${NAME:+other}, ${NAME+other} and $$ of `text` in. Names
// that are not set are empty and go to `unset`. False and `*why` for what
// Compose would refuse.
bool Interpolate(absl::string_view text, const Environment& environment,
                 std::string* out, std::set<std::string>* unset,
                 std::string* why);

// The NAME=value lines of `text`, which is file number `file`, on top of
// `*environment`.
void ReadEnvFile(absl::string_view text, int file, manifest::Problems& problems,
                 Environment* environment);

}  // namespace sluice::importers
