#include "orchestrator/planner/explain.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/nearest.h"
#include "nlohmann/json.hpp"
#include "orchestrator/model/words.h"
#include "orchestrator/planner/forecast.h"
#include "orchestrator/planner/step_change.h"
#include "orchestrator/planner/text.h"
#include "orchestrator/planner/timeline.h"

namespace sluice {
namespace {

using planning::Count;
using planning::Ink;
using planning::List;
using planning::Page;
using planning::Plain;

absl::StatusOr<const PlannedStep*> Find(const Plan& plan,
                                        absl::string_view name) {
  if (const PlannedStep* step = plan.FindStep(StepId(name))) return step;
  std::vector<std::string> names;
  for (const PlannedStep& step : plan.steps) names.push_back(step.id.str());
  const std::string near = Nearest(name, names);
  return absl::NotFoundError(absl::StrCat(
      "this plan has no system or entry '", Plain(name.substr(0, 200)), "'",
      near.empty() ? "; `sluice plan` lists them"
                   : absl::StrCat("; did you mean '", near, "'?")));
}

int StageNumber(const Plan& plan, const StageId& id) {
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    if (plan.stages[i].id == id) return static_cast<int>(i) + 1;
  }
  return 0;
}

std::vector<std::string> Strings(const std::vector<StepId>& ids) {
  std::vector<std::string> words;
  for (const StepId& id : ids) words.push_back(id.str());
  return words;
}

planning::Timeline LongestTimeline(const Plan& plan) {
  planning::StepLayout layout = planning::LayOut(plan);
  for (size_t i = 0; i < layout.steps.size(); ++i) {
    layout.steps[i].left = WholeDuration(plan.steps[i]).high;
  }
  return planning::MakeTimeline(layout.steps, layout.order);
}

class ExplainPage {
 public:
  ExplainPage(const Plan& plan, const PlannedStep& step,
              const RenderOptions& options)
      : plan_(plan),
        step_(step),
        options_(options),
        page_(options.width, options.colour) {}

  std::string Write() {
    Heading();
    When();
    WaitsFor();
    WaitedForBy();
    Checks();
    Failure();
    FlowsItOpens();
    FlowsToIt();
    return page_.Take();
  }

 private:
  void Section(absl::string_view title, absl::string_view text) {
    const int pad = std::max(1, 13 - planning::Columns(title));
    page_.Wrap(page_.Paint(Ink::kBold, title) + std::string(pad, ' '), text);
  }

  void Heading() {
    std::string title = page_.Paint(Ink::kBold, step_.id.str());
    if (step_.title != step_.id.str()) {
      absl::StrAppend(&title, ": ", Plain(step_.title));
    }
    page_.Wrap("", title);
    page_.Line();
    Section(
        "what",
        absl::StrCat(step_.external.empty()
                         ? absl::StrCat("a system of category ", step_.category)
                         : absl::StrCat("the way in of ", step_.external.str(),
                                        " to ", step_.system.str()),
                     ", on ", planning::HostsText(step_, 12)));
    const PlannedStage& stage = *plan_.FindStage(step_.stage);
    Section("stage", absl::StrCat(StageNumber(plan_, stage.id), " of ",
                                  plan_.stages.size(), ", ", stage.id.str(),
                                  "; its gate wants ",
                                  planning::QuorumText(stage.gate)));
  }

  void When() {
    const ForecastResult forecast = Forecast(plan_, WholeDuration);
    const Remaining& back = forecast.steps.at(step_.id);
    const Remaining own = WholeDuration(step_);
    Section("back after",
            absl::StrCat(planning::Range(back.low, back.high),
                         " without people's time; it takes ",
                         planning::Range(own.low, own.high), " itself, ",
                         absl::FormatDuration(step_.soak), " of it soak"));
    const std::vector<StepId> chain = ChainTo(plan_, step_.id);
    if (chain.size() < 2) {
      Section("why then",
              "it is among the first: it waits for its gate "
              "alone");
      return;
    }
    const PlannedStep& last = *plan_.FindStep(chain[chain.size() - 2]);
    const bool is_need =
        std::any_of(step_.needs.begin(), step_.needs.end(),
                    [&](const StepNeed& need) { return need.step == last.id; });
    Section(
        "why then",
        is_need && last.stage == step_.stage
            ? absl::StrCat(last.id.str(),
                           ", which it needs, is the last "
                           "to be ready")
            : absl::StrCat("stage ", last.stage.str(), " settles first, and ",
                           last.id.str(), " is the last of it"));
    page_.Wrap("             ", absl::StrJoin(Strings(chain), " -> "));
  }

  // Of the grants that make the step need `other`, the ports.
  std::string PortsOf(const PlannedStep& other) const {
    std::set<std::string> ports;
    for (const GrantId& id : step_.grants) {
      const PlannedGrant& grant = *plan_.FindGrant(id);
      if (grant.server_system != other.system || !grant.client_external.empty())
        continue;
      ports.insert(id.str().substr(id.str().rfind(':') + 1));
    }
    return absl::StrJoin(ports, ", ");
  }

