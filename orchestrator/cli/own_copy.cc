#include "orchestrator/cli/own_copy.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/digest.h"
#include "common/flow.h"
#include "common/sshsig.h"
#include "common/status.h"
#include "orchestrator/cli/decision_summary.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/planner/opening.h"

namespace sluice::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxKeys = 16 << 20;

absl::Status Differs(absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat(
      "the release order is not what your manifest gives: ", what,
      ". Nothing was signed. Find out who changed what before anybody signs: "
      "an old copy of the manifest here, or another hand in the "
      "orchestrator."));
}

absl::Status Unproven(const HostId& host, absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat(
      "the evidence of ", host.str(), " ", what,
      ". Nothing was signed. Look at that host itself before anybody signs."));
}

// The lines of an evidence's text that say whose and when it is.
std::vector<std::string> HeadOf(const ReleaseOrder& order,
                                const ReleaseOrder::Host& host) {
  return {"sluice evidence 1", absl::StrCat("estate ", order.estate.str()),
          absl::StrCat("host ", host.id.str()),
          absl::StrCat("quarantine-number ", host.quarantine_number),
          absl::StrCat("round ", order.stage.str(), "/", order.round)};
}

// The questions that this manifest asks of the host before these steps open.
std::vector<std::string> QuestionsTo(const Plan& plan,
                                     const ReleaseOrder& order,
                                     const HostId& host) {
  std::vector<std::string> lines;
  for (const StepId& id : order.steps) {
    const PlannedStep* step = plan.FindStep(id);
    if (step == nullptr ||
        !std::binary_search(step->hosts.begin(), step->hosts.end(), host)) {
      continue;
    }
    for (const PlannedCheck& check : step->inspect) {
      lines.push_back(
          absl::StrCat("inspect ", check.id.str(), " ", check.spec.Line()));
    }
  }
  return lines;
}

absl::Status CheckAnswers(const Plan& plan, const ReleaseOrder& order,
                          const HostId& host,
                          const std::vector<std::string>& lines,
                          const v1::Gate& gate,
                          std::vector<std::string>* without_pass) {
  for (const std::string& question : QuestionsTo(plan, order, host)) {
    const auto at = std::find(lines.begin(), lines.end(), question);
    if (at == lines.end()) {
      return Unproven(host, absl::StrCat("does not answer '", question,
                                         "', which your manifest asks"));
    }
    if (at + 1 == lines.end() || !absl::StartsWith(*(at + 1), "pass ")) {
      const std::vector<std::string> words = absl::StrSplit(question, ' ');
      if (at + 1 != lines.end() && IsWaived(gate, words[1])) {
        without_pass->push_back(absl::StrCat(words[1], " on ", host.str()));
        continue;
      }
      return Unproven(
          host, absl::StrCat("has no pass for '", question,
                             "', and the orchestrator asks all the same"));
    }
  }
  return absl::OkStatus();
}

// What is shown beside the text has to be what stands in it.
absl::Status CheckShown(const v1::HostEvidence& shown,
                        const std::vector<std::string>& lines) {
  for (const v1::CheckResult& result : shown.results()) {
    const std::string head = absl::StrCat("inspect ", result.id(), " ");
    const auto at = std::find_if(
        lines.begin(), lines.end(),
        [&](const std::string& line) { return absl::StartsWith(line, head); });
    const absl::string_view verdict =
        result.verdict() == v1::VERDICT_PASS   ? "pass "
        : result.verdict() == v1::VERDICT_FAIL ? "fail "
                                               : "inconclusive ";
    if (at != lines.end() && at + 1 != lines.end() &&
        *(at + 1) == absl::StrCat(verdict, result.reason())) {
      continue;
    }
    return Unproven(HostId(shown.host()),
                    absl::StrCat("is shown with another verdict on ",
                                 result.id(), " than the host signed"));
  }
  return absl::OkStatus();
}

// A host signs its own evidence. Nobody does for a point that this manifest,
// not the orchestrator's, calls manual; its text says who closed it.
absl::Status CheckWhoSaysSo(const HostId& host, const v1::HostEvidence& shown,
                            const OwnCopy& own) {
  const PlannedHost* planned = own.plan->FindHost(host);
  if (planned != nullptr && !planned->has_agent()) {
    if (!absl::StrContains(shown.text(), "\npass ")) return absl::OkStatus();
    return Unproven(host,
                    "says that a check passed, and nobody's program runs one "
                    "there");
  }
  const auto key = own.host_keys.find(host);
  if (key == own.host_keys.end()) {
    return Unproven(host, absl::StrCat("cannot be checked: ", own.keys_file,
                                       " has no key of that host"));
  }
  const absl::Status good = SshVerifier().Verify(
      key->second, signed_as::kEvidence, shown.text(), shown.signature());
  if (good.ok()) return absl::OkStatus();
  return Unproven(
      host, absl::StrCat("is not signed by that host (", good.message(), ")"));
}

absl::Status CheckHost(const ReleaseOrder& order,
                       const ReleaseOrder::Host& host,
                       const v1::GateDetail& detail, const OwnCopy& own,
                       std::vector<std::string>* without_pass) {
  const auto shown = std::find_if(
      detail.evidence().begin(), detail.evidence().end(),
      [&](const auto& one) { return one.host() == host.id.str(); });
  if (shown == detail.evidence().end()) {
    return Unproven(host.id, "is not shown");
  }
  if (shown->digest() != host.evidence_digest ||
      Sha256(shown->text()) != host.evidence_digest) {
    return Unproven(host.id, "is not the one in the release order");
  }
  SLUICE_RETURN_IF_ERROR(CheckWhoSaysSo(host.id, *shown, own));
  const std::vector<std::string> lines = absl::StrSplit(shown->text(), '\n');
  for (const std::string& wanted : HeadOf(order, host)) {
    if (std::find(lines.begin(), lines.end(), wanted) == lines.end()) {
      return Unproven(host.id,
                      absl::StrCat("does not say '", wanted,
                                   "': it is of another time or host"));
    }
  }
  SLUICE_RETURN_IF_ERROR(CheckAnswers(*own.plan, order, host.id, lines,
                                      detail.gate(), without_pass));
  return CheckShown(*shown, lines);
}

