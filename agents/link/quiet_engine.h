// What gRPC runs later or elsewhere, on one thread that sleeps while there is
// nothing to run. The engine that gRPC brings keeps several threads, of which
// one looks around every second.

#pragma once

namespace sluice::agent {

// From now on, for the whole process. REQUIRES: gRPC was not used yet.
void UseQuietEngine();

}  // namespace sluice::agent
