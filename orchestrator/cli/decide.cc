#include "orchestrator/cli/decide.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/decision_text.h"
#include "common/digest.h"
#include "common/flow.h"
#include "common/release_order.h"
#include "common/signature.h"
#include "common/status.h"
#include "orchestrator/cli/decision_summary.h"
#include "orchestrator/cli/sign.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/model/words.h"
#include "orchestrator/planner/promises.h"

namespace sluice::cli {
namespace {

absl::Status Disagree(absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat(
      "what the orchestrator shows does not agree with itself: ", what,
      ". Nothing was decided. Decide nothing at this gate, and find out what "
      "runs in the orchestrator's place."));
}

// What is shown has to be what is signed.
absl::Status CheckBody(const v1::GateDetail& detail) {
  const v1::Gate& gate = detail.gate();
  if (Sha256(detail.body()) != gate.body_digest()) {
    return Disagree("the release order's digest is not that of its text");
  }
  const auto order = ReleaseOrder::Parse(detail.body());
  if (!order.ok()) {
    return Disagree(absl::StrCat("the release order is not one (",
                                 order.status().message(), ")"));
  }
  if (order->stage.str() != gate.id()) {
    return Disagree(absl::StrCat("the release order is for stage '",
                                 order->stage.str(), "'"));
  }
  for (const v1::HostFlows& host : detail.flows()) {
    const ReleaseOrder::Host* line = order->Find(HostId(host.host()));
    std::vector<Flow> flows;
    for (const std::string& text : host.flows()) {
      auto flow = Flow::Parse(text);
      if (!flow.ok()) return Disagree(flow.status().message());
      flows.push_back(*flow);
    }
    if (line == nullptr || line->flows_digest != FlowsDigest(flows)) {
      return Disagree(absl::StrCat("the flows shown for ", host.host(),
                                   " are not those in the release order"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAsking(const v1::Gate& gate, bool go) {
  if (go && gate.confirming()) return absl::OkStatus();
  if (gate.state() == "asking" && !gate.body_digest().empty()) {
    return absl::OkStatus();
  }
  std::string why;
  if (!gate.why().empty()) why = absl::StrCat(" (", gate.why(), ")");
  std::string next = "`sluice status` says what it waits for.";
  if (gate.state() == "done" || gate.state() == "released") {
    next = "It has been answered already; `sluice gates` says by whom.";
  } else if (gate.state() == "refused" || gate.state() == "held") {
    next = "`sluice retry` makes it ask again.";
  }
  return absl::FailedPreconditionError(
      absl::StrCat("gate ", gate.id(), " is not asking: it is ", gate.state(),
                   why, ". Nothing was changed. ", next));
}

// S2: what the orchestrator says is compared with what it cannot change. A
// no-go needs none of it: closing is always right to ask for.
absl::Status CheckOwnCopy(Asked& asked) {
  SLUICE_ASSIGN_OR_RETURN(const ReleaseOrder order,
                          ReleaseOrder::Parse(asked.detail.body()));
  SLUICE_RETURN_IF_ERROR(CheckOrder(order, *asked.own.plan));
  // Of the operator's own manifest too, not what the orchestrator makes of it.
  asked.detail.clear_not_kept();
  for (const NotKept& not_kept : NotKeptWith(*asked.own.plan, order.steps)) {
    v1::NotKept* to = asked.detail.add_not_kept();
    to->set_host(not_kept.host.str());
    to->set_enforcement(WordOf(not_kept.grade));
    to->mutable_promises()->Assign(not_kept.promises.begin(),
                                   not_kept.promises.end());
    to->set_text(not_kept.text);
    if (not_kept.grade == Grade::kManual &&
        order.Find(not_kept.host) != nullptr) {
      asked.unsigned_points.push_back(not_kept.host.str());
    }
  }
  if (order.plan_digest != asked.own.plan->digest) {
    // Which of the two is the newer is for people to know; nothing that is
    // signed hangs on it.
    const auto status = asked.client->GetStatus();
    asked.plan_beside = PlanBeside(
        order, *asked.own.plan, status.ok() ? status->run().plan_digest() : "");
  }
  return CheckEvidence(order, asked.detail, asked.own, &asked.without_pass);
}

std::string Checked(const Asked& asked, int width) {
  std::string text = absl::StrCat(
      "  checked    the same stage, flows and rules as in\n             ",
      asked.own.manifest,
      "\n             and evidence signed by every host, with the keys of\n"
      "             ",
      asked.own.keys_file, "\n");
  if (!asked.unsigned_points.empty()) {
    absl::StrAppend(
        &text,
        Hang("             ",
             absl::StrCat("but ", absl::StrJoin(asked.unsigned_points, ", "),
                          ": people work it, and nobody's program "
                          "signs for it"),
             width));
  }
  if (!asked.plan_beside.empty()) {
    absl::StrAppend(&text, Hang("  plan       ", asked.plan_beside, width));
  }
  return text;
}

// What an earlier plan had otherwise. The orchestrator says which plan that
// was; the difference is worked out here, to the operator's own copy.
std::string ChangedSince(const Asked& asked) {
  const auto files = asked.client->GetManifest(/*previous=*/true);
  if (absl::IsNotFound(files.status())) return "no plan was in force before";
  std::string why(files.status().message());
  if (files.ok()) {
    ManifestSources sources;
    for (const v1::ManifestFile& file : files->files()) {
      sources.files.push_back({file.name(), file.text()});
    }
    const ManifestResult read = ParseManifest(sources);
    const auto before = read.ok()
                            ? MakePlan(read.model)
                            : absl::FailedPreconditionError("it has mistakes");
    if (before.ok()) {
      return StageChanges(**before, *asked.own.plan,
                          StageId(asked.detail.gate().id()));
    }
    why = std::string(before.status().message());
  }
  return absl::StrCat("not known, the plan before cannot be read (", why, ")");
}

}  // namespace

absl::StatusOr<Asked> AskedOf(const Common& common, const std::string& gate,
                              const std::string& manifest, bool go) {
  Asked asked;
  SLUICE_ASSIGN_OR_RETURN(asked.config, LoadClientConfig(common.client_file));
  SLUICE_ASSIGN_OR_RETURN(asked.client, Client::Dial(asked.config));
  SLUICE_ASSIGN_OR_RETURN(asked.detail, asked.client->GetGate(gate));
  SLUICE_RETURN_IF_ERROR(CheckAsking(asked.detail.gate(), go));
  SLUICE_RETURN_IF_ERROR(CheckBody(asked.detail));
  if (!go) return asked;
  SLUICE_ASSIGN_OR_RETURN(asked.own, LoadOwnCopy(manifest, asked.config));
  SLUICE_RETURN_IF_ERROR(CheckOwnCopy(asked));
  return asked;
}

std::string TextToSign(const v1::GateDetail& detail, bool go,
                       const std::string& reason) {
  const v1::Gate& gate = detail.gate();
  if (!go) return NoGoText(gate.body_digest(), reason);
  return gate.confirming() ? ConfirmText(gate.body_digest()) : detail.body();
}

ExitCode Decide(const Terminal& terminal, const Common& common,
                const DecideOptions& options) {
  auto asked = AskedOf(common, options.gate, options.manifest, options.go);
  if (!asked.ok()) return terminal.Complain(asked.status());
  v1::GateDetail& gate = asked->detail;
  const auto key = FindSigningKey(options.key, asked->config);
  if (!key.ok()) return terminal.Complain(key.status());
  const std::string text = TextToSign(gate, options.go, options.reason);
  v1::DecideRequest request;
  request.set_gate(gate.gate().id());
  request.set_go(options.go);
  request.set_reason(options.reason);
  request.set_body_digest(gate.gate().body_digest());
  MakePrintable(&gate);
  // Where nobody sits, nobody has read it either.
  if (!asked->without_pass.empty() && !terminal.can_ask && !options.yes) {
    return terminal.Complain(
        absl::StrCat(absl::StrJoin(asked->without_pass, ", "),
                     " did not pass and was waived; look at `sluice show ",
                     gate.gate().id(),
                     "`, and give --yes to decide all the same. Nothing was "
                     "decided."),
        kRefused);
  }
  // Where nobody sits at a terminal, the command itself is the word.
  if (terminal.can_ask && !common.json) {
    std::string changed;
    if (options.go) changed = ChangedSince(*asked);
    *terminal.out << DecisionSummary(gate, changed, terminal.width,
                                     terminal.paint());
    if (options.go) *terminal.out << Checked(*asked, terminal.width);
  }
  if (terminal.can_ask && !options.yes) {
    const char* word = options.go ? "go" : "no-go";
    const std::string answer = absl::AsciiStrToLower(terminal.Ask(absl::StrCat(
        "Type ", word, " to decide, anything else to leave it.\n> ")));
    if (absl::StripAsciiWhitespace(answer) != word) {
      return terminal.Complain("nothing was decided.", kMistakes);
    }
  }
  const auto signature = SignText(*key, signed_as::kDecision, text);
  if (!signature.ok()) return terminal.Complain(signature.status());
  request.set_signature(*signature);
  return Report(terminal, common.json, asked->client->Decide(request));
}

}  // namespace sluice::cli
