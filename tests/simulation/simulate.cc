#include "tests/simulation/simulate.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace sluice::simulation {
namespace {

constexpr size_t kColumns = 80;

bool Breaks(const Options& options, const std::string& promise, int* tried) {
  ++*tried;
  const Outcome outcome = Simulate(options);
  return std::any_of(
      outcome.violations.begin(), outcome.violations.end(),
      [&](const Violation& broken) { return broken.promise == promise; });
}

// Wrapped at spaces, what is left indented.
std::string Wrapped(const std::string& line, size_t indent) {
  std::string text;
  std::string rest = line;
  size_t room = kColumns;
  while (rest.size() > room) {
    size_t cut = rest.rfind(' ', room);
    if (cut == std::string::npos || cut == 0) cut = room;
    absl::StrAppend(&text, rest.substr(0, cut), "\n");
    rest = absl::StrCat(std::string(indent, ' '),
                        rest.substr(std::min(rest.size(), cut + 1)));
    if (rest.size() <= indent) return text;
  }
  return absl::StrCat(text, rest, "\n");
}

}  // namespace

Outcome Simulate(const Options& options) {
  World world(options);
  world.Run();
  Outcome outcome;
  outcome.violations = world.violations();
  outcome.faults = world.FaultTexts();
  outcome.trace = world.trace();
  outcome.manifest = world.manifest();
  outcome.journal_hash = world.JournalHash();
  outcome.steps = world.steps();
  outcome.simulated = world.elapsed();
  return outcome;
}

Options Shrink(Options options, const std::string& promise, int* tried) {
  const auto try_without = [&] {
    bool any = false;
    const int faults = static_cast<int>(World(options).FaultTexts().size());
    for (int i = 0; i < faults; ++i) {
      if (options.left_out.contains(i)) continue;
      Options fewer = options;
      fewer.left_out.insert(i);
      if (!Breaks(fewer, promise, tried)) continue;
      options = fewer;
      any = true;
    }
    return any;
  };
  while (try_without()) {
  }
  // A smaller estate draws other faults for the same hosts' names; try a few.
  if (options.manifest.empty()) {
    for (int most = 2; most < options.most_systems; ++most) {
      Options smaller = options;
      smaller.most_systems = most;
      if (!Breaks(smaller, promise, tried)) continue;
      options = smaller;
      while (try_without()) {
      }
      break;
    }
  }
  return options;
}

std::string Report(const Options& options, const Outcome& outcome,
                   size_t trace_lines) {
  std::string text = absl::StrFormat(
      "seed %d: %.1f simulated seconds, %d steps\n", options.seed,
      absl::ToDoubleSeconds(outcome.simulated), outcome.steps);
  for (const Violation& broken : outcome.violations) {
    text +=
        Wrapped(absl::StrFormat("%s is broken at %.3fs: %s", broken.promise,
                                absl::ToDoubleSeconds(broken.at), broken.text),
                4);
  }
  absl::StrAppend(&text, "faults drawn:\n");
  for (size_t i = 0; i < outcome.faults.size(); ++i) {
    const bool left_out = options.left_out.contains(static_cast<int>(i));
    text += Wrapped(
        absl::StrCat(left_out ? "   (not needed) " : "  ", outcome.faults[i]),
        10);
  }
  if (trace_lines > 0 && !outcome.trace.empty()) {
    const size_t from = outcome.trace.size() > trace_lines
                            ? outcome.trace.size() - trace_lines
                            : 0;
    absl::StrAppend(&text, "the last ", outcome.trace.size() - from, " of ",
                    outcome.trace.size(), " lines of what happened:\n");
    for (size_t i = from; i < outcome.trace.size(); ++i) {
      text += Wrapped(outcome.trace[i], 23);
    }
  }
  std::string again =
      absl::StrCat("again: sluice-simulate --seed ", options.seed, " --runs 1");
  if (options.most_systems != Options().most_systems) {
    absl::StrAppend(&again, " --systems ", options.most_systems);
  }
  if (!options.manifest.empty()) {
    absl::StrAppend(&again, " --manifest ", options.manifest);
  }
  if (!options.kinds.empty()) {
    absl::StrAppend(&again, " --faults ", absl::StrJoin(options.kinds, ","));
  }
  if (!options.left_out.empty()) {
    absl::StrAppend(&again, " --without ",
                    absl::StrJoin(options.left_out, ","));
  }
  return absl::StrCat(text, again, " --trace\n");
}

}  // namespace sluice::simulation
