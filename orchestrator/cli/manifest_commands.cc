#include "orchestrator/cli/manifest_commands.h"

#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/nearest.h"
#include "orchestrator/cli/drafts.h"
#include "orchestrator/cli/loaded_manifest.h"
#include "orchestrator/cli/pinned.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/planner/diff.h"
#include "orchestrator/planner/explain.h"
#include "orchestrator/planner/graph_format.h"
#include "orchestrator/planner/plan.h"
#include "orchestrator/planner/render.h"

namespace sluice::cli {
namespace {

// Hosts keep their own list of whom they believe; the manifest cannot change
// it, so a difference is a mistake of one of the two.
ExitCode ComparePinned(const Terminal& terminal, const Plan& plan,
                       const std::vector<std::string>& files) {
  ExitCode code = kDone;
  for (const std::string& file : files) {
    const auto found = PinnedDifferences(plan, file);
    if (!found.ok()) return terminal.Complain(found.status());
    for (const std::string& one : *found) {
      code = kMistakes;
      *terminal.out << Hang("", absl::StrCat(file, ": ", one), terminal.width);
    }
  }
  if (code == kDone && !files.empty()) {
    *terminal.out << CountText(files.size(), "host")
                  << " compared: each pins what the manifest says\n";
  }
  return code;
}

}  // namespace

ExitCode Validate(const Terminal& terminal, const ValidateOptions& options) {
  const ManifestResult result = LoadManifest(options.manifest);
  const DiagnosticCounts counts = CountOf(result);
  bool mistakes = counts.errors > 0 || (options.strict && counts.warnings > 0);
  absl::Status planning;
  std::shared_ptr<const Plan> plan;
  if (result.ok()) {
    auto made = MakePlan(result.model);
    planning = made.status();
    if (made.ok()) plan = *std::move(made);
    mistakes = mistakes || !planning.ok();
  }
  if (options.json) {
    *terminal.out << DiagnosticsJson(result);
    if (!planning.ok()) {
      terminal.Complain(
          absl::StrCat(options.manifest, ": ", planning.message()), kMistakes);
    }
    return mistakes ? kMistakes : kDone;
  }
  // Mistakes first: warnings are worth reading once there are none.
  PrintDiagnostics(terminal, result, /*warnings=*/counts.errors == 0);
  if (!planning.ok()) {
    return terminal.Complain(
        absl::StrCat(options.manifest, ": ", planning.message()), kMistakes);
  }
  const std::string name = FileName(options.manifest);
  if (mistakes) {
    std::string text = CountText(counts.errors, "mistake");
    if (counts.warnings > 0) {
      absl::StrAppend(&text, ", ", CountText(counts.warnings, "warning"),
                      counts.errors == 0
                          ? "; with --strict a warning is a mistake"
                          : " (shown when there are no mistakes)");
    }
    return terminal.Complain(absl::StrCat(name, ": ", text, "."), kMistakes);
  }
  std::string text =
      absl::StrCat(name, ": ", CountText(result.model.systems.size(), "system"),
                   " on ", CountText(result.model.hosts.size(), "host"), ", ",
                   CountText(plan->stages.size(), "gate"), ": no mistakes");
  if (counts.warnings > 0) {
    absl::StrAppend(&text, ", ", CountText(counts.warnings, "warning"));
  }
  *terminal.out << Hang("", text, terminal.width);
  return ComparePinned(terminal, *plan, options.agents);
}

ExitCode ShowPlan(const Terminal& terminal, const PlanOptions& options) {
  const LoadedManifest loaded =
      LoadPlanOf(terminal, options.manifest, "no plan was made.");
  if (loaded.plan == nullptr) return kMistakes;
  const Plan& plan = *loaded.plan;
  if (options.format == "json") {
    *terminal.out << PlanJson(plan);
  } else if (options.format == "dot") {
    *terminal.out << PlanDot(plan);
  } else if (options.format == "svg") {
    *terminal.out << PlanSvg(plan);
  } else if (options.format == "mermaid") {
    *terminal.out << PlanMermaid(plan);
  } else {
    *terminal.out << PlanText(
        plan, {.width = options.width > 0 ? options.width : terminal.width,
               .colour = terminal.colour,
               .show_flows = options.flows});
  }
  return kDone;
}

ExitCode Diff(const Terminal& terminal, const DiffOptions& options) {
  const LoadedManifest before =
      LoadPlanOf(terminal, options.before, "nothing was compared.");
  if (before.plan == nullptr) return kMistakes;
  const LoadedManifest after =
      LoadPlanOf(terminal, options.after, "nothing was compared.");
  if (after.plan == nullptr) return kMistakes;
  const PlanDiff diff = DiffPlans(*before.plan, *after.plan);
  *terminal.out << (options.json ? DiffJson(diff)
                                 : DiffText(diff, {.width = terminal.width,
                                                   .colour = terminal.colour}));
  return kDone;
}

ExitCode Explain(const Terminal& terminal, const ExplainOptions& options) {
  const LoadedManifest loaded =
      LoadPlanOf(terminal, options.manifest, "no plan was made.");
  if (loaded.plan == nullptr) return kMistakes;
  const auto text = options.json ? ExplainJson(*loaded.plan, options.system)
                                 : ExplainText(*loaded.plan, options.system,
                                               {.width = terminal.width,
                                                .colour = terminal.colour,
                                                .show_flows = options.flows});
  if (!text.ok()) return terminal.Complain(text.status().message(), kMistakes);
  *terminal.out << *text;
  return kDone;
}

ExitCode ShowForecast(const Terminal& terminal, const Common& common,
                      const ForecastOptions& options) {
  const LoadedManifest loaded =
      LoadPlanOf(terminal, options.manifest, "no plan was made.");
  if (loaded.plan == nullptr) return kMistakes;
  const auto question = ReadQuestion(*loaded.plan, options, common);
  if (!question.ok()) {
    return options.from_orchestrator
               ? terminal.Complain(question.status())
               : terminal.Complain(question.status().message(), kMistakes);
  }
  *terminal.out << (options.json ? ForecastJson(*loaded.plan, *question)
                                 : ForecastText(*loaded.plan, *question,
                                                {.width = terminal.width,
                                                 .colour = terminal.colour}));
  return kDone;
}

ExitCode DraftAgentConfig(const Terminal& terminal,
                          const AgentConfigOptions& options) {
  const LoadedManifest loaded =
      LoadPlanOf(terminal, options.manifest, "nothing was drafted.");
  if (loaded.plan == nullptr) return kMistakes;
  const PlannedHost* host = loaded.plan->FindHost(HostId(options.host));
  if (host == nullptr) {
    std::vector<std::string> names;
    for (const PlannedHost& one : loaded.plan->hosts) {
      names.push_back(one.id.str());
    }
    const std::string near = Nearest(options.host, names);
    return terminal.Complain(
        absl::StrCat(
            "no host of ", options.manifest, " is called '", options.host, "'",
            near.empty() ? "" : absl::StrCat("; did you mean '", near, "'?")),
        kMistakes);
  }
  for (const std::string& address : loaded.plan->management.orchestrators) {
    const auto endpoint = Endpoint::Parse(address);
    if (!endpoint.ok()) {
      return terminal.Complain(endpoint.status().message(), kMistakes);
    }
  }
  *terminal.out << AgentYaml(*loaded.plan, *host);
  return kDone;
}

ExitCode InitEstate(const Terminal& terminal, const std::string& manifest,
                    const InitOptions& options) {
  const LoadedManifest loaded =
      LoadPlanOf(terminal, manifest, "nothing was made.");
  if (loaded.plan == nullptr) return kMistakes;
  const auto report = Init(*loaded.plan, loaded.manifest.sources, options);
  if (!report.ok()) {
    return terminal.Complain(report.status().message(), kMistakes);
  }
  const auto line = [&](absl::string_view head, absl::string_view text) {
    *terminal.out << Hang(head, text, terminal.width);
  };
  line("", absl::StrCat(loaded.plan->estate.str(), " in ", options.out, "/"));
  if (!options.add) {
    line("  authority/      ",
         "ca.key makes every other certificate: take it off this machine and "
         "lock it away");
  }
  if (report->made_orchestrator) {
    line("  orchestrator/   ",
         "for the orchestrator's host: sluice-orchestrator --config "
         "orchestrator.yaml");
  }
  if (!report->agents.empty()) {
    line("  agents/         ",
         absl::StrCat(CountText(report->agents.size(), "host"), ": ",
                      absl::StrJoin(report->agents, ", ")));
  }
  if (!report->operators.empty()) {
    line("  operators/      ",
         absl::StrCat(CountText(report->operators.size(), "operator"), ": ",
                      absl::StrJoin(report->operators, ", ")));
  }
  if (!report->keyless.empty()) {
    line("  ",
         absl::StrCat("without `key:` in the manifest, so they cannot log in: ",
                      absl::StrJoin(report->keyless, ", "),
                      "; add the public half of each one's SSH key"));
  }
  if (report->kept > 0) {
    line("  ", absl::StrCat("kept as found: ", report->kept,
                            report->kept == 1 ? " directory" : " directories"));
  }
  if (report->manifest_differs) {
    line("  ",
         absl::StrCat("orchestrator/manifest.yaml is not this manifest: copy ",
                      manifest,
                      " over it when no run is active, then restart the "
                      "orchestrator"));
  }
  return kDone;
}

}  // namespace sluice::cli
