// A person had the sensor of this host begin anew: it was cleaned, and is to be
// watched again.
//
// Nothing is hidden by it (S9): what the sensor held is on disk before it is
// emptied, and is said with every inspection from then on. And nothing waits
// for it (S5): the fence is up before, and where the account cannot be kept the
// sensor goes on as it was.

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/core/agent_core.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxAct = 80;

SensorPast CopyOf(const std::shared_ptr<const SensorPast>& past) {
  return past == nullptr ? SensorPast() : *past;
}

}  // namespace

// Ordered again, because its answer was lost perhaps, the same act does not
// empty the sensor a second time.
void AgentCore::BeginSensor(const IsolateHost& what, Job& job) const {
  if (what.sensor_anew.empty()) return;
  if (state_.past != nullptr && state_.past->Did(what.sensor_anew)) return;
  if (!options_.driven_by.empty()) {
    job.report.reason = "it has no sensor that could begin anew";
    return;
  }
  if (!IsName(what.sensor_anew) || what.sensor_anew.size() > kMaxAct) {
    job.report.reason =
        "its sensor goes on: the order to begin it anew has no usable name";
    return;
  }
  job.sensor = SensorStep::kFence;
  job.past_before = state_.past;
  job.begins = {.act = what.sensor_anew,
                .reason = state_.reason,
                .quarantine_number = state_.quarantine_number};
}

// The fence has answered a call of a job whose sensor begins anew.
void AgentCore::OnSensorRead(const FenceDone& event) {
  Job& job = *job_;
  if (job.failed || job.report.outcome != Outcome::kDone) {
    KeepSensor("");
    return;
  }
  SensorPast past = CopyOf(state_.past);
  switch (job.sensor) {
    case SensorStep::kNone:
    case SensorStep::kSave:
      return;
    case SensorStep::kFence:
    case SensorStep::kLook:
      // Not beside what it held a moment ago, which is the same.
      past = CopyOf(job.past_before);
      past.Add(event.reading.attempts, event.notes.value_or(SensorNotes()));
      if (event.notes.has_value()) job.begins.at = event.notes->taken;
      past.Begin(job.begins);
      if (job.sensor == SensorStep::kFence) {
        job.sensor = SensorStep::kSave;
      } else {
        FenceRules rules = RulesWithoutLeases();
        rules.sensor_anew = true;
        job.calls.push_back(fence::Replace{std::move(rules)});
        job.sensor = SensorStep::kEmpty;
      }
      break;
    case SensorStep::kEmpty:
      job.begins.done = true;
      past.Begin(job.begins);
      job.sensor = SensorStep::kNone;
      Say("its sensor was begun anew; what it held is kept");
      break;
  }
  state_.past = std::make_shared<const SensorPast>(std::move(past));
}

// What the sensor held is on disk, or cannot be put there.
void AgentCore::OnPastSaved(const absl::Status& status) {
  if (!status.ok()) {
    KeepSensor(absl::StrCat("what it held could not be written down (",
                            status.message(), ")"));
    return;
  }
  // Meanwhile it went on.
  job_->calls.push_back(fence::Read{});
  job_->sensor = SensorStep::kLook;
}

void AgentCore::KeepSensor(const std::string& why) {
  Job& job = *job_;
  // Else the call that empties it failed, and may have done it.
  if (job.sensor != SensorStep::kEmpty) state_.past = job.past_before;
  job.sensor = SensorStep::kNone;
  if (why.empty()) return;
  job.report.reason = absl::StrCat("its sensor goes on as it was: ", why);
  Say(job.report.reason);
}

}  // namespace sluice::agent
