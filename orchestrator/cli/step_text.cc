#include "orchestrator/cli/step_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/report/time_text.h"

namespace sluice::cli {
namespace {

constexpr int kStateWidth = 12;

std::string Coloured(const v1::Step& step, absl::string_view text,
                     const Paint& paint) {
  if (step.failed()) return paint.Red(text);
  const std::string& state = step.state();
  if (state == "reconnected") return paint.Green(text);
  if (state == "isolating" || state == "unknown") return paint.Red(text);
  if (state == "ready" || state == "accepting") return paint.Yellow(text);
  if (state == "quarantined") return paint.Dim(text);
  return paint.Cyan(text);
}

// What stands behind the state: how long still, or how long already.
std::string Timing(const v1::Step& step, int64_t now_ms) {
  const std::string& state = step.state();
  if (state == "soaking" && step.state_ends_ms() > now_ms) {
    return absl::StrCat("watched, ", SpanTextMs(step.state_ends_ms() - now_ms),
                        " left");
  }
  if (state == "connecting" || state == "probing" || state == "inspecting" ||
      state == "isolating") {
    return step.since_ms() == 0
               ? ""
               : absl::StrCat("for ", SpanTextMs(now_ms - step.since_ms()));
  }
  if (state == "reconnected" || state == "unknown" || state == "open" ||
      step.failed() || step.eta_high_ms() == 0) {
    return "";
  }
  // People's time is in no forecast.
  for (const v1::Wait& wait : step.waits()) {
    if (wait.kind() == "gate" || wait.kind() == "task" ||
        wait.kind() == "person") {
      return "";
    }
  }
  return absl::StrCat("back ",
                      RangeText(step.eta_low_ms(), step.eta_high_ms()));
}

}  // namespace

const char* StateGlyph(const v1::Step& step) {
  if (step.failed()) return "✖";
  const std::string& state = step.state();
  if (state == "reconnected") return "●";
  if (state == "soaking" || state == "accepting") return "◕";
  if (state == "connecting" || state == "probing") return "◑";
  if (state == "ready" || state == "inspecting") return "◔";
  if (state == "isolating") return "✖";
  if (state == "quarantined") return "○";
  return state == "open" ? "◇" : "?";
}

std::string StateText(const v1::Step& step, int width, const Paint& paint) {
  return Coloured(step, PadTo(step.state(), width), paint);
}

std::string StepLines(const v1::Step& step, int name_width, int64_t now_ms,
                      const std::set<std::string>& said, int width,
                      const Paint& paint) {
  std::string line =
      absl::StrCat("  ", Coloured(step, StateGlyph(step), paint), " ",
                   PadTo(Clip(step.id(), name_width), name_width), "  ",
                   StateText(step, kStateWidth, paint), " ",
                   paint.Dim(ClockText(step.since_ms())), "  ");
  absl::StrAppend(&line, Clip(Timing(step, now_ms),
                              std::max(width - DisplayWidth(line), 0)));
  while (!line.empty() && line.back() == ' ') line.pop_back();
  std::string out = absl::StrCat(line, "\n");
  const auto below = [&](absl::string_view text) {
    absl::StrAppend(&out, Hang("      ", text, width));
  };
  // A wait that gives the reason says it once for both.
  const bool reason_said = std::any_of(
      step.waits().begin(), step.waits().end(), [&](const v1::Wait& wait) {
        return absl::StrContains(wait.text(), step.reason());
      });
  if (!step.reason().empty() && !reason_said) {
    below(absl::StrCat(step.failed() ? "failed: " : "", step.reason()));
  }
  if (step.partial()) below("on enough of its hosts, not on all");
  for (const v1::Wait& wait : step.waits()) {
    if (said.contains(wait.text())) continue;
    // The line above says already how long a soak is.
    if (wait.kind() == "soak" && step.state() == "soaking") continue;
    below(absl::StrCat("↳ ", wait.text()));
  }
  return out;
}

std::string VerdictText(v1::Verdict verdict, const Paint& paint) {
  switch (verdict) {
    case v1::VERDICT_PASS:
      return paint.Green("✔ pass");
    case v1::VERDICT_FAIL:
      return paint.Red("✖ fail");
    default:
      return paint.Yellow("? inconclusive");
  }
}

std::string CheckLine(const v1::CheckResult& check, int width,
                      const Paint& paint) {
  const std::string head =
      absl::StrCat("  ", PadTo(VerdictText(check.verdict(), paint), 14), "  ");
  std::string text = check.id();
  if (!check.reason().empty()) absl::StrAppend(&text, ": ", check.reason());
  if (!check.said_by().empty()) {
    absl::StrAppend(&text, " (says ", check.said_by(), ")");
  }
  return Hang(head, text, width);
}

std::string StepText(const v1::Status& status, const v1::Step& step, int width,
                     const Paint& paint) {
  std::string out = absl::StrCat(
      paint.Bold(step.id()), "  ", step.category(),
      step.priority().empty() ? ""
                              : absl::StrCat(", priority ", step.priority()),
      ", stage ", step.stage(), "\n\n",
      StepLines(step, DisplayWidth(step.id()), status.now_ms(), {}, width,
                paint));
  if (step.hosts_size() > 0) {
    absl::StrAppend(
        &out, "\n",
        Hang("Hosts    ", absl::StrJoin(step.hosts(), ", "), width));
  }
  for (const std::string& note : step.notes()) {
    absl::StrAppend(&out, Hang("Note     ", note, width));
  }
  for (const v1::NotKept& not_kept : step.not_kept()) {
    absl::StrAppend(&out,
                    paint.Yellow(Hang("Not kept ", not_kept.text(), width)));
  }
  if (step.checks_size() > 0) {
    absl::StrAppend(&out, "\n", paint.Bold("Checks"), "\n");
    for (const v1::CheckResult& check : step.checks()) {
      absl::StrAppend(&out, CheckLine(check, width, paint));
    }
  }
  bool header = false;
  for (const v1::Task& task : status.tasks()) {
    if (task.step() != step.id()) continue;
    if (!header) absl::StrAppend(&out, "\n", paint.Bold("Tasks"), "\n");
    header = true;
    const std::string state =
        task.done()         ? absl::StrCat("signed by ", task.by(), " at ",
                                           ClockText(task.at_ms()),
                                   task.note().empty() ? "" : ": ", task.note())
        : task.wanted_now() ? absl::StrCat("wanted now of ", task.owner(),
                                           ": sluice done ", task.id())
                            : absl::StrCat("later, of ", task.owner());
    absl::StrAppend(&out, Hang(task.done() ? "  ✔ " : "  ○ ",
                               absl::StrCat(task.what(), ": ", state), width));
  }
  return out;
}

}  // namespace sluice::cli
