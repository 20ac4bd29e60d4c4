#include "orchestrator/journal/commands_digest.h"

#include <variant>

#include "absl/strings/str_cat.h"
#include "common/digest.h"

namespace sluice::journal {
namespace {

using engine::Order;

// One order as text that can be read in one way only: every value is written
// with its length in front, lists with their count.
class Writer {
 public:
  void Text(absl::string_view text) {
    absl::StrAppend(&out_, text.size(), ":", text, "\n");
  }
  void Number(int64_t number) { absl::StrAppend(&out_, number, "\n"); }
  void Span(absl::Duration span) { Number(absl::ToInt64Nanoseconds(span)); }
  template <class Tag>
  void Id(const Name<Tag>& name) {
    Text(name.str());
  }
  template <class Ids>
  void List(const Ids& ids) {
    Number(static_cast<int64_t>(ids.size()));
    for (const auto& id : ids) Id(id);
  }
  void Flows(const std::vector<Flow>& flows) {
    Number(static_cast<int64_t>(flows.size()));
    for (const Flow& flow : flows) Text(flow.Line());
  }
  void Checks(const std::vector<PlannedCheck>& checks) {
    Number(static_cast<int64_t>(checks.size()));
    for (const PlannedCheck& check : checks) {
      Id(check.id);
      Text(check.spec.Line());
    }
  }

  void Write(const engine::IsolateHost& order) {
    // What was written before there was this stays as it was.
    Text(order.sensor_anew.empty() ? "isolate-host" : "isolate-host-anew");
    Text(order.reason);
    if (!order.sensor_anew.empty()) Text(order.sensor_anew);
  }
  void Write(const engine::Withdraw& order) {
    // By peer it is a kind of its own: what was written before stays as it was.
    Text(order.peers.empty() ? "withdraw" : "withdraw-peers");
    List(order.grants);
    Text(order.reason);
    if (order.peers.empty()) return;
    Number(static_cast<int64_t>(order.peers.size()));
    for (const Prefix& peer : order.peers) Text(peer.ToString());
  }
  void Write(const engine::FreezeEvidence& order) {
    Text("freeze-evidence");
    Text(order.round);
    Checks(order.inspections);
  }
  void Write(const engine::Propose& order) {
    Text("propose");
    Text(order.round);
    Text(order.body.str());
    Number(static_cast<int64_t>(order.grants.size()));
    for (const auto& [grant, flows] : order.grants) {
      Id(grant);
      Flows(flows);
    }
    Number(static_cast<int64_t>(order.will_ask.size()));
    for (const std::string& one : order.will_ask) Text(one);
  }
  void Write(const engine::OpenFlows& order) {
    Text("open-flows");
    Text(order.release_digest);
    List(order.grants);
    Decisions(order.decisions);
  }
  void Write(const engine::TryFlows& order) {
    Text("try-flows");
    Flows(order.flows);
    Span(order.timeout);
  }
  void Write(const engine::RunChecks& order) {
    Text("run-checks");
    Checks(order.checks);
  }
  void Write(const engine::StartUnit& order) {
    Text("start-unit");
    Text(order.unit);
  }
  void Write(const engine::Watch& order) {
    Text("watch");
    Id(order.step);
    Checks(order.checks);
    Span(order.every);
  }
  void Write(const engine::Confirm& order) {
    Text("confirm");
    Text(order.release_digest);
    List(order.grants);
    Id(order.step);
    // As before there were any: a journal of then still replays.
    if (!order.decisions.empty()) Decisions(order.decisions);
  }
  void Decisions(const std::vector<engine::DecisionMade>& decisions) {
    Number(static_cast<int64_t>(decisions.size()));
    for (const engine::DecisionMade& decision : decisions) {
      Id(decision.gate);
      Number(decision.round);
      Id(decision.by);
      List(decision.roles);
      Number(decision.go ? 1 : 0);
      Text(decision.reason);
      Text(decision.body_digest);
      Text(decision.signature);
    }
  }
  void Write(const engine::ReadFence&) { Text("read-fence"); }
  void Write(const engine::ChangeTrust& order) {
    Text("change-trust");
    Text(order.text);
    Number(static_cast<int64_t>(order.signatures.size()));
    for (const std::string& signature : order.signatures) Text(signature);
  }
  void Write(const engine::GlassNoted& order) {
    Text("glass-noted");
    Text(order.text_digest);
  }

  void Write(const Order& order) {
    Id(order.id);
    Id(order.host);
    Span(order.deadline);
    std::visit([this](const auto& what) { Write(what); }, order.what);
  }

  const std::string& out() const { return out_; }

 private:
  std::string out_ = "sluice commands 1\n";
};

}  // namespace

std::string CommandsDigest(const std::vector<engine::Command>& commands) {
  // Most events order nothing.
  static const std::string* const kNothing =
      new std::string(Sha256(Writer().out()));
  Writer writer;
  bool any = false;
  for (const engine::Command& command : commands) {
    const auto* order = std::get_if<Order>(&command);
    if (order == nullptr) continue;
    any = true;
    writer.Write(*order);
  }
  return any ? Sha256(writer.out()) : *kNothing;
}

}  // namespace sluice::journal
