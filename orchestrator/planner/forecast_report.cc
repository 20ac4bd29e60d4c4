#include "orchestrator/planner/forecast_report.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "orchestrator/planner/forecast.h"
#include "orchestrator/planner/text.h"

namespace sluice {
namespace {

using planning::Count;
using planning::Ink;
using planning::Page;
using Json = nlohmann::json;

// Everything there is to say, before it is said in one form or another.
struct Answer {
  ForecastResult forecast;
  std::vector<Lateness> late;
  Chances chances;  // empty when nothing was measured
  size_t measured = 0;
  size_t tasks = 0;
};

Answer AnswerTo(const Plan& plan, const ForecastQuestion& question) {
  Answer answer;
  answer.forecast =
      Forecast(plan, WholeDurationFrom(question.what_if, question.measured));
  answer.late = LateSteps(plan, answer.forecast);
  for (const PlannedStep& step : plan.steps) {
    answer.tasks += step.inspect_tasks.size() + step.accept_tasks.size();
    answer.measured += question.measured.count(step.id);
  }
  if (answer.measured > 0) {
    answer.chances = Simulate(plan, question.what_if, question.measured,
                              question.seed, question.trials);
  }
  return answer;
}

// As exact as anybody reads it.
std::string Text(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return "never";
  const absl::Duration unit =
      duration < absl::Minutes(1) ? absl::Milliseconds(100) : absl::Seconds(1);
  return absl::FormatDuration(absl::Floor(duration + unit / 2, unit));
}

std::string RangeText(const Remaining& back) {
  const std::string low = Text(back.low);
  const std::string high = Text(back.high);
  return low == high ? low : absl::StrCat(low, " to ", high);
}

// The middle one; of an even number, the earlier of the two.
absl::Duration Median(std::vector<absl::Duration> all) {
  std::sort(all.begin(), all.end());
  return all[(all.size() - 1) / 2];
}

size_t TasksOf(const Plan& plan, const PlannedStage& stage) {
  size_t tasks = 0;
  for (const StepId& id : stage.steps) {
    const PlannedStep& step = *plan.FindStep(id);
    tasks += step.inspect_tasks.size() + step.accept_tasks.size();
  }
  return tasks;
}

bool AnythingIsWanted(const Plan& plan) {
  return plan.wanted_by > absl::ZeroDuration() ||
         std::any_of(plan.steps.begin(), plan.steps.end(),
                     [](const PlannedStep& step) {
                       return step.wanted_by > absl::ZeroDuration();
                     });
}

class Report {
 public:
  Report(const Plan& plan, const ForecastQuestion& question,
         const RenderOptions& options)
      : plan_(plan),
        question_(question),
        answer_(AnswerTo(plan, question)),
        page_(options.width, options.colour) {}

  std::string Run() {
    Head();
    if (plan_.steps.empty()) return page_.Take();
    Steps();
    Never();
    if (AnythingIsWanted(plan_)) {
      page_.Line();
      if (chances()) {
        LateInHowMany();
      } else {
        Late();
      }
    }
    CriticalPath();
    People();
    return page_.Take();
  }

 private:
  bool chances() const { return answer_.measured > 0; }

  void Head() {
    page_.Wrap("", page_.Paint(Ink::kBold,
                               absl::StrCat(plan_.title.empty()
                                                ? plan_.estate.str()
                                                : planning::Plain(plan_.title),
                                            ": forecast")));
    WhatIfLine();
    if (plan_.steps.empty()) {
      page_.Wrap("", "There are no systems, so there is nothing to forecast.");
      return;
    }
    const Remaining& estate = answer_.forecast.estate;
    page_.Wrap("",
               estate.low == absl::InfiniteDuration()
                   ? std::string("Not everything comes back, as things are.")
                   : absl::StrCat("Machines need ", RangeText(estate),
                                  " until everything is back."));
    if (chances()) {
      page_.Wrap("", absl::StrCat("Measured: ", answer_.measured, " of ",
                                  plan_.steps.size(), " steps. In ",
                                  question_.trials, " trials (seed ",
                                  question_.seed, ") half are over after ",
                                  Text(answer_.chances.estate.p50),
                                  ", nine of ten after ",
                                  Text(answer_.chances.estate.p90), "."));
    }
    page_.Wrap(
        "",
        absl::StrCat(
            "What people take at ", Count(plan_.stages.size(), "gate", "gates"),
            answer_.tasks == 0
                ? std::string()
                : absl::StrCat(" and ", Count(answer_.tasks, "task", "tasks")),
            " comes on top of every time below."));
  }

  void WhatIfLine() {
    std::vector<std::string> words;
    for (const HostId& host : question_.what_if.without) {
      words.push_back(absl::StrCat("without ", host.str()));
    }
    for (const auto& [system, duration] : question_.what_if.slow) {
      words.push_back(absl::StrCat(system.str(), " taking ", Text(duration)));
    }
    if (words.empty()) return;
    page_.WrapInk(Ink::kYellow, "What if: ", absl::StrJoin(words, ", ") + ".");
  }

