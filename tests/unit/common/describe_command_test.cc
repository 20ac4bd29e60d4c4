#include "common/describe_command.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace sluice {
namespace {

TEST(DescribeCommand, SaysWhatTheParserKnows) {
  CLI::App app{"Does\nthings.", "tool"};
  bool loud = false;
  std::string seen;
  std::vector<std::string> hosts;
  std::vector<std::string> files;
  app.add_flag("-l,--loud", loud, "say more");
  app.add_flag("--secret", loud, "not for people")->group("");
  CLI::App* sub = app.add_subcommand("copy", "files to hosts");
  sub->add_option("--host", hosts, "where to")
      ->required()
      ->type_name("HOST")
      ->take_all();
  sub->add_option("FILE", files, "what")->required();
  sub->add_option("SEEN,--seen", seen, "both ways");
  const auto all = nlohmann::json::parse(DescribeCommand(app));

  EXPECT_EQ(all["name"], "tool");
  EXPECT_EQ(all["about"], "Does things.");
  ASSERT_EQ(all["options"].size(), 2u);  // its --help, and not the hidden one
  const auto& loudly = all["options"][1];
  EXPECT_EQ(loudly["names"], nlohmann::json({"-l", "--loud"}));
  EXPECT_FALSE(loudly.contains("value"));

  ASSERT_EQ(all["commands"].size(), 1u);
  const auto& copy = all["commands"][0];
  EXPECT_EQ(copy["name"], "copy");
  const auto& host = copy["options"][1];
  EXPECT_EQ(host["names"], nlohmann::json({"--host"}));
  EXPECT_EQ(host["value"], "HOST");
  EXPECT_EQ(host["required"], true);
  EXPECT_EQ(host["many"], true);
  ASSERT_EQ(copy["words"].size(), 2u);
  EXPECT_EQ(copy["words"][0]["name"], "FILE");
  EXPECT_EQ(copy["words"][0]["many"], true);
  EXPECT_EQ(copy["words"][1]["name"], "SEEN");
  EXPECT_EQ(copy["options"][2]["names"], nlohmann::json({"--seen"}));
}

TEST(DescribeCommand, ComesBeforeAnythingThatIsRequired) {
  CLI::App app{"", "tool"};
  std::string config;
  app.add_option("--config", config)->required();
  AddDescribeFlag(app);
  testing::internal::CaptureStdout();
  EXPECT_THROW(app.parse(std::vector<std::string>{"--help-json"}),
               CLI::Success);
  const auto all =
      nlohmann::json::parse(testing::internal::GetCapturedStdout());
  EXPECT_EQ(all["options"][1]["names"], nlohmann::json({"--config"}));
}

}  // namespace
}  // namespace sluice
