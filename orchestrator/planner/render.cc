#include "orchestrator/planner/render.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/digest.h"
#include "orchestrator/planner/forecast.h"
#include "orchestrator/planner/phrase.h"
#include "orchestrator/planner/promises.h"
#include "orchestrator/planner/text.h"

namespace sluice {
namespace {

using planning::Columns;
using planning::Count;
using planning::Ink;
using planning::PadLeft;
using planning::PadRight;
using planning::Page;
using planning::Plain;

constexpr absl::string_view kDetail = "      ";  // under a step's line

// Category to colour: by name, so that it is the same on every plan.
Ink InkOf(absl::string_view category) {
  if (category == "foundation") return Ink::kBlue;
  if (category == "outside") return Ink::kMagenta;
  constexpr Ink kInks[] = {Ink::kGreen, Ink::kCyan, Ink::kYellow};
  unsigned sum = 0;
  for (const char c : category) sum = sum * 31 + static_cast<unsigned char>(c);
  return kInks[sum % 3];
}

class PlanPage {
 public:
  PlanPage(const Plan& plan, const RenderOptions& options)
      : plan_(plan), options_(options), page_(options.width, options.colour) {
    for (const PlannedStep& step : plan.steps) {
      if (!step.external.empty()) continue;
      name_ = std::max(name_, Columns(step.id.str()));
      category_ = std::max(category_, Columns(step.category));
    }
    name_ = std::min(name_, 24);
    category_ = std::min(category_, 14);
    hosts_ = std::max(10, options.width - name_ - category_ - 28);
  }

  std::string Write() {
    Heading();
    for (size_t i = 0; i < plan_.stages.size(); ++i) Stage(i);
    Ending();
    return page_.Take();
  }

 private:
  void Heading() {
    size_t entries = 0;
    for (const PlannedStep& step : plan_.steps) {
      entries += step.external.empty() ? 0 : 1;
    }
    size_t flows = 0;
    for (const PlannedGrant& grant : plan_.grants) flows += grant.flows.size();
    page_.Wrap("", page_.Paint(Ink::kBold,
                               Plain(plan_.title.empty() ? plan_.estate.str()
                                                         : plan_.title)));
    page_.Line(absl::StrCat("plan ", ShortDigest(plan_.digest), "  ",
                            DigestPhrase(plan_.digest)));
    page_.Line();
    if (plan_.steps.empty()) {
      page_.Wrap("",
                 absl::StrCat(Count(plan_.hosts.size(), "host", "hosts"),
                              ", no systems yet: isolating works; reconnecting "
                              "wants 'systems' in the manifest."));
      return;
    }
    page_.Wrap("", absl::StrCat(
                       Count(plan_.steps.size() - entries, "system", "systems"),
                       " on ", Count(plan_.hosts.size(), "host", "hosts"), ", ",
                       Count(entries, "way in", "ways in"), " from outside, ",
                       Count(flows, "flow", "flows"), ", ",
                       Count(plan_.stages.size(), "gate", "gates"), ". ",
                       "A stage waits for the one before it; inside a stage, a "
                       "system starts the moment what it needs is healthy."));
  }

  void Stage(size_t number) {
    const PlannedStage& stage = plan_.stages[number];
    page_.Line();
    page_.Line(page_.Paint(
        Ink::kBold,
        absl::StrCat("Stage ", number + 1, " of ", plan_.stages.size(), ": ",
                     Plain(stage.id.str()), "  ", ShortDigest(stage.digest),
                     "  ", DigestPhrase(stage.digest))));
    std::string gate = absl::StrCat(
        planning::QuorumText(stage.gate), "; holds after ",
        absl::FormatDuration(stage.gate.timeout), " without an answer");
    if (stage.gate.no_self_approval) {
      absl::StrAppend(&gate, "; not by whoever started the run");
    }
    if (stage.gate.confirm == ConfirmRule::kByDecision) {
      absl::StrAppend(&gate, "; confirmed by decision");
    }
    page_.Wrap("gate: ", gate);
    page_.Line(page_.Paint(
        Ink::kDim, absl::StrCat("  ", PadRight("step", name_), "  ",
                                PadRight("category", category_), "  ",
                                PadRight("hosts", hosts_), PadLeft("flows", 6),
                                PadLeft("checks", 8), PadLeft("soak", 8))));
    for (const StepId& id : stage.steps) Step(*plan_.FindStep(id));
  }

