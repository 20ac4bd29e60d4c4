#include "orchestrator/cli/gate_text.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/digest.h"
#include "orchestrator/cli/host_text.h"
#include "orchestrator/cli/step_text.h"
#include "orchestrator/report/time_text.h"

namespace sluice::cli {
namespace {

// Failures first, then what is inconclusive, then passes; as they came within.
std::vector<const v1::CheckResult*> WorstFirst(const v1::HostEvidence& host) {
  std::vector<const v1::CheckResult*> results;
  for (const v1::CheckResult& result : host.results()) {
    results.push_back(&result);
  }
  const auto rank = [](const v1::CheckResult* result) {
    if (result->verdict() == v1::VERDICT_FAIL) return 0;
    return result->verdict() == v1::VERDICT_PASS ? 2 : 1;
  };
  std::stable_sort(
      results.begin(), results.end(),
      [&](const auto* a, const auto* b) { return rank(a) < rank(b); });
  return results;
}

std::string EvidenceLines(const v1::HostEvidence& host, int width,
                          const Paint& paint) {
  std::string out = absl::StrCat(
      "  ", paint.Bold(host.host()), "  ",
      host.digest().empty() ? "not frozen yet" : ShortDigest(host.digest()));
  const bool accepts = host.answer() == "accepts";
  absl::StrAppend(&out, "\n");
  if (!host.answer().empty()) {
    const bool by_hand = absl::StartsWith(host.answer(), "by hand");
    const std::string line =
        Hang("    ", absl::StrCat(by_hand ? "" : "its agent ", host.answer()),
             width);
    absl::StrAppend(&out, accepts ? line : paint.Yellow(line));
  }
  if (host.has_sensor_anew()) {
    const std::string text =
        absl::StrCat("its sensor: ", SensorAnewText(host.sensor_anew()));
    absl::StrAppend(&out, paint.Yellow(Hang("    ", text, width)));
  }
  int passes = 0;
  for (const v1::CheckResult* result : WorstFirst(host)) {
    if (result->verdict() == v1::VERDICT_PASS) {
      ++passes;
      continue;
    }
    absl::StrAppend(&out, "  ", CheckLine(*result, width - 2, paint));
  }
  if (passes > 0) {
    // What passed is said in one breath; it never hides what did not.
    std::vector<std::string> ids;
    for (const v1::CheckResult& result : host.results()) {
      if (result.verdict() == v1::VERDICT_PASS) ids.push_back(result.id());
    }
    absl::StrAppend(
        &out, Hang(absl::StrCat("    ", paint.Green("✔ no sign found"), "  "),
                   absl::StrJoin(ids, ", "), width));
  }
  if (host.results().empty()) {
    absl::StrAppend(&out, "    ",
                    paint.Yellow("no inspection: nobody looked for a sign"),
                    "\n");
  }
  const std::vector<std::string> seen = SeenLines(host);
  if (!seen.empty()) absl::StrAppend(&out, "    seen in quarantine\n");
  for (const std::string& line : seen) {
    const std::string text = Hang("      ", line, width);
    const bool known = absl::StartsWith(line, "declared") ||
                       absl::StartsWith(line, "before, declared") ||
                       absl::StartsWith(line, "before, tried to come in") ||
                       absl::StartsWith(line, "tried to come in");
    absl::StrAppend(&out, known ? text : paint.Yellow(text));
  }
  if (!host.text().empty()) {
    absl::StrAppend(&out, paint.Dim(Hang("    ", host.text(), width)));
  }
  return out;
}

std::string FlowsLines(const v1::GateDetail& gate, int width,
                       const Paint& paint) {
  if (gate.flows().empty()) {
    return absl::StrCat("\n", paint.Bold("What opens"),
                        "  no flow: these steps need none\n");
  }
  std::string out =
      absl::StrCat("\n", paint.Bold("What opens"),
                   "  protocol, client, server, port; on each host\n");
  for (const v1::HostFlows& host : gate.flows()) {
    absl::StrAppend(&out, "  ", paint.Bold(host.host()), "  ",
                    host.flows_size(),
                    host.flows_size() == 1 ? " flow\n" : " flows\n");
    for (const std::string& flow : host.flows()) {
      absl::StrAppend(&out, Hang("    ", flow, width));
    }
  }
  return out;
}

std::string VoteLines(const v1::Gate& gate, int width, const Paint& paint) {
  std::string out = absl::StrCat("\n", paint.Bold("Votes"), "\n");
  for (const v1::Vote& vote : gate.votes()) {
    const std::string text = VoterText(vote);
    absl::StrAppend(&out, Hang(absl::StrCat("  ", ClockText(vote.at_ms()), "  ",
                                            vote.go() ? paint.Green("go   ")
                                                      : paint.Red("no-go"),
                                            "  "),
                               text, width));
  }
  if (gate.votes().empty()) absl::StrAppend(&out, "  none yet\n");
  absl::StrAppend(&out,
                  Hang("  still needed: ", QuorumText(gate.missing()), width));
  return out;
}

}  // namespace

std::vector<std::string> SeenLines(const v1::HostEvidence& host) {
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(host.text(), '\n')) {
    if (absl::ConsumePrefix(&line, "seen ")) {
      lines.push_back(Printable(line));
    }
  }
  return lines;
}

