#include "common/help_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"

namespace sluice {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::SizeIs;

TEST(HelpFormat, BreaksBetweenWords) {
  CLI::App app{
      "Says at some length what it is for, so that its first line would be "
      "much longer than people's terminals are.",
      "tool"};
  FitHelp(app);
  bool dry = false;
  std::string flow;
  app.add_option("FLOW", flow, "the flow");
  CLI::App* command = app.add_subcommand(
      "move", "move what was copied before to where somebody wants to have it");
  command->add_flag("--dry-run", dry,
                    "print what it would do, every line of it, and do nothing");
  for (const std::string& help : {app.help(), command->help()}) {
    EXPECT_THAT(std::vector<std::string>(absl::StrSplit(help, '\n')),
                Each(SizeIs(Le(80u))))
        << help;
  }
  EXPECT_THAT(app.help(), HasSubstr("would be much longer\nthan people"));
  EXPECT_THAT(app.help(),
              HasSubstr("  move                        move what was copied "
                        "before to where somebody\n"
                        "                              wants to have it\n"));
  EXPECT_THAT(command->help(),
              HasSubstr("  --dry-run                   print what it would do, "
                        "every line of it, and do\n"
                        "                              nothing\n"));
}

TEST(HelpFormat, LeavesAWordThatIsLongerThanALine) {
  CLI::App app{"", "tool"};
  FitHelp(app);
  std::string file;
  const std::string word(70, 'x');
  app.add_option("--file", file, "see " + word + " for more");
  EXPECT_THAT(app.help(), HasSubstr(word + "\n"));
  EXPECT_THAT(app.help(), HasSubstr(" see\n"));
}

}  // namespace
}  // namespace sluice
