#include "orchestrator/planner/diff.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/digest.h"
#include "nlohmann/json.hpp"
#include "orchestrator/model/words.h"
#include "orchestrator/planner/phrase.h"
#include "orchestrator/planner/text.h"

namespace sluice {
namespace {

// All that is said of one thing: facet → values. Two things are compared by
// what is said of them, so that every facet is compared by the same rule.
using Facts = std::map<std::string, std::set<std::string>>;

struct Thing {
  StageId stage;
  Facts facts;
};
using Things = std::map<std::pair<std::string, std::string>, Thing>;

void Say(Facts& facts, const char* facet, std::string value) {
  if (!value.empty()) facts[facet].insert(planning::Plain(value));
}
void Say(Facts& facts, const char* facet, absl::Duration value) {
  Say(facts, facet, absl::FormatDuration(value));
}

void SayChecks(Facts& facts, const char* facet,
               const std::vector<PlannedCheck>& checks) {
  for (const PlannedCheck& check : checks) {
    Say(facts, facet, check.spec.Line());
  }
}

void SayTasks(Facts& facts, const char* facet,
              const std::vector<PlannedTask>& tasks) {
  for (const PlannedTask& task : tasks) {
    Say(facts, facet, absl::StrCat(task.what, " (", task.owner.str(), ")"));
  }
}

Facts FactsOf(const Plan& plan, const PlannedStep& step) {
  Facts facts;
  Say(facts, "title", step.title);
  Say(facts, "category", step.category);
  constexpr const char* kPriorities[] = {"high", "normal", "low"};
  Say(facts, "priority", kPriorities[static_cast<int>(step.priority)]);
  Say(facts, "stage", step.stage.str());
  for (const HostId& host : step.hosts) Say(facts, "host", host.str());
  Say(facts, "enough", absl::StrCat(step.enough));
  for (const StepNeed& need : step.needs) {
    Say(facts, "need",
        absl::StrCat(need.step.str(),
                     need.strength == Strength::kSoft ? " (soft)" : ""));
  }
  SayChecks(facts, "inspect", step.inspect);
  SayTasks(facts, "task before", step.inspect_tasks);
  SayChecks(facts, "health", step.health);
  SayChecks(facts, "watch", step.watch);
  SayTasks(facts, "task after", step.accept_tasks);
  Say(facts, "start", step.start_unit);
  Say(facts, "stop", step.stop_unit);
  Say(facts, "soak", step.soak);
  Say(facts, "lease", step.lease);
  Say(facts, "watch every", step.watch_every);
  Say(facts, "expected", step.expected);
  Say(facts, "wanted by", step.wanted_by);
  Say(facts, "on failure", WordOf(step.on_failure));
  Say(facts, "protected", step.is_protected ? "yes" : "no");
  if (step.joint_group >= 0) {
    for (const PlannedStep& other : plan.steps) {
      if (other.joint_group == step.joint_group && other.id != step.id) {
        Say(facts, "together with", other.id.str());
      }
    }
  }
  return facts;
}

Facts FactsOf(const PlannedHost& host) {
  constexpr const char* kGrades[] = {"kernel", "driven", "manual"};
  Facts facts;
  for (const Prefix& address : host.addresses) {
    Say(facts, "address", address.ToString());
  }
  for (const Flow& flow : host.vital) Say(facts, "vital", flow.Line());
  Say(facts, "enforcement", kGrades[static_cast<int>(host.grade)]);
  Say(facts, "acting", host.acting.str());
  Say(facts, "instructions to close", host.instructions.close);
  Say(facts, "instructions to open", host.instructions.open);
  Say(facts, "worked by hand by", host.instructions.owner.str());
  return facts;
}

Facts FactsOf(const PlannedGrant& grant) {
  Facts facts;
  Say(facts, "strength", grant.strength == Strength::kHard ? "hard" : "soft");
  for (const HostFlow& flow : grant.flows) {
    std::string line = flow.flow.Line();
    for (const HostId& host : flow.through) {
      absl::StrAppend(&line, " through ", host.str());
    }
    Say(facts, "flow", std::move(line));
  }
  return facts;
}

Facts FactsOf(const PlannedStage& stage, size_t number) {
  Facts facts;
  Say(facts, "place", absl::StrCat(number));
  for (const auto& [role, count] : stage.gate.approvals) {
    Say(facts, "approvals", absl::StrCat(count, " ", role.str()));
  }
  Say(facts, "timeout", stage.gate.timeout);
  Say(facts, "evidence maximum age", stage.gate.evidence_max_age);
  Say(facts, "self-approval", stage.gate.no_self_approval ? "no" : "yes");
  Say(facts, "confirm",
      stage.gate.confirm == ConfirmRule::kAutomatic ? "automatic"
                                                    : "by decision");
  return facts;
}

Facts FactsOf(const Approver& approver) {
  Facts facts;
  for (const RoleId& role : approver.roles) Say(facts, "role", role.str());
  for (const RoleId& role : approver.deputy_for) {
    Say(facts, "deputy for", role.str());
  }
  // A key's digest: a key line fills a screen and nobody compares it by eye.
  if (!approver.key.empty()) {
    Say(facts, "key", ShortDigest(Sha256(approver.key)));
  }
  return facts;
}

Things ThingsOf(const Plan& plan) {
  Things things;
  Facts& estate = things[{"estate", plan.estate.str()}].facts;
  Say(estate, "title", plan.title);
  Say(estate, "wanted by", plan.wanted_by);
  for (const std::string& address : plan.management.orchestrators) {
    Say(estate, "orchestrator", address);
  }
  for (const Prefix& prefix : plan.management.operators) {
    Say(estate, "operators", prefix.ToString());
  }
  for (const Approver& approver : plan.approvers) {
    things[{"approver", approver.id.str()}].facts = FactsOf(approver);
  }
  for (const PlannedHost& host : plan.hosts) {
    things[{"host", host.id.str()}].facts = FactsOf(host);
  }
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    things[{"stage", plan.stages[i].id.str()}].facts =
        FactsOf(plan.stages[i], i + 1);
  }
  for (const PlannedStep& step : plan.steps) {
    things[{step.external.empty() ? "system" : "entry", step.id.str()}] = {
        step.stage, FactsOf(plan, step)};
    for (const GrantId& id : step.grants) {
      things[{"flows", id.str()}] = {step.stage, FactsOf(*plan.FindGrant(id))};
    }
  }
  return things;
}

std::vector<std::string> Details(const Facts& before, const Facts& after) {
  std::set<std::string> facets;
  for (const auto& [facet, values] : before) facets.insert(facet);
  for (const auto& [facet, values] : after) facets.insert(facet);
  const auto values_of = [](const Facts& facts, const std::string& facet) {
    const auto at = facts.find(facet);
    return at != facts.end() ? at->second : std::set<std::string>();
  };
  std::vector<std::string> details;
  for (const std::string& facet : facets) {
    const std::set<std::string> old_values = values_of(before, facet);
    const std::set<std::string> new_values = values_of(after, facet);
    std::vector<std::string> removed;
    std::vector<std::string> added;
    std::set_difference(old_values.begin(), old_values.end(),
                        new_values.begin(), new_values.end(),
                        std::back_inserter(removed));
    std::set_difference(new_values.begin(), new_values.end(),
                        old_values.begin(), old_values.end(),
                        std::back_inserter(added));
    if (old_values.size() == 1 && new_values.size() == 1 && !added.empty()) {
      details.push_back(absl::StrCat(facet, ": ", removed.front(), " becomes ",
                                     added.front()));
      continue;
    }
    for (const std::string& value : removed) {
      details.push_back(absl::StrCat(facet, ": ", value, " removed"));
    }
    for (const std::string& value : added) {
      details.push_back(absl::StrCat(facet, ": ", value, " added"));
    }
  }
  return details;
}

// What a thing that is new, or gone, meant in a few words.
std::vector<std::string> Summary(const std::string& what, const Thing& thing) {
  std::vector<std::string> lines;
  for (const char* facet : {"host", "address", "need", "approvals", "role"}) {
    const auto at = thing.facts.find(facet);
    if (at == thing.facts.end()) continue;
    const std::vector<std::string> values(at->second.begin(), at->second.end());
    lines.push_back(absl::StrCat(facet, ": ", planning::List(values, 12)));
  }
  if (what == "flows") {
    const auto at = thing.facts.find("flow");
    for (const std::string& line :
         at != thing.facts.end() ? at->second : std::set<std::string>()) {
      lines.push_back(line);
    }
  }
  return lines;
}

void AddChanges(const Things& before, const Things& after, PlanDiff& diff) {
  for (const auto& [key, thing] : before) {
    const auto at = after.find(key);
    if (at == after.end()) {
      diff.changes.push_back({PlanDiff::Kind::kRemoved, key.first, key.second,
                              thing.stage, Summary(key.first, thing)});
      continue;
    }
    std::vector<std::string> details = Details(thing.facts, at->second.facts);
    if (details.empty()) continue;
    diff.changes.push_back({PlanDiff::Kind::kChanged, key.first, key.second,
                            at->second.stage, std::move(details)});
  }
  for (const auto& [key, thing] : after) {
    if (before.contains(key)) continue;
    diff.changes.push_back({PlanDiff::Kind::kAdded, key.first, key.second,
                            thing.stage, Summary(key.first, thing)});
  }
  std::sort(diff.changes.begin(), diff.changes.end(),
            [](const PlanDiff::Change& a, const PlanDiff::Change& b) {
              return std::tie(a.what, a.name) < std::tie(b.what, b.name);
            });
}

absl::string_view KindWord(PlanDiff::Kind kind) {
  switch (kind) {
    case PlanDiff::Kind::kAdded:
      return "added";
    case PlanDiff::Kind::kRemoved:
      return "removed";
    case PlanDiff::Kind::kChanged:
      return "changed";
  }
  return "changed";
}

planning::Ink KindInk(PlanDiff::Kind kind) {
  switch (kind) {
    case PlanDiff::Kind::kAdded:
      return planning::Ink::kGreen;
    case PlanDiff::Kind::kRemoved:
      return planning::Ink::kRed;
    case PlanDiff::Kind::kChanged:
      return planning::Ink::kYellow;
  }
  return planning::Ink::kYellow;
}

}  // namespace