  void Step(const PlannedStep& step) {
    const bool entry = !step.external.empty();
    // An entry's category is always "outside": its long name takes the room of
    // the category, and of the hosts as far as they leave any.
    const int all = name_ + 2 + category_ + 2 + hosts_;
    const std::string hosts = Hosts(step);
    std::string left = entry ? step.id.str() : PadRight(step.id.str(), name_);
    if (Columns(left) > (entry ? all - 2 - Columns(hosts) : name_)) {
      page_.Line(absl::StrCat("  ", left));
      left = entry ? "" : std::string(name_, ' ');
    }
    std::string category;
    if (!entry) {
      category = absl::StrCat(
          "  ", PadRight(planning::Cut(step.category, category_), category_));
    }
    const int column = name_ + 2 + category_;
    const int pad = std::max(0, column - Columns(left) - Columns(category));
    const int used = Columns(left) + Columns(category) + pad + 2;
    page_.Line(absl::StrCat(
        "  ", left, page_.Paint(InkOf(step.category), category),
        std::string(pad, ' '), "  ", PadRight(hosts, all - used),
        PadLeft(absl::StrCat(planning::CountFlows(plan_, step)), 6),
        PadLeft(absl::StrCat(step.inspect.size() + step.health.size()), 8),
        PadLeft(absl::FormatDuration(step.soak), 8)));
    Details(step);
  }

  // As many hosts as the column holds.
  std::string Hosts(const PlannedStep& step) const {
    std::string text;
    for (size_t most = step.hosts.size(); most >= 1; --most) {
      text = planning::HostsText(step, most);
      if (Columns(text) <= hosts_) return text;
    }
    text = Count(step.hosts.size(), "host", "hosts");
    return text;
  }

  void Details(const PlannedStep& step) {
    page_.WrapInk(Ink::kDim, kDetail, Waits(step));
    if (step.joint_group >= 0) {
      std::vector<std::string> others;
      for (const PlannedStep& other : plan_.steps) {
        if (other.joint_group == step.joint_group && other.id != step.id) {
          others.push_back(other.id.str());
        }
      }
      page_.Wrap(kDetail, absl::StrCat("comes back together with ",
                                       planning::List(others)));
    }
    for (const PlannedTask& task : step.inspect_tasks) {
      page_.Wrap(kDetail, absl::StrCat("before: ", Plain(task.what), " (",
                                       task.owner.str(), " signs)"));
    }
    for (const PlannedTask& task : step.accept_tasks) {
      page_.Wrap(kDetail, absl::StrCat("after: ", Plain(task.what), " (",
                                       task.owner.str(), " accepts)"));
    }
    if (step.is_protected && step.external.empty()) {
      page_.Wrap(kDetail, "protected: isolating it takes a typed confirmation");
    }
    for (const HostId& id : step.hosts) {
      if (step.external.empty()) Grade(*plan_.FindHost(id));
    }
    if (!options_.show_flows) return;
    for (const GrantId& id : step.grants) {
      page_.Wrap(kDetail, id.str());
      for (const HostFlow& flow : plan_.FindGrant(id)->flows) {
        page_.Wrap(absl::StrCat(kDetail, "  "), flow.flow.Line());
      }
    }
  }