std::string QuorumText(const google::protobuf::Map<std::string, int>& quorum) {
  std::map<std::string, int> sorted(quorum.begin(), quorum.end());
  std::vector<std::string> parts;
  for (const auto& [role, count] : sorted) {
    if (count > 0) parts.push_back(absl::StrCat(count, " ", role));
  }
  return parts.empty() ? "nobody" : absl::StrJoin(parts, ", ");
}

std::string VoterText(const v1::Vote& vote) {
  std::string text =
      absl::StrCat(vote.by(), " (", absl::StrJoin(vote.roles(), ", "), ")");
  if (!vote.stands_in_for().empty()) {
    absl::StrAppend(&text, ", standing in for ",
                    absl::StrJoin(vote.stands_in_for(), ", "));
  }
  if (!vote.reason().empty()) absl::StrAppend(&text, ": ", vote.reason());
  return text;
}

std::string GateWord(const v1::Gate& gate, const Paint& paint) {
  const std::string& state = gate.state();
  if (state == "asking") return paint.Yellow(state);
  if (state == "refused" || state == "held") return paint.Red(state);
  if (state == "released") return paint.Cyan(state);
  if (state == "done") return paint.Green(state);
  return paint.Dim(state);
}

std::string GateSummary(const v1::Gate& gate) {
  const std::string& state = gate.state();
  std::string out;
  if (gate.round() > 1) out = absl::StrCat("round ", gate.round());
  const auto add = [&](absl::string_view text) {
    absl::StrAppend(&out, out.empty() ? "" : ", ", text);
  };
  if (state == "asking") {
    add(absl::StrCat("needs ", QuorumText(gate.missing())));
    if (gate.deadline_ms() != 0) {
      add(absl::StrCat("until ", ClockText(gate.deadline_ms())));
    }
  } else if (state == "released" || state == "done") {
    std::vector<std::string> by;
    for (const v1::Vote& vote : gate.votes()) {
      if (!vote.go()) continue;
      const auto& others = vote.stands_in_for();
      by.push_back(others.empty()
                       ? vote.by()
                       : absl::StrCat(vote.by(), " (for ",
                                      absl::StrJoin(others, ", "), ")"));
    }
    if (!by.empty()) add(absl::StrCat("go from ", absl::StrJoin(by, ", ")));
  } else if (!gate.why().empty()) {
    add(gate.why());
  }
  return out;
}

