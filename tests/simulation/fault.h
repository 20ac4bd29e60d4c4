// What goes wrong: each kind in a file of its own under faults/. A fault is
// drawn from the seed once, and can be left out without changing the others:
// that is how a violation is shrunk.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/simulation/random.h"

namespace sluice::simulation {

class World;

class Fault {
 public:
  virtual ~Fault() = default;
  // In a few words, with what was drawn: "app-1 is cut off, both ways, 20s".
  virtual std::string Text() const = 0;
  virtual void Begin(World& world) = 0;
  // After its time, and when all is healed; never without Begin().
  virtual void End(World&) {}

  absl::Duration at;     // after the start
  absl::Duration lasts;  // zero: it happens at once
};

// A kind of fault, drawn for a world that is made and has not begun.
struct FaultKind {
  const char* name;
  int weight;  // zero: drawn now and then besides the others
  std::unique_ptr<Fault> (*draw)(World& world, Random& random);
};

// Every kind there is, sorted by name.
const std::vector<FaultKind>& FaultKinds();

}  // namespace sluice::simulation
