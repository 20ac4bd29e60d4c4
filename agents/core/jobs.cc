// One change at a time: the fence, what was read back, the disk, the answer.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/core/admission.h"
#include "agents/core/agent_core.h"
#include "common/contract.h"

namespace sluice::agent {
namespace {

constexpr absl::Duration kRetryEvery = absl::Seconds(1);
constexpr size_t kMaxAnswersInMemory = 256;
// How long what closes waits for a disk that does not answer; and the rest.
constexpr absl::Duration kDiskPatience = absl::Milliseconds(500);
constexpr absl::Duration kLongDiskPatience = absl::Seconds(5);

bool Holds(const std::vector<Flow>& flows, const Flow& flow) {
  return std::find(flows.begin(), flows.end(), flow) != flows.end();
}

}  // namespace

void AgentCore::StartNext() {
  while (!job_.has_value()) {
    if (!ready_.empty()) {
      Job job = std::move(ready_.front());
      ready_.pop_front();
      Begin(std::move(job));
    } else if (!waiting_.empty()) {
      const Order order = std::move(waiting_.front());
      waiting_.pop_front();
      std::visit([&](const auto& what) { Carry(order, what); }, order.what);
    } else {
      return;
    }
  }
}

void AgentCore::Begin(Job job) {
  SLUICE_CHECK(!job_.has_value());
  SLUICE_CHECK(!job.calls.empty());
  job_ = std::move(job);
  job_->began = now_;
  if (job_->save_first) {
    SaveJob();
  } else {
    Advance();
  }
}

// The next thing the job waits for, or its end.
void AgentCore::Advance() {
  Job& job = *job_;
  if (job.sensor == SensorStep::kSave) {
    SaveJob();
  } else if (job.next_call < job.calls.size()) {
    job.request = Call(job.calls[job.next_call++], Purpose::kJob,
                       /*notes=*/job.sensor != SensorStep::kNone);
  } else if (job.save_last) {
    job.save_last = false;
    Keep();
    SaveJob();
  } else {
    Finish();
  }
}

void AgentCore::SaveJob() {
  job_->saving = true;
  job_->saving_since = now_;
  job_->request = Save();
}

// S5: a disk that does not answer delays no isolation, and not the word that
// the kernel holds it.
void AgentCore::OvertakeTheDisk() {
  if (!job_.has_value() || !job_->saving) return;
  const bool isolation_next =
      !waiting_.empty() &&
      std::holds_alternative<IsolateHost>(waiting_.front().what);
  if (isolation_next && job_->kind != Job::Kind::kIsolate) {
    // What it closes, the isolation closes too; what it opened is void.
    Job job = *std::exchange(job_, std::nullopt);
    if (job.kind != Job::Kind::kWithdraw) {
      job.report.outcome = Outcome::kFailed;
      job.report.detail = {};
      job.report.reason = "this host was isolated before it was done";
    }
    if (job.kind == Job::Kind::kGlass) TellOfGlass(job);
    overtaken_.push_back(std::move(job.report));
  } else if (now_ >= DiskDeadline()) {
    Say("the disk of this host does not answer; look at the system's log");
    OnJobSaved(absl::DeadlineExceededError("its disk does not answer"));
  }
}

// When the job in hand goes on without the disk.
absl::Duration AgentCore::DiskDeadline() const {
  if (!job_.has_value() || !job_->saving) return absl::InfiniteDuration();
  const bool closes =
      job_->kind == Job::Kind::kIsolate || job_->kind == Job::Kind::kWithdraw;
  const bool closing_waits =
      std::any_of(waiting_.begin(), waiting_.end(), [](const Order& order) {
        return std::holds_alternative<IsolateHost>(order.what) ||
               std::holds_alternative<Withdraw>(order.what);
      });
  return job_->saving_since +
         (closes || closing_waits ? kDiskPatience : kLongDiskPatience);
}

// The disk has answered, or is not waited for any more.
void AgentCore::OnJobSaved(const absl::Status& status) {
  Job& job = *job_;
  job.saving = false;
  job.request = 0;
  if (job.sensor == SensorStep::kSave) {
    OnPastSaved(status);
    Advance();
    return;
  }
  const bool closes =
      job.kind == Job::Kind::kIsolate || job.kind == Job::Kind::kWithdraw;
  if (!status.ok() && closes) {
    // What closes closes all the same, in words that promise no more.
    job.report.reason =
        absl::StrCat("closed, but not written down on this host (",
                     status.message(), "): free its disk before it reboots");
  } else if (!status.ok()) {
    job.report.outcome = Outcome::kFailed;
    job.report.detail = {};
    job.report.reason =
        absl::StrCat("this host could not write its state: ", status.message(),
                     "; make room in its state directory, then retry");
  }
  Advance();
}

void AgentCore::OnJobFence(const FenceDone& event) {
  if (!job_.has_value() || job_->request != event.request) return;
  Job& job = *job_;
  job.reading = event.reading;
  if (!event.status.ok() && !job.failed) {
    job.failed = true;
    Fail(absl::StrCat(Holder(),
                      " did not take the change: ", event.status.message()));
    // S9: what it holds now is read, or the report would say that this host
    // has no fence at all.
    job.calls = {fence::Read{}};
    job.next_call = 0;
  } else if (!job.failed && job.next_call == job.calls.size()) {
    OnFenced();
  }
  if (job.sensor != SensorStep::kNone) OnSensorRead(event);
  Advance();
}

// All calls are done: does the kernel hold what was meant?
void AgentCore::OnFenced() {
  Job& job = *job_;
  switch (job.kind) {
    case Job::Kind::kIsolate: {
      std::string difference = Difference(job.reading);
      if (difference.empty() && !job.reading.releases.empty()) {
        difference = "it still holds leased flows";
      }
      if (!difference.empty()) Fail(difference);
      audit_at_ =
          now_ + (alarm_.empty() ? audit_every_ : absl::ZeroDuration());
      if (job.report.reason.empty()) job.report.reason = job.reading.remark;
      break;
    }
    case Job::Kind::kWithdraw: {
      bool left = false;
      for (const Flow& flow : job.gone) {
        left |= Holds(job.reading.standing, flow);
        for (const FenceReading::Leased& leased : job.reading.releases) {
          left |= leased.remaining > absl::ZeroDuration() &&
                  Holds(leased.flows, flow);
        }
      }
      if (left) Fail("withdrawn flows are still in the kernel's rules");
      break;
    }
    case Job::Kind::kOpen:
      OnOpened();
      break;
    case Job::Kind::kConfirm:
      OnConfirmed();
      break;
    case Job::Kind::kGlass:
      OnGlassBroken();
      break;
    case Job::Kind::kRecord:
      break;
  }
}

void AgentCore::OnOpened() {
  Job& job = *job_;
  KnownRelease& release = state_.releases.at(job.digest);
  const std::vector<Flow> flows = FlowsOf(release, job.grants);
  const FenceReading::Leased* leased = nullptr;
  for (const FenceReading::Leased& entry : job.reading.releases) {
    if (entry.digest == job.digest) leased = &entry;
  }
  const bool live =
      leased != nullptr && leased->remaining > absl::ZeroDuration();
  const bool all =
      flows.empty() ||
      (live && std::all_of(flows.begin(), flows.end(), [&](const Flow& flow) {
         return Holds(leased->flows, flow);
       }));
  if (!all) {
    Fail("the flows are not in the kernel's rules after opening them");
    return;
  }
  for (const GrantId& name : job.grants) {
    Grant& grant = release.grants.at(name);
    grant.state = Grant::State::kOpen;
    grant.opened_at = now_;
  }
  Say(absl::StrCat("opened ", flows.size(), " flows of ", release.round,
                   " under a lease"));
}

void AgentCore::OnConfirmed() {
  Job& job = *job_;
  KnownRelease& release = state_.releases.at(job.digest);
  for (const Flow& flow : FlowsOf(release, job.grants)) {
    if (!Holds(job.reading.standing, flow)) {
      Fail(absl::StrCat(flow.Line(), " does not stand in the kernel's rules"));
      return;
    }
  }
  for (const GrantId& name : job.grants) {
    release.grants.at(name).state = Grant::State::kStanding;
  }
  Say(absl::StrCat(job.grants.size(), " grants of ", release.round,
                   " are confirmed; their flows stand"));
}

// S9: said as it is. What was to close and did not is closed with everything
// else that is leased.
void AgentCore::Fail(std::string why) {
  Job& job = *job_;
  job.report.outcome = Outcome::kFailed;
  job.report.detail = {};
  job.report.reason = OneLine(why, 400);
  switch (job.kind) {
    case Job::Kind::kIsolate:
      alarm_ = absl::StrCat("isolating failed at first: ", why);
      repair_at_ = now_ + kRetryEvery;
      absl::StrAppend(&job.report.reason, "; it is tried again every second");
      break;
    case Job::Kind::kConfirm:
      Call(fence::Read{}, Purpose::kLease);  // did the guard run out?
      break;
    case Job::Kind::kWithdraw:
      absl::StrAppend(&job.report.reason,
                      "; the whole fence is put up anew without leased flows");
      Repair(why);
      break;
    case Job::Kind::kGlass:
      Repair(why);  // whatever of it happened is undone
      break;
    case Job::Kind::kOpen:
      // It may have happened all the same (only the reading back failed): what
      // is not known to be open is taken out, or a renewal would keep it.
      SweepUnopened(job.digest, job.grants);
      break;
    case Job::Kind::kRecord:
      break;
  }
  Say(job.report.reason);
}

void AgentCore::SweepUnopened(const std::string& digest,
                              const std::vector<GrantId>& grants) {
  const auto known = state_.releases.find(digest);
  if (known == state_.releases.end()) return;
  std::vector<Flow> open;
  for (const auto& [name, grant] : known->second.grants) {
    if (grant.state != Grant::State::kOpen &&
        grant.state != Grant::State::kStanding) {
      continue;
    }
    const std::vector<Flow> flows = FlowsOf(known->second, {name});
    open.insert(open.end(), flows.begin(), flows.end());
  }
  std::sort(open.begin(), open.end());
  std::vector<Flow> unopened;
  for (const Flow& flow : FlowsOf(known->second, grants)) {
    if (!std::binary_search(open.begin(), open.end(), flow)) {
      unopened.push_back(flow);
    }
  }
  if (unopened.empty()) return;
  Call(fence::Remove{digest, std::move(unopened)}, Purpose::kSweep);
}

// The answer goes to disk with the state it is about.
void AgentCore::Keep() {
  const Job& job = *job_;
  if (!job.keep_answer || job.report.order.empty()) return;
  state_.answers.push_back({.order = job.report.order,
                            .outcome = job.report.outcome,
                            .reason = job.report.reason});
  while (state_.answers.size() > AgentState::kMaxAnswers) {
    state_.answers.pop_front();
  }
}

void AgentCore::Finish() {
  Job job = *std::move(job_);
  job_.reset();
  job.report.fence = StateOf(job.reading);
  if (job.kind == Job::Kind::kIsolate) {
    for (Report& report : std::exchange(overtaken_, {})) {
      report.fence = job.report.fence;
      if (report.outcome == Outcome::kDone) {
        report.outcome = job.report.outcome;
        report.reason = job.report.reason;
      }
      Deliver(std::move(report));
    }
  }
  if (job.kind == Job::Kind::kGlass) TellOfGlass(job);
  Deliver(std::move(job.report));
  StartNext();
}

// Answers with what the kernel holds now. One reading serves all that wait.
void AgentCore::Answer(Report report) {
  waiting_for_reading_.push_back(std::move(report));
  const bool reading = std::any_of(
      calls_.begin(), calls_.end(),
      [](const auto& call) { return call.second == Purpose::kAnswer; });
  if (!reading) Call(fence::Read{}, Purpose::kAnswer);
}

void AgentCore::Refuse(const OrderId& order, absl::string_view reason) {
  Report report{.order = order};
  report.outcome = Outcome::kRefused;
  report.reason = OneLine(reason, 400);
  Say(absl::StrCat("refused order ", order.str(), ": ", report.reason));
  Answer(std::move(report));
}

// Sent now if anybody listens; kept, so that a repeated order hears the same.
void AgentCore::Deliver(Report report) {
  if (report.order.empty()) return;  // nobody asked: this host did it itself
  in_hand_.erase(report.order);
  const bool known =
      std::any_of(answers_.begin(), answers_.end(),
                  [&](const Report& one) { return one.order == report.order; });
  if (!known) {
    answers_.push_back(report);
    if (answers_.size() > kMaxAnswersInMemory) answers_.pop_front();
  }
  SendMessage(std::move(report));
}

}  // namespace sluice::agent
