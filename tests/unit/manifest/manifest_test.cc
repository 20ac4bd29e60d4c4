#include "orchestrator/manifest/manifest.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ManifestResult Parse(const std::string& text) {
  return ParseManifest({{{"manifest.yaml", text}}});
}

const char kHead[] =
    "sluice: 1\n"
    "estate: small\n"
    "management: {orchestrators: [\"10.0.0.1:7443\"]}\n";

std::string Errors(const ManifestResult& result) {
  std::string all;
  for (const Diagnostic& diagnostic : result.diagnostics) {
    if (diagnostic.severity == Diagnostic::Severity::kError) {
      all += FormatDiagnostic(result, diagnostic, false, false);
    }
  }
  return all;
}

ManifestResult CityUtility() {
  return LoadManifest(std::string(SLUICE_SOURCE_DIR) +
                      "/manifests/city-utility.yaml");
}

TEST(CityUtility, IsReadAsItIsWritten) {
  const ManifestResult result = CityUtility();
  ASSERT_TRUE(result.ok()) << Errors(result);
  const Model& model = result.model;
  EXPECT_EQ(model.estate.str(), "city-utility");
  EXPECT_EQ(model.hosts.size(), 12u);
  EXPECT_EQ(model.systems.size(), 13u);
  ASSERT_EQ(model.stages.size(), 4u);
  EXPECT_EQ(model.stages[3].id.str(), "outside");

  const System* engine = model.FindSystem(SystemId("billing-engine"));
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(engine->enough, 1);
  EXPECT_EQ(engine->soak, absl::Seconds(10));
  EXPECT_EQ(engine->lease, absl::Seconds(10));  // from defaults
  EXPECT_EQ(engine->on_failure, OnFailure::kIsolateDependents);
  ASSERT_EQ(engine->health.size(), 1u);
  EXPECT_EQ(engine->health[0].id.str(), "billing-engine/health-1");
  EXPECT_EQ(std::get<CheckSpec>(engine->health[0].what).Line(),
            "http expect=200 path=/ready port=http timeout=3s attempts=5 "
            "between=1s");
  ASSERT_EQ(engine->accept.size(), 1u);
  const Task& task = std::get<Task>(engine->accept[0].what);
  EXPECT_EQ(task.id.str(), "billing-engine/known-invoice-matches");
  EXPECT_EQ(task.owner.str(), "system-owner");

  const System* portal = model.FindSystem(SystemId("customer-portal"));
  ASSERT_NE(portal, nullptr);
  ASSERT_EQ(portal->serves.size(), 2u);
  EXPECT_EQ(portal->serves[0].external.str(), "citizens");
  EXPECT_THAT(portal->serves[0].after, ElementsAre(ExternalId("pilot-office")));
}

TEST(Manifest, KeepsItsTextsForTheJournal) {
  const ManifestResult first = CityUtility();
  ASSERT_EQ(first.sources.files.size(), 1u);
  const ManifestResult again = ParseManifest(first.sources);
  EXPECT_TRUE(again.ok());
  EXPECT_EQ(again.model.systems.size(), first.model.systems.size());
}

TEST(Manifest, SortsWhatHasNoOrderOfItsOwn) {
  const std::string people =
      "approvers: {b: {roles: [z, incident-commander]}, a: {roles: [x]}}\n";
  const std::string hosts =
      "hosts: {b: {address: [\"fd00::2\", 10.0.0.2]}, a: {address: "
      "10.0.0.1}}\n";
  const std::string system =
      "systems: {s: {hosts: [b, a], ports: {z: 2/tcp, y: [9/udp, 1/tcp]}}}\n";
  const ManifestResult one = Parse(kHead + people + hosts + system);
  ASSERT_TRUE(one.ok()) << Errors(one);
  EXPECT_EQ(one.model.hosts[0].id.str(), "a");
  EXPECT_EQ(one.model.hosts[1].addresses[0].ToString(), "10.0.0.2");
  EXPECT_EQ(one.model.approvers[0].id.str(), "a");
  EXPECT_THAT(one.model.systems[0].hosts,
              ElementsAre(HostId("a"), HostId("b")));
  EXPECT_EQ(one.model.systems[0].ports[0].id.str(), "y");
  EXPECT_EQ(one.model.systems[0].ports[0].ranges[0].protocol, Protocol::kTcp);
  const ManifestResult other = Parse(system + hosts + people + kHead);
  ASSERT_TRUE(other.ok()) << Errors(other);
}

TEST(Manifest, ExpandsRangesOfHosts) {
  const ManifestResult result =
      Parse(std::string(kHead) +
            "hosts:\n  app-[08-11]: {address: [\"10.1.0.[8-11]\", "
            "\"fd00::[8-11]\"], shared-address: 10.1.0.100}\n"
            "approvers: {a: {roles: [incident-commander]}}\n"
            "systems: {s: {hosts: [\"app-[09-10]\"]}}\n");
  ASSERT_TRUE(result.ok()) << Errors(result);
  ASSERT_EQ(result.model.hosts.size(), 4u);
  EXPECT_EQ(result.model.hosts[2].id.str(), "app-10");
  EXPECT_EQ(result.model.hosts[2].addresses[0].ToString(), "10.1.0.10");
  EXPECT_EQ(result.model.hosts[2].addresses[2].ToString(), "fd00::10");
  EXPECT_EQ(result.model.hosts[2].shared.size(), 1u);
  EXPECT_EQ(result.model.systems[0].hosts.size(), 2u);
}

