// Promises that hold for any estate, tried on many small random ones.

#include <map>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "orchestrator/planner/forecast.h"
#include "orchestrator/planner/plan.h"
#include "tests/unit/planner/estate.h"

namespace sluice {
namespace {

using testing::Estate;

// Needs point at systems of a lower number only, so there is no cycle.
Estate RandomEstate(std::mt19937& random) {
  const auto pick = [&](int most) {
    return static_cast<int>(random() % static_cast<unsigned>(most));
  };
  Estate estate;
  const int hosts = 1 + pick(6);
  for (int i = 0; i < hosts; ++i) {
    const std::string n = std::to_string(i + 1);
    estate.AddHost("h" + n, {"10.0.0." + n, "fd00::" + n});
  }
  estate.AddExternal("citizens", {"0.0.0.0/0"});
  estate.AddExternal("pilot", {"10.9.0.0/24"});
  const int systems = 1 + pick(12);
  for (int i = 0; i < systems; ++i) {
    const std::string id = "s" + std::to_string(100 + (i * 37) % 89);
    System& system =
        estate.AddSystem(id, {"h" + std::to_string(1 + pick(hosts))},
                         {"p=" + std::to_string(1000 + i) + "/tcp"});
    system.category = pick(4) == 0 ? "foundation" : "billing";
    system.priority = static_cast<Priority>(pick(3));
    system.soak = absl::Seconds(pick(60));
    system.expected = absl::Seconds(pick(30));
    for (int n = 0; n < i; ++n) {
      if (pick(4) != 0) continue;
      const std::string other = "s" + std::to_string(100 + (n * 37) % 89);
      estate.Needs(id, other + ":p",
                   pick(4) == 0 ? Strength::kSoft : Strength::kHard);
    }
    if (pick(5) == 0) {
      estate.Serves(id, "pilot", "p");
      estate.Serves(id, "citizens", "p", {"pilot"});
    }
  }
  return estate;
}

TEST(AnyEstate, HasAPlanInWhichNeedsComeFirst) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    const auto plan = RandomEstate(random).Planned();
    std::map<StepId, size_t> position;
    for (size_t i = 0; i < plan->order.size(); ++i) {
      ASSERT_TRUE(position.emplace(plan->order[i], i).second);
    }
    ASSERT_EQ(position.size(), plan->steps.size());
    std::vector<StepId> by_stage;
    for (const PlannedStage& stage : plan->stages) {
      ASSERT_FALSE(stage.steps.empty());
      by_stage.insert(by_stage.end(), stage.steps.begin(), stage.steps.end());
    }
    ASSERT_EQ(by_stage, plan->order);
    for (const PlannedStep& step : plan->steps) {
      for (const StepNeed& need : step.needs) {
        if (need.strength == Strength::kSoft) continue;
        ASSERT_LT(position[need.step], position[step.id])
            << "round " << round << ": " << step.id.str();
      }
    }
  }
}

TEST(AnyEstate, HasOneDigestHoweverItIsWritten) {
  std::mt19937 random(2);
  for (int round = 0; round < 100; ++round) {
    Estate estate = RandomEstate(random);
    const auto plan = estate.Planned();
    const auto other = MakePlan(testing::Shuffled(estate.model, random));
    ASSERT_TRUE(other.ok());
    ASSERT_EQ((*other)->digest, plan->digest) << "round " << round;
  }
}

TEST(AnyEstate, IsNeverDelayedByTakingANeedAway) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    Estate estate = RandomEstate(random);
    // One stage for all systems: with default stages a need also decides who
    // comes in which stage.
    std::vector<std::string> all;
    for (const System& system : estate.model.systems) {
      all.push_back(system.id.str());
    }
    estate.AddStage("all", all);
    const auto before = Forecast(*estate.Planned(), WholeDuration);
    System* with_needs = nullptr;
    for (System& system : estate.model.systems) {
      if (!system.needs.empty()) with_needs = &system;
    }
    if (with_needs == nullptr) continue;
    with_needs->needs.pop_back();
    const auto after = Forecast(*estate.Planned(), WholeDuration);
    for (const auto& [step, back] : after.steps) {
      ASSERT_LE(back.high, before.steps.at(step).high) << step.str();
      ASSERT_LE(back.low, before.steps.at(step).low) << step.str();
    }
  }
}

TEST(AnyEstate, HasACriticalPathAsLongAsItsDuration) {
  std::mt19937 random(4);
  for (int round = 0; round < 200; ++round) {
    const auto plan = RandomEstate(random).Planned();
    // No chain is longer than the sum of its steps, and none shorter than
    // their parts without soak.
    absl::Duration most;
    absl::Duration least;
    for (const StepId& id : plan->critical_path) {
      const PlannedStep& step = *plan->FindStep(id);
      most += step.expected + step.soak;
      least += step.expected;
    }
    ASSERT_LE(plan->critical_duration, most);
    ASSERT_GE(plan->critical_duration, least);
    absl::Duration longest;
    for (const PlannedStep& step : plan->steps) {
      longest = std::max(longest, step.expected + step.soak);
    }
    ASSERT_GE(plan->critical_duration, longest);
  }
}

}  // namespace
}  // namespace sluice
