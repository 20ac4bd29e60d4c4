// How much memory this program holds, as the address sanitizer hands it out:
// what bounds the growth of a reader, whatever an allocator adds.

#pragma once

#include <cstddef>

namespace sluice::fuzz {

// Bytes held since the last ResetPeak beyond what was held then, at most.
size_t PeakBytes();
void ResetPeak();

}  // namespace sluice::fuzz
