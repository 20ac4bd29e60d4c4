#include "orchestrator/runtime/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kWhole[] = R"(manifest: manifest.yaml
journal: journal.db
listen: ["10.77.0.1:7443", "[fd77::1]:7443", "unix:operator.sock"]
certificate: server.crt
key: /etc/keys/server.key
authority: ca.crt
)";

absl::StatusOr<Config> Parse(const std::string& text) {
  return ParseConfig(text, "orchestrator.yaml", "/srv/sluice");
}

TEST(Config, ReadsPathsRelativeToItself) {
  const auto config = Parse(kWhole);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->manifest, "/srv/sluice/manifest.yaml");
  EXPECT_EQ(config->journal, "/srv/sluice/journal.db");
  EXPECT_EQ(config->key, "/etc/keys/server.key");
  EXPECT_THAT(config->listen, ElementsAre("10.77.0.1:7443", "[fd77::1]:7443",
                                          "unix:/srv/sluice/operator.sock"));
  EXPECT_EQ(config->heartbeat, absl::Seconds(1));
  EXPECT_TRUE(config->notify.empty());
}

TEST(Config, ReadsHeartbeatAndNotify) {
  const auto config = Parse(
      absl::StrCat(kWhole, "heartbeat: 500ms\nnotify: [bin/tell, duty]\n"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->heartbeat, absl::Milliseconds(500));
  EXPECT_THAT(config->notify, ElementsAre("/srv/sluice/bin/tell", "duty"));
}

TEST(Config, SaysWhereAndWhatIsWrong) {
  const struct {
    std::string text;
    std::string said;
  } kCases[] = {
      {"", "write one 'key: value'"},
      {"manifest: [", "this is no YAML"},
      {absl::StrCat(kWhole, "jurnal: x\n"), "yaml:7:1: 'jurnal' is not known"},
      {absl::StrCat(kWhole, "key: x\n"), "yaml:7:1: 'key' stands here twice"},
      {absl::StrCat(kWhole, "heartbeat: 1h\n"), "yaml:7:12: a time from"},
      {absl::StrCat(kWhole, "notify: mail duty\n"), "yaml:7:9: a list"},
      {"manifest: m\n", "'journal' is missing"},
      {"listen: 10.0.0.1:1\n", "a list of addresses"},
      {absl::StrCat("listen: [\"unix:", std::string(200, 'x'), "\"]\n"),
       "longer than the 107 bytes"}};
  for (const auto& one : kCases) {
    EXPECT_THAT(Parse(one.text).status().message(), HasSubstr(one.said));
  }
}

TEST(Config, TellsAFileThatIsNotThere) {
  const auto config = ReadConfig("/nowhere/orchestrator.yaml");
  EXPECT_EQ(config.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(config.status().message(), HasSubstr("No such file"));
  EXPECT_FALSE(ReadConfig("/").ok());
}

}  // namespace
}  // namespace sluice::runtime
