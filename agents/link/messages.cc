#include "agents/link/messages.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

v1::Verdict ToProto(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return v1::VERDICT_PASS;
    case Verdict::kFail:
      return v1::VERDICT_FAIL;
    case Verdict::kInconclusive:
      return v1::VERDICT_INCONCLUSIVE;
  }
  return v1::VERDICT_INCONCLUSIVE;
}

v1::Outcome ToProto(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone:
      return v1::OUTCOME_DONE;
    case Outcome::kRefused:
      return v1::OUTCOME_REFUSED;
    case Outcome::kFailed:
      return v1::OUTCOME_FAILED;
  }
  return v1::OUTCOME_FAILED;
}

void Fill(const FenceState& from, v1::FenceState* to) {
  to->set_mode(from.mode == Mode::kOpen ? v1::FENCE_MODE_OPEN
                                        : v1::FENCE_MODE_QUARANTINED);
  to->set_quarantine_number(from.quarantine_number);
  to->set_state_serial(from.state_serial);
  to->set_dropped_packets(from.dropped_packets);
  to->set_rules_digest(from.rules_digest);
  for (const std::string& one : from.broken_glass) to->add_broken_glass(one);
  to->set_sensor_anew(from.sensor_anew);
  for (const FenceState::Release& release : from.releases) {
    v1::ReleaseState* entry = to->add_releases();
    entry->set_release_digest(release.digest);
    entry->set_leased_flows(release.leased_flows);
    entry->set_standing_flows(release.standing_flows);
    // What is left of a lease is never rounded down to "closed".
    entry->set_lease_remaining_ms(absl::ToInt64Milliseconds(
        absl::Ceil(release.lease_remaining, absl::Milliseconds(1))));
    for (const GrantId& grant : release.withdrawn) {
      entry->add_withdrawn_grants(grant.str());
    }
  }
}

void Fill(const NamedResult& from, v1::CheckResult* to) {
  to->set_id(from.id.str());
  to->set_verdict(ToProto(from.result.verdict));
  to->set_reason(from.result.reason);
  to->set_said_by(from.result.said_by);
}

// What the orchestrator takes of one host, and what a list adds to an entry.
constexpr size_t kMaxObserved = 500 << 10;
constexpr size_t kEntryHead = 4;

void Fill(const Process& from, v1::ObservedProcess* to) {
  to->set_command(from.command);
  to->set_unit(from.unit);
  to->set_user(from.user);
}

struct DetailFiller {
  v1::Report* to;

  void operator()(std::monostate) const {}
  void operator()(const ChecksDone& from) const {
    for (const NamedResult& result : from.results) {
      Fill(result, to->mutable_checks()->add_results());
    }
    to->mutable_checks();
  }
  void operator()(const EvidenceFrozen& from) const {
    v1::EvidenceFrozen* evidence = to->mutable_evidence();
    evidence->set_digest(from.digest);
    evidence->set_text(from.text);
    evidence->set_signature(from.signature);
    for (const NamedResult& result : from.results) {
      Fill(result, evidence->add_results());
    }
  }
  void operator()(const ReleaseAnswer& from) const {
    to->mutable_release()->set_accepts(from.accepts);
    to->mutable_release()->set_reason(from.reason);
  }
  void operator()(const FlowsTried& from) const {
    to->mutable_tried();
    for (const FlowTried& tried : from.flows) {
      v1::FlowTried* entry = to->mutable_tried()->add_flows();
      entry->set_flow(tried.flow.Line());
      entry->set_verdict(ToProto(tried.verdict));
      entry->set_reason(tried.reason);
    }
  }
};

struct MessageFiller {
  v1::AgentMessage* to;

  void operator()(const Hello& from) const {
    v1::Hello* hello = to->mutable_hello();
    hello->set_agent_version(from.agent_version);
    hello->set_boot_id(from.boot_id);
    hello->set_highest_epoch(from.highest_epoch);
    hello->set_protocol(1);
    Fill(from.fence, hello->mutable_fence());
  }
  void operator()(const Report& from) const {
    v1::Report* report = to->mutable_report();
    report->set_order_id(from.order.str());
    report->set_outcome(ToProto(from.outcome));
    report->set_reason(from.reason);
    Fill(from.fence, report->mutable_fence());
    std::visit(DetailFiller{report}, from.detail);
  }
  void operator()(const WatchChanged& from) const {
    to->mutable_watch_changed()->set_step(from.step.str());
    Fill(from.result, to->mutable_watch_changed()->mutable_result());
  }
  void operator()(const LeaseLost& from) const {
    to->mutable_lease_lost()->set_release_digest(from.release_digest);
  }
  void operator()(const Heartbeat& from) const {
    to->mutable_heartbeat()->set_counter(from.counter);
  }
  void operator()(const FenceChanged& from) const {
    to->mutable_fence_changed()->set_reason(from.reason);
    Fill(from.fence, to->mutable_fence_changed()->mutable_fence());
  }
  void operator()(const GlassBroken& from) const {
    v1::GlassBroken* glass = to->mutable_glass_broken();
    glass->set_text(from.text);
    glass->set_signature(from.signature);
    glass->set_over(from.over);
    Fill(from.fence, glass->mutable_fence());
  }
};

