#include "orchestrator/rpc/operator_hub.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/rpc/grpc_status.h"
#include "orchestrator/rpc/status_messages.h"
#include "orchestrator/rpc/values.h"

namespace sluice::rpc {
namespace {

// At most five states a second to each watcher.
constexpr absl::Duration kCoalesce = absl::Milliseconds(200);
// Forecasts move even when nothing happens.
constexpr absl::Duration kRefresh = absl::Seconds(5);
// How long an isolation is followed, and how long one that waits for
// unreachable hosts alone.
constexpr absl::Duration kFollow = absl::Seconds(30);
constexpr absl::Duration kFollowUnreachable = absl::Seconds(5);
// Between two countings, for each host of the estate.
constexpr absl::Duration kCountEachHost = absl::Microseconds(2);

std::string Names(const std::vector<HostId>& hosts) {
  return absl::StrJoin(hosts, ", ", [](std::string* out, const HostId& host) {
    out->append(host.str());
  });
}

std::string Count(int points) {
  return absl::StrCat(points, points == 1 ? " point" : " points");
}

// S9: what was not read back is not isolated as far as anybody knows.
std::string Conclusion(const engine::Engine::IsolationProgress& progress) {
  std::string text =
      absl::StrCat(progress.read_back, " of ", progress.hosts,
                   progress.hosts == 1 ? " host has" : " hosts have",
                   " the rules in the kernel, read back.");
  if (!progress.unreachable.empty()) {
    absl::StrAppend(&text, "\nUnreachable: ", Names(progress.unreachable),
                    ". They are isolated when their agents attach again; ",
                    progress.read_back > 0
                        ? "the fences that were read back keep them out. "
                        : "",
                    "Cut them at the switch if that cannot wait.");
  }
  if (!progress.sensor_kept.empty()) {
    absl::StrAppend(&text, "\nIsolated, but the sensor goes on as it was: ",
                    Names(progress.sensor_kept),
                    ". `sluice history` says why; order it again.");
  }
  if (progress.said > 0) {
    absl::StrAppend(&text, "\nSaid to be closed by hand, not measured: ",
                    Count(progress.said), ".");
  }
  if (!progress.by_hand.empty()) {
    absl::StrAppend(&text,
                    "\nTo be closed by hand, open until somebody says "
                    "otherwise: ",
                    Names(progress.by_hand), ". `sluice task list` says how.");
  }
  std::vector<HostId> silent;
  std::set_difference(progress.waiting_for.begin(), progress.waiting_for.end(),
                      progress.unreachable.begin(), progress.unreachable.end(),
                      std::back_inserter(silent));
  if (!silent.empty()) {
    absl::StrAppend(&text, "\nNo answer yet: ", Names(silent),
                    ". Look at `sluice status`, or cut them at the switch.");
  }
  return text;
}

}  // namespace

OperatorHub::OperatorHub(
    std::function<void(const runtime::HistoryLine&)> announce,
    std::function<std::string()> warning)
    : announce_(std::move(announce)), warning_(std::move(warning)) {}

void OperatorHub::Watch(std::shared_ptr<StatusWriter> writer,
                        std::function<absl::Status()> may_go_on) {
  const std::lock_guard<std::mutex> lock(mutex_);
  new_watchers_.push_back({std::move(writer), std::move(may_go_on)});
}

bool OperatorHub::Ended(const Watcher& watcher) {
  const absl::Status status = watcher.may_go_on();
  if (!status.ok()) watcher.writer->End(ToGrpc(status));
  return watcher.writer->ended();
}

void OperatorHub::Follow(std::shared_ptr<IsolateWriter> writer,
                         uint64_t sequence, bool recorded,
                         std::string message) {
  isolations_.push_back(
      Isolation{std::move(writer), sequence, recorded, std::move(message)});
}

std::shared_ptr<const v1::Status> OperatorHub::StatusOf(
    const runtime::Glimpse& glimpse) {
  if (status_ == nullptr || status_changes_ != glimpse.changes ||
      glimpse.now - status_at_ >= kCoalesce) {
    auto status = std::make_shared<v1::Status>();
    FillStatus(glimpse, status.get());
    const std::string warning = warning_ ? warning_() : "";
    if (!warning.empty()) status->add_warnings(warning);
    status_ = std::move(status);
    status_changes_ = glimpse.changes;
    status_at_ = glimpse.now;
  }
  return status_;
}

void OperatorHub::CloseAll() {
  const grpc::Status stopping(grpc::StatusCode::UNAVAILABLE,
                              "the orchestrator stops");
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& watcher : watchers_) watcher.writer->End(stopping);
  for (const auto& watcher : new_watchers_) watcher.writer->End(stopping);
}

