// The canonical text of a plan, one fact a line, and its digests.
//
// A stage's digest holds what people decide on at its gate: the steps, what
// they wait for, how they are checked and watched, every flow, and the gate
// itself. It does not hold what changes nothing for them (titles, order,
// expected durations, who depends on the steps). The plan's digest holds all.

#include "common/digest.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "orchestrator/model/words.h"
#include "orchestrator/planner/draft.h"

namespace sluice::planning {
namespace {

// One line: words apart by a blank. Free text cannot pose as another word or
// another line; nothing at all is "-", which no encoded text is.
class Facts {
 public:
  // Words that are canonical already, and end the line.
  struct Canonical {
    std::string text;
  };

  template <class... Words>
  void Line(const Words&... words) {
    bool first = true;
    (Word(words, first), ...);
    text_ += '\n';
  }

  const std::string& text() const { return text_; }

 private:
  template <class Tag>
  void Word(const Name<Tag>& name, bool& first) {
    Word(name.str(), first);
  }
  void Word(const char* word, bool& first) {
    Blank(first);
    text_ += word;
  }
  void Word(const std::string& word, bool& first) {
    Blank(first);
    if (word.empty()) text_ += '-';
    if (word == "-") {
      text_ += "%2d";
      return;
    }
    const bool plain = std::all_of(word.begin(), word.end(), [](char c) {
      return static_cast<unsigned char>(c) > ' ' && c != '%' && c != 0x7f;
    });
    if (plain) {
      text_ += word;
      return;
    }
    for (const char c : word) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte <= ' ' || byte == '%' || byte == 0x7f) {
        absl::StrAppendFormat(&text_, "%%%02x", byte);
      } else {
        text_ += c;
      }
    }
  }
  void Word(const Canonical& words, bool& first) {
    Blank(first);
    text_ += words.text;
  }
  void Word(absl::Duration duration, bool& first) {
    Word(absl::ToInt64Milliseconds(duration), first);
  }
  void Word(int64_t number, bool& first) {
    Blank(first);
    absl::StrAppend(&text_, number);
  }
  void Word(int number, bool& first) {
    Word(static_cast<int64_t>(number), first);
  }
  void Word(bool yes, bool& first) { Word(yes ? "yes" : "no", first); }

  void Blank(bool& first) {
    if (!first) text_ += ' ';
    first = false;
  }

  std::string text_;
};

void WriteChecks(const char* kind, const std::vector<PlannedCheck>& checks,
                 Facts& facts) {
  for (const PlannedCheck& check : checks) {
    facts.Line(kind, check.id, Facts::Canonical{check.spec.Line()});
  }
}

void WriteTasks(const char* kind, const std::vector<PlannedTask>& tasks,
                Facts& facts) {
  for (const PlannedTask& task : tasks) {
    facts.Line(kind, task.id, task.owner, task.what);
  }
}

void WriteGrant(const PlannedGrant& grant, Facts& facts) {
  facts.Line("grant", grant.id, WordOf(grant.strength));
  for (const HostFlow& flow : grant.flows) {
    facts.Line("flow", flow.client, flow.server,
               Facts::Canonical{flow.flow.Line()});
    for (const HostId& host : flow.through) facts.Line("through", host);
  }
}

void WriteStep(const Plan& plan, const PlannedStep& step,
               const StepId& first_of_group, Facts& facts) {
  facts.Line("step", step.id, step.system, step.external);
  for (const HostId& host : step.hosts) facts.Line("host", host);
  facts.Line("enough", step.enough);
  facts.Line("joint", first_of_group);
  facts.Line("units", step.start_unit, step.stop_unit);
  facts.Line("times", step.soak, step.lease, step.watch_every);
  facts.Line("failure", WordOf(step.on_failure), step.is_protected);
  for (const StepNeed& need : step.needs) {
    facts.Line("need", need.step, WordOf(need.strength), need.soaked);
  }
  WriteChecks("inspect", step.inspect, facts);
  WriteTasks("inspect-task", step.inspect_tasks, facts);
  WriteChecks("health", step.health, facts);
  WriteChecks("watch", step.watch, facts);
  WriteTasks("accept-task", step.accept_tasks, facts);
  // A step's grants stand beside each other as a rule: look one up, then walk.
  const PlannedGrant* end = plan.grants.data() + plan.grants.size();
  const PlannedGrant* grant = end;
  for (const GrantId& id : step.grants) {
    if (grant != end) ++grant;
    if (grant == end || grant->id != id) grant = plan.FindGrant(id);
    WriteGrant(*grant, facts);
  }
}

