#include "orchestrator/runtime/refusals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/runtime/fakes.h"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using What = Refusals::What;

const absl::Time kStart = absl::FromUnixSeconds(1'795'255'200);

TEST(Refusals, TheFirstIsWrittenAtOnceAndTheRestOfTheMinuteInOne) {
  Refusals refusals;
  refusals.Note(What::kLogin, "10.77.0.66", "another key");
  auto due = refusals.Take(kStart);
  ASSERT_THAT(due, SizeIs(1));
  EXPECT_EQ(due[0].address, "10.77.0.66");
  EXPECT_EQ(due[0].logins, 1u);

  for (int i = 0; i < 40; ++i) {
    refusals.Note(What::kToken, "10.77.0.66", "the token is not good");
  }
  refusals.Note(What::kCall, "10.77.0.66", "nobody is logged in");
  EXPECT_THAT(refusals.Take(kStart + absl::Seconds(59)), IsEmpty());
  due = refusals.Take(kStart + absl::Seconds(60));
  ASSERT_THAT(due, SizeIs(1));
  EXPECT_EQ(due[0].logins, 0u);
  EXPECT_EQ(due[0].tokens, 40u);
  EXPECT_EQ(due[0].calls, 1u);
  EXPECT_EQ(due[0].last, "nobody is logged in");
  EXPECT_THAT(refusals.Take(kStart + absl::Hours(1)), IsEmpty());
}

TEST(Refusals, OfTooManyAddressesTheRestIsOneRecordThatCountsThem) {
  Refusals refusals;
  for (int i = 0; i < 500; ++i) {
    refusals.Note(What::kCall, absl::StrCat("fd77::", i), "nobody");
    refusals.Note(What::kCall, absl::StrCat("fd77::", i), "nobody");
  }
  const auto due = refusals.Take(kStart);
  ASSERT_THAT(due, SizeIs(Refusals::kNamed + 1));
  EXPECT_EQ(due.back().address, "");
  EXPECT_EQ(due.back().addresses, 500 - Refusals::kNamed);
  EXPECT_EQ(due.back().calls, 2 * (500 - Refusals::kNamed));
}

TEST(Refusals, ADayOfStrangersIsAFewThousandRecordsAndMissesNone) {
  Refusals refusals;
  uint64_t noted = 0;
  uint64_t written = 0;
  size_t records = 0;
  for (int second = 0; second < 24 * 60 * 60; ++second) {
    for (int i = 0; i < 20; ++i) {
      refusals.Note(What::kLogin, absl::StrCat(second % 997, ".", i), "no");
      ++noted;
    }
    for (const auto& one : refusals.Take(kStart + absl::Seconds(second))) {
      ++records;
      written += one.logins;
    }
  }
  for (const auto& one : refusals.Take(kStart + absl::Hours(25))) {
    written += one.logins;
  }
  EXPECT_EQ(written, noted);
  EXPECT_LE(records, 10'200u);
}

TEST(Refusals, WhoIsNotKnownIsNotNamed) {
  Refusals refusals;
  refusals.Note(What::kCall, "", "there is no such call");
  const auto due = refusals.Take(kStart);
  ASSERT_THAT(due, SizeIs(1));
  EXPECT_EQ(due[0].address, "");
  EXPECT_EQ(due[0].addresses, 0u);
}

TEST(Refusals, AStrangersWordsAreKeptShortAndPlain) {
  Refusals refusals;
  refusals.Note(What::kCall, "a", std::string(5000, '\x9b'));
  EXPECT_EQ(refusals.Take(kStart).at(0).last,
            std::string(Refusals::kLongestReason, '?'));
}

class RefusalsInTheLoop : public World {};

TEST_F(RefusalsInTheLoop, AreOnDiskSurviveAReplayAndAreShown) {
  const size_t before = journal_.records().size();
  loop_->inbox().refusals().Note(What::kLogin, "10.77.0.66", "another key");
  Turn();
  ASSERT_EQ(journal_.records().size(), before + 1);
  loop_->inbox().refusals().Note(What::kToken, "10.77.0.66", "used before");
  loop_->inbox().refusals().Note(What::kToken, "10.77.0.66", "used before");
  Turn();
  EXPECT_EQ(journal_.records().size(), before + 1) << "one a minute";
  Turn(absl::Minutes(1));
  ASSERT_EQ(journal_.records().size(), before + 2);

  const std::string shown = loop_->Look().engine.MakeView(now_).refused;
  EXPECT_THAT(shown, HasSubstr("1 login and 2 enrolments were refused since"));
  EXPECT_THAT(shown, HasSubstr("from 10.77.0.66: used before"));
  const auto lines = loop_->Look().history.From(0, 100);
  EXPECT_THAT(lines.back().text,
              HasSubstr("2 enrolments were refused from 10.77.0.66"));

  const auto replayed = Replay(journal_, LoadPlan);
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  EXPECT_EQ(replayed->engine.StateDigest(), loop_->Look().engine.StateDigest());
  EXPECT_EQ(replayed->engine.MakeView(now_).refused, shown);
  EXPECT_EQ(replayed->engine.MakeView(now_ + absl::Hours(1)).refused, "");
}

TEST_F(RefusalsInTheLoop, WaitWhileNothingCanBeRecorded) {
  loop_->inbox().refusals().Note(What::kLogin, "10.77.0.66", "another key");
  Turn();
  journal_.FailWith(absl::ResourceExhaustedError("the disk is full"));
  IsolateAll();
  Turn(absl::Minutes(2));
  loop_->inbox().refusals().Note(What::kLogin, "10.77.0.66", "another key");
  Turn(absl::Minutes(2));
  const size_t before = journal_.records().size();
  journal_.FailWith(absl::OkStatus());
  Turn(absl::Minutes(2));
  Turn(absl::Seconds(2));
  EXPECT_THAT(loop_->Look().engine.MakeView(now_).refused,
              HasSubstr("2 logins"));
  EXPECT_GT(journal_.records().size(), before);
}

}  // namespace
}  // namespace sluice::runtime