absl::Status CheckRule(const ReleaseOrder& order, const PlannedStage& stage) {
  if (order.stage_digest != stage.digest) {
    return Differs(absl::StrCat("stage ", stage.id.str(),
                                " has another digest (systems, flows, checks "
                                "and gate)"));
  }
  if (order.quorum != stage.gate.approvals) {
    return Differs("the gate asks for other people");
  }
  if (order.no_self_approval != stage.gate.no_self_approval ||
      order.confirm != stage.gate.confirm) {
    return Differs("the gate's rules on who approves and confirms differ");
  }
  if (order.valid_seconds !=
      absl::ToInt64Seconds(stage.gate.evidence_max_age)) {
    return Differs("it is valid for another time");
  }
  for (const StepId& step : order.steps) {
    if (std::find(stage.steps.begin(), stage.steps.end(), step) ==
        stage.steps.end()) {
      return Differs(
          absl::StrCat(step.str(), " is not part of stage ", stage.id.str()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::map<HostId, std::string>> ParseHostKeys(
    const std::string& text, const std::string& file) {
  std::map<HostId, std::string> keys;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    const auto key =
        words.size() == 2
            ? SshPublicKey::Parse(words[1])
            : absl::InvalidArgumentError("a line is HOST TYPE BASE64");
    if (!key.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ":", number, ": ", key.status().message()));
    }
    if (!keys.emplace(HostId(words[0]), key->Line()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ":", number, ": ", words[0],
                       " stands twice; keep the key the host has now"));
    }
  }
  return keys;
}

absl::StatusOr<OwnCopy> LoadOwnCopy(const std::string& named,
                                    const ClientConfig& config) {
  OwnCopy own{.manifest = named.empty() ? config.manifest : named};
  if (own.manifest.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "there is no copy of the manifest of your own to compare the release "
        "order with: name it with --manifest FILE or as `manifest:` in ",
        config.file, ". One from the orchestrator would prove nothing."));
  }
  const ManifestResult read = LoadManifest(own.manifest);
  if (!read.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(own.manifest, " has mistakes; `sluice validate ",
                     own.manifest, "` lists them"));
  }
  SLUICE_ASSIGN_OR_RETURN(own.plan, MakePlan(read.model));
  own.keys_file =
      (fs::path(own.manifest).parent_path() / "hosts.keys").string();
  if (!fs::exists(own.keys_file)) return own;
  SLUICE_ASSIGN_OR_RETURN(const std::string text,
                          ReadWholeFile(own.keys_file, kMaxKeys));
  SLUICE_ASSIGN_OR_RETURN(own.host_keys, ParseHostKeys(text, own.keys_file));
  return own;
}

absl::Status CheckOrder(const ReleaseOrder& order, const Plan& plan) {
  if (order.estate != plan.estate) {
    return Differs(absl::StrCat("it is about estate ", order.estate.str()));
  }
  const PlannedStage* stage = plan.FindStage(order.stage);
  if (stage == nullptr) {
    return Differs(absl::StrCat("there is no stage ", order.stage.str()));
  }
  SLUICE_RETURN_IF_ERROR(CheckRule(order, *stage));
  const std::map<HostId, HostTerms> terms = TermsOfHosts(plan, order.steps);
  std::set<HostId> part;
  for (const ReleaseOrder::Host& host : order.hosts) part.insert(host.id);
  for (const ReleaseOrder::Host& host : order.hosts) {
    std::vector<Flow> flows;
    for (const auto& [grant, on_host] :
         FlowsAmong(plan, order.steps, part, host.id)) {
      flows.insert(flows.end(), on_host.begin(), on_host.end());
    }
    if (FlowsDigest(flows) != host.flows_digest) {
      return Differs(absl::StrCat("other flows would open on ", host.id.str()));
    }
    const auto at = terms.find(host.id);
    if (at == terms.end() || at->second.lease_seconds != host.lease_seconds ||
        at->second.soak_seconds != host.soak_seconds) {
      return Differs(absl::StrCat("the lease or the soak on ", host.id.str(),
                                  " is another"));
    }
  }
  return absl::OkStatus();
}

std::string PlanBeside(const ReleaseOrder& order, const Plan& plan,
                       absl::string_view in_force) {
  if (order.plan_digest == plan.digest) return "";
  const std::string head =
      absl::StrCat("the gate follows plan ", ShortDigest(order.plan_digest),
                   ", your copy gives ", ShortDigest(plan.digest));
  absl::string_view which =
      "; neither is said to be in force: ask who changed the plan";
  if (in_force == plan.digest) {
    which = ", the newer one in force";
  } else if (in_force == order.plan_digest) {
    which = ", which is not in force: an older one, or one not adopted yet";
  }
  return absl::StrCat(head, which,
                      ". This stage is the same in both, and only that is "
                      "decided here");
}

absl::Status CheckEvidence(const ReleaseOrder& order,
                           const v1::GateDetail& detail, const OwnCopy& own,
                           std::vector<std::string>* without_pass) {
  for (const ReleaseOrder::Host& host : order.hosts) {
    SLUICE_RETURN_IF_ERROR(CheckHost(order, host, detail, own, without_pass));
  }
  return absl::OkStatus();
}

}  // namespace sluice::cli
