// One estate, written in many ways: keys, hosts, needs and files in any order
// give one digest.

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "orchestrator/manifest/canonical.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/planner/plan.h"

namespace sluice {
namespace {

using Lines = std::vector<std::string>;

int Pick(std::mt19937& random, int most) {
  return static_cast<int>(random() % static_cast<unsigned>(most));
}

// A system as lines of fields, and the lists whose order means nothing.
struct SystemText {
  std::string name;
  Lines fields;  // one line each
  Lines hosts;
  Lines needs;
};

struct EstateText {
  Lines hosts;  // "h1: {address: …}"
  std::vector<SystemText> systems;
  Lines stages;  // in order: that one does mean something
};

EstateText RandomEstate(std::mt19937& random) {
  EstateText estate;
  const int hosts = 2 + Pick(random, 6);
  for (int i = 1; i <= hosts; ++i) {
    estate.hosts.push_back(absl::StrCat("h", i, ": {address: [10.0.0.", i,
                                        ", \"fd00::", i, "\"]}"));
  }
  const int systems = 2 + Pick(random, 8);
  for (int i = 0; i < systems; ++i) {
    SystemText system;
    system.name = absl::StrCat("s", i);
    for (int h = 1; h <= hosts; ++h) {
      if (Pick(random, 3) == 0) system.hosts.push_back(absl::StrCat("h", h));
    }
    if (system.hosts.empty()) system.hosts.push_back("h1");
    for (int n = 0; n < i; ++n) {
      if (Pick(random, 3) != 0) continue;
      system.needs.push_back(Pick(random, 4) == 0
                                 ? absl::StrCat("{s", n, ":web: soft}")
                                 : absl::StrCat("s", n, ":web"));
    }
    system.fields = {
        absl::StrCat("ports: {web: ", 8000 + i, "/tcp, more: [", 9000 + i,
                     "/tcp, ", 9000 + i, "/udp]}"),
        absl::StrCat("category: ", Pick(random, 3) == 0 ? "foundation" : "x"),
        absl::StrCat("soak: ", 1 + Pick(random, 60), "s"),
        absl::StrCat("expected: ", 1 + Pick(random, 60), "s"),
        absl::StrCat("priority: ", Pick(random, 2) == 0 ? "high" : "low"),
        "health: [{tcp: web}, {tcp: {port: more}, timeout: 2s}]",
        "inspect: [{listeners: declared-only}]",
    };
    estate.systems.push_back(std::move(system));
  }
  return estate;
}

template <class T>
std::vector<T> Shuffled(std::vector<T> items, std::mt19937& random) {
  std::shuffle(items.begin(), items.end(), random);
  return items;
}

std::string SystemLines(const SystemText& system, std::mt19937& random) {
  Lines fields = system.fields;
  fields.push_back(absl::StrCat(
      "hosts: [", absl::StrJoin(Shuffled(system.hosts, random), ", "), "]"));
  if (!system.needs.empty()) {
    fields.push_back(absl::StrCat(
        "needs: [", absl::StrJoin(Shuffled(system.needs, random), ", "), "]"));
  }
  std::string text = absl::StrCat("  ", system.name, ":\n");
  for (const std::string& field : Shuffled(fields, random)) {
    absl::StrAppend(&text, "    ", field, "\n");
  }
  return text;
}

// The estate as sources: `files` further ones, each with some of it.
ManifestSources Written(const EstateText& estate, int files,
                        std::mt19937& random) {
  struct File {
    std::string hosts;
    std::string systems;
  };
  std::vector<File> parts(static_cast<size_t>(files) + 1);
  const auto part = [&]() -> File& {
    return parts[static_cast<size_t>(Pick(random, files + 1))];
  };
  for (const std::string& host : Shuffled(estate.hosts, random)) {
    absl::StrAppend(&part().hosts, "  ", host, "\n");
  }
  for (const SystemText& system : Shuffled(estate.systems, random)) {
    absl::StrAppend(&part().systems, SystemLines(system, random));
  }
  ManifestSources sources;
  Lines names;
  for (size_t i = 0; i < parts.size(); ++i) {
    Lines sections;
    if (!parts[i].hosts.empty()) {
      sections.push_back(absl::StrCat("hosts:\n", parts[i].hosts));
    }
    if (!parts[i].systems.empty()) {
      sections.push_back(absl::StrCat("systems:\n", parts[i].systems));
    }
    if (i > 0 && sections.empty()) continue;  // an empty file is a mistake
    const std::string name = i == 0 ? "main.yaml" : absl::StrCat(i, ".yaml");
    if (i > 0) names.push_back(name);
    sources.files.push_back(
        {name, absl::StrJoin(Shuffled(sections, random), "")});
  }
  Lines head = {"sluice: 1\n", "estate: shuffled\n",
                "management: {orchestrators: [\"10.9.0.1:7443\"]}\n",
                "approvers:\n  lead: {roles: [incident-commander]}\n",
                sources.files[0].text};
  if (!names.empty()) {
    head.push_back(absl::StrCat(
        "include: [", absl::StrJoin(Shuffled(names, random), ", "), "]\n"));
  }
  sources.files[0].text = absl::StrJoin(Shuffled(head, random), "");
  return sources;
}

std::string DigestOf(const ManifestSources& sources) {
  const ManifestResult result = ParseManifest(sources);
  for (const Diagnostic& one : result.diagnostics) {
    if (one.severity == Diagnostic::Severity::kError) {
      ADD_FAILURE() << FormatDiagnostic(result, one, true, false)
                    << sources.files[0].text;
      return "";
    }
  }
  const auto plan = MakePlan(result.model);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? (*plan)->digest : "";
}

TEST(AnyEstate, HasOneDigestInWhateverOrderItIsWritten) {
  std::mt19937 random(5);
  for (int round = 0; round < 60; ++round) {
    const EstateText estate = RandomEstate(random);
    const std::string digest = DigestOf(Written(estate, 0, random));
    for (int way = 0; way < 4; ++way) {
      ManifestSources other = Written(estate, way, random);
      ASSERT_EQ(DigestOf(other), digest) << "round " << round;
      for (ManifestSources::File& file : other.files) {
        const auto formatted = CanonicalText(file.text);
        ASSERT_TRUE(formatted.ok()) << formatted.status() << file.text;
        file.text = *formatted;
      }
      ASSERT_EQ(DigestOf(other), digest) << "formatted, round " << round;
    }
  }
}

}  // namespace
}  // namespace sluice
