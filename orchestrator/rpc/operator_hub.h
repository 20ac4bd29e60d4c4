// What operators watch: status streams and isolations under way. The real
// twin of runtime::OperatorSink; tells the notify command too.

#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/rpc/latest_writer.h"
#include "orchestrator/runtime/ports.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::rpc {

class OperatorHub : public runtime::OperatorSink {
 public:
  using StatusWriter = LatestWriter<v1::Status>;
  using IsolateWriter = LatestWriter<v1::IsolateProgress>;

  // Both may be empty, and are called on the loop's thread: `announce` for
  // every line, `warning` for a sentence that every status carries (empty:
  // none).
  explicit OperatorHub(
      std::function<void(const runtime::HistoryLine&)> announce = nullptr,
      std::function<std::string()> warning = nullptr);

  // Any thread. One status follows at the next turn, then one a change, until
  // `may_go_on` (asked every turn, on the loop's thread) says no.
  void Watch(std::shared_ptr<StatusWriter> writer,
             std::function<absl::Status()> may_go_on);

  // Of the loop's thread: an isolation was ordered as record `sequence`.
  void Follow(std::shared_ptr<IsolateWriter> writer, uint64_t sequence,
              bool recorded, std::string message);

  // Of the loop's thread. Made once for all who look at the same state.
  std::shared_ptr<const v1::Status> StatusOf(const runtime::Glimpse& glimpse);

  // Ends every stream: the orchestrator stops.
  void CloseAll();

  // runtime::OperatorSink
  void Announced(const runtime::HistoryLine& line) override;
  absl::Time Turned(const runtime::Glimpse& glimpse) override;

 private:
  struct Isolation {
    std::shared_ptr<IsolateWriter> writer;
    uint64_t sequence = 0;
    bool recorded = true;
    std::string message;
    absl::Time since = absl::InfinitePast();  // of its first turn
    std::string last;                         // what was written, serialised
  };

  struct Watcher {
    std::shared_ptr<StatusWriter> writer;
    std::function<absl::Status()> may_go_on;
  };

  // Ends what may not go on; true when the stream is over.
  static bool Ended(const Watcher& watcher);
  absl::Time PushStatus(const runtime::Glimpse& glimpse);
  absl::Time PushIsolations(const runtime::Glimpse& glimpse);
  // True when there is nothing more to say.
  bool Push(const runtime::Glimpse& glimpse, Isolation* isolation);

  const std::function<void(const runtime::HistoryLine&)> announce_;
  const std::function<std::string()> warning_;

  // Of the loop's thread.
  std::vector<Isolation> isolations_;
  absl::Time count_again_ = absl::InfinitePast();
  std::shared_ptr<const v1::Status> status_;
  uint64_t status_changes_ = 0;
  absl::Time status_at_ = absl::InfinitePast();
  uint64_t pushed_changes_ = 0;
  absl::Time pushed_at_ = absl::InfinitePast();

  std::mutex mutex_;
  // Below: guarded by mutex_.
  std::vector<Watcher> new_watchers_;
  std::vector<Watcher> watchers_;
};

}  // namespace sluice::rpc
