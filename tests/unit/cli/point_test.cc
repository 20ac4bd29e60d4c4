// `sluice task`: what people are asked to do by hand, and what they sign.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/decision_text.h"
#include "common/sshsig.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/files.h"
#include "orchestrator/cli/init.h"
#include "orchestrator/cli/point_commands.h"
#include "orchestrator/cli/program.h"
#include "tests/unit/cli/fake_operator.h"
#include "tests/unit/cli/golden.h"
#include "tests/unit/cli/honest_gate.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::PointTask OpenTask() {
  v1::PointTask task;
  task.set_id("plc-1/open-4");
  task.set_host("plc-1");
  task.set_order("2026-11-21-1:0a1b2c3d/120/3");
  task.set_verb("open");
  task.set_what("open 1 flow at plc-1");
  task.set_instructions(
      "Cabinet 4, hall B:\n  plug the blue cable into port 7.");
  task.set_owner("network-operator");
  v1::PointFlow* flow = task.add_flows();
  flow->set_from("app-1");
  flow->set_to("plc-1");
  flow->set_flow("tcp 10.77.0.31 10.9.0.5 502");
  task.set_release(Sha256("the body"));
  task.set_since_ms(1'795'284'000'000);
  return task;
}

class PointCommands : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);
    ManifestSources sources;
    sources.files.push_back({"manifest.yaml", kHonestManifest});
    const auto made = Init(**MakePlan(ParseManifest(sources).model), {},
                           {.out = dir_.path()});
    ASSERT_TRUE(made.ok()) << made.status();
    client_ = dir_ / "operators/duty-commander/client.yaml";
    std::ofstream(client_) << "orchestrators: "
                              "[\"unix:../../orchestrator/operator.sock\"]\n"
                              "operator: duty-commander\n"
                              "authority: ca.crt\n"
                              "signing-key: id\n";
    key_ = dir_ / "operators/duty-commander/id";
    ASSERT_EQ(std::system(
                  absl::StrCat("ssh-keygen -q -t ed25519 -N '' -f '", key_, "'")
                      .c_str()),
              0);
    fake_.status = Canned<v1::Status>("billing-failed.status.textproto");
    *fake_.status.add_point_tasks() = OpenTask();
    fake_.Serve(dir_.path());
  }

  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin() + 2, {"--client", client_});
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    Terminal terminal{.in = &in, .out = &out, .err = &err};
    const int code = RunSluice(arguments, terminal);
    out_ = out.str();
    err_ = Flat(err.str());
    if (!absl::StrContains(out_, "{")) ExpectFits(out_);
    return code;
  }
  bool Signed(const std::string& text) {
    const auto key = ReadWholeFile(key_ + ".pub", 4096);
    return SshVerifier()
        .Verify(*key, signed_as::kPoint, text, fake_.reported.signature())
        .ok();
  }
  PointText Text() {
    return {.estate = EstateId(fake_.status.estate()),
            .run = RunId(fake_.status.run().id()),
            .point = HostId("plc-1"),
            .task = TaskId("plc-1/open-4"),
            .order = OpenTask().order(),
            .verb = "open",
            .release_digest = OpenTask().release(),
            .flows = {*Flow::Parse("tcp 10.77.0.31 10.9.0.5 502")},
            .done = true,
            .saw = "the lamp is green"};
  }

  TempDir dir_;
  std::string client_;
  std::string key_;
  FakeOperator fake_;
  std::string out_;
  std::string err_;
};

TEST_F(PointCommands, ListsWhatWhyUnderWhatAndHow) {
  EXPECT_EQ(Run({"task", "list"}), kDone) << err_;
  ExpectGolden("task-list.txt", out_);
  EXPECT_EQ(Run({"task", "list", "--json"}), kDone);
  EXPECT_EQ(nlohmann::json::parse(out_)["point_tasks"][0]["flows"][0]["to"],
            "plc-1");
  fake_.status.clear_point_tasks();
  EXPECT_EQ(Run({"task", "list"}), kDone);
  EXPECT_THAT(out_, HasSubstr("Nothing is to be done by hand"));
}

TEST_F(PointCommands, SignExactlyWhatWasAskedAndSeen) {
  EXPECT_EQ(Run({"task", "done", "plc-1/open-4", "--saw", "the lamp is green"}),
            kDone)
      << err_;
  EXPECT_TRUE(fake_.reported.done());
  EXPECT_EQ(fake_.reported.saw(), "the lamp is green");
  EXPECT_TRUE(Signed(Text().Body()));
  EXPECT_THAT(out_, HasSubstr("you sign that you did this"));
  EXPECT_THAT(out_, HasSubstr("tcp 10.77.0.31 10.9.0.5 502"));
  EXPECT_EQ(Run({"task", "failed", "plc-1/open-4", "--reason", "no cable"}),
            kDone);
  PointText text = Text();
  text.done = false;
  text.saw = "no cable";
  EXPECT_FALSE(fake_.reported.done());
  EXPECT_TRUE(Signed(text.Body()));
  EXPECT_FALSE(Signed(Text().Body()));
}

TEST_F(PointCommands, SignNothingThatIsNotAsked) {
  EXPECT_EQ(Run({"task", "done", "plc-1/open-3", "--saw", "it"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("did you mean 'plc-1/open-4'?"));
  EXPECT_EQ(Run({"task", "done", "plc-1/open-4"}), kUsage);
  fake_.status.mutable_point_tasks(0)->mutable_flows(0)->set_flow("anything");
  EXPECT_NE(Run({"task", "done", "plc-1/open-4", "--saw", "it"}), kDone);
  EXPECT_EQ(fake_.reported.task(), "");
}

TEST_F(PointCommands, AreNoWayForControlCharactersToTheTerminal) {
  fake_.status.mutable_point_tasks(0)->set_instructions("a\x1b[2Jb\nc");
  fake_.status.mutable_point_tasks(0)->set_what("\x1b]0;x\x07");
  EXPECT_EQ(Run({"task", "list"}), kDone);
  EXPECT_THAT(out_, Not(HasSubstr("\x1b[2J")));
  EXPECT_THAT(out_, Not(HasSubstr("\x07")));
}

TEST_F(PointCommands, StandInTheStatusAndAtTheHost) {
  v1::Host* host = fake_.status.add_hosts();
  host->set_id("plc-1");
  host->set_link("manual");
  host->set_enforcement("manual");
  host->set_fence("quarantined");
  host->set_said(
      "closed, said by cabinet-keeper at 10:41 UTC, not measured: dark");
  host->set_text(host->said());
  host->mutable_not_kept()->set_host("plc-1");
  host->mutable_not_kept()->set_text(
      "plc-1 is manual: people open and close its flows (S1 to S5 are kept by "
      "them alone)");
  EXPECT_EQ(Run({"status", "--json"}), kDone);
  std::istringstream in;
  EXPECT_EQ(Run({"show", "plc-1"}), kDone) << err_;
  ExpectGolden("show-manual.txt", out_);
}

}  // namespace
}  // namespace sluice::cli