  void Row(absl::string_view name, absl::string_view back,
           absl::string_view p50, absl::string_view p90,
           absl::string_view wanted) {
    std::string line = absl::StrCat("  ", planning::PadLeft(back, 16), "  ");
    if (chances()) {
      absl::StrAppend(&line, planning::PadLeft(p50, 8), " ",
                      planning::PadLeft(p90, 8), "  ");
    }
    absl::StrAppend(&line, planning::PadLeft(wanted, 9), "  ");
    absl::StrAppend(
        &line, planning::Cut(name, page_.width() - planning::Columns(line)));
    page_.Line(line);
  }

  void Steps() {
    page_.Line();
    Row("", "back after", "p50", "p90", "wanted by");
    for (const PlannedStage& stage : plan_.stages) {
      page_.Line(page_.Paint(Ink::kBold, stage.id.str()));
      for (const StepId& id : stage.steps) {
        const PlannedStep& step = *plan_.FindStep(id);
        const auto at = answer_.chances.steps.find(id);
        const bool known = at != answer_.chances.steps.end();
        Row(id.str(), RangeText(answer_.forecast.steps.at(id)),
            known ? Text(at->second.p50) : "",
            known ? Text(at->second.p90) : "",
            step.wanted_by > absl::ZeroDuration() ? Text(step.wanted_by) : "");
      }
    }
  }

  // Of what never comes back, those that themselves are the reason.
  void Never() {
    std::vector<std::string> causes;
    size_t others = 0;
    const auto whole = WholeDurationIf(question_.what_if);
    for (const PlannedStep& step : plan_.steps) {
      const bool never =
          answer_.forecast.steps.at(step.id).low == absl::InfiniteDuration();
      if (!never) continue;
      if (step.external.empty() &&
          whole(step).low == absl::InfiniteDuration()) {
        causes.push_back(step.id.str());
      } else {
        ++others;
      }
    }
    if (causes.empty()) return;
    page_.Line();
    page_.Wrap(
        page_.Paint(Ink::kRed, "Never: "),
        absl::StrCat(
            planning::List(causes, 8), causes.size() == 1 ? " has" : " have",
            " fewer hosts than are enough",
            others == 0 ? std::string()
                        : absl::StrCat("; ", Count(others, "step", "steps"),
                                       others == 1 ? " waits" : " wait",
                                       " for that in vain"),
            "."));
  }

  void Late() {
    if (answer_.late.empty()) {
      page_.Wrap(page_.Paint(Ink::kBold, "Wanted by: "),
                 "everything can be back in time, if people are quick.");
    }
    for (const Lateness& one : answer_.late) {
      page_.Wrap(
          page_.Paint(Ink::kRed, one.surely ? "Late: " : "Perhaps late: "),
          absl::StrCat(
              one.step.empty() ? "the estate" : one.step.str(),
              " is wanted by ", Text(one.wanted_by),
              one.back.low == absl::InfiniteDuration()
                  ? " and does not come back."
                  : absl::StrCat(" and back after ", RangeText(one.back),
                                 ", without people's time.")));
    }
  }

  void LateInHowMany() {
    const std::vector<LateChance> late = LateInTrials(plan_, answer_.chances);
    if (late.empty()) {
      page_.Wrap(page_.Paint(Ink::kBold, "Wanted by: "),
                 "in nine of ten trials everything is back in time, if people "
                 "are quick.");
    }
    for (const LateChance& one : late) {
      const bool half = one.back.p50 > one.wanted_by;
      page_.Wrap(page_.Paint(Ink::kRed, half ? "Late: " : "Perhaps late: "),
                 absl::StrCat(
                     one.step.empty() ? "the estate" : one.step.str(),
                     " is wanted by ", Text(one.wanted_by),
                     one.back.p50 == absl::InfiniteDuration()
                         ? " and does not come back."
                         : absl::StrCat(
                               " and missed in ",
                               half ? "half of the trials or more"
                                    : "more than one of ten trials",
                               ", without people's time: half are over after ",
                               Text(one.back.p50), ", nine of ten after ",
                               Text(one.back.p90), ".")));
    }
  }

  void CriticalPath() {
    std::vector<std::string> chain;
    for (const StepId& id : answer_.forecast.critical_path) {
      chain.push_back(absl::StrCat(id.str(), " ",
                                   Text(answer_.forecast.steps.at(id).high)));
    }
    if (chain.empty()) return;
    page_.Line();
    page_.Wrap(page_.Paint(Ink::kBold, "Critical path: "),
               absl::StrJoin(chain, " -> "));
    if (!chances()) return;
    const Chances& tried = answer_.chances;
    const bool same = tried.critical_path == answer_.forecast.critical_path;
    const std::string share =
        absl::StrCat(std::lround(tried.path_share * 100), " % of the trials");
    page_.Wrap("",
               same ? absl::StrCat("It decides in ", share, ".")
                    : absl::StrCat(
                          "Most often, in ", share, ", it is ",
                          absl::StrJoin(tried.critical_path, " -> ",
                                        [](std::string* out, const StepId& id) {
                                          absl::StrAppend(out, id.str());
                                        }),
                          "."));
  }

