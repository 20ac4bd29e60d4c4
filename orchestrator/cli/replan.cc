#include "orchestrator/cli/replan.h"

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/digest.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/gate_text.h"
#include "orchestrator/cli/loaded_manifest.h"
#include "orchestrator/planner/diff.h"

namespace sluice::cli {
namespace {

constexpr int kMostNames = 8;

// Every step by what becomes of it, the worst first.
struct Fate {
  const char* fate;
  const char* title;
  bool closes;
};
constexpr Fate kFates[] = {
    {"closes", "close now, and their gates ask again", true},
    {"leaves", "leave the run and close", true},
    {"holds", "stay as they are and wait for a person", false},
    {"starts-over", "have opened nothing yet and start over", false},
    {"narrows", "go on, and flows they have no longer close", false},
    {"joins", "join the run", false},
};

std::string Names(const std::vector<std::string>& names) {
  if (names.size() <= kMostNames) return absl::StrJoin(names, ", ");
  const std::vector<std::string> first(names.begin(),
                                       names.begin() + kMostNames);
  return absl::StrCat(absl::StrJoin(first, ", "), " and ",
                      names.size() - kMostNames, " more (--json names them)");
}

absl::StatusOr<std::shared_ptr<const Plan>> PlanInForce(Client& client) {
  const auto present = client.GetManifest();
  if (!present.ok()) return present.status();
  ManifestSources sources;
  for (const v1::ManifestFile& file : present->files()) {
    sources.files.push_back({file.name(), file.text()});
  }
  const ManifestResult manifest = ParseManifest(sources);
  auto plan = manifest.ok() ? MakePlan(manifest.model)
                            : absl::FailedPreconditionError("it has mistakes");
  if (plan.ok() && (*plan)->digest == present->plan_digest()) return plan;
  return absl::FailedPreconditionError(absl::StrCat(
      "this `sluice` makes another plan of the manifest in force than the "
      "orchestrator did",
      plan.ok() ? "" : absl::StrCat(" (", plan.status().message(), ")"),
      ". Nothing was changed; use the version of Sluice that the orchestrator "
      "has."));
}

std::string PreviewJson(const PlanDiff& diff, const v1::PlanPreview& preview,
                        const v1::Accepted* accepted) {
  nlohmann::json json;
  json["diff"] = nlohmann::json::parse(DiffJson(diff));
  json["preview"] = nlohmann::json::parse(MessageJson(preview));
  if (accepted != nullptr) {
    json["accepted"] = nlohmann::json::parse(MessageJson(*accepted));
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
         "\n";
}

// Whether the person at the terminal says so.
bool IsWanted(const Terminal& terminal, const v1::PlanPreview& preview) {
  const std::string answer = terminal.Ask(
      absl::StrCat("Type replan to put plan ", preview.plan_number(),
                   " in force, anything else to leave it.\n> "));
  return absl::StripAsciiWhitespace(absl::AsciiStrToLower(answer)) == "replan";
}

}  // namespace

std::string PreviewText(const v1::PlanPreview& preview, int width,
                        const Paint& paint) {
  if (preview.run().empty()) {
    return Hang("",
                "No run is active: the next one starts under this plan, and "
                "nothing opens or closes now.",
                width);
  }
  std::map<std::string, std::vector<std::string>> names;
  std::map<std::string, std::string> why;  // fate → the first reason
  for (const v1::PlanEffect& step : preview.steps()) {
    names[step.fate()].push_back(step.name());
    if (why[step.fate()].empty() && !step.text().empty()) {
      why[step.fate()] = absl::StrCat(step.name(), ": ", step.text());
    }
  }
  std::string out = absl::StrCat(
      paint.Bold(absl::StrCat("Run ", preview.run(), " under plan ",
                              preview.plan_number())),
      "\n  ", names["keeps"].size(), " of ", preview.steps_size(),
      " steps go on as they are\n");
  for (const Fate& fate : kFates) {
    const std::vector<std::string>& of = names[fate.fate];
    if (of.empty()) continue;
    const std::string head = absl::StrCat(of.size(), " ", fate.title);
    absl::StrAppend(&out, "  ", fate.closes ? paint.Red(head) : head, "\n",
                    Hang("      ", Names(of), width));
    if (!why[fate.fate].empty()) {
      absl::StrAppend(
          &out, Hang("      ", absl::StrCat("(", why[fate.fate], ")"), width));
    }
  }
  for (const v1::PlanEffect& gate : preview.gates()) {
    const char* text = gate.fate() == "void"  ? "asks anew; decisions are void"
                       : gate.fate() == "new" ? "is new"
                                              : "is gone";
    absl::StrAppend(
        &out, Hang("  ", absl::StrCat("gate ", gate.name(), " ", text), width));
  }
  for (const v1::PlanEffect& host : preview.hosts()) {
    absl::StrAppend(
        &out, Hang("  ",
                   absl::StrCat("host ", host.name(), " ", host.fate(),
                                host.text().empty() ? "" : ": ", host.text()),
                   width));
  }
  return out;
}

ExitCode Replan(const Terminal& terminal, const Common& common,
                const ReplanOptions& options) {
  const LoadedManifest loaded =
      LoadPlanOf(terminal, options.manifest, "nothing was changed.");
  if (loaded.plan == nullptr) return kMistakes;
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  const auto present = PlanInForce(**client);
  if (!present.ok()) return terminal.Complain(present.status());

  v1::PlanRequest request;
  for (const ManifestSources::File& file : loaded.manifest.sources.files) {
    v1::ManifestFile* to = request.add_files();
    to->set_name(file.name);
    to->set_text(file.text);
  }
  request.set_from_digest((*present)->digest);
  request.set_plan_digest(loaded.plan->digest);
  const PlanDiff diff = DiffPlans(**present, *loaded.plan);
  auto preview = (*client)->PreviewPlan(request);
  if (!preview.ok()) return terminal.Complain(preview.status());

  if (!common.json) {
    v1::PlanPreview shown = *preview;
    MakePrintable(&shown);
    *terminal.out << DiffText(diff, {terminal.width, terminal.colour}) << "\n"
                  << PreviewText(shown, terminal.width, terminal.paint());
  }
  const bool asks = terminal.can_ask && !common.json;
  if (options.dry_run || (!options.yes && !asks)) {
    if (common.json) {
      *terminal.out << PreviewJson(diff, *preview, nullptr);
    } else if (!options.dry_run) {
      return terminal.Complain(
          "nothing was changed; --yes puts the plan in force.", kMistakes);
    }
    return kDone;
  }
  if (!options.yes && !IsWanted(terminal, *preview)) {
    return terminal.Complain("nothing was changed.", kMistakes);
  }
  const auto accepted = (*client)->AdoptPlan(request);
  if (!accepted.ok() || !common.json) {
    const ExitCode code = Report(terminal, common.json, accepted);
    if (code == kDone) {
      *terminal.out << Hang("",
                            "Keep this manifest where the orchestrator reads "
                            "its own: after the run, a restart goes by that.",
                            terminal.width);
    }
    return code;
  }
  *terminal.out << PreviewJson(diff, *preview, &*accepted);
  return kDone;
}

}  // namespace sluice::cli
