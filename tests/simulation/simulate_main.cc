// sluice-simulate: seeds, one after the other, until a promise breaks.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/simulation/simulate.h"

namespace sluice::simulation {
namespace {

constexpr char kHelp[] =
    R"(sluice-simulate: the real engine, loop, codec and agents in a made-up
world, watched for broken promises (docs/simulation.md).

  --seed N        the first seed (1)
  --runs M        how many seeds (100)
  --faults A,B    only these kinds; `--faults none`; `--faults list` shows all
  --most N        at most N faults a run (10)
  --systems N     at most N systems in a drawn estate (6)
  --manifest FILE that estate instead of drawn ones
  --without I,J   leaves out the I-th and J-th fault drawn
  --trace         prints all that happens (one run)
  --no-shrink     a violation as it was found
  --keep-going    counts violations instead of stopping at the first
  --hashes        prints each run's seed and the hash its journal ends in
  --twice         runs each seed twice and compares (the same seed gives the
                  same journal)
  --estate        prints the drawn manifest of --seed and ends
)";

struct Asked {
  Options options;
  int runs = 100;
  bool shrink = true;
  bool keep_going = false;
  bool hashes = false;
  bool estate = false;
  bool twice = false;
};

int Wrong(const std::string& what) {
  std::fprintf(stderr, "sluice-simulate: %s; see --help.\n", what.c_str());
  return 2;
}

void ListKinds() {
  for (const FaultKind& kind : FaultKinds()) std::printf("%s\n", kind.name);
}

// 0: go on; else the exit code plus one.
int Read(int argc, char** argv, Asked* asked) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto is = [&](const char* name) { return flag == name; };
    if (is("--help") || is("-h")) {
      std::fputs(kHelp, stdout);
      return 1;
    }
    if (is("--trace")) {
      asked->options.traced = true;
    } else if (is("--no-shrink")) {
      asked->shrink = false;
    } else if (is("--shrink")) {
      asked->shrink = true;
    } else if (is("--keep-going")) {
      asked->keep_going = true;
    } else if (is("--hashes")) {
      asked->hashes = true;
    } else if (is("--twice")) {
      asked->twice = true;
    } else if (is("--estate")) {
      asked->estate = true;
    } else {
      if (i + 1 == argc) return 1 + Wrong("'" + flag + "' needs a value");
      const std::string value = argv[++i];
      int number = 0;
      const bool is_number = absl::SimpleAtoi(value, &number) && number >= 0;
      if (is("--faults")) {
        if (value == "list") {
          ListKinds();
          return 1;
        }
        if (value == "none") {
          asked->options.most_faults = 0;
          continue;
        }
        for (const auto& kind : absl::StrSplit(value, ',')) {
          bool known = false;
          for (const FaultKind& one : FaultKinds()) known |= one.name == kind;
          if (!known) {
            return 1 +
                   Wrong("no kind of fault is called '" + std::string(kind) +
                         "'; `--faults list` shows them");
          }
          asked->options.kinds.insert(std::string(kind));
        }
      } else if (is("--manifest")) {
        if (access(value.c_str(), R_OK) != 0) {
          return 1 + Wrong("'" + value + "' cannot be read");
        }
        asked->options.manifest = value;
      } else if (is("--without")) {
        for (const auto& one : absl::StrSplit(value, ',')) {
          int place = 0;
          if (!absl::SimpleAtoi(one, &place)) {
            return 1 + Wrong("--without takes numbers: 0,3");
          }
          asked->options.left_out.insert(place);
        }
      } else if (!is_number) {
        return 1 + Wrong("'" + value + "' after " + flag + " is no number");
      } else if (is("--seed")) {
        asked->options.seed = static_cast<uint64_t>(number);
      } else if (is("--runs")) {
        asked->runs = number;
      } else if (is("--most")) {
        asked->options.most_faults = number;
      } else if (is("--systems")) {
        asked->options.most_systems = number;
      } else {
        return 1 + Wrong("unknown option '" + flag + "'");
      }
    }
  }
  return 0;
}

void ShowViolation(Options options, const Outcome& found, bool shrink) {
  const bool whole = options.traced;
  const std::string promise = found.violations.front().promise;
  int tried = 0;
  if (shrink) options = Shrink(options, promise, &tried);
  options.traced = true;
  const Outcome shortest = Simulate(options);
  std::printf("%s", Report(options, shortest, whole ? SIZE_MAX : 80).c_str());
  if (shrink) {
    std::printf("(the least that still breaks %s, of %d runs tried)\n",
                promise.c_str(), tried);
  }
}

int Main(int argc, char** argv) {
  Asked asked;
  if (const int done = Read(argc, argv, &asked); done != 0) return done - 1;
  if (asked.estate) {
    std::printf("%s", World(asked.options).manifest().c_str());
    return 0;
  }
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const absl::Time began = absl::Now();
  absl::Time shown = began;
  uint64_t steps = 0;
  absl::Duration simulated;
  int broken = 0;
  int run = 0;
  for (; run < asked.runs; ++run) {
    Options options = asked.options;
    options.seed += static_cast<uint64_t>(run);
    const Outcome outcome = Simulate(options);
    steps += outcome.steps;
    simulated += outcome.simulated;
    if (options.traced && outcome.violations.empty()) {
      std::printf("%s", Report(options, outcome, SIZE_MAX).c_str());
    }
    if (asked.twice) {
      const Outcome again = Simulate(options);
      if (again.journal_hash != outcome.journal_hash ||
          again.steps != outcome.steps) {
        std::printf("seed %llu gives another journal the second time\n",
                    static_cast<unsigned long long>(options.seed));
        return 1;
      }
    }
    if (asked.hashes) {
      std::printf("%llu %s\n", static_cast<unsigned long long>(options.seed),
                  outcome.journal_hash.c_str());
    }
    if (!outcome.violations.empty()) {
      ++broken;
      if (asked.keep_going) {
        const Violation& first = outcome.violations.front();
        std::printf("seed %llu: %s %.120s\n",
                    static_cast<unsigned long long>(options.seed),
                    first.promise.c_str(), first.text.c_str());
        std::fflush(stdout);
      } else {
        ShowViolation(options, outcome, asked.shrink);
        return 1;
      }
    }
    const absl::Time now = absl::Now();
    if (terminal && now - shown > absl::Milliseconds(500)) {
      shown = now;
      const double left = absl::ToDoubleSeconds(now - began) / (run + 1) *
                          (asked.runs - run - 1);
      std::fprintf(stderr, "\r%d of %d runs, %d broken, %.0f s left   ",
                   run + 1, asked.runs, broken, left);
    }
  }
  if (terminal) std::fprintf(stderr, "\r%60s\r", "");
  const double seconds = absl::ToDoubleSeconds(absl::Now() - began);
  std::printf(
      "%d runs from seed %llu, %d broken: %.1f simulated hours in %.1f s, "
      "%llu steps, %.0f a second\n",
      run, static_cast<unsigned long long>(asked.options.seed), broken,
      absl::ToDoubleHours(simulated), seconds,
      static_cast<unsigned long long>(steps),
      static_cast<double>(steps) / (seconds > 0 ? seconds : 1));
  return broken == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sluice::simulation

int main(int argc, char** argv) { return sluice::simulation::Main(argc, argv); }
