// Names that a manifest takes, from names that people give.

#pragma once

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "common/flow.h"

namespace sluice::importers {

// "DB_Server 01" → "db-server-01". Different names stay different: two that
// would become one are refused. (Upper and lower case are the same name, as
// they are for machines.)
class Namer {
 public:
  // `what` the names are of, in the plural: "hosts".
  explicit Namer(std::string what) : what_(std::move(what)) {}

  // True and `*out`; or false and `*why`, which says what to write instead.
  bool Make(absl::string_view raw, std::string* out, std::string* why);

 private:
  std::string what_;
  std::map<std::string, std::string> raw_;  // by name
};

// True when `raw` had to be changed by more than case to become `name`.
bool Renamed(absl::string_view raw, absl::string_view name);

// A name for a port by its number: "postgres" for 5432/tcp, "tcp-9555" where
// nothing is customary, "tcp-8000-8010" for a range.
std::string PortName(Protocol protocol, PortRange ports);

}  // namespace sluice::importers
