// How Compose lays one description of a service over another.

#pragma once

#include <string>

#include "orchestrator/importers/yaml_tree.h"

namespace sluice::importers {

// `over` on top of `base`: maps key by key, lists one after the other, single
// values replaced; the keys that Compose treats otherwise (commands replaced as
// a whole, depends_on, networks and environment by name, ports once) so.
// !reset removes, !override replaces.
ValuePtr MergeService(const ValuePtr& base, const ValuePtr& over);

// A list of names, or of NAME=value, as a map; a map as it is.
ValuePtr AsMap(const ValuePtr& value);

// The map without the key.
ValuePtr Without(const ValuePtr& map, absl::string_view key);

}  // namespace sluice::importers
