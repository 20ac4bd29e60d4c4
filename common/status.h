// Errors of the world: absl::Status whose message reads as a path and ends
// with what to do. These helpers add a step of the path and return early.

#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace sluice {

// "context: message", same code. OK stays OK.
inline absl::Status WithContext(const absl::Status& status,
                                absl::string_view context) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(context, ": ", status.message()));
}

}  // namespace sluice

#define SLUICE_RETURN_IF_ERROR(expression)                                  \
  do {                                                                      \
    if (absl::Status sluice_status_ = (expression); !sluice_status_.ok()) { \
      return sluice_status_;                                                \
    }                                                                       \
  } while (false)

#define SLUICE_CONCAT_INNER_(a, b) a##b
#define SLUICE_CONCAT_(a, b) SLUICE_CONCAT_INNER_(a, b)
#define SLUICE_ASSIGN_OR_RETURN_IMPL_(result, declaration, expression) \
  auto result = (expression);                                          \
  if (!result.ok()) return result.status();                            \
  declaration = std::move(result).value()
#define SLUICE_ASSIGN_OR_RETURN(declaration, expression)                  \
  SLUICE_ASSIGN_OR_RETURN_IMPL_(SLUICE_CONCAT_(sluice_result_, __LINE__), \
                                declaration, expression)
