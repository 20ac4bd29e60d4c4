// CHECK for our own broken promises: the world's errors are absl::Status.
// (Debian 12's Abseil has no absl/log/check.h yet.)

#pragma once

#include <cstdio>
#include <cstdlib>

namespace sluice::internal {
[[noreturn]] inline void CheckFailed(const char* file, int line,
                                     const char* condition) {
  std::fprintf(stderr,
               "%s:%d: CHECK(%s) failed: this is a bug in Sluice; please "
               "report it with the lines above.\n",
               file, line, condition);
  std::abort();
}
}  // namespace sluice::internal

#define SLUICE_CHECK(condition) \
  (static_cast<bool>(condition) \
       ? static_cast<void>(0)   \
       : ::sluice::internal::CheckFailed(__FILE__, __LINE__, #condition))
