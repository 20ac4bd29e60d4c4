// What gRPC runs later or elsewhere, on one thread that sleeps while there is
// nothing to run. The engine that gRPC brings keeps several threads, of which
// one looks around every second.

#pragma once

namespace sluice::agent {

// From now on, for the whole process. REQUIRES: gRPC was not used yet.
void UseQuietEngine();

// Starts gRPC, for good. Its clock looks around twice a second even when no
// timer runs; from now on it may do so up to a second late, when the processor
// is awake anyway. No thread of ours is made late.
// REQUIRES: the calling thread's mask of signals is that of gRPC's threads.
void StartQuietly();

}  // namespace sluice::agent
