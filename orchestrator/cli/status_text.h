// The status as people read it: the run, how far, how long still; every stage
// with its steps and what each waits for, for whom and why (L2); hosts with
// their problems spelled out; what people are waited for.

#pragma once

#include <string>
#include <vector>

#include "sluice/v1/operator.pb.h"

namespace sluice::cli {

struct StatusOptions {
  int width = 80;
  bool colour = false;
  // 0: no limit. Else stages that are done, or not begun, shrink to a line
  // each when the whole would be longer, and what still does not fit is
  // counted.
  int height = 0;
};

// REQUIRES: `status` made printable.
std::string StatusText(const v1::Status& status, const StatusOptions& options);

// What changed from `before` to `after`, a line each, with the time of
// `after`: for logs and terminals that cannot be redrawn.
std::vector<std::string> StatusChanges(const v1::Status& before,
                                       const v1::Status& after);

}  // namespace sluice::cli