// A time from the network: not negative, at most a day.
absl::Duration Milliseconds(int64_t value) {
  return absl::Milliseconds(std::clamp<int64_t>(
      value, 0, absl::ToInt64Milliseconds(absl::Hours(24))));
}

template <class Lines>
absl::StatusOr<std::vector<Flow>> Flows(const Lines& lines) {
  std::vector<Flow> flows;
  flows.reserve(static_cast<size_t>(lines.size()));
  for (const std::string& line : lines) {
    SLUICE_ASSIGN_OR_RETURN(Flow flow, Flow::Parse(line));
    flows.push_back(flow);
  }
  return flows;
}

template <class Checks>
std::vector<NamedCheck> ReadChecks(const Checks& from) {
  std::vector<NamedCheck> checks;
  for (const v1::CheckSpec& entry : from) {
    NamedCheck check;
    check.id = CheckId(entry.id());
    check.spec.kind = entry.kind();
    check.spec.args = {entry.args().begin(), entry.args().end()};
    check.spec.timeout = Milliseconds(entry.timeout_ms());
    check.spec.attempts = entry.attempts();
    check.spec.between = Milliseconds(entry.between_ms());
    checks.push_back(std::move(check));
  }
  return checks;
}

template <class Names>
std::vector<GrantId> Grants(const Names& names) {
  std::vector<GrantId> grants;
  for (const std::string& name : names) grants.emplace_back(name);
  return grants;
}

absl::StatusOr<Propose> ReadPropose(const v1::Propose& from) {
  Propose propose{.body = from.body(), .round = from.round()};
  for (const v1::GrantFlows& grant : from.grants()) {
    SLUICE_ASSIGN_OR_RETURN(std::vector<Flow> flows, Flows(grant.flows()));
    propose.grants.push_back({GrantId(grant.grant()), std::move(flows)});
  }
  propose.will_ask = {from.will_ask().begin(), from.will_ask().end()};
  return propose;
}

template <class Entries>
std::vector<Decision> ReadDecisions(const Entries& entries) {
  std::vector<Decision> decisions;
  for (const v1::Decision& entry : entries) {
    Decision decision{.by = OperatorId(entry.operator_name()),
                      .body_digest = entry.body_digest(),
                      .signature = entry.signature()};
    // One role, or several with spaces between.
    for (const absl::string_view role :
         absl::StrSplit(entry.role(), ' ', absl::SkipEmpty())) {
      decision.roles.emplace_back(role);
    }
    decisions.push_back(std::move(decision));
  }
  return decisions;
}

absl::StatusOr<Withdraw> ReadWithdrawPeers(const v1::WithdrawPeers& from) {
  Withdraw withdraw{Grants(from.grants()), from.reason()};
  for (const std::string& address : from.peers()) {
    SLUICE_ASSIGN_OR_RETURN(const Prefix peer, Prefix::Parse(address));
    withdraw.peers.push_back(peer);
  }
  if (withdraw.peers.empty()) {
    return absl::InvalidArgumentError(
        "a withdrawal by peer names no address, so nothing was closed");
  }
  return withdraw;
}

