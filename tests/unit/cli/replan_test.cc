// `sluice replan` against a service behind mutual TLS.

#include "orchestrator/cli/replan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/init.h"
#include "orchestrator/cli/program.h"
#include "orchestrator/manifest/manifest.h"
#include "tests/unit/cli/fake_operator.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kManifest[] = R"(sluice: 1
estate: small
management: {orchestrators: ["10.9.0.1:7443"], operators: [10.9.0.1]}
approvers:
  duty-commander: {roles: [incident-commander]}
hosts:
  db-1: {address: [10.9.0.11]}
systems:
  database:
    category: data
    hosts: [db-1]
    ports: {postgres: 5432/tcp}
    health: [{tcp: postgres}]
    soak: 5s
)";

class Replanning : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);
    unsetenv("SLUICE_CLIENT");
    const auto made = Init(SmallPlan(), {}, {.out = dir_.path()});
    ASSERT_TRUE(made.ok()) << made.status();
    std::ofstream(client_) << "orchestrators: "
                              "[\"unix:../../orchestrator/operator.sock\"]\n"
                              "operator: duty-commander\n"
                              "authority: ca.crt\n";
    std::ofstream(new_) << absl::StrReplaceAll(kManifest,
                                               {{"soak: 5s", "soak: 9s"}});
    ManifestSources sources;
    sources.files.push_back({"small.yaml", kManifest});
    const auto plan = MakePlan(ParseManifest(sources).model);
    ASSERT_TRUE(plan.ok());
    v1::ManifestFile* file = service_.manifest.add_files();
    file->set_name("small.yaml");
    file->set_text(kManifest);
    service_.manifest.set_plan_digest((*plan)->digest);
    service_.manifest.set_plan_number(1);
    old_digest_ = (*plan)->digest;

    service_.preview.set_plan_number(2);
    service_.preview.set_run("2026-11-21-1");
    v1::PlanEffect* step = service_.preview.add_steps();
    step->set_name("database");
    step->set_fate("closes");
    step->set_state("soaking");
    step->set_text("plan 2 changes its soak");
    v1::PlanEffect* gate = service_.preview.add_gates();
    gate->set_name("data");
    gate->set_fate("void");
    service_.Serve(dir_.path());
  }

  // As at a terminal when `typed` is given.
  int Run(std::vector<std::string> arguments, const char* typed = nullptr) {
    out_.str("");
    err_.str("");
    std::istringstream in(typed == nullptr ? "" : typed);
    Terminal terminal;
    terminal.in = &in;
    terminal.out = &out_;
    terminal.err = &err_;
    terminal.can_ask = typed != nullptr;
    arguments.insert(arguments.begin() + 1, {"--client", client_});
    return RunSluice(arguments, terminal);
  }
  bool Adopted() const { return service_.adopted.files_size() > 0; }

  TempDir dir_;
  std::string client_ = dir_ / "operators/duty-commander/client.yaml";
  std::string new_ = dir_ / "new.yaml";
  std::string old_digest_;
  FakeOperator service_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(Replanning, ShowsWhatChangesAndAsksForTheWord) {
  EXPECT_EQ(Run({"replan", new_}, "yes\n"), kMistakes);
  EXPECT_FALSE(Adopted());
  EXPECT_THAT(out_.str(), HasSubstr("soak: 5s becomes 9s"));
  EXPECT_THAT(out_.str(), HasSubstr("Run 2026-11-21-1 under plan 2\n"
                                    "  0 of 1 steps go on as they are\n"
                                    "  1 close now, and their gates ask again\n"
                                    "      database\n"
                                    "      (database: plan 2 changes its "
                                    "soak)\n"
                                    "  gate data asks anew; decisions are "
                                    "void\n"));
  EXPECT_THAT(err_.str(), HasSubstr("nothing was changed"));

  EXPECT_EQ(Run({"replan", new_}, "replan\n"), kDone);
  ASSERT_TRUE(Adopted());
  EXPECT_EQ(service_.adopted.from_digest(), old_digest_);
  EXPECT_NE(service_.adopted.plan_digest(), old_digest_);
  EXPECT_THAT(service_.adopted.files(0).text(), HasSubstr("soak: 9s"));
  EXPECT_THAT(out_.str(), HasSubstr("put plan 2 in force"));
}

TEST_F(Replanning, ChangesNothingWithoutATerminalUnlessToldTo) {
  EXPECT_EQ(Run({"replan", new_}), kMistakes);
  EXPECT_FALSE(Adopted());
  EXPECT_THAT(err_.str(), HasSubstr("--yes"));
  EXPECT_EQ(Run({"replan", new_, "--dry-run", "--yes"}), kDone);
  EXPECT_FALSE(Adopted());
  EXPECT_EQ(Run({"replan", new_, "--yes"}), kDone);
  EXPECT_TRUE(Adopted());
}

TEST_F(Replanning, GivesProgramsBothTheDifferenceAndItsEffects) {
  EXPECT_EQ(Run({"replan", new_, "--json"}), kDone);
  EXPECT_FALSE(Adopted());
  const auto shown = nlohmann::json::parse(out_.str());
  EXPECT_EQ(shown["preview"]["steps"][0]["fate"], "closes");
  EXPECT_EQ(shown["diff"]["old_digest"], old_digest_);
  EXPECT_FALSE(shown.contains("accepted"));
  EXPECT_EQ(Run({"replan", new_, "--json", "--yes"}), kDone);
  EXPECT_TRUE(Adopted());
  EXPECT_TRUE(nlohmann::json::parse(out_.str()).contains("accepted"));
}

TEST_F(Replanning, StopsWhereTheManifestOrTheOrchestratorIsNotAsItSays) {
  std::ofstream(new_) << "sluice: 1\n";
  EXPECT_EQ(Run({"replan", new_, "--yes"}), kMistakes);
  std::ofstream(new_) << kManifest;
  service_.manifest.set_plan_digest("sha256:of another");
  EXPECT_NE(Run({"replan", new_, "--yes"}), kDone);
  EXPECT_THAT(err_.str(), HasSubstr("makes another plan"));
  EXPECT_FALSE(Adopted());
}

TEST(PreviewText, SaysThatNothingHappensWithoutARun) {
  EXPECT_THAT(PreviewText(v1::PlanPreview(), 80, Paint(false)),
              HasSubstr("No run is active"));
}

}  // namespace
}  // namespace sluice::cli
