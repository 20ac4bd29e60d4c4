// Who was refused at the door: said in the history, and shown to whoever looks
// while it lasts. Nothing is decided by it.

#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "orchestrator/engine/event.h"

namespace sluice::engine {

class Turn;
struct World;

// Of a stretch of refusals that ends when there are none for an hour.
struct RefusedLately {
  uint64_t logins = 0;
  uint64_t tokens = 0;
  uint64_t calls = 0;
  absl::Time since = absl::InfinitePast();
  absl::Time last_at = absl::InfinitePast();
  std::string last;  // from where, why
};

void ApplyRefusal(Turn& turn, const AccessRefused& event);

// A sentence for the status; empty when nobody was refused within an hour.
std::string RefusedText(const World& world, absl::Time now);

}  // namespace sluice::engine