  void WaitsFor() {
    std::vector<std::string> lines;
    for (const StepNeed& need : step_.needs) {
      const PlannedStep& other = *plan_.FindStep(need.step);
      std::string line = need.step.str();
      const std::string ports = PortsOf(other);
      if (!ports.empty()) absl::StrAppend(&line, " (", ports, ")");
      absl::StrAppend(&line, need.strength == Strength::kSoft
                                 ? ": not waited for, used when it is healthy"
                             : need.soaked ? ": after its soak"
                                           : ": until it is healthy");
      if (other.stage != step_.stage) {
        absl::StrAppend(&line, ", stage ", other.stage.str());
      }
      lines.push_back(std::move(line));
    }
    Lines("waits for", lines, "its gate alone");
    const std::vector<StepId> all = FoundationsOf(plan_, step_.id);
    if (all.size() > step_.needs.size()) {
      Section("",
              absl::StrCat("all that it stands on: ", List(Strings(all), 40)));
      const std::vector<StepId> narrow = DominatorsOf(plan_, step_.id);
      if (!narrow.empty()) {
        Section("", absl::StrCat("every chain of needs runs through ",
                                 List(Strings(narrow), 40)));
      }
    }
    if (step_.joint_group < 0) return;
    std::vector<std::string> others;
    for (const PlannedStep& other : plan_.steps) {
      if (other.joint_group == step_.joint_group && other.id != step_.id) {
        others.push_back(other.id.str());
      }
    }
    Section("together with", List(others, 40));
  }

  void WaitedForBy() {
    const std::vector<StepId> all = plan_.BlastRadius(step_.id);
    std::vector<StepId> indirect;
    std::set_difference(all.begin(), all.end(), step_.dependents.begin(),
                        step_.dependents.end(), std::back_inserter(indirect));
    std::string text = List(Strings(step_.dependents), 40);
    if (!indirect.empty()) {
      absl::StrAppend(&text, "; through them ", List(Strings(indirect), 40));
    }
    Section("waited for", all.empty() ? "by nothing" : "by " + text);
  }

  void Checks() {
    std::vector<std::string> lines;
    for (const PlannedTask& task : step_.inspect_tasks) {
      lines.push_back(absl::StrCat("before: ", Plain(task.what), " (",
                                   task.owner.str(), " signs)"));
    }
    const auto add = [&](const char* when,
                         const std::vector<PlannedCheck>& checks) {
      for (const PlannedCheck& check : checks) {
        std::string line = absl::StrCat(when, ": ", Plain(check.spec.kind));
        for (const auto& [name, value] : check.spec.args) {
          absl::StrAppend(&line, " ", Plain(name), "=", Plain(value));
        }
        lines.push_back(std::move(line));
      }
    };
    add("inspect", step_.inspect);
    add("health", step_.health);
    if (!SameChecks(step_.watch, step_.health)) add("watch", step_.watch);
    for (const PlannedTask& task : step_.accept_tasks) {
      lines.push_back(absl::StrCat("after: ", Plain(task.what), " (",
                                   task.owner.str(), " accepts)"));
    }
    Lines("checks", lines, "none: that it is well, nobody will know");
  }

  void Failure() {
    const std::vector<StepId> all = plan_.BlastRadius(step_.id);
    std::string text;
    switch (step_.on_failure) {
      case OnFailure::kIsolate:
        text = "it is isolated, and nothing else";
        break;
      case OnFailure::kIsolateDependents:
        text = all.empty() ? "it is isolated; nothing depends on it"
                           : absl::StrCat("it is isolated, and with it ",
                                          List(Strings(all), 40));
        break;
      case OnFailure::kHold:
        text = "it holds until a person says what to do";
        break;
    }
    Section("if it fails", text);
    if (step_.is_protected) {
      Section("protected", "isolating it takes a typed confirmation");
    }
  }

  void FlowsItOpens() {
    std::vector<const PlannedGrant*> grants;
    for (const GrantId& id : step_.grants) {
      grants.push_back(plan_.FindGrant(id));
    }
    Grants("opens", grants);
  }

  void FlowsToIt() {
    if (!step_.external.empty()) return;
    std::vector<const PlannedGrant*> grants;
    for (const PlannedGrant& grant : plan_.grants) {
      if (grant.server_system == step_.system &&
          grant.client_system != step_.system) {
        grants.push_back(&grant);
      }
    }
    Grants("others open", grants);
  }

  void Grants(absl::string_view title,
              const std::vector<const PlannedGrant*>& grants) {
    std::vector<std::string> lines;
    for (const PlannedGrant* grant : grants) {
      lines.push_back(absl::StrCat(
          grant->id.str(), grant->strength == Strength::kSoft ? " (soft)" : "",
          ": ", Count(grant->flows.size(), "flow", "flows")));
      if (!options_.show_flows) continue;
      for (const HostFlow& flow : grant->flows) {
        lines.push_back("  " + flow.flow.Line());
      }
    }
    Lines(title, lines, "no flow");
  }

