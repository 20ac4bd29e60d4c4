#include "orchestrator/cli/status_text.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "orchestrator/cli/gate_text.h"
#include "orchestrator/cli/host_text.h"
#include "orchestrator/cli/step_text.h"
#include "orchestrator/report/layout.h"
#include "orchestrator/report/time_text.h"

namespace sluice::cli {
namespace {

constexpr int kBarWidth = 26;
constexpr int kShortestName = 16;
constexpr int kLongestName = 34;

enum class Size { kFull, kShort };

std::string RunLine(const v1::Status& status, int width, const Paint& paint) {
  const v1::Run& run = status.run();
  std::string out = paint.Bold(Clip(status.estate(), width / 2));
  if (run.id().empty() || run.state() == "none") {
    return absl::StrCat(out, "  no run; `sluice start` begins one\n");
  }
  const std::string state = run.state() == "active" ? paint.Green(run.state())
                            : run.state() == "ended"
                                ? paint.Bold(run.state())
                                : paint.Yellow(run.state());
  absl::StrAppend(&out, "  run ", run.id(), "  ", state);
  out = absl::StrCat(Clip(out, width), "\n");
  std::string when = absl::StrCat("started ", ClockText(run.started_ms()),
                                  " by ", run.started_by());
  if (run.ended_ms() != 0) {
    absl::StrAppend(&when, ", ended ", ClockText(run.ended_ms()));
  } else {
    absl::StrAppend(&when, ", running for ",
                    SpanTextMs(status.now_ms() - run.started_ms()));
  }
  if (run.plan_number() > 0) {
    absl::StrAppend(&when, ", plan ", run.plan_number());
  }
  absl::StrAppend(&out, paint.Dim(Clip(when, width)), "\n");
  if (!run.why().empty()) {
    absl::StrAppend(
        &out, Hang("", absl::StrCat(run.state(), ": ", run.why()), width));
  }
  return out;
}

std::string ForecastLines(const v1::Status& status, int width,
                          const Paint& paint) {
  const v1::Forecast& forecast = status.forecast();
  const int total = forecast.steps_total();
  if (total == 0) return "";
  const int filled = kBarWidth * forecast.steps_done() / total;
  std::string bar;
  for (int i = 0; i < kBarWidth; ++i) {
    absl::StrAppend(&bar, i < filled ? "█" : "░");
  }
  std::string text =
      absl::StrCat(forecast.steps_done(), " of ", total, " back");
  if (forecast.steps_done() < total) {
    const int64_t left = forecast.high_ms() - status.now_ms();
    if (forecast.high_ms() == 0) {
      absl::StrAppend(&text, ", no forecast as things are");
    } else if (left > 0) {
      absl::StrAppend(&text, ", about ",
                      RoughSpanText(absl::Milliseconds(left)),
                      " of machine work left");
    }
  }
  std::string out = Clip(absl::StrCat(paint.Green(bar), "  ", text), width);
  absl::StrAppend(&out, "\n");
  if (!forecast.text().empty()) {
    absl::StrAppend(&out, paint.Dim(Hang("", forecast.text(), width)));
  }
  return out;
}

// A stage: its gate and, in the status' order, its steps.
struct Stage {
  std::string id;
  const v1::Gate* gate = nullptr;
  std::vector<const v1::Step*> steps;
  bool finished = true;   // each step reconnected
  bool untouched = true;  // each step as quarantine left it
};

std::vector<Stage> Stages(const v1::Status& status) {
  std::vector<Stage> stages;
  const auto at = [&](const std::string& id) -> Stage& {
    for (Stage& stage : stages) {
      if (stage.id == id) return stage;
    }
    return stages.emplace_back(Stage{.id = id});
  };
  for (const v1::Gate& gate : status.gates()) at(gate.id()).gate = &gate;
  for (const v1::Step& step : status.steps()) {
    Stage& stage = at(step.stage());
    stage.steps.push_back(&step);
    stage.finished = stage.finished && step.state() == "reconnected";
    stage.untouched = stage.untouched && !step.failed() &&
                      (step.state() == "quarantined" || step.state() == "open");
  }
  return stages;
}

// The sentences that every waiting step of the stage, of two or more, shares.
std::set<std::string> SharedWaits(const Stage& stage) {
  std::map<std::string, int> count;
  int waiting = 0;
  for (const v1::Step* step : stage.steps) {
    std::set<std::string> own;
    for (const v1::Wait& wait : step->waits()) own.insert(wait.text());
    for (const std::string& text : own) ++count[text];
    waiting += own.empty() ? 0 : 1;
  }
  std::set<std::string> shared;
  for (const auto& [text, steps] : count) {
    if (waiting > 1 && steps == waiting) shared.insert(text);
  }
  return shared;
}

// S9: whose word somebody else gave is not shown as their own: passed on after
// a call, or signed by a deputy. The note begins so (rpc/requests.cc,
// engine/people.cc).
std::string OthersWords(const v1::Status& status, const v1::Step& step,
                        int width) {
  std::string out;
  for (const v1::Task& task : status.tasks()) {
    if (task.step() != step.id() || !task.done()) continue;
    if (!absl::StartsWith(task.note(), "relayed, ") &&
        !absl::StartsWith(task.note(), "stands in for ")) {
      continue;
    }
    absl::StrAppend(&out, Hang("      ✔ ",
                               absl::StrCat(task.what(), ": ", task.by(), "; ",
                                            task.note()),
                               width));
  }
  return out;
}

std::string StageBlock(const v1::Status& status, const Stage& stage,
                       int name_width, Size size, int width,
                       const Paint& paint) {
  const std::string name = stage.id.empty() ? "without stage" : stage.id;
  std::string head = paint.Bold(name);
  if (stage.gate != nullptr) {
    absl::StrAppend(&head, "  ", GateWord(*stage.gate, paint));
    const std::string detail = GateSummary(*stage.gate);
    if (!detail.empty()) absl::StrAppend(&head, paint.Dim("  "), detail);
  }
  const size_t count = stage.steps.size();
  if (size == Size::kShort) {
    const char* word = stage.finished ? "back" : "not begun";
    const std::string glyph = stage.finished ? paint.Green("●") : "○";
    return absl::StrCat(
        Clip(absl::StrCat(head, "  ", glyph, " ", count, " ", word), width),
        "\n");
  }
  std::string out = absl::StrCat(Clip(head, width), "\n");
  const std::set<std::string> shared = SharedWaits(stage);
  for (const std::string& text : shared) {
    absl::StrAppend(&out, Hang("    ↳ ", text, width));
  }
  for (const v1::Step* step : stage.steps) {
    absl::StrAppend(
        &out,
        StepLines(*step, name_width, status.now_ms(), shared, width, paint),
        OthersWords(status, *step, width));
  }
  return out;
}

std::string HostLines(const v1::Status& status, int width, const Paint& paint) {
  if (status.hosts().empty()) return "";
  std::map<std::string, int> fences;
  int connected = 0;
  int by_hand = 0;
  std::string problems;
  for (const v1::Host& host : status.hosts()) {
    const bool heard = host.link() == "connected";
    connected += heard ? 1 : 0;
    // S9: an unheard host's fence is not counted as what it last was. And one
    // behind its fence with flows that people confirmed is not cut off.
    const bool stands =
        host.fence() == "quarantined" &&
        (host.standing_flows() > 0 || !host.broken_glass().empty());
    // Nor is a word of somebody's a reading of a kernel.
    const bool manual = host.link() == "manual";
    by_hand += manual ? 1 : 0;
    ++fences[manual && !host.said().empty() && host.fence() != "unknown"
                 ? "said to be closed"
             : !heard ? "unknown"
             : stands ? "with standing flows"
                      : host.fence()];
    const bool glass = !host.broken_glass().empty();
    if (host.has_sensor_anew() && !stands) {
      const std::string sensor =
          absl::StrCat("its sensor: ", SensorAnewText(host.sensor_anew()));
      absl::StrAppend(&problems,
                      Hang(absl::StrCat("  ", paint.Yellow("!"), " ",
                                        PadTo(Clip(host.id(), 20), 20), "  "),
                           sensor, width));
    }
    if (heard && host.fence() != "unknown" && !glass) continue;
    std::string text(
        absl::StripPrefix(host.text(), absl::StrCat(host.id(), " ")));
    if (text.empty()) {
      text = host.link() == "never"
                 ? "its agent has never connected"
                 : absl::StrCat("unknown since ", ClockText(host.since_ms()));
    }
    absl::StrAppend(
        &problems,
        Hang(absl::StrCat("  ", paint.Red(heard && glass ? "!" : "?"), " ",
                          PadTo(Clip(host.id(), 20), 20), "  "),
             text, width));
  }
  const std::string fence_text =
      absl::StrJoin(fences, ", ", [](std::string* out, const auto& fence) {
        absl::StrAppend(out, fence.second, " ", fence.first);
      });
  return absl::StrCat(
      "\n", paint.Bold("Hosts"), "  ", connected, " of ", status.hosts_size(),
      " connected",
      by_hand == 0 ? "" : absl::StrCat(", ", by_hand, " worked by hand"), "; ",
      fence_text, "\n", problems);
}

std::string PeopleLines(const v1::Status& status, int width,
                        const Paint& paint) {
  std::string out;
  const auto add = [&](const std::string& who, const std::string& what,
                       const std::string& how) {
    absl::StrAppend(&out, Hang(absl::StrCat("  ", paint.Yellow("▸ ")),
                               absl::StrCat(who, ": ", what), width));
    absl::StrAppend(&out, paint.Cyan(Hang("      ", how, width)));
  };
  for (const v1::Gate& gate : status.gates()) {
    if (gate.state() == "asking") {
      add(QuorumText(gate.missing()),
          absl::StrCat(
              "go or no-go at gate ", gate.id(),
              gate.deadline_ms() == 0
                  ? ""
                  : absl::StrCat(", until ", ClockText(gate.deadline_ms()))),
          absl::StrCat("sluice show ", gate.id(), "; sluice go ", gate.id()));
    }
  }
  for (const v1::Task& task : status.tasks()) {
    if (!task.wanted_now() || task.done()) continue;
    add(task.owner().empty() ? "somebody" : task.owner(),
        absl::StrCat("task “", task.what(), "” for ", task.step()),
        absl::StrCat("sluice done ", task.id()));
  }
  for (const v1::PointTask& task : status.point_tasks()) {
    add(task.owner().empty() ? "an approver" : task.owner(),
        absl::StrCat("by hand: ", task.what()),
        absl::StrCat("sluice task list; sluice task done ", task.id()));
  }
  std::vector<std::string> failed;
  for (const v1::Step& step : status.steps()) {
    if (step.failed()) failed.push_back(step.id());
  }
  if (!failed.empty()) {
    add("whoever repairs it",
        absl::StrCat(absl::StrJoin(failed, ", "), " failed"),
        absl::StrCat("sluice retry ", absl::StrJoin(failed, " ")));
  }
  if (out.empty()) return out;
  return absl::StrCat("\n", paint.Bold("Waiting for people"), "\n", out);
}

std::string Whole(const v1::Status& status, const StatusOptions& options,
                  Size size) {
  const Paint paint(options.colour);
  int name_width = kShortestName;
  for (const v1::Step& step : status.steps()) {
    name_width = std::max(name_width, DisplayWidth(step.id()));
  }
  name_width = std::min(name_width, kLongestName);
  std::string out = absl::StrCat(RunLine(status, options.width, paint),
                                 ForecastLines(status, options.width, paint));
  if (!status.journal_problem().empty()) {
    absl::StrAppend(
        &out, paint.Red(Hang("! ",
                             absl::StrCat("the journal cannot be written: ",
                                          status.journal_problem()),
                             options.width)));
  }
  for (const std::string& warning : status.warnings()) {
    absl::StrAppend(&out, paint.Red(Hang("! ", warning, options.width)));
  }
  const std::string people = PeopleLines(status, options.width, paint);
  // Where lines may be cut off, what people are waited for comes first.
  if (size == Size::kShort) absl::StrAppend(&out, people);
  bool short_before = false;
  for (const Stage& stage : Stages(status)) {
    const bool shrink =
        size == Size::kShort && (stage.finished || stage.untouched);
    absl::StrAppend(
        &out, short_before && shrink ? "" : "\n",
        StageBlock(status, stage, name_width,
                   shrink ? Size::kShort : Size::kFull, options.width, paint));
    short_before = shrink;
  }
  return absl::StrCat(out, size == Size::kShort ? "" : people,
                      HostLines(status, options.width, paint));
}

}  // namespace

std::string StatusText(const v1::Status& status, const StatusOptions& options) {
  std::string text = Whole(status, options, Size::kFull);
  if (options.height <= 0) return text;
  const auto lines = [](const std::string& s) {
    return static_cast<int>(std::count(s.begin(), s.end(), '\n'));
  };
  if (lines(text) <= options.height) return text;
  text = Whole(status, options, Size::kShort);
  if (lines(text) <= options.height) return text;
  const std::vector<std::string> all = absl::StrSplit(text, '\n');
  const size_t kept = static_cast<size_t>(options.height) - 1;
  return absl::StrCat(
      absl::StrJoin(all.begin(), all.begin() + static_cast<long>(kept), "\n"),
      "\n… ", all.size() - 1 - kept,
      " more lines; `sluice status` shows all\n");
}

std::vector<std::string> StatusChanges(const v1::Status& before,
                                       const v1::Status& after) {
  std::vector<std::string> changes;
  const std::string at = ClockText(after.now_ms());
  const auto add = [&](absl::string_view what, absl::string_view old,
                       absl::string_view now, absl::string_view why) {
    changes.push_back(absl::StrCat(at, "  ", what, ": ", old,
                                   old.empty() ? "" : " → ", now,
                                   why.empty() ? "" : "; ", why));
  };
  if (before.run().state() != after.run().state()) {
    add(absl::StrCat("run ", after.run().id()), before.run().state(),
        after.run().state(), after.run().why());
  }
  std::map<std::string, const v1::Step*> steps;
  for (const v1::Step& step : before.steps()) steps[step.id()] = &step;
  for (const v1::Step& step : after.steps()) {
    const v1::Step* old = steps[step.id()];
    if (old != nullptr && old->state() == step.state() &&
        old->failed() == step.failed()) {
      continue;
    }
    std::string why = step.reason();
    if (why.empty() && step.waits_size() > 0) why = step.waits(0).text();
    add(step.id(), old == nullptr ? "" : old->state(),
        absl::StrCat(step.state(), step.failed() ? " (failed)" : ""), why);
  }
  std::map<std::string, const v1::Gate*> gates;
  for (const v1::Gate& gate : before.gates()) gates[gate.id()] = &gate;
  for (const v1::Gate& gate : after.gates()) {
    const v1::Gate* old = gates[gate.id()];
    if (old != nullptr && old->state() == gate.state() &&
        old->round() == gate.round() &&
        old->votes_size() == gate.votes_size()) {
      continue;
    }
    add(absl::StrCat("gate ", gate.id()), old == nullptr ? "" : old->state(),
        gate.state(), GateSummary(gate));
  }
  std::set<std::string> wanted;
  for (const v1::Task& task : before.tasks()) {
    if (task.wanted_now() && !task.done()) wanted.insert(task.id());
  }
  for (const v1::Task& task : after.tasks()) {
    const bool was = wanted.count(task.id()) != 0;
    if (task.wanted_now() && !task.done() && !was) {
      add(absl::StrCat("task ", task.id()), "",
          absl::StrCat("wanted of ", task.owner()), task.what());
    } else if (task.done() && was) {
      add(absl::StrCat("task ", task.id()), "",
          absl::StrCat("signed by ", task.by()), task.note());
    }
  }
  std::map<std::string, const v1::Host*> hosts;
  for (const v1::Host& host : before.hosts()) hosts[host.id()] = &host;
  for (const v1::Host& host : after.hosts()) {
    const v1::Host* old = hosts[host.id()];
    if (old != nullptr && old->link() == host.link() &&
        old->fence() == host.fence()) {
      continue;
    }
    const auto both = [](const v1::Host& h) {
      return absl::StrCat(h.link(), ", ", h.fence());
    };
    add(absl::StrCat("host ", host.id()), old == nullptr ? "" : both(*old),
        both(host), host.text());
  }
  return changes;
}

}  // namespace sluice::cli