void WriteGate(const GateRule& gate, Facts& facts) {
  for (const auto& [role, count] : gate.approvals) {
    facts.Line("approvals", role, count);
  }
  facts.Line(
      "gate", gate.timeout, gate.evidence_max_age, gate.no_self_approval,
      gate.confirm == ConfirmRule::kAutomatic ? "automatic" : "by-decision");
}

// Groups are known by their first member: their numbers change when another
// group appears.
std::vector<StepId> GroupNames(const Plan& plan) {
  std::vector<StepId> names;
  for (const PlannedStep& step : plan.steps) {
    if (step.joint_group < 0) continue;
    const size_t group = static_cast<size_t>(step.joint_group);
    if (group >= names.size()) names.resize(group + 1);
    if (names[group].empty()) names[group] = step.id;
  }
  return names;
}

std::string StageText(const Plan& plan, const PlannedStage& stage,
                      const std::vector<StepId>& groups) {
  Facts facts;
  facts.Line("sluice", "stage", "1");
  facts.Line("stage", stage.id);
  WriteGate(stage.gate, facts);
  std::vector<StepId> ids = stage.steps;
  std::sort(ids.begin(), ids.end());
  for (const StepId& id : ids) {
    const PlannedStep& step = *plan.FindStep(id);
    WriteStep(plan, step,
              step.joint_group < 0 ? StepId() : groups[step.joint_group],
              facts);
  }
  return facts.text();
}

void WriteEstate(const Plan& plan, Facts& facts) {
  facts.Line("estate", plan.estate);
  facts.Line("title", plan.title);
  facts.Line("wanted-by", plan.wanted_by);
  for (const std::string& address : plan.management.orchestrators) {
    facts.Line("orchestrator", address);
  }
  for (const Prefix& prefix : plan.management.operators) {
    facts.Line("operators", prefix.ToString());
  }
  for (const Approver& approver : plan.approvers) {
    facts.Line("approver", approver.id, approver.key);
    for (const RoleId& role : approver.roles) facts.Line("role", role);
    for (const RoleId& role : approver.deputy_for) facts.Line("deputy", role);
  }
  for (const PlannedHost& host : plan.hosts) {
    facts.Line("host", host.id, WordOf(host.grade), host.acting);
    if (host.instructions != Instructions{}) {
      facts.Line("instructions", host.instructions.close,
                 host.instructions.open, host.instructions.owner);
    }
    for (const Prefix& address : host.addresses) {
      facts.Line("address", address.ToString());
    }
    for (const Flow& flow : host.vital)
      facts.Line("vital", Facts::Canonical{flow.Line()});
  }
}

std::string PlanFacts(const Plan& plan) {
  Facts facts;
  facts.Line("sluice", "plan", "1");
  WriteEstate(plan, facts);
  for (const PlannedStage& stage : plan.stages) {
    facts.Line("stage", stage.id, stage.digest);
  }
  for (const StepId& id : plan.order) {
    const PlannedStep& step = *plan.FindStep(id);
    facts.Line("step", step.id, step.title, step.category,
               static_cast<int>(step.priority), step.expected, step.wanted_by);
  }
  return facts.text();
}

}  // namespace

void SealPlan(Plan& plan) {
  const std::vector<StepId> groups = GroupNames(plan);
  for (PlannedStage& stage : plan.stages) {
    stage.digest = Sha256(StageText(plan, stage, groups));
  }
  plan.digest = Sha256(PlanFacts(plan));
}

}  // namespace sluice::planning