  void Lines(absl::string_view title, const std::vector<std::string>& lines,
             absl::string_view none) {
    if (lines.empty()) Section(title, none);
    for (size_t i = 0; i < lines.size(); ++i) {
      Section(i == 0 ? title : "", lines[i]);
    }
  }

  const Plan& plan_;
  const PlannedStep& step_;
  const RenderOptions& options_;
  Page page_;
};

}  // namespace

absl::StatusOr<std::string> ExplainText(const Plan& plan,
                                        absl::string_view name,
                                        const RenderOptions& options) {
  const absl::StatusOr<const PlannedStep*> step = Find(plan, name);
  if (!step.ok()) return step.status();
  return ExplainPage(plan, **step, options).Write();
}

absl::StatusOr<std::string> ExplainJson(const Plan& plan,
                                        absl::string_view name) {
  const absl::StatusOr<const PlannedStep*> found = Find(plan, name);
  if (!found.ok()) return found.status();
  const PlannedStep& step = **found;
  const ForecastResult forecast = Forecast(plan, WholeDuration);
  const Remaining& back = forecast.steps.at(step.id);
  nlohmann::json json = {{"step", step.id.str()},
                         {"stage", step.stage.str()},
                         {"stage_number", StageNumber(plan, step.stage)},
                         {"back_after_seconds",
                          {{"low", absl::ToDoubleSeconds(back.low)},
                           {"high", absl::ToDoubleSeconds(back.high)}}},
                         {"chain", Strings(ChainTo(plan, step.id))},
                         {"stands_on", Strings(FoundationsOf(plan, step.id))},
                         {"dominators", Strings(DominatorsOf(plan, step.id))},
                         {"dependents", Strings(step.dependents)},
                         {"blast_radius", Strings(plan.BlastRadius(step.id))}};
  nlohmann::json& needs = json["needs"] = nlohmann::json::array();
  for (const StepNeed& need : step.needs) {
    needs.push_back({{"step", need.step.str()},
                     {"strength", WordOf(need.strength)},
                     {"soaked", need.soaked}});
  }
  nlohmann::json& flows = json["flows"] = nlohmann::json::object();
  for (const GrantId& id : step.grants) {
    nlohmann::json& lines = flows[id.str()] = nlohmann::json::array();
    for (const HostFlow& flow : plan.FindGrant(id)->flows) {
      lines.push_back(flow.flow.Line());
    }
  }
  return json.dump(2) + "\n";
}

std::vector<StepId> FoundationsOf(const Plan& plan, const StepId& from) {
  std::set<StepId> seen;
  std::vector<const PlannedStep*> ahead;
  if (const PlannedStep* step = plan.FindStep(from)) ahead.push_back(step);
  while (!ahead.empty()) {
    const PlannedStep* step = ahead.back();
    ahead.pop_back();
    for (const StepNeed& need : step->needs) {
      if (need.strength == Strength::kSoft) continue;
      if (seen.insert(need.step).second) {
        ahead.push_back(plan.FindStep(need.step));
      }
    }
  }
  seen.erase(from);
  return {seen.begin(), seen.end()};
}

std::vector<StepId> DominatorsOf(const Plan& plan, const StepId& of) {
  const std::vector<StepId> below = FoundationsOf(plan, of);
  // What every chain down from a step runs through, itself included.
  std::map<StepId, std::set<StepId>> through;
  for (const StepId& id : plan.order) {
    if (id != of && !std::binary_search(below.begin(), below.end(), id)) {
      continue;
    }
    std::optional<std::set<StepId>> common;
    for (const StepNeed& need : plan.FindStep(id)->needs) {
      const auto at = through.find(need.step);
      if (need.strength == Strength::kSoft || at == through.end()) continue;
      if (!common.has_value()) {
        common = at->second;
      } else {
        std::erase_if(*common, [&](const StepId& candidate) {
          return !at->second.contains(candidate);
        });
      }
    }
    if (!common.has_value()) common.emplace();
    common->insert(id);
    through[id] = *std::move(common);
  }
  std::set<StepId>& all = through[of];
  all.erase(of);
  return {all.begin(), all.end()};
}

std::vector<StepId> ChainTo(const Plan& plan, const StepId& to) {
  const PlannedStep* step = plan.FindStep(to);
  if (step == nullptr) return {};
  const planning::Timeline timeline = LongestTimeline(plan);
  std::vector<StepId> chain;
  for (const int i : planning::ChainTo(
           timeline, static_cast<int>(step - plan.steps.data()))) {
    chain.push_back(plan.steps[i].id);
  }
  return chain;
}

}  // namespace sluice
