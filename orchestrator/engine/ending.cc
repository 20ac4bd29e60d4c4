#include "orchestrator/engine/ending.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/state.h"

namespace sluice::engine {
namespace {

bool IsBack(const Step& step) {
  return In<Reconnected>(step) && step.stop == Stop::kNone;
}

// `all` when nothing is missing, otherwise who is and what they are.
Criterion Of(const char* id, std::vector<std::string> missing, std::string all,
             const char* one, const char* many) {
  Criterion criterion;
  criterion.id = id;
  criterion.met = missing.empty();
  criterion.text = missing.empty()
                       ? std::move(all)
                       : absl::StrCat(NameList(missing), " ",
                                      missing.size() == 1 ? one : many);
  criterion.missing = std::move(missing);
  return criterion;
}

// Steps that `is_meant` and are not back.
template <class IsMeant>
std::vector<std::string> NotBack(const Run& run, IsMeant is_meant) {
  std::vector<std::string> names;
  for (int i = 0; i < run.plan().size(); ++i) {
    if (!is_meant(run.plan().step(i)) || IsBack(run.steps[i])) continue;
    names.push_back(run.plan().name(i));
  }
  return names;
}

// Back, but not with all of its hosts or all of its needs.
std::vector<std::string> InPart(const Run& run) {
  std::vector<std::string> names;
  for (int i = 0; i < run.plan().size(); ++i) {
    const Step& step = run.steps[i];
    const bool whole = HostsIn(step) == static_cast<int>(step.parts.size()) &&
                       step.closed.empty();
    if (IsBack(step) && !whole) names.push_back(run.plan().name(i));
  }
  return names;
}

// Back, but what is watched of it does not pass, or nobody sees it.
std::vector<std::string> InDoubt(const World& world) {
  const Run& run = *world.run;
  std::vector<std::string> names;
  for (int i = 0; i < run.plan().size(); ++i) {
    const Step& step = run.steps[i];
    if (!IsBack(step)) continue;
    const bool seen = HostsUp(world, step) == HostsIn(step);
    if (!seen || !step.doubtful.empty()) names.push_back(run.plan().name(i));
  }
  return names;
}

}  // namespace

std::vector<Criterion> CriteriaOf(const World& world) {
  const Run& run = *world.run;
  return {
      Of("systems", NotBack(run, [](const StepInfo& s) { return !s.entry; }),
         "every system is back", "is not back", "are not back"),
      Of("externals", NotBack(run, [](const StepInfo& s) { return s.entry; }),
         "every external is let in", "is not open", "are not open"),
      Of("whole", InPart(run), "nothing is back only in part",
         "is back only in part", "are back only in part"),
      Of("watched", InDoubt(world), "all that is watched passes",
         "is in doubt or not seen", "are in doubt or not seen"),
  };
}

std::string CriteriaText(const std::vector<Criterion>& criteria, bool met) {
  std::vector<std::string> texts;
  for (const Criterion& criterion : criteria) {
    if (criterion.met == met) texts.push_back(criterion.text);
  }
  return absl::StrJoin(texts, "; ");
}

}  // namespace sluice::engine
