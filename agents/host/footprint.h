// What an agent at rest keeps of the host's memory.

#pragma once

namespace sluice::agent {

// REQUIRES: called before any thread is made. Threads share one heap: dozens of
// small ones would each keep what was freed. What is large is no part of it and
// goes back to the kernel as soon as it is freed.
void KeepHeapSmall();

// Gives back to the kernel what was freed, and the pages of programs and
// libraries that only starting or an order needed: they are in the page cache
// and come back when they run again. Costs about a millisecond.
void GiveBackMemory();

}  // namespace sluice::agent