  void People() {
    page_.Line();
    page_.Line(page_.Paint(Ink::kBold, "People, on top of all that"));
    for (const PlannedStage& stage : plan_.stages) {
      std::vector<std::string> words = {
          absl::StrCat("gate: ", planning::QuorumText(stage.gate))};
      const size_t tasks = TasksOf(plan_, stage);
      if (tasks > 0) words.push_back(Count(tasks, "task", "tasks"));
      const auto asked = question_.asked.find(stage.id);
      if (asked != question_.asked.end() && !asked->second.empty()) {
        words.push_back(absl::StrCat("took ", Text(Median(asked->second)),
                                     " (median of ", asked->second.size(),
                                     ")"));
      }
      page_.Wrap(absl::StrCat("  ", stage.id.str(), "  "),
                 absl::StrJoin(words, "; "));
    }
  }

  const Plan& plan_;
  const ForecastQuestion& question_;
  const Answer answer_;
  Page page_;
};

Json Milliseconds(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return nullptr;
  return absl::ToInt64Milliseconds(duration);
}

Json RangeJson(const Remaining& back, const Quantiles* chances) {
  Json json = {{"low_ms", Milliseconds(back.low)},
               {"high_ms", Milliseconds(back.high)}};
  if (chances != nullptr) {
    json["p50_ms"] = Milliseconds(chances->p50);
    json["p90_ms"] = Milliseconds(chances->p90);
  }
  return json;
}

Json PeopleJson(const Plan& plan, const ForecastQuestion& question,
                size_t tasks) {
  Json asked = Json::object();
  for (const auto& [gate, times] : question.asked) {
    if (times.empty()) continue;
    asked[gate.str()] = {{"times", times.size()},
                         {"median_ms", Milliseconds(Median(times))}};
  }
  return {{"gates", plan.stages.size()},
          {"tasks", tasks},
          {"asked", std::move(asked)}};
}

// What only trials can say.
void AddTrials(const Plan& plan, const ForecastQuestion& question,
               const Chances& chances, Json* json) {
  (*json)["seed"] = question.seed;
  (*json)["trials"] = question.trials;
  Json path = Json::array();
  for (const StepId& id : chances.critical_path) path.push_back(id.str());
  (*json)["usual_path"] = {{"steps", std::move(path)},
                           {"share", chances.path_share}};
  Json late = Json::array();
  for (const LateChance& one : LateInTrials(plan, chances)) {
    late.push_back(
        {{"step", one.step.empty() ? Json(nullptr) : Json(one.step.str())},
         {"wanted_by_ms", Milliseconds(one.wanted_by)},
         {"p50_ms", Milliseconds(one.back.p50)},
         {"p90_ms", Milliseconds(one.back.p90)},
         {"at_p50", one.back.p50 > one.wanted_by}});
  }
  (*json)["late_in_trials"] = std::move(late);
}

}  // namespace

std::string ForecastText(const Plan& plan, const ForecastQuestion& question,
                         const RenderOptions& options) {
  return Report(plan, question, options).Run();
}

std::string ForecastJson(const Plan& plan, const ForecastQuestion& question) {
  const Answer answer = AnswerTo(plan, question);
  const bool measured = answer.measured > 0;
  Json steps = Json::array();
  for (const StepId& id : plan.order) {
    const PlannedStep& step = *plan.FindStep(id);
    Json one = RangeJson(answer.forecast.steps.at(id),
                         measured ? &answer.chances.steps.at(id) : nullptr);
    one["step"] = id.str();
    one["stage"] = step.stage.str();
    if (step.wanted_by > absl::ZeroDuration()) {
      one["wanted_by_ms"] = Milliseconds(step.wanted_by);
    }
    steps.push_back(std::move(one));
  }
  Json late = Json::array();
  for (const Lateness& one : answer.late) {
    Json json = RangeJson(one.back, nullptr);
    json["step"] = one.step.empty() ? Json(nullptr) : Json(one.step.str());
    json["wanted_by_ms"] = Milliseconds(one.wanted_by);
    json["surely"] = one.surely;
    late.push_back(std::move(json));
  }
  Json path = Json::array();
  for (const StepId& id : answer.forecast.critical_path) {
    path.push_back(id.str());
  }
  Json json = {
      {"estate", RangeJson(answer.forecast.estate,
                           measured ? &answer.chances.estate : nullptr)},
      {"steps", std::move(steps)},
      {"late", std::move(late)},
      {"critical_path", std::move(path)},
      {"people", PeopleJson(plan, question, answer.tasks)},
      {"measured_steps", answer.measured}};
  if (measured) AddTrials(plan, question, answer.chances, &json);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace sluice
