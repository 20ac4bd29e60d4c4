#include "tests/fuzz/allocations.h"

#include <sanitizer/allocator_interface.h>

namespace sluice::fuzz {
namespace {

// One thread: a fuzzer's.
size_t held = 0;
size_t base = 0;
size_t peak = 0;

void Taken(const volatile void*, size_t size) {
  held += size;
  if (held > peak) peak = held;
}

void Given(const volatile void* memory) {
  // What was taken before the hooks were there counts for nothing.
  const size_t size =
      memory == nullptr
          ? 0
          : __sanitizer_get_allocated_size(const_cast<const void*>(memory));
  held -= size < held ? size : held;
}

}  // namespace

size_t PeakBytes() { return peak > base ? peak - base : 0; }

void ResetPeak() {
  static const int installed =
      __sanitizer_install_malloc_and_free_hooks(Taken, Given);
  static_cast<void>(installed);
  base = held;
  peak = held;
}

}  // namespace sluice::fuzz