  static std::string Waits(const PlannedStep& step) {
    std::vector<std::string> hard;
    std::vector<std::string> soaked;
    std::vector<std::string> soft;
    for (const StepNeed& need : step.needs) {
      std::vector<std::string>& list = need.strength == Strength::kSoft ? soft
                                       : need.soaked                    ? soaked
                                                                        : hard;
      list.push_back(need.step.str());
    }
    std::vector<std::string> parts;
    if (!hard.empty()) {
      parts.push_back(absl::StrCat("waits for ", planning::List(hard)));
    }
    if (!soaked.empty()) {
      parts.push_back(
          absl::StrCat("waits for the soak of ", planning::List(soaked)));
    }
    if (parts.empty()) parts.push_back("waits for its gate alone");
    if (!soft.empty()) {
      parts.push_back(absl::StrCat("also uses ", planning::List(soft)));
    }
    return absl::StrJoin(parts, "; ");
  }

  // S9: what an enforcement point cannot keep is said, not rounded up.
  void Grade(const PlannedHost& host) {
    const std::optional<NotKept> not_kept = NotKeptBy(host);
    if (not_kept.has_value()) page_.Wrap(kDetail, not_kept->text);
  }

  void Ending() {
    Vital();
    if (plan_.steps.empty()) return;
    page_.Line();
    const ForecastResult forecast = Forecast(plan_, WholeDuration);
    page_.Wrap(
        page_.Paint(Ink::kBold, "Forecast: "),
        absl::StrCat("machines need ",
                     planning::Range(forecast.estate.low, forecast.estate.high),
                     " until everything is back; what people take at ",
                     Count(plan_.stages.size(), "gate", "gates"), Tasks(),
                     " comes on top."));
    Wanted(forecast);
    std::vector<std::string> chain;
    for (const StepId& id : forecast.critical_path) {
      const Remaining whole = WholeDuration(*plan_.FindStep(id));
      chain.push_back(
          whole.low == whole.high
              ? absl::StrCat(id.str(), " ", absl::FormatDuration(whole.low))
              : id.str());
    }
    if (chain.empty()) return;
    page_.Wrap(page_.Paint(Ink::kBold, "Critical path: "),
               absl::StrJoin(chain, " -> "));
  }

  void Wanted(const ForecastResult& forecast) {
    const bool any = plan_.wanted_by > absl::ZeroDuration() ||
                     std::any_of(plan_.steps.begin(), plan_.steps.end(),
                                 [](const PlannedStep& step) {
                                   return step.wanted_by > absl::ZeroDuration();
                                 });
    if (!any) return;
    const std::vector<Lateness> late = LateSteps(plan_, forecast);
    if (late.empty()) {
      page_.Wrap(page_.Paint(Ink::kBold, "Wanted by: "),
                 "everything can be back in time, if people are quick.");
    }
    for (const Lateness& one : late) {
      page_.Wrap(
          page_.Paint(Ink::kRed, one.surely ? "Late: " : "Perhaps late: "),
          absl::StrCat(one.step.empty() ? "the estate" : one.step.str(),
                       " is wanted by ", absl::FormatDuration(one.wanted_by),
                       " and back after ",
                       planning::Range(one.back.low, one.back.high),
                       ", without people's time."));
    }
  }

  std::string Tasks() const {
    size_t tasks = 0;
    for (const PlannedStep& step : plan_.steps) {
      tasks += step.inspect_tasks.size() + step.accept_tasks.size();
    }
    return tasks == 0 ? ""
                      : absl::StrCat(" and ", Count(tasks, "task", "tasks"));
  }

  void Vital() {
    bool first = true;
    for (const PlannedHost& host : plan_.hosts) {
      if (host.vital.empty()) continue;
      if (first) page_.Line();
      first = false;
      page_.Wrap("", absl::StrCat("Kept open in quarantine on ", host.id.str(),
                                  " (vital): ",
                                  Count(host.vital.size(), "flow", "flows")));
      if (!options_.show_flows) continue;
      for (const Flow& flow : host.vital) {
        page_.Wrap("  ", flow.Line());
      }
    }
  }

  const Plan& plan_;
  const RenderOptions& options_;
  Page page_;
  int name_ = 12;
  int category_ = 8;
  int hosts_ = 0;
};

}  // namespace

std::string PlanText(const Plan& plan, const RenderOptions& options) {
  return PlanPage(plan, options).Write();
}

}  // namespace sluice
