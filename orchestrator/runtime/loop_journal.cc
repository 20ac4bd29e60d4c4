// The journal: on disk first (S6); and what happens when that cannot be.

#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"
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

// True when all that was stepped is on disk.
bool Loop::Write() {
  if (unwritten_.empty()) return problem_.empty();
  if (!problem_.empty() && now_ < try_again_) return false;
  std::vector<journal::Record> records;
  records.reserve(unwritten_.size());
  for (const Unwritten& unwritten : unwritten_) {
    records.push_back(unwritten.record);
  }
  const absl::Status status = journal_->Append(written_.sequence + 1, records);
  if (status.ok()) {
    written_ = memory_.head;
    written_epoch_ = memory_.engine.epoch();
    return true;
  }
  try_again_ = now_ + kTryAgain;
  if (problem_.empty()) {
    sink_->Announced(HistoryLine{
        0, now_, "alarm", "",
        absl::StrCat("Nothing can be recorded, so nothing opens and leases "
                     "end; isolating still works. ",
                     status.message())});
  }
  problem_ = absl::StrCat(status.message(), ".");
  ++changes_;
  return false;
}

void Loop::LeaveInOrder() {
  // S5: closing overtakes. An order for a host that is isolated in the same
  // turn arrives after and is refused there as void.
  for (const bool isolating : {true, false}) {
    for (const Unwritten& unwritten : unwritten_) {
      for (const engine::Order& order : unwritten.orders) {
        if (Isolates(order) == isolating) link_->Send(written_epoch_, order);
      }
    }
  }
  for (const Unwritten& unwritten : unwritten_) {
    for (const HistoryLine& line : unwritten.lines) {
      memory_.history.Add(line);
      sink_->Announced(line);
    }
  }
  unwritten_.clear();
}

// S5: isolations leave although they cannot be recorded. A later reign may
// give the same place in the journal, and so the same order id, to something
// else, which an agent would take for a repeat: so these carry the instance.
void Loop::LeaveUnrecorded() {
  for (Unwritten& unwritten : unwritten_) {
    if (unwritten.left) continue;
    unwritten.left = true;
    bool any = false;
    for (const engine::Order& order : unwritten.orders) {
      if (!Closes(order)) continue;
      any = true;
      left_unrecorded_.insert(order.id);
      engine::Order marked = order;
      marked.id =
          engine::OrderId(absl::StrCat(order.id.str(), "~", options_.instance));
      link_->Send(written_epoch_, marked);
    }
    if (!any) continue;
    for (HistoryLine line : unwritten.lines) {
      line.sequence = 0;
      line.text += " (Not recorded.)";
      sink_->Announced(line);
    }
  }
}

void Loop::TryAgain() {
  if (!Write()) return;
  problem_.clear();
  ++changes_;
  CatchUp();
}

// The journal can be written again: what was held back leaves, as far as it is
// still wanted.
void Loop::CatchUp() {
  for (const Unwritten& unwritten : unwritten_) {
    for (const HistoryLine& line : unwritten.lines) {
      memory_.history.Add(line);
      sink_->Announced(line);
    }
  }
  unwritten_.clear();
  for (const auto& [host, stream] : attached_) {
    for (const engine::Order& order : memory_.engine.Outstanding(host)) {
      if (!left_unrecorded_.contains(order.id)) {
        link_->Send(written_epoch_, order);
      }
    }
  }
  left_unrecorded_.clear();
  // Events stepped from here on are written at the end of this turn.
  for (const HostId& host : lost_meanwhile_) {
    Step(engine::AgentLost{host,
                           "its link ended while nothing could be recorded"});
  }
  lost_meanwhile_.clear();
  for (const HostId& host : reign_unfinished_) {
    const auto attached = attached_.find(host);
    if (attached == attached_.end()) continue;
    link_->Refuse(host, attached->second,
                  "what could not be recorded is recorded now, and a new reign "
                  "begins; attach again");
  }
  reign_unfinished_.clear();
  sink_->Announced(
      HistoryLine{0, now_, "alarm", "", "The journal can be written again."});
}

}  // namespace sluice::runtime
