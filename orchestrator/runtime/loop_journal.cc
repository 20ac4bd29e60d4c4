// The journal: on disk first (S6); and what happens when that cannot be.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "orchestrator/runtime/loop.h"

namespace sluice::runtime {
namespace {

constexpr absl::Duration kTryAgain = absl::Seconds(1);

bool Isolates(const engine::Order& order) {
  return std::holds_alternative<engine::IsolateHost>(order.what);
}

// Whether an order may leave unrecorded: it closes, never opens (S5).
bool Closes(const engine::Order& order) {
  return Isolates(order) ||
         std::holds_alternative<engine::Withdraw>(order.what);
}

}  // namespace

// Sends what was stepped to the disk, unless that is busy or known not to take
// it, and gives it `patience` to answer.
void Loop::Write(absl::Duration patience) {
  if (IsLate()) patience = absl::ZeroDuration();
  Settle(patience);
  if (under_way_ > 0 || unwritten_.empty()) return;
  if (!problem_.empty() && now_ < try_again_) return;
  std::vector<journal::Record> records;
  records.reserve(unwritten_.size());
  for (const Unwritten& unwritten : unwritten_) {
    records.push_back(unwritten.record);
  }
  under_way_ = records.size();
  began_ = now_;
  writer_->Begin(written_.sequence + 1, std::move(records),
                 [this] { inbox_.Wake(); });
  Settle(patience);
}

// What the disk has to say of the write under way.
void Loop::Settle(absl::Duration patience) {
  if (under_way_ == 0) return;
  const std::optional<absl::Status> result = writer_->Result(patience);
  if (!result.has_value()) {
    if (problem_.empty() && now_ - began_ >= options_.disk_hangs) Hang();
    return;
  }
  const size_t count = std::exchange(under_way_, 0);
  if (!result->ok()) {
    Trouble(result->message());
    return;
  }
  const Unwritten& last = unwritten_[count - 1];
  written_ =
      journal::Head{last.record.sequence, last.record.hash, last.record.at};
  written_epoch_ = last.epoch;
  const bool recovered = !problem_.empty();
  problem_.clear();
  // Before any order: an agent obeys nothing that comes ahead of its welcome.
  WelcomeArrivals();
  if (recovered) {
    CatchUp(count);
  } else {
    LeaveInOrder(count);
  }
  FinishReign();
}

void Loop::Hang() {
  Trouble(
      "the journal's disk does not answer; look at the system's log and at "
      "what else writes to that disk");
}

void Loop::Trouble(absl::string_view why) {
  try_again_ = now_ + kTryAgain;
  if (problem_.empty()) {
    sink_->Announced(HistoryLine{
        0, now_, "alarm", "",
        absl::StrCat("Nothing can be recorded, so nothing opens and leases "
                     "end; isolating still works. ",
                     why)});
  }
  problem_ = absl::StrCat(why, ".");
  ++changes_;
}

// Whether the disk keeps isolations waiting for too long.
bool Loop::IsLate() const {
  return under_way_ > 0 && now_ - began_ >= options_.isolations_wait;
}

// The first `count` of what was unwritten is on disk.
void Loop::LeaveInOrder(size_t count) {
  // What a closing made void is not sent after it, whether that leaves with
  // this write or left ahead of it.
  std::set<HostId> closing;
  for (const Unwritten& unwritten : unwritten_) {
    for (const engine::Order& order : unwritten.orders) {
      if (Closes(order)) closing.insert(order.host);
    }
  }
  std::map<HostId, std::set<engine::OrderId>> outstanding;
  const auto is_void = [&](const engine::Order& order) {
    if (Closes(order) || !closing.contains(order.host)) return false;
    const auto [at, fresh] = outstanding.try_emplace(order.host);
    if (fresh) {
      for (const engine::Order& one : memory_.engine.Outstanding(order.host)) {
        at->second.insert(one.id);
      }
    }
    return !at->second.contains(order.id);
  };
  // S5: closing overtakes. An order for a host that is isolated in the same
  // turn arrives after and is refused there as void.
  for (const bool isolating : {true, false}) {
    for (size_t i = 0; i < count; ++i) {
      const Unwritten& unwritten = unwritten_[i];
      for (const engine::Order& order : unwritten.orders) {
        if (Isolates(order) != isolating) continue;
        if (unwritten.left && Closes(order)) continue;
        if (is_void(order)) continue;
        Send(order);
      }
    }
  }
  Forget(count);
}

// Told and done with: the first `count` of what was unwritten.
void Loop::Forget(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    for (const HistoryLine& line : unwritten_.front().lines) {
      memory_.history.Add(line);
      sink_->Announced(line);
    }
    for (const engine::Order& order : unwritten_.front().orders) {
      left_unrecorded_.erase(order.id);
    }
    unwritten_.pop_front();
  }
}

// S5: isolations leave although they are not recorded. A later reign may give
// the same place in the journal, and so the same order id, to something else,
// which an agent would take for a repeat: so these carry the instance.
void Loop::LeaveUnrecorded() {
  // They must be able to hear it.
  WelcomeArrivals();
  for (const bool isolating : {true, false}) {
    for (const Unwritten& unwritten : unwritten_) {
      if (unwritten.left) continue;
      for (const engine::Order& order : unwritten.orders) {
        if (!Closes(order) || Isolates(order) != isolating) continue;
        left_unrecorded_.insert(order.id);
        engine::Order marked = order;
        marked.id = engine::OrderId(
            absl::StrCat(order.id.str(), "~", options_.instance));
        // A sensor begins anew with a record of who wanted it, or not at all.
        if (auto* what = std::get_if<engine::IsolateHost>(&marked.what)) {
          what->sensor_anew.clear();
        }
        Send(marked);
      }
    }
  }
  for (Unwritten& unwritten : unwritten_) {
    if (std::exchange(unwritten.left, true)) continue;
    // An alarm asks people to close a point that no order reaches.
    const bool closes =
        std::any_of(unwritten.orders.begin(), unwritten.orders.end(), Closes);
    const bool alarms = std::any_of(
        unwritten.lines.begin(), unwritten.lines.end(),
        [](const HistoryLine& line) { return line.kind == "alarm"; });
    if (!closes && !alarms) continue;
    for (HistoryLine line : unwritten.lines) {
      line.sequence = 0;
      line.text += " (Not recorded.)";
      sink_->Announced(line);
    }
  }
}

// The journal can be written again, and its first `count` records are: what
// was held back leaves, as far as it is still wanted.
void Loop::CatchUp(size_t count) {
  ++changes_;
  // What came later leaves with its own record.
  std::set<engine::OrderId> later;
  for (size_t i = count; i < unwritten_.size(); ++i) {
    for (const engine::Order& order : unwritten_[i].orders) {
      later.insert(order.id);
    }
  }
  for (const bool isolating : {true, false}) {
    for (const auto& [host, stream] : attached_) {
      for (const engine::Order& order : memory_.engine.Outstanding(host)) {
        if (Isolates(order) != isolating) continue;
        if (!left_unrecorded_.contains(order.id) && !later.contains(order.id)) {
          Send(order);
        }
      }
    }
  }
  Forget(count);
  // Events stepped from here on are written at the end of this turn.
  for (const HostId& host : lost_meanwhile_) {
    Step(engine::AgentLost{host,
                           "its link ended while nothing could be recorded"});
  }
  lost_meanwhile_.clear();
  sink_->Announced(
      HistoryLine{0, now_, "alarm", "", "The journal can be written again."});
}

}  // namespace sluice::runtime
