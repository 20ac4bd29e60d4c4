#include "orchestrator/rpc/agent_messages.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status.h"
#include "orchestrator/rpc/values.h"
#include "sluice/v1/agent.pb.h"

namespace sluice::rpc {
namespace {

// More than any honest agent says. What stands in a record is read for years.
constexpr size_t kMaxName = 512;
constexpr size_t kMaxSignature = 16 << 10;
constexpr size_t kMaxReason = 2000;
constexpr size_t kMaxGlass = 64 << 10;
constexpr size_t kMaxEvidence = 1 << 20;
constexpr int kMaxItems = 20'000;

absl::Status Wrong(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("the agent's message makes no sense: ", what,
                   "; agent and orchestrator must be of fitting versions"));
}

std::string Cut(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most;
  // Not within a UTF-8 character.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
    --end;
  }
  return absl::StrCat(text.substr(0, end), "…");
}

absl::Status CheckName(const std::string& name, absl::string_view what) {
  if (name.empty() || name.size() > kMaxName) {
    return Wrong(absl::StrCat(what, " has ", name.size(), " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckCount(int count, absl::string_view what) {
  if (count > kMaxItems) return Wrong(absl::StrCat(count, " ", what));
  return absl::OkStatus();
}

absl::StatusOr<engine::FenceSeen> FenceOf(const v1::FenceState& from) {
  engine::FenceSeen fence;
  switch (from.mode()) {
    case v1::FENCE_MODE_OPEN:
      fence.mode = engine::FenceSeen::Mode::kOpen;
      break;
    case v1::FENCE_MODE_QUARANTINED:
      fence.mode = engine::FenceSeen::Mode::kQuarantined;
      break;
    default:
      return Wrong("the fence is neither open nor quarantined");
  }
  SLUICE_RETURN_IF_ERROR(CheckCount(from.releases_size(), "release orders"));
  fence.quarantine_number = from.quarantine_number();
  fence.state_serial = from.state_serial();
  for (const v1::ReleaseState& release : from.releases()) {
    SLUICE_RETURN_IF_ERROR(
        CheckCount(release.withdrawn_grants_size(), "withdrawn grants"));
    engine::FenceSeen::Release to;
    to.digest = Cut(release.release_digest(), kMaxName);
    to.leased_flows = std::max(0, release.leased_flows());
    to.standing_flows = std::max(0, release.standing_flows());
    to.lease_remaining =
        absl::Milliseconds(std::max<int64_t>(0, release.lease_remaining_ms()));
    for (const std::string& grant : release.withdrawn_grants()) {
      to.withdrawn.emplace_back(Cut(grant, kMaxName));
    }
    fence.releases.push_back(std::move(to));
  }
  fence.dropped_packets = from.dropped_packets();
  fence.rules_digest = Cut(from.rules_digest(), kMaxName);
  SLUICE_RETURN_IF_ERROR(
      CheckCount(from.broken_glass_size(), "break-glass texts"));
  for (const std::string& digest : from.broken_glass()) {
    fence.broken_glass.push_back(Cut(digest, kMaxName));
  }
  fence.sensor_anew = Cut(from.sensor_anew(), kMaxName);
  return fence;
}

// Whose agent said it: a host says what it says as itself, whatever it writes
// in `said_by`.
struct Source {
  HostId host;  // what it is about
  std::string said_by;
};

absl::StatusOr<engine::CheckReport> ReportOf(const Source& source,
                                             const v1::CheckResult& from) {
  SLUICE_RETURN_IF_ERROR(CheckName(from.id(), "a check's id"));
  engine::CheckReport report;
  report.id = CheckId(from.id());
  report.result.verdict = VerdictOf(from.verdict());
  report.result.reason = Cut(from.reason(), kMaxReason);
  report.result.said_by = source.said_by;
  return report;
}

template <class Results>
absl::StatusOr<std::vector<engine::CheckReport>> ReportsOf(
    const Source& source, const Results& results) {
  SLUICE_RETURN_IF_ERROR(CheckCount(results.size(), "check results"));
  std::vector<engine::CheckReport> reports;
  for (const v1::CheckResult& result : results) {
    SLUICE_ASSIGN_OR_RETURN(engine::CheckReport report,
                            ReportOf(source, result));
    reports.push_back(std::move(report));
  }
  return reports;
}

absl::StatusOr<engine::FlowsTried> TriedOf(const v1::FlowsTried& from) {
  SLUICE_RETURN_IF_ERROR(CheckCount(from.flows_size(), "tried flows"));
  engine::FlowsTried tried;
  for (const v1::FlowTried& one : from.flows()) {
    absl::StatusOr<Flow> flow = Flow::Parse(one.flow());
    if (!flow.ok()) return Wrong(flow.status().message());
    tried.tries.push_back({*std::move(flow), VerdictOf(one.verdict()),
                           Cut(one.reason(), kMaxReason)});
  }
  return tried;
}

absl::Status ReadDetail(const Source& source, const v1::Report& from,
                        engine::OrderReported* out) {
  switch (from.detail_case()) {
    case v1::Report::kChecks: {
      engine::ChecksDone done;
      SLUICE_ASSIGN_OR_RETURN(done.results,
                              ReportsOf(source, from.checks().results()));
      out->detail = std::move(done);
      break;
    }
    case v1::Report::kEvidence: {
      const v1::EvidenceFrozen& evidence = from.evidence();
      // Not cut: its digest would not be of it any more.
      if (evidence.text().size() > kMaxEvidence) {
        return Wrong("its evidence is longer than 1 MiB");
      }
      engine::EvidenceFrozen frozen{Cut(evidence.digest(), kMaxName),
                                    evidence.text(),
                                    {},
                                    Cut(evidence.signature(), kMaxSignature)};
      SLUICE_ASSIGN_OR_RETURN(frozen.results,
                              ReportsOf(source, evidence.results()));
      out->detail = std::move(frozen);
      break;
    }
    case v1::Report::kRelease:
      out->detail = engine::ReleaseAnswered{
          from.release().accepts(), Cut(from.release().reason(), kMaxReason)};
      break;
    case v1::Report::kTried: {
      SLUICE_ASSIGN_OR_RETURN(engine::FlowsTried tried, TriedOf(from.tried()));
      out->detail = std::move(tried);
      break;
    }
    case v1::Report::DETAIL_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

absl::StatusOr<engine::Event> EventOfReport(const Source& source,
                                            const v1::Report& from) {
  SLUICE_RETURN_IF_ERROR(CheckName(from.order_id(), "an order's id"));
  engine::OrderReported report;
  report.order = engine::OrderId(from.order_id());
  report.host = source.host;
  switch (from.outcome()) {
    case v1::OUTCOME_DONE:
      report.outcome = engine::Outcome::kDone;
      break;
    case v1::OUTCOME_REFUSED:
      report.outcome = engine::Outcome::kRefused;
      break;
    case v1::OUTCOME_FAILED:
      report.outcome = engine::Outcome::kFailed;
      break;
    default:
      return Wrong("a report without an outcome");
  }
  report.reason = Cut(from.reason(), kMaxReason);
  if (from.has_fence()) {
    SLUICE_ASSIGN_OR_RETURN(report.fence, FenceOf(from.fence()));
  }
  SLUICE_RETURN_IF_ERROR(ReadDetail(source, from, &report));
  return report;
}

absl::StatusOr<engine::Event> EventOfHello(const HostId& host,
                                           const v1::Hello& hello) {
  if (hello.protocol() != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the agent speaks protocol ", hello.protocol(),
        " and this orchestrator speaks 1; install the agent of this version"));
  }
  engine::AgentConnected connected;
  connected.host = host;
  connected.agent_version = Cut(hello.agent_version(), kMaxName);
  connected.boot_id = Cut(hello.boot_id(), kMaxName);
  connected.highest_epoch = hello.highest_epoch();
  SLUICE_ASSIGN_OR_RETURN(connected.fence, FenceOf(hello.fence()));
  return connected;
}

// ── orders ──────────────────────────────────────────────────────────────────

template <class Checks, class Out>
void AddChecks(const Checks& checks, Out* out) {
  for (const PlannedCheck& check : checks) FillCheckSpec(check, out->Add());
}

struct OrderFiller {
  v1::Order* out;

  void operator()(const engine::IsolateHost& order) {
    out->mutable_isolate_host()->set_reason(order.reason);
    out->mutable_isolate_host()->set_sensor_anew(order.sensor_anew);
  }
  void operator()(const engine::Withdraw& order) {
    if (!order.peers.empty()) {
      v1::WithdrawPeers* to = out->mutable_withdraw_peers();
      for (const Prefix& peer : order.peers) to->add_peers(peer.ToString());
      AddNames(order.grants, to->mutable_grants());
      to->set_reason(order.reason);
      return;
    }
    v1::Withdraw* to = out->mutable_withdraw();
    AddNames(order.grants, to->mutable_grants());
    to->set_reason(order.reason);
  }
  void operator()(const engine::FreezeEvidence& order) {
    v1::FreezeEvidence* to = out->mutable_freeze_evidence();
    to->set_round(order.round);
    AddChecks(order.inspections, to->mutable_inspections());
  }
  void operator()(const engine::Propose& order) {
    v1::Propose* to = out->mutable_propose();
    to->set_round(order.round);
    to->set_body(order.body.str());
    for (const auto& [grant, flows] : order.grants) {
      v1::GrantFlows* entry = to->add_grants();
      entry->set_grant(grant.str());
      AddFlows(flows, entry->mutable_flows());
    }
    for (const std::string& one : order.will_ask) to->add_will_ask(one);
  }
  void operator()(const engine::OpenFlows& order) {
    v1::OpenFlows* to = out->mutable_open_flows();
    to->set_release_digest(order.release_digest);
    AddNames(order.grants, to->mutable_grants());
    Fill(order.decisions, to->mutable_decisions());
  }
  void operator()(const engine::TryFlows& order) {
    v1::TryFlows* to = out->mutable_try_flows();
    AddFlows(order.flows, to->mutable_flows());
    to->set_timeout_ms(absl::ToInt64Milliseconds(order.timeout));
  }
  void operator()(const engine::RunChecks& order) {
    AddChecks(order.checks, out->mutable_run_checks()->mutable_checks());
  }
  void operator()(const engine::StartUnit& order) {
    out->mutable_start_unit()->set_unit(order.unit);
  }
  void operator()(const engine::Watch& order) {
    v1::Watch* to = out->mutable_watch();
    to->set_step(order.step.str());
    AddChecks(order.checks, to->mutable_checks());
    to->set_every_ms(absl::ToInt64Milliseconds(order.every));
  }
  void operator()(const engine::Confirm& order) {
    v1::Confirm* to = out->mutable_confirm();
    to->set_release_digest(order.release_digest);
    AddNames(order.grants, to->mutable_grants());
    to->set_step(order.step.str());
    Fill(order.decisions, to->mutable_decisions());
  }
  static void Fill(const std::vector<engine::DecisionMade>& decisions,
                   google::protobuf::RepeatedPtrField<v1::Decision>* out) {
    for (const engine::DecisionMade& from : decisions) {
      // For people who read the wire; agents go by the roles they pin.
      v1::Decision* decision = out->Add();
      decision->set_operator_name(from.by.str());
      decision->set_role(absl::StrJoin(
          from.roles, " ", [](std::string* text, const RoleId& role) {
            text->append(role.str());
          }));
      decision->set_body_digest(from.body_digest);
      decision->set_signature(from.signature);
    }
  }
  void operator()(const engine::ReadFence&) { out->mutable_read_fence(); }
  void operator()(const engine::ChangeTrust& order) {
    v1::ChangeTrust* to = out->mutable_change_trust();
    to->set_text(order.text);
    for (const std::string& one : order.signatures) to->add_signatures(one);
  }
  void operator()(const engine::GlassNoted& order) {
    out->mutable_glass_noted()->set_text_digest(order.text_digest);
  }
};

}  // namespace

absl::StatusOr<engine::Event> EventOf(const HostId& host,
                                      const v1::AgentMessage& message,
                                      const HostId& speaker) {
  const bool own = speaker.empty() || speaker == host;
  const Source source{
      host, own ? absl::StrCat("host ", host.str())
                : absl::StrCat("host ", speaker.str(), " for ", host.str())};
  switch (message.kind_case()) {
    case v1::AgentMessage::kHello:
      return EventOfHello(host, message.hello());
    case v1::AgentMessage::kReport:
      return EventOfReport(source, message.report());
    case v1::AgentMessage::kWatchChanged: {
      const v1::WatchChanged& from = message.watch_changed();
      SLUICE_RETURN_IF_ERROR(CheckName(from.step(), "a step's name"));
      engine::WatchChanged changed{host, StepId(from.step()), {}};
      SLUICE_ASSIGN_OR_RETURN(changed.report, ReportOf(source, from.result()));
      return changed;
    }
    case v1::AgentMessage::kLeaseLost:
      return engine::LeaseLost{
          host, Cut(message.lease_lost().release_digest(), kMaxName)};
    case v1::AgentMessage::kFenceChanged: {
      const v1::FenceChanged& from = message.fence_changed();
      engine::FenceChanged changed{host, Cut(from.reason(), kMaxReason), {}};
      SLUICE_ASSIGN_OR_RETURN(changed.fence, FenceOf(from.fence()));
      return changed;
    }
    case v1::AgentMessage::kGlassBroken: {
      const v1::GlassBroken& from = message.glass_broken();
      if (from.text().size() > kMaxGlass ||
          from.signature().size() > kMaxSignature) {
        return Wrong("its break-glass text or signature is far too long");
      }
      engine::GlassBroken broken{
          host, from.text(), from.signature(), from.over(), {}};
      SLUICE_ASSIGN_OR_RETURN(broken.fence, FenceOf(from.fence()));
      return broken;
    }
    case v1::AgentMessage::kHeartbeat:
      return Wrong("a heartbeat is no event");
    case v1::AgentMessage::kObservations:
      return Wrong("observations are no event");
    case v1::AgentMessage::kGoodbye:
      return Wrong("a goodbye is no event");
    case v1::AgentMessage::KIND_NOT_SET:
      break;
  }
  return Wrong("it is of a kind this orchestrator does not know");
}

std::string ReasonOf(const v1::Goodbye& goodbye) {
  return goodbye.reason().empty() ? "its agent hangs up without a word"
                                  : Cut(goodbye.reason(), kMaxReason);
}

void FillOrder(uint64_t epoch, const engine::Order& order, v1::Order* out) {
  out->set_id(order.id.str());
  out->set_epoch(epoch);
  out->set_deadline_ms(absl::ToInt64Milliseconds(order.deadline));
  std::visit(OrderFiller{out}, order.what);
}

}  // namespace sluice::rpc
