#include <gmock/gmock.h>

#include "tests/unit/runtime/fakes.h"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class SensorAnew : public World {};

// S5 closes; but what a sensor held is not put aside without a record of who
// wanted it.
TEST_F(SensorAnew, IsOrderedOnlyWhenItIsRecorded) {
  Attach(db_);
  engine::IsolationOrdered anew;
  anew.by = OperatorId("duty-commander");
  anew.scope = engine::IsolationOrdered::Scope::kHost;
  anew.host = db_;
  anew.reason = "cleaned";
  anew.sensor_anew = true;
  anew.roles = {RoleId("incident-commander")};
  const auto act = [this] {
    EXPECT_EQ(link_->sent.size(), 1u);
    return std::get<engine::IsolateHost>(link_->sent.back().order.what)
        .sensor_anew;
  };
  link_->sent.clear();
  const auto recorded = Ask(anew, true);
  Turn();
  EXPECT_THAT(act(), Not(IsEmpty()));
  ASSERT_TRUE(recorded->has_value());
  EXPECT_THAT((*recorded)->message, HasSubstr("its sensor begins anew"));
  ObeyIsolations();
  Turn();

  journal_.FailWith(absl::ResourceExhaustedError("the disk is full"));
  link_->sent.clear();
  const auto answer = Ask(anew, true);
  Turn();
  EXPECT_THAT(act(), IsEmpty());
  ASSERT_TRUE(answer->has_value());
  EXPECT_FALSE((*answer)->recorded);
}

}  // namespace
}  // namespace sluice::runtime
