#include "orchestrator/runtime/durations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

using engine::Output;
using engine::Progress;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using What = engine::Progress::What;

const StepId kDatabase("database");

class DurationsTest : public ::testing::Test {
 protected:
  void See(int second, What what, const StepId& step = kDatabase) {
    Output output;
    output.progress.push_back(Progress{step, what});
    Note(second, engine::TimePassed{}, output);
  }
  void Note(int second, const engine::Event& event, const Output& output = {}) {
    durations_.Note(event, output, absl::UnixEpoch() + absl::Seconds(second));
  }
  Durations durations_;
};

TEST_F(DurationsTest, AreFromConnectingToHealthy) {
  See(10, What::kBegun);
  See(11, What::kBegun, StepId("directory"));
  See(14, What::kHealthy);
  See(20, What::kHealthy, StepId("directory"));
  EXPECT_THAT(durations_.steps().at(kDatabase), ElementsAre(absl::Seconds(4)));
  EXPECT_THAT(durations_.steps().at(StepId("directory")),
              ElementsAre(absl::Seconds(9)));
}

TEST_F(DurationsTest, CountFromTheLastBeginning) {
  See(10, What::kBegun);
  See(50, What::kBegun);  // its agent was away
  See(53, What::kHealthy);
  See(60, What::kHealthy);  // of nothing begun
  EXPECT_THAT(durations_.steps().at(kDatabase), ElementsAre(absl::Seconds(3)));
}

TEST_F(DurationsTest, LeaveOutWhatWaitedForSomebody) {
  See(10, What::kBegun);
  See(11, What::kStopped);
  See(90, What::kHealthy);
  See(100, What::kBegun);
  Note(101, engine::RunPaused{});
  See(900, What::kHealthy);
  See(1000, What::kBegun);
  Note(1001, engine::ReignBegan{});
  See(9000, What::kHealthy);
  EXPECT_THAT(durations_.steps(), IsEmpty());
}

TEST_F(DurationsTest, KeepTheNewest) {
  for (int i = 0; i < 60; ++i) {
    See(1000 * i, What::kBegun);
    See(1000 * i + i, What::kHealthy);
  }
  const Durations::List& list = durations_.steps().at(kDatabase);
  EXPECT_EQ(list.size(), Durations::kMostEach);
  EXPECT_EQ(list.front(), absl::Seconds(10));
  EXPECT_EQ(list.back(), absl::Seconds(59));
}

TEST_F(DurationsTest, TellPeoplesWaitingApart) {
  Output output;
  output.released.push_back({StageId("data"), absl::Minutes(12)});
  Note(10, engine::TimePassed{}, output);
  EXPECT_THAT(durations_.gates().at(StageId("data")),
              ElementsAre(absl::Minutes(12)));
  EXPECT_THAT(durations_.steps(), IsEmpty());
}

}  // namespace
}  // namespace sluice::runtime
