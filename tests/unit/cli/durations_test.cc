// What past runs took: shown, written as JSON and read again.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "orchestrator/cli/durations_command.h"
#include "tests/unit/cli/golden.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;

v1::Durations Some() {
  v1::Durations durations;
  v1::StepDurations* step = durations.add_steps();
  step->set_step("billing-db");
  for (const int64_t ms : {4200, 70'000, 6500}) step->add_took_ms(ms);
  v1::GateDurations* gate = durations.add_gates();
  gate->set_gate("data");
  for (const int64_t ms : {720'000, 1'036'800'000}) gate->add_waited_ms(ms);
  return durations;
}

TEST(Durations, ReadWhatTheyWrote) {
  const auto read = ParseDurations(DurationsJson(Some()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(DurationsJson(*read), DurationsJson(Some()));
  EXPECT_EQ(read->gates(0).waited_ms(1), 1'036'800'000);
}

TEST(Durations, AreReadWithoutTheirWrapping) {
  const auto read = ParseDurations(R"({"steps": ["4s", "1m10s"]})");
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->steps_size(), 1);  // a system of that name
  EXPECT_EQ(read->steps(0).step(), "steps");
  EXPECT_EQ(read->steps(0).took_ms(1), 70'000);
}

TEST(Durations, SayWhatIsWrongWithThem) {
  const auto why = [](const std::string& json) {
    return std::string(ParseDurations(json).status().message());
  };
  EXPECT_THAT(why("[1]"), HasSubstr("no JSON object"));
  EXPECT_THAT(why("{\"a\": "), HasSubstr("no JSON object"));
  EXPECT_THAT(why(R"({"db": 3})"), HasSubstr("db has no list of durations"));
  EXPECT_THAT(why(R"({"db": [3]})"),
              HasSubstr("something that is no duration"));
  EXPECT_THAT(why(R"({"db": ["3"]})"), HasSubstr("has no unit"));
  EXPECT_THAT(why(R"({"steps": {}, "gates": 3})"), HasSubstr("gates"));
}

TEST(Durations, AreATable) {
  const std::string text = DurationsText(Some(), Paint(false));
  EXPECT_THAT(text, HasSubstr("Machines: connecting and probing"));
  EXPECT_THAT(text, HasSubstr("3       6.5s      1m10s"));
  EXPECT_THAT(text, HasSubstr("2        12m       288h"));
  ExpectFits(text);
  EXPECT_THAT(DurationsText({}, Paint(false)),
              HasSubstr("Nothing was measured yet"));
}

}  // namespace
}  // namespace sluice::cli
