// People who do what the program asks of them, at once: they isolate, start
// the run, sign and say go, retry what failed, and end the run when all is
// back. They remember what they were answered; the orchestrator may die.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "orchestrator/engine/event.h"
#include "orchestrator/runtime/ports.h"

namespace sluice::crash {

class Person {
 public:
  // With `drill`, the system that most others need is isolated in mid-run,
  // once half of the steps are back.
  Person(const Plan& plan, bool drill) : plan_(plan), drill_(drill) {}

  // What they ask for now; empty: they wait.
  std::vector<engine::Event> Wants(const runtime::Glimpse& glimpse);
  // It was answered that this is done.
  void Done(const engine::Event& event);

  // Nothing is left to do.
  bool finished() const { return finished_; }

 private:
  void Decide(const runtime::Glimpse& glimpse, const engine::View& view,
              std::vector<engine::Event>* wants) const;
  void Sign(const engine::View& view, std::vector<engine::Event>* wants) const;
  void WorkByHand(const runtime::Glimpse& glimpse, const engine::View& view,
                  std::vector<engine::Event>* wants) const;
  void Mend(const engine::View& view, std::vector<engine::Event>* wants);
  bool Drill(const engine::View& view, std::vector<engine::Event>* wants);

  const Plan& plan_;
  const bool drill_;
  bool isolated_ = false;
  bool drilled_ = false;
  bool finished_ = false;
  std::map<StepId, int> retried_;  // though back, to make it whole
};

}  // namespace sluice::crash