PlanDiff DiffPlans(const Plan& before, const Plan& after) {
  PlanDiff diff;
  diff.old_digest = before.digest;
  diff.new_digest = after.digest;
  AddChanges(ThingsOf(before), ThingsOf(after), diff);
  for (const PlannedStage& stage : after.stages) {
    const PlannedStage* old_stage = before.FindStage(stage.id);
    PlanDiff::Stage entry;
    entry.id = stage.id;
    entry.is_new = old_stage == nullptr;
    entry.old_digest = old_stage != nullptr ? old_stage->digest : "";
    entry.new_digest = stage.digest;
    entry.voided = old_stage != nullptr && old_stage->digest != stage.digest;
    entry.quorum = planning::QuorumText(stage.gate);
    diff.stages.push_back(std::move(entry));
  }
  for (const PlannedStage& stage : before.stages) {
    if (after.FindStage(stage.id) == nullptr) diff.gone.push_back(stage.id);
  }
  return diff;
}

std::string DiffText(const PlanDiff& diff, const RenderOptions& options) {
  planning::Page page(options.width, options.colour);
  if (diff.empty()) {
    page.Wrap("", absl::StrCat("Nothing changes: both are plan ",
                               ShortDigest(diff.new_digest), " (",
                               DigestPhrase(diff.new_digest), ")."));
    return page.Take();
  }
  page.Line(absl::StrCat("old plan ", ShortDigest(diff.old_digest), "  ",
                         DigestPhrase(diff.old_digest)));
  page.Line(absl::StrCat("new plan ", ShortDigest(diff.new_digest), "  ",
                         DigestPhrase(diff.new_digest)));
  page.Line();
  for (const PlanDiff::Change& change : diff.changes) {
    page.Wrap("", absl::StrCat(
                      page.Paint(KindInk(change.kind), KindWord(change.kind)),
                      " ", change.what, " ", change.name,
                      change.stage.empty()
                          ? ""
                          : absl::StrCat(", stage ", change.stage.str())));
    for (const std::string& detail : change.details) {
      page.Wrap("    ", detail);
    }
  }
  page.Line();
  for (const PlanDiff::Stage& stage : diff.stages) {
    page.Wrap(absl::StrCat("stage ", stage.id.str(), ": "),
              stage.is_new ? absl::StrCat("new; ask ", stage.quorum)
              : stage.voided
                  ? absl::StrCat("decisions made under the old plan are void; "
                                 "ask ",
                                 stage.quorum)
                  : "unchanged; its decisions stand");
  }
  for (const StageId& stage : diff.gone) {
    page.Wrap(absl::StrCat("stage ", stage.str(), ": "),
              "gone, and its decisions with it");
  }
  return page.Take();
}

std::string DiffJson(const PlanDiff& diff) {
  nlohmann::json json = {{"old_digest", diff.old_digest},
                         {"new_digest", diff.new_digest}};
  nlohmann::json& changes = json["changes"] = nlohmann::json::array();
  for (const PlanDiff::Change& change : diff.changes) {
    changes.push_back({{"kind", std::string(KindWord(change.kind))},
                       {"what", change.what},
                       {"name", change.name},
                       {"stage", change.stage.str()},
                       {"details", change.details}});
  }
  nlohmann::json& stages = json["stages"] = nlohmann::json::array();
  for (const PlanDiff::Stage& stage : diff.stages) {
    stages.push_back({{"id", stage.id.str()},
                      {"new", stage.is_new},
                      {"decisions_void", stage.voided},
                      {"old_digest", stage.old_digest},
                      {"new_digest", stage.new_digest},
                      {"quorum", stage.quorum}});
  }
  nlohmann::json& gone = json["stages_gone"] = nlohmann::json::array();
  for (const StageId& stage : diff.gone) gone.push_back(stage.str());
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
         "\n";
}

}  // namespace sluice