TEST(Manifest, GivesDeputiesTheRoleTheyFill) {
  const ManifestResult result =
      Parse(std::string(kHead) +
            "approvers: {n: {roles: [a], deputy-for: [b]}}\n"
            "hosts: {h: {address: 10.0.0.2}}\n");
  ASSERT_TRUE(result.ok()) << Errors(result);
  EXPECT_THAT(result.model.approvers[0].roles,
              ElementsAre(RoleId("a"), RoleId("b")));
  EXPECT_THAT(result.model.approvers[0].deputy_for, ElementsAre(RoleId("b")));
}

TEST(Manifest, AsksNobodyWhereThereAreOnlyHosts) {
  const ManifestResult result =
      Parse(std::string(kHead) + "hosts: {h: {address: 10.0.0.2}}\n");
  ASSERT_TRUE(result.ok()) << Errors(result);
  EXPECT_TRUE(result.model.default_gate.approvals.empty());
}

TEST(Manifest, SaysOnceThatAFileIsNotThere) {
  const ManifestResult result = LoadManifest("no/such/file.yaml");
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_FALSE(result.ok());
  EXPECT_THAT(FormatDiagnostic(result, result.diagnostics[0], true, false),
              HasSubstr("there is no file"));
}

TEST(Manifest, RefusesAFolder) { EXPECT_FALSE(LoadManifest("/").ok()); }

TEST(Manifest, RefusesMoreThanSixteenMebibytes) {
  const ManifestResult result = Parse(std::string((16 << 20) + 1, '#'));
  EXPECT_THAT(Errors(result), HasSubstr("more than 16"));
}

TEST(Manifest, BoundsWhatItSays) {
  std::string text = kHead;
  for (int i = 0; i < 20000; ++i) absl::StrAppend(&text, "x", i, ": 1\n");
  const ManifestResult result = Parse(text);
  EXPECT_LE(result.diagnostics.size(), 501u);
  EXPECT_THAT(result.diagnostics.back().message, HasSubstr("more like these"));
}

TEST(Manifest, ReadsIncludedFilesRelativeToTheirOwn) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "sluice-include";
  std::filesystem::create_directories(folder / "parts/more");
  std::ofstream(folder / "main.yaml") << kHead << "include: [parts/a.yaml]\n";
  std::ofstream(folder / "parts/a.yaml") << "include: [more/b.yaml]\n";
  std::ofstream(folder / "parts/more/b.yaml")
      << "hosts: {h: {adress: 10.0.0.2}}\n";
  const ManifestResult result = LoadManifest((folder / "main.yaml").string());
  ASSERT_EQ(result.sources.files.size(), 3u);
  EXPECT_THAT(Errors(result), HasSubstr("parts/more/b.yaml:1:13: error: host "
                                        "'h': unknown field 'adress'"));
  // The journal's copy says the same.
  EXPECT_EQ(Errors(ParseManifest(result.sources)), Errors(result));
  std::filesystem::remove_all(folder);
}

TEST(Diagnostics, AreJsonForTools) {
  const ManifestResult result = Parse("sluice: 1\nestaet: small\n");
  const auto json = nlohmann::json::parse(DiagnosticsJson(result));
  ASSERT_TRUE(json.is_array());
  bool found = false;
  for (const auto& one : json) {
    if (one["line"] != 2) continue;
    found = true;
    EXPECT_EQ(one["severity"], "error");
    EXPECT_EQ(one["file"], "manifest.yaml");
    EXPECT_EQ(one["column"], 1);
    EXPECT_THAT(std::string(one["message"]), HasSubstr("estate"));
  }
  EXPECT_TRUE(found);
}

TEST(Diagnostics, AreOneLineForTools) {
  const ManifestResult result = Parse("sluice: 1\nestaet: small\n");
  for (const Diagnostic& diagnostic : result.diagnostics) {
    const std::string line = FormatDiagnostic(result, diagnostic, false, false);
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
  }
}

TEST(Diagnostics, AreColouredOnlyWhenAsked) {
  const ManifestResult result = Parse("sluice: 1\nestaet: small\n");
  EXPECT_THAT(FormatDiagnostic(result, result.diagnostics[0], true, true),
              HasSubstr("\x1b[1;31m"));
}

// What a broken or hostile file may do: nothing.
TEST(Manifest, SurvivesEveryPrefixOfAGoodFile) {
  const ManifestResult good = CityUtility();
  const std::string& text = good.sources.files[0].text;
  for (size_t length = 0; length < text.size(); length += 29) {
    const ManifestResult result = Parse(text.substr(0, length));
    for (const Diagnostic& diagnostic : result.diagnostics) {
      EXPECT_FALSE(FormatDiagnostic(result, diagnostic, true, true).empty());
    }
  }
}

TEST(Manifest, SurvivesEveryByteTurnedIntoAnother) {
  const ManifestResult good = CityUtility();
  const std::string& text = good.sources.files[0].text;
  const std::string bytes = "\"'[]{}:,-&*!|>#%@`?\t\n\xff\x01 0";
  for (size_t at = 0; at < text.size(); at += 31) {
    std::string changed = text;
    changed[at] = bytes[(at / 31) % bytes.size()];
    const ManifestResult result = Parse(changed);
    EXPECT_LE(result.diagnostics.size(), 501u);
  }
}

TEST(Manifest, DoesNotGrowOnDeepOrWideNonsense) {
  for (const std::string piece :
       {"[", "{", "- ", "? ", "a: ", "a:\n ", "\"", "'", "&a ", "*a ", "!",
        "|\n", ": ", "- - ", "[]", "{},", "---\n", "%TAG\n", "<<: "}) {
    std::string text;
    while (text.size() < 20000) text += piece;
    const ManifestResult result = Parse(text);
    EXPECT_FALSE(result.ok()) << piece;
  }
}

}  // namespace
}  // namespace sluice
