// People who work points by hand: one pair of hands a point, the oldest task
// first, as far as it was seen. They come late or never, cannot do it, do it
// and do not say so, say it and have not done it, say it twice, say nothing of
// what they saw, or are not who it is for; after the healing they do it.

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/simulation/people.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

const OperatorId kStranger("somebody-else");

bool IsFor(const Approver& approver, const RoleId& owner) {
  return owner.empty() ||
         std::find(approver.roles.begin(), approver.roles.end(), owner) !=
             approver.roles.end();
}

}  // namespace

void People::Say(const engine::PointTaskView& task, const OperatorId& by,
                 bool done, const std::string& saw, absl::Duration wait) {
  engine::PointReported word;
  word.host = task.host;
  word.task = task.id;
  word.order = task.order;
  word.by = by;
  word.roles = RolesOf(by);
  word.done = done;
  word.saw = saw;
  world_.agenda().After(wait, [this, word] {
    world_.Trace("people", word.by.str(), " says of ", word.task.str(), ": ",
                 word.done ? "done" : "not done", ", '", word.saw, "'");
    Ask(word);
  });
}

void People::WorkByHand(const engine::View& view) {
  std::set<HostId> seen;
  for (const engine::PointTaskView& task : view.point_tasks) {
    if (!seen.insert(task.host).second) continue;
    if (world_.now() < at_work_[task.host]) continue;
    Take(task);
  }
}

void People::Take(const engine::PointTaskView& task) {
  std::vector<OperatorId> those;
  std::vector<OperatorId> others = {kStranger};
  for (const Approver& approver : world_.plan().approvers) {
    (IsFor(approver, task.owner) ? those : others).push_back(approver.id);
  }
  const OperatorId by = hands_.Pick(those);
  const absl::Duration comes = Patience(hands_);
  const absl::Duration says =
      comes + hands_.Time(absl::Milliseconds(100), absl::Seconds(3));
  absl::Duration over = says + absl::Seconds(1);
  const auto act = [&] {
    world_.agenda().After(comes, [this, task, by] {
      world_.Trace(task.host.str(), by.str(), " does ", task.id.str());
      world_.host(task.host).appliance().Do(task);
    });
  };
  const int mood = diligent_ ? 100 : hands_.Between(0, 99);
  if (mood < 8) {
    over = absl::Seconds(40);  // nobody comes
  } else if (mood < 18) {
    Say(task, by, false, "the cabinet is locked", says);
  } else if (mood < 26) {
    Say(task, hands_.Pick(others), true, "not mine", says);
  } else if (mood < 32) {
    Say(task, by, true, "looked at the wrong one", says);
  } else if (mood < 36) {
    act();
    Say(task, by, true, "", says);
  } else if (mood < 44) {
    act();
    over = says + absl::Seconds(30);  // and goes home
  } else {
    act();
    Say(task, by, true, "the lamp", says);
    if (mood < 54) {
      Say(task, by, hands_.Percent(70), "the lamp, again",
          says + hands_.Time(absl::ZeroDuration(), absl::Seconds(20)));
    }
  }
  at_work_[task.host] = world_.now() + over;
}

// Nobody's program looks at such a point: somebody does, and skips its checks.
void People::LookInstead(const engine::View& view) {
  for (const engine::StepView& step : view.steps) {
    const auto is_waived = [&](const CheckId& check) {
      return std::any_of(step.notes.begin(), step.notes.end(),
                         [&](const std::string& note) {
                           return absl::StrContains(note, "waived until") &&
                                  absl::StrContains(note, check.str());
                         });
    };
    // Now and then somebody extends what is waived already.
    const bool again = !diligent_ && hands_.Percent(5);
    const bool wanted = std::any_of(
        step.checks.begin(), step.checks.end(), [&](const auto& check) {
          return absl::StrContains(check.result.reason,
                                   "nobody's program looks at") &&
                 (again || !is_waived(check.id));
        });
    const bool waits =
        step.state != "reconnected" &&
        (wanted ||
         (step.state != "soaking" &&
          absl::StrContains(step.reason, "nobody's program looks at")));
    absl::Time& until = looked_[step.id];
    if (!waits || world_.now() < until) continue;
    const absl::Duration comes = Patience(hands_);
    until = world_.now() + comes + absl::Seconds(10);
    engine::WaiverGiven waiver;
    waiver.step = step.id;
    waiver.by = hands_.Pick(world_.plan().approvers).id;
    waiver.roles = RolesOf(waiver.by);
    waiver.reason = "looked at it";
    const absl::Duration lasts =
        diligent_ ? absl::Hours(3)
                  : hands_.Time(absl::Seconds(20), absl::Minutes(10));
    world_.agenda().After(comes, [this, waiver, lasts]() mutable {
      world_.Trace("people", waiver.by.str(), " looks at ", waiver.step.str());
      waiver.until = told_at_ + lasts;
      Ask(waiver);
    });
  }
}

}  // namespace sluice::simulation
