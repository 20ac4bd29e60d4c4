#include "agents/core/observed.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sluice::agent {

std::string Process::Text() const {
  std::vector<std::string> parts;
  if (!command.empty()) parts.push_back(command);
  if (id != 0) parts.push_back(absl::StrCat("process ", id));
  if (!unit.empty()) parts.push_back(absl::StrCat("unit ", unit));
  if (!user.empty()) parts.push_back(absl::StrCat("user ", user));
  return absl::StrJoin(parts, ", ");
}

}  // namespace sluice::agent
