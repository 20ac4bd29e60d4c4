#include "orchestrator/engine/orders.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "orchestrator/engine/connect.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/hosts.h"
#include "orchestrator/engine/isolation.h"
#include "orchestrator/engine/soak.h"
#include "orchestrator/engine/trust.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

void Dispatch(Turn& turn, OrderKey key, const OrderReported& report) {
  switch (turn.world.orders.at(key).purpose) {
    // These stay out until they are done.
    case Purpose::kIsolate:
      IsolationReported(turn, key, report);
      return;
    case Purpose::kWithdraw:
      WithdrawalReported(turn, key, report);
      return;
    default:
      break;
  }
  const Pending pending = turn.Take(key);
  switch (pending.purpose) {
    case Purpose::kFreeze:
      EvidenceReported(turn, key, pending, report);
      return;
    case Purpose::kPropose:
      ProposalReported(turn, key, pending, report);
      return;
    case Purpose::kInspectAgain:
    case Purpose::kOpenServers:
    case Purpose::kOpenClients:
    case Purpose::kStart:
    case Purpose::kTry:
      ConnectReported(turn, key, pending, report);
      return;
    case Purpose::kHealth:
      HealthReported(turn, key, pending, report);
      return;
    case Purpose::kWatch:
      WatchReported(turn, key, pending, report);
      return;
    case Purpose::kConfirm:
      ConfirmReported(turn, key, pending, report);
      return;
    case Purpose::kLate:
      LateReported(turn, key, pending, report);
      return;
    case Purpose::kTrust:
      TrustReported(turn, pending, report);
      return;
    case Purpose::kNothing:
    case Purpose::kIsolate:
    case Purpose::kWithdraw:
      return;
  }
}

}  // namespace

std::optional<OrderKey> ParseOrderId(const OrderId& id) {
  const absl::string_view text = id.str();
  const size_t last = text.rfind('/');
  if (last == absl::string_view::npos || last == 0) return std::nullopt;
  const size_t before = text.rfind('/', last - 1);
  if (before == absl::string_view::npos) return std::nullopt;
  OrderKey key;
  if (!absl::SimpleAtoi(text.substr(before + 1, last - before - 1),
                        &key.sequence) ||
      !absl::SimpleAtoi(text.substr(last + 1), &key.index)) {
    return std::nullopt;
  }
  return key;
}

void ApplyReport(Turn& turn, const OrderReported& report) {
  const std::optional<OrderKey> key = ParseOrderId(report.order);
  if (!key.has_value()) return;
  const auto it = turn.world.orders.find(*key);
  if (it == turn.world.orders.end()) return;
  const Order& order = it->second.order;
  if (order.id != report.order || order.host != report.host) return;
  const bool isolates = it->second.purpose == Purpose::kIsolate;
  if (report.fence.has_value()) {
    ObserveFence(turn, report.host, *report.fence,
                 isolates ? Seen::kIsolationReport : Seen::kReport);
  }
  // What was seen may have undone the order already.
  if (turn.world.orders.contains(*key)) Dispatch(turn, *key, report);
}

void FailOrder(Turn& turn, OrderKey key, const std::string& why) {
  const auto it = turn.world.orders.find(key);
  if (it == turn.world.orders.end()) return;
  OrderReported report;
  report.order = it->second.order.id;
  report.host = it->second.order.host;
  report.outcome = Outcome::kFailed;
  report.reason = why;
  Dispatch(turn, key, report);
}

void ExpireOrders(Turn& turn) {
  World& world = turn.world;
  while (!world.order_timers.empty() &&
         world.order_timers.begin()->first <= world.now) {
    const OrderKey key = world.order_timers.begin()->second;
    const Pending& pending = world.orders.at(key);
    if (pending.purpose == Purpose::kIsolate ||
        pending.purpose == Purpose::kWithdraw) {
      ClosingOverdue(turn, key);
      continue;
    }
    FailOrder(turn, key,
              absl::StrCat("no answer within ",
                           absl::FormatDuration(pending.order.deadline),
                           " though its agent is connected"));
  }
}

}  // namespace sluice::engine