void OperatorHub::Announced(const runtime::HistoryLine& line) {
  if (announce_) announce_(line);
}

absl::Time OperatorHub::Turned(const runtime::Glimpse& glimpse) {
  return std::min(PushIsolations(glimpse), PushStatus(glimpse));
}

absl::Time OperatorHub::PushStatus(const runtime::Glimpse& glimpse) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::erase_if(watchers_, Ended);
  if (watchers_.empty() && new_watchers_.empty()) {
    return absl::InfiniteFuture();
  }
  for (const auto& one : new_watchers_) one.writer->Put(StatusOf(glimpse));
  const bool changed = glimpse.changes != pushed_changes_;
  const absl::Time due = pushed_at_ + (changed ? kCoalesce : kRefresh);
  absl::Time next = due;
  if (glimpse.now >= due) {
    for (const auto& one : watchers_) one.writer->Put(StatusOf(glimpse));
    pushed_changes_ = glimpse.changes;
    pushed_at_ = glimpse.now;
    next = glimpse.now + kRefresh;
  }
  watchers_.insert(watchers_.end(), new_watchers_.begin(), new_watchers_.end());
  new_watchers_.clear();
  return next;
}

// Counting costs the size of the estate, and turns are many while thousands of
// hosts answer: it is done often enough for the eye, and no more often.
absl::Time OperatorHub::PushIsolations(const runtime::Glimpse& glimpse) {
  if (isolations_.empty()) return absl::InfiniteFuture();
  if (glimpse.now < count_again_) return count_again_;
  const auto plan = glimpse.engine.plan();
  const size_t hosts = plan == nullptr ? 0 : plan->hosts.size();
  count_again_ = glimpse.now + kCountEachHost * static_cast<int64_t>(hosts);
  std::erase_if(isolations_, [&](Isolation& isolation) {
    return isolation.writer->ended() || Push(glimpse, &isolation);
  });
  return isolations_.empty() ? absl::InfiniteFuture()
                             : glimpse.now + absl::Seconds(1);
}

bool OperatorHub::Push(const runtime::Glimpse& glimpse, Isolation* isolation) {
  if (isolation->since == absl::InfinitePast()) isolation->since = glimpse.now;
  engine::Engine::IsolationProgress progress =
      glimpse.engine.IsolationSince(isolation->sequence);
  std::sort(progress.waiting_for.begin(), progress.waiting_for.end());
  std::sort(progress.unreachable.begin(), progress.unreachable.end());
  const absl::Duration followed = glimpse.now - isolation->since;
  const bool only_unreachable =
      std::includes(progress.unreachable.begin(), progress.unreachable.end(),
                    progress.waiting_for.begin(), progress.waiting_for.end());
  // Nobody waits here for people: they take as long as they take.
  const bool read =
      progress.waiting_for.empty() && progress.unreachable.empty();
  const bool finished = read || followed >= kFollow ||
                        (only_unreachable && followed >= kFollowUnreachable);

  auto message = std::make_shared<v1::IsolateProgress>();
  message->set_hosts(progress.hosts);
  message->set_read_back(progress.read_back);
  AddNames(progress.waiting_for, message->mutable_waiting_for());
  AddNames(progress.unreachable, message->mutable_unreachable());
  AddNames(progress.by_hand, message->mutable_by_hand());
  message->set_said(progress.said);
  AddNames(progress.sensor_kept, message->mutable_sensor_kept());
  message->set_finished(finished);
  message->set_recorded(isolation->recorded);
  message->set_message(
      finished ? absl::StrCat(isolation->message, "\n", Conclusion(progress))
               : isolation->message);
  std::string text = message->SerializeAsString();
  if (text != isolation->last) {
    isolation->last = std::move(text);
    isolation->writer->Put(std::move(message));
  }
  if (finished) isolation->writer->End(grpc::Status::OK);
  return finished;
}

}  // namespace sluice::rpc