std::string GatesText(const v1::Status& status, int width, const Paint& paint) {
  if (status.gates().empty()) {
    return "There are no gates: the orchestrator has no plan yet.\n";
  }
  std::string out;
  for (const v1::Gate& gate : status.gates()) {
    absl::StrAppend(&out, out.empty() ? "" : "\n", paint.Bold(gate.id()), "  ",
                    GateWord(gate, paint), "\n");
    const std::string summary = GateSummary(gate);
    if (!summary.empty()) absl::StrAppend(&out, Hang("  ", summary, width));
    if (gate.steps_size() > 0) {
      absl::StrAppend(
          &out, Hang("  steps   ", absl::StrJoin(gate.steps(), ", "), width));
    }
    absl::StrAppend(&out, Hang("  quorum  ", QuorumText(gate.quorum()), width));
    if (gate.state() == "asking") {
      absl::StrAppend(&out, "  ",
                      paint.Cyan(absl::StrCat("sluice show ", gate.id())),
                      "\n");
    }
  }
  return out;
}

std::string GateText(const v1::GateDetail& detail, bool with_body, int width,
                     const Paint& paint) {
  const v1::Gate& gate = detail.gate();
  std::string out = absl::StrCat(
      paint.Bold(absl::StrCat("Gate ", gate.id())),
      gate.round() == 0 ? "" : absl::StrCat(", round ", gate.round()), ": ",
      GateWord(gate, paint), "\n");
  if (!gate.why().empty()) absl::StrAppend(&out, Hang("", gate.why(), width));
  if (gate.opened_ms() != 0) {
    absl::StrAppend(
        &out, "asked ", ClockText(gate.opened_ms()),
        gate.deadline_ms() == 0
            ? std::string("")
            : absl::StrCat(", to be answered before ",
                           ClockText(gate.deadline_ms()), "; then it holds"),
        "\n");
  }
  if (gate.steps_size() > 0) {
    absl::StrAppend(&out,
                    Hang("steps  ", absl::StrJoin(gate.steps(), ", "), width));
  }
  if (!gate.body_digest().empty()) {
    absl::StrAppend(&out, "body   ", gate.body_digest(), "\n");
  }

  if (gate.waived_size() > 0) {
    absl::StrAppend(&out, "\n", paint.Bold("Waived"),
                    "  what nobody checks here\n");
    for (const std::string& waived : gate.waived()) {
      absl::StrAppend(&out, paint.Yellow(Hang("  ! ", waived, width)));
    }
  }
  if (detail.not_kept_size() > 0) {
    absl::StrAppend(&out, "\n", paint.Bold("Not kept"),
                    "  promises that hold less here\n");
    for (const v1::NotKept& not_kept : detail.not_kept()) {
      absl::StrAppend(&out, paint.Yellow(Hang("  ! ", not_kept.text(), width)));
    }
  }
  absl::StrAppend(&out, "\n", paint.Bold("Evidence"), "\n");
  std::vector<const v1::HostEvidence*> hosts;
  for (const v1::HostEvidence& host : detail.evidence()) hosts.push_back(&host);
  // Hosts with something that is not a pass come first.
  std::stable_partition(
      hosts.begin(), hosts.end(), [](const v1::HostEvidence* host) {
        return std::any_of(host->results().begin(), host->results().end(),
                           [](const v1::CheckResult& result) {
                             return result.verdict() != v1::VERDICT_PASS;
                           });
      });
  for (const v1::HostEvidence* host : hosts) {
    absl::StrAppend(&out, EvidenceLines(*host, width, paint));
  }
  if (hosts.empty()) absl::StrAppend(&out, "  none is frozen yet\n");

  absl::StrAppend(&out, FlowsLines(detail, width, paint),
                  VoteLines(gate, width, paint));
  if (with_body && !detail.body().empty()) {
    absl::StrAppend(&out, "\n", paint.Bold("The release order that a go signs"),
                    "\n", detail.body());
  }
  return out;
}

}  // namespace sluice::cli
