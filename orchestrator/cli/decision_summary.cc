#include "orchestrator/cli/decision_summary.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "orchestrator/cli/gate_text.h"
#include "orchestrator/planner/diff.h"
#include "orchestrator/report/time_text.h"

namespace sluice::cli {
namespace {

// More than these say less.
constexpr size_t kMostLines = 8;
constexpr size_t kMostChanges = 4;

class Lines {
 public:
  Lines(const char* name, int width)
      : head_(absl::StrCat("  ", PadTo(name, 11))), width_(width) {}

  // `mark` stands before it, in a colour of its own.
  void Add(const std::string& mark, const std::string& text) {
    if (++count_ > kMostLines) return;
    absl::StrAppend(
        &out_,
        Hang(absl::StrCat(head_, mark, mark.empty() ? "" : " "), text, width_));
    head_ = std::string(13, ' ');
  }
  std::string Take() {
    if (count_ > kMostLines) {
      absl::StrAppend(&out_, head_, "… and ", count_ - kMostLines,
                      " more; `sluice show` has them all\n");
    }
    return std::move(out_);
  }

 private:
  std::string head_;
  std::string out_;
  const int width_;
  size_t count_ = 0;
};

// One line for each kind of point: many of them are no reason to hide others.
std::vector<std::string> NotKeptTexts(const v1::GateDetail& detail) {
  std::map<std::string, std::vector<const v1::NotKept*>> kinds;
  for (const v1::NotKept& one : detail.not_kept()) {
    kinds[one.enforcement()].push_back(&one);
  }
  std::vector<std::string> texts;
  for (const auto& [kind, points] : kinds) {
    if (points.size() == 1) {
      texts.push_back(points.front()->text());
      continue;
    }
    texts.push_back(absl::StrCat(
        points.size(), " points are ", kind, " and do not keep ",
        absl::StrJoin(points.front()->promises(), ", "), ": ",
        absl::StrJoin(points, ", ",
                      [](std::string* out, const v1::NotKept* point) {
                        out->append(point->host());
                      })));
  }
  return texts;
}

// What failed, then what was waived, what is inconclusive and what nobody
// tried: never behind what passed.
std::string Against(const v1::GateDetail& detail, int width,
                    const Paint& paint) {
  Lines lines("look first", width);
  const auto add = [&](v1::Verdict verdict, const std::string& mark,
                       absl::string_view word) {
    for (const v1::HostEvidence& host : detail.evidence()) {
      for (const v1::CheckResult& result : host.results()) {
        if (result.verdict() != verdict) continue;
        lines.Add(mark,
                  absl::StrCat(
                      word, " on ", host.host(), ": ", result.id(),
                      result.reason().empty() ? "" : ": ", result.reason(),
                      IsWaived(detail.gate(), result.id()) ? " (waived)" : ""));
      }
    }
  };
  add(v1::VERDICT_FAIL, paint.Red("✖"), "fails");
  for (const std::string& waived : detail.gate().waived()) {
    lines.Add(paint.Yellow("!"), waived);
  }
  for (const std::string& text : NotKeptTexts(detail)) {
    lines.Add(paint.Yellow("!"), text);
  }
  // Signed by the host, whoever shows it: it was watched anew, and why.
  for (const v1::HostEvidence& host : detail.evidence()) {
    for (const std::string& line : SeenLines(host)) {
      if (absl::StartsWith(line, "sensor ") ||
          absl::StartsWith(line, "before, undeclared")) {
        lines.Add(paint.Yellow("!"), absl::StrCat(host.host(), ": ", line));
      }
    }
  }
  add(v1::VERDICT_INCONCLUSIVE, paint.Yellow("?"), "inconclusive");
  add(v1::VERDICT_UNSPECIFIED, paint.Yellow("?"), "inconclusive");
  // A name says more than a resolver that is declared: nothing else judges it.
  for (const v1::HostEvidence& host : detail.evidence()) {
    for (absl::string_view line : SeenLines(host)) {
      if (!absl::ConsumePrefix(&line, "name asked for: ")) continue;
      lines.Add(paint.Yellow("?"),
                absl::StrCat(host.host(), " asked for the name ", line));
    }
  }
  std::vector<std::string> unseen;
  for (const v1::HostEvidence& host : detail.evidence()) {
    if (host.results().empty()) unseen.push_back(host.host());
  }
  if (!unseen.empty()) {
    lines.Add(paint.Yellow("?"),
              absl::StrCat("no inspection, so nobody looked for a sign: ",
                           absl::StrJoin(unseen, ", ")));
  }
  int udp = 0;
  for (const v1::HostFlows& host : detail.flows()) {
    for (const std::string& flow : host.flows()) {
      if (absl::StartsWith(flow, "udp ")) ++udp;
    }
  }
  if (udp > 0) {
    lines.Add(
        paint.Yellow("?"),
        absl::StrCat("untried: ", udp, " UDP flow ", udp == 1 ? "end" : "ends",
                     ", which no try can show to work"));
  }
  for (const v1::Step& step : detail.steps()) {
    for (const std::string& note : step.notes()) {
      if (!absl::StrContains(note, "untried")) continue;
      lines.Add(paint.Yellow("?"), absl::StrCat(step.id(), ": ", note));
    }
  }
  return lines.Take();
}

std::string Agents(const v1::GateDetail& detail, int width,
                   const Paint& paint) {
  Lines lines("agents", width);
  int accepting = 0;
  std::vector<std::string> silent;
  std::vector<std::string> by_hand;
  for (const v1::HostEvidence& host : detail.evidence()) {
    if (absl::StartsWith(host.answer(), "accepts")) {
      ++accepting;
      if (host.answer() != "accepts") {
        lines.Add(paint.Yellow("?"),
                  absl::StrCat(host.host(), " ", host.answer()));
      }
    } else if (absl::StartsWith(host.answer(), "by hand")) {
      by_hand.push_back(host.host());
    } else if (absl::StartsWith(host.answer(), "has not answered") ||
               host.answer().empty()) {
      silent.push_back(host.host());
    } else {
      lines.Add(paint.Red("✖"), absl::StrCat(host.host(), " ", host.answer()));
    }
  }
  if (!silent.empty()) {
    lines.Add(paint.Yellow("?"),
              absl::StrCat("not answered: ", absl::StrJoin(silent, ", ")));
  }
  if (!by_hand.empty()) {
    lines.Add(paint.Yellow("?"),
              absl::StrCat("opened by hand, no agent looks: ",
                           absl::StrJoin(by_hand, ", ")));
  }
  const size_t agents = detail.evidence_size() - by_hand.size();
  lines.Add("", absl::StrCat(accepting, " of ", agents,
                             " would accept the release order"));
  return lines.Take();
}

std::string Decided(const v1::Gate& gate, int width, const Paint& paint) {
  Lines lines("decided", width);
  for (const v1::Vote& vote : gate.votes()) {
    lines.Add(absl::StrCat(ClockText(vote.at_ms()), " ",
                           vote.go() ? paint.Green("go") : paint.Red("no-go")),
              VoterText(vote));
  }
  if (gate.votes().empty()) lines.Add("", "nobody yet");
  return lines.Take();
}

}  // namespace

bool IsWaived(const v1::Gate& gate, absl::string_view check) {
  // As the engine words it: "STEP: waived until TIME: CHECK (…), by NAME …".
  return std::any_of(
      gate.waived().begin(), gate.waived().end(), [&](const std::string& text) {
        const size_t at = text.find(absl::StrCat(": ", check));
        if (at == std::string::npos) return false;
        const size_t end = at + 2 + check.size();
        return absl::StrContains(text.substr(0, at), "waived until ") &&
               (end == text.size() || text[end] == ' ' || text[end] == ',');
      });
}

std::string StageChanges(const Plan& before, const Plan& after,
                         const StageId& stage) {
  const PlanDiff diff = DiffPlans(before, after);
  for (const PlanDiff::Stage& one : diff.stages) {
    if (one.id != stage) continue;
    if (one.is_new) return "this stage is new since the plan before";
    if (one.old_digest == one.new_digest) {
      return "nothing in this stage since the plan before";
    }
  }
  std::vector<std::string> changes;
  for (const PlanDiff::Change& change : diff.changes) {
    const bool ours = change.stage == stage ||
                      (change.what == "stage" && change.name == stage.str());
    if (!ours) continue;
    const char* fate = change.kind == PlanDiff::Kind::kAdded     ? " is new"
                       : change.kind == PlanDiff::Kind::kRemoved ? " is gone"
                                                                 : ": ";
    changes.push_back(absl::StrCat(change.what, " ", change.name, fate,
                                   absl::StrJoin(change.details, ", ")));
  }
  if (changes.empty()) changes.push_back("its hosts or their flows");
  const size_t all = changes.size();
  if (all > kMostChanges) {
    changes.resize(kMostChanges);
    changes.push_back(absl::StrCat(all - kMostChanges, " more"));
  }
  return absl::StrCat("since the plan before: ", absl::StrJoin(changes, "; "),
                      "; decisions from before are void");
}

std::string DecisionSummary(const v1::GateDetail& detail,
                            const std::string& changed, int width,
                            const Paint& paint) {
  const v1::Gate& gate = detail.gate();
  int flows = 0;
  int passes = 0;
  int others = 0;
  for (const v1::HostFlows& host : detail.flows()) flows += host.flows_size();
  for (const v1::HostEvidence& host : detail.evidence()) {
    for (const v1::CheckResult& result : host.results()) {
      ++(result.verdict() == v1::VERDICT_PASS ? passes : others);
    }
  }
  std::string out = absl::StrCat(paint.Bold(absl::StrCat("Gate ", gate.id())),
                                 ", round ", gate.round(), "\n");
  absl::StrAppend(
      &out, Hang("  opens      ", absl::StrJoin(gate.steps(), ", "), width),
      "             ", flows, " flow ends on ", detail.flows_size(), " hosts\n",
      Against(detail, width, paint), "  evidence   ", passes,
      " without a sign, ",
      others == 0 ? "none otherwise"
                  : paint.Red(absl::StrCat(others, " otherwise")),
      "\n");
  if (!changed.empty()) {
    absl::StrAppend(&out, Hang("  changed    ", changed, width));
  }
  absl::StrAppend(
      &out, Agents(detail, width, paint), Decided(gate, width, paint),
      Hang("  needs      ", QuorumText(gate.missing()), width),
      "  the go signs the release order\n    ", gate.body_digest(), "\n");
  return out;
}

}  // namespace sluice::cli
