// Planning, measured inside one process: what parsing takes, what the graph
// takes, what the whole plan takes. Prints one line of tab-separated fields a
// measurement; tests/bench/plan/bench makes a table of them.
//
//   bench-plan graph SYSTEMS NEEDS    a made-up model, nothing parsed
//   bench-plan file MANIFEST          a file, parsed, checked, planned

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/model/graph.h"
#include "orchestrator/planner/plan.h"

namespace {

using sluice::DependencyGraph;
using sluice::MakePlan;
using sluice::Model;
using sluice::System;

constexpr int kRounds = 3;  // the best of

std::string Name(absl::string_view kind, int i) {
  return absl::StrCat(kind, "-", absl::Dec(i, absl::kZeroPad6));
}

// Systems on a host each; needs spread evenly over systems, each of one of a
// lower number, chosen by a fixed rule: the same model every time.
Model MakeModel(int systems, int needs) {
  Model model;
  model.estate = sluice::EstateId("bench");
  model.default_gate.approvals[sluice::RoleId("incident-commander")] = 1;
  uint64_t state = 1;
  const auto next = [&](int most) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int>((state >> 33) % static_cast<uint64_t>(most));
  };
  model.hosts.resize(static_cast<size_t>(systems));
  model.systems.resize(static_cast<size_t>(systems));
  for (int i = 0; i < systems; ++i) {
    sluice::Host& host = model.hosts[static_cast<size_t>(i)];
    host.id = sluice::HostId(Name("h", i));
    const std::string address =
        absl::StrFormat("10.%d.%d.%d", i / 62500, i / 250 % 250, i % 250 + 1);
    host.addresses.push_back(*sluice::Prefix::Parse(address));
    System& system = model.systems[static_cast<size_t>(i)];
    system.id = sluice::SystemId(Name("s", i));
    system.category = "bench";
    system.hosts = {host.id};
    system.expected = absl::Seconds(1 + i % 60);
    sluice::Port port;
    port.id = sluice::PortId("web");
    port.ranges.push_back({sluice::Protocol::kTcp, {80, 80}});
    system.ports.push_back(std::move(port));
  }
  for (int n = 0; n < needs; ++n) {
    const int from = static_cast<int>(static_cast<int64_t>(n) * systems /
                                      std::max(needs, 1));
    if (from == 0) continue;
    sluice::Need need;
    need.system = sluice::SystemId(Name("s", next(from)));
    need.port = sluice::PortId("web");
    std::vector<sluice::Need>& all =
        model.systems[static_cast<size_t>(from)].needs;
    const bool twice = std::any_of(
        all.begin(), all.end(),
        [&](const sluice::Need& other) { return other.system == need.system; });
    if (!twice) all.push_back(std::move(need));
  }
  return model;
}

size_t NeedsOf(const Model& model) {
  size_t count = 0;
  for (const System& system : model.systems) count += system.needs.size();
  return count;
}

template <class F>
double Best(F&& run) {
  double best = 1e9;
  for (int i = 0; i < kRounds; ++i) {
    const absl::Time start = absl::Now();
    run();
    best = std::min(best, absl::ToDoubleSeconds(absl::Now() - start));
  }
  return best;
}

double PeakMegabytes() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

int Graph(int systems, int needs) {
  const Model model = MakeModel(systems, needs);
  const double graph = Best([&] {
    const DependencyGraph built(model);
    if (!built.ShortestCycle().empty() ||
        built.Order().size() != model.systems.size()) {
      std::abort();
    }
    const std::vector<int64_t> weight(model.systems.size(), 1);
    if (built.CriticalPath(weight).empty()) std::abort();
  });
  const double plan = Best([&] {
    const auto made = MakePlan(model);
    if (!made.ok()) std::abort();
  });
  std::printf("graph\t%zu\t%zu\t%.4f\t%.4f\t%.0f\n", model.systems.size(),
              NeedsOf(model), graph, plan, PeakMegabytes());
  return 0;
}

int File(const std::string& path) {
  const absl::Time start = absl::Now();
  sluice::ManifestResult result = sluice::LoadManifest(path);
  const absl::Time parsed = absl::Now();
  const double parse_peak = PeakMegabytes();
  if (!result.ok()) {
    std::fprintf(stderr,
                 "bench-plan: %s has mistakes; `sluice validate` says "
                 "which\n",
                 path.c_str());
    return 1;
  }
  const auto made = MakePlan(result.model);
  const absl::Time planned = absl::Now();
  if (!made.ok()) {
    std::fprintf(stderr, "bench-plan: %s\n",
                 std::string(made.status().message()).c_str());
    return 1;
  }
  std::printf(
      "file\t%zu\t%zu\t%.4f\t%.4f\t%.0f\t%.0f\n", result.model.systems.size(),
      NeedsOf(result.model), absl::ToDoubleSeconds(parsed - start),
      absl::ToDoubleSeconds(planned - parsed), parse_peak, PeakMegabytes());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 3 && words[0] == "graph") {
    return Graph(std::atoi(words[1].c_str()), std::atoi(words[2].c_str()));
  }
  if (words.size() == 2 && words[0] == "file") return File(words[1]);
  std::fprintf(stderr,
               "usage: bench-plan graph SYSTEMS NEEDS | file MANIFEST\n");
  return 2;
}
