// A point that people work: it passes what somebody has let through it, and
// remembers nothing of connections, as a cable or a plain switch does.

#pragma once

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "common/flow.h"
#include "orchestrator/engine/view.h"

namespace sluice::simulation {

class ManualPoint {
 public:
  // `kept`: what quarantine keeps there.
  explicit ManualPoint(std::vector<Flow> kept) : kept_(std::move(kept)) {}

  // What the task asks for, in truth.
  void Do(const engine::PointTaskView& task) {
    if (task.verb == "isolate") {
      closed_ = true;
      open_.clear();
    }
    for (const engine::PointFlow& flow : task.flows) {
      if (task.verb == "close") open_.erase(flow.flow);
      if (task.verb == "open") open_.insert(flow.flow);
    }
  }

  bool Passes(const Flow& flow) const {
    const auto covers = [&](const Flow& wide) {
      return wide.protocol == flow.protocol &&
             wide.client.Contains(flow.client) &&
             wide.server.Contains(flow.server) &&
             wide.ports.first <= flow.ports.first &&
             flow.ports.last <= wide.ports.last;
    };
    return !closed_ || std::any_of(kept_.begin(), kept_.end(), covers) ||
           std::any_of(open_.begin(), open_.end(), covers);
  }

 private:
  const std::vector<Flow> kept_;
  bool closed_ = false;  // as it was before an incident
  std::set<Flow> open_;
};

}  // namespace sluice::simulation