absl::Status ReadWhat(const v1::Order& from, Order& order) {
  switch (from.what_case()) {
    case v1::Order::kIsolateHost:
      order.what = IsolateHost{from.isolate_host().reason(),
                               from.isolate_host().sensor_anew()};
      break;
    case v1::Order::kWithdraw:
      order.what =
          Withdraw{Grants(from.withdraw().grants()), from.withdraw().reason()};
      break;
    case v1::Order::kWithdrawPeers: {
      SLUICE_ASSIGN_OR_RETURN(order.what,
                              ReadWithdrawPeers(from.withdraw_peers()));
      break;
    }
    case v1::Order::kFreezeEvidence:
      order.what =
          FreezeEvidence{from.freeze_evidence().round(),
                         ReadChecks(from.freeze_evidence().inspections())};
      break;
    case v1::Order::kPropose: {
      SLUICE_ASSIGN_OR_RETURN(order.what, ReadPropose(from.propose()));
      break;
    }
    case v1::Order::kOpenFlows:
      order.what = OpenFlows{from.open_flows().release_digest(),
                             Grants(from.open_flows().grants()),
                             ReadDecisions(from.open_flows().decisions())};
      break;
    case v1::Order::kTryFlows: {
      SLUICE_ASSIGN_OR_RETURN(std::vector<Flow> flows,
                              Flows(from.try_flows().flows()));
      order.what = TryFlows{std::move(flows),
                            Milliseconds(from.try_flows().timeout_ms())};
      break;
    }
    case v1::Order::kRunChecks:
      order.what = RunChecks{ReadChecks(from.run_checks().checks())};
      break;
    case v1::Order::kStartUnit:
      order.what = StartUnit{from.start_unit().unit()};
      break;
    case v1::Order::kWatch:
      order.what =
          Watch{StepId(from.watch().step()), ReadChecks(from.watch().checks()),
                Milliseconds(from.watch().every_ms())};
      break;
    case v1::Order::kConfirm:
      order.what = Confirm{from.confirm().release_digest(),
                           Grants(from.confirm().grants()),
                           StepId(from.confirm().step()),
                           ReadDecisions(from.confirm().decisions())};
      break;
    case v1::Order::kChangeTrust:
      order.what = ChangeTrust{from.change_trust().text(),
                               {from.change_trust().signatures().begin(),
                                from.change_trust().signatures().end()}};
      break;
    case v1::Order::kGlassNoted:
      order.what = GlassNoted{from.glass_noted().text_digest()};
      break;
    case v1::Order::kReadFence:
      order.what = ReadFence{};
      break;
    case v1::Order::WHAT_NOT_SET:
      return absl::InvalidArgumentError(
          "this agent does not know this kind of order; it may be older than "
          "the orchestrator");
  }
  return absl::OkStatus();
}

}  // namespace

v1::AgentMessage ToProto(const Message& message) {
  v1::AgentMessage out;
  std::visit(MessageFiller{&out}, message);
  return out;
}

v1::AgentMessage ToProto(const Observations& observations) {
  v1::AgentMessage message;
  v1::Observations* out = message.mutable_observations();
  if (observations.since != absl::InfiniteFuture()) {
    out->set_since_ms(absl::ToUnixMillis(observations.since));
    out->set_until_ms(absl::ToUnixMillis(observations.until));
  }
  out->set_full(observations.full);
  for (const auto& [key, listener] : observations.listeners) {
    v1::ObservedListener* entry = out->add_listeners();
    entry->set_protocol(std::string(ProtocolName(key.protocol)));
    entry->set_port(key.port);
    Fill(listener.process, entry->mutable_process());
    entry->set_first_ms(absl::ToUnixMillis(listener.first));
    entry->set_last_ms(absl::ToUnixMillis(listener.last));
  }
  size_t bytes = out->ByteSizeLong();
  for (const auto* peers : {&observations.passed, &observations.refused}) {
    for (const auto& [key, peer] : *peers) {
      if (peer.times == 0) continue;  // told of, but not counted yet
      v1::ObservedPeer* entry = out->add_peers();
      entry->set_outbound(key.outbound);
      entry->set_protocol(std::string(ProtocolName(key.protocol)));
      entry->set_address(key.peer.ToString());
      entry->set_port(key.port);
      entry->set_times(peer.times);
      entry->set_first_ms(absl::ToUnixMillis(peer.first));
      entry->set_last_ms(absl::ToUnixMillis(peer.last));
      entry->set_refused(peers == &observations.refused);
      Fill(peer.process, entry->mutable_process());
      bytes += entry->ByteSizeLong() + kEntryHead;
      if (bytes <= kMaxObserved) continue;
      out->mutable_peers()->RemoveLast();
      out->set_full(true);
      return message;
    }
  }
  return message;
}

absl::StatusOr<Event> FromProto(const v1::OrchestratorMessage& message) {
  switch (message.kind_case()) {
    case v1::OrchestratorMessage::kWelcome:
      return Event(LinkWelcomed{message.welcome().epoch(),
                                message.welcome().instance(),
                                message.welcome().estate()});
    case v1::OrchestratorMessage::kOrder: {
      const v1::Order& from = message.order();
      Order order{.id = OrderId(from.id()),
                  .epoch = from.epoch(),
                  .deadline = Milliseconds(from.deadline_ms()),
                  .what = ReadFence{}};
      if (const absl::Status status = ReadWhat(from, order); !status.ok()) {
        order.what = Unreadable{std::string(status.message())};
      }
      return Event(OrderReceived{std::move(order)});
    }
    case v1::OrchestratorMessage::kRenewal: {
      const v1::Renewal& from = message.renewal();
      return Event(RenewalReceived{
          from.epoch(),
          {from.release_digests().begin(), from.release_digests().end()},
          from.counter()});
    }
    case v1::OrchestratorMessage::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "the orchestrator sent a message of no kind that this agent knows");
}

}  // namespace sluice::agent
