#include "orchestrator/runtime/durations.h"

#include <variant>

namespace sluice::runtime {
namespace {

using What = engine::Progress::What;

template <class Id>
void Add(std::map<Id, Durations::List>* all, const Id& id,
         absl::Duration duration) {
  // Names come from manifests: many in a long life, though never this many.
  if (all->size() >= Durations::kMostNames && !all->contains(id)) return;
  Durations::List& list = (*all)[id];
  list.push_back(duration);
  if (list.size() > Durations::kMostEach) list.pop_front();
}

bool Interrupts(const engine::Event& event) {
  return std::holds_alternative<engine::ReignBegan>(event) ||
         std::holds_alternative<engine::RunStarted>(event) ||
         std::holds_alternative<engine::RunPaused>(event) ||
         std::holds_alternative<engine::RunEnded>(event);
}

}  // namespace

void Durations::Note(const engine::Event& event, const engine::Output& output,
                     absl::Time at) {
  if (Interrupts(event)) begun_.clear();
  for (const engine::Progress& progress : output.progress) {
    if (progress.what == What::kBegun) {
      begun_[progress.step] = at;
      continue;
    }
    const auto begun = begun_.find(progress.step);
    if (begun == begun_.end()) continue;
    if (progress.what == What::kHealthy) {
      Add(&steps_, progress.step, at - begun->second);
    }
    begun_.erase(begun);
  }
  for (const engine::GateReleased& released : output.released) {
    Add(&gates_, released.gate, released.asked);
  }
}

}  // namespace sluice::runtime
