// What runs no agent: it passes what was let through it, and remembers nothing
// of connections, as a cable or a plain switch does. People work it, or a
// driver that an agent elsewhere runs.

#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agents/isolation/command_fence.h"
#include "common/flow.h"
#include "orchestrator/engine/view.h"

namespace sluice::simulation {

class Appliance {
 public:
  // `kept`: what quarantine keeps there.
  explicit Appliance(std::vector<Flow> kept) : kept_(std::move(kept)) {}

  // What the task asks for, in truth.
  void Do(const engine::PointTaskView& task);
  // As a driver is asked: "isolate", "open" or "close".
  void Do(const std::string& verb, const std::set<Flow>& flows);

  bool Passes(const Flow& flow) const;
  bool closed() const { return closed_; }
  const std::set<Flow>& open() const { return open_; }
  uint64_t changes() const { return changes_; }

 private:
  const std::vector<Flow> kept_;
  bool closed_ = false;  // as it was before an incident
  std::set<Flow> open_;
  uint64_t changes_ = 0;
};

// The driver of one: JSON in and out, as docs/operations.md has it.
class ApplianceDriver : public agent::DriverProgram {
 public:
  enum class Mood : uint8_t {
    kWell,
    kAway,   // the appliance does not answer
    kIdles,  // says that it did what it was asked, and did nothing
  };
  ApplianceDriver(Appliance* appliance, std::function<Mood()> mood)
      : appliance_(appliance), mood_(std::move(mood)) {}

  absl::StatusOr<std::string> Run(const std::string& input) override;
  void Interrupt() override {}

 private:
  Appliance* const appliance_;
  const std::function<Mood()> mood_;
};

}  // namespace sluice::simulation
