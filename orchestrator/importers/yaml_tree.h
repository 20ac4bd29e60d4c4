// YAML as Compose files use it: with anchors, aliases, merge keys and tags,
// which a manifest refuses. Aliases share what they name, so that a file that
// multiplies itself ("a billion laughs") costs nothing, and is refused by what
// it would come to written out.

#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "orchestrator/importers/text.h"
#include "orchestrator/manifest/problems.h"

namespace sluice::importers {

struct Value;
using ValuePtr = std::shared_ptr<const Value>;

struct Value {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry {
    std::string key;
    Place place;  // of the key
    ValuePtr value;
  };

  Kind kind = Kind::kNull;
  std::string text;  // of a scalar
  std::string tag;   // "!reset", "!override", or empty
  Place place;
  std::vector<ValuePtr> items;  // of a list
  std::vector<Entry> entries;   // of a map, merge keys already put in
  size_t nodes = 1;             // written out, itself included

  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  // Of a map; nullptr when there is none, or this is no map.
  const Entry* Find(absl::string_view key) const;
  ValuePtr Get(absl::string_view key) const;
};

inline constexpr int kMaxDepth = 64;
inline constexpr size_t kMaxNodes = 1000000;

// The one document of `text`; nullptr after an error that leaves nothing to
// read. REQUIRES: LooksLikeText.
ValuePtr ReadYaml(const std::string& text, const Lines& lines,
                  manifest::Problems& problems);

}  // namespace sluice::importers
