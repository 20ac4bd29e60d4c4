#include <type_traits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "common/contract.h"
#include "orchestrator/journal/codec.h"
#include "sluice/v1/journal.pb.h"

namespace sluice::journal {
namespace {

namespace pb = ::sluice::v1::journal;
namespace en = ::sluice::engine;

// Every kind is at its first version.
constexpr uint32_t kVersion = 1;

pb::Verdict ToPb(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return pb::VERDICT_PASS;
    case Verdict::kFail:
      return pb::VERDICT_FAIL;
    case Verdict::kInconclusive:
      return pb::VERDICT_INCONCLUSIVE;
  }
  return pb::VERDICT_UNSPECIFIED;
}

template <class Names, class Out>
void AddAll(const Names& names, Out* out) {
  for (const auto& name : names) out->Add()->assign(name.str());
}

void Fill(const en::FenceSeen& fence, pb::Fence* out) {
  out->set_mode(fence.mode == en::FenceSeen::Mode::kQuarantined
                    ? pb::Fence::MODE_QUARANTINED
                    : pb::Fence::MODE_OPEN);
  out->set_quarantine_number(fence.quarantine_number);
  out->set_state_serial(fence.state_serial);
  for (const en::FenceSeen::Release& release : fence.releases) {
    pb::Fence::Release* to = out->add_releases();
    to->set_digest(release.digest);
    to->set_leased_flows(release.leased_flows);
    to->set_standing_flows(release.standing_flows);
    to->set_lease_remaining_ns(
        absl::ToInt64Nanoseconds(release.lease_remaining));
    AddAll(release.withdrawn, to->mutable_withdrawn());
  }
  out->set_dropped_packets(fence.dropped_packets);
  out->set_rules_digest(fence.rules_digest);
  for (const std::string& one : fence.broken_glass) out->add_broken_glass(one);
  out->set_sensor_anew(fence.sensor_anew);
}

void Fill(const en::CheckReport& report, pb::CheckReport* out) {
  out->set_id(report.id.str());
  out->set_verdict(ToPb(report.result.verdict));
  out->set_reason(report.result.reason);
  out->set_said_by(report.result.said_by);
}

pb::ReignBegan ToPb(const en::ReignBegan& event) {
  pb::ReignBegan out;
  out.set_epoch(event.epoch);
  out.set_instance(event.instance);
  return out;
}
pb::PlanAdopted ToPb(const en::PlanAdopted& event) {
  SLUICE_CHECK(event.plan != nullptr);
  pb::PlanAdopted out;
  out.set_number(event.number);
  out.set_plan_digest(event.plan->digest);
  out.set_sources(event.sources);
  out.set_by(event.by.str());
  return out;
}
pb::RunStarted ToPb(const en::RunStarted& event) {
  pb::RunStarted out;
  out.set_run(event.run.str());
  out.set_by(event.by.str());
  return out;
}
pb::AgentConnected ToPb(const en::AgentConnected& event) {
  pb::AgentConnected out;
  out.set_host(event.host.str());
  out.set_agent_version(event.agent_version);
  out.set_boot_id(event.boot_id);
  out.set_highest_epoch(event.highest_epoch);
  Fill(event.fence, out.mutable_fence());
  return out;
}
pb::AgentLost ToPb(const en::AgentLost& event) {
  pb::AgentLost out;
  out.set_host(event.host.str());
  out.set_reason(event.reason);
  return out;
}

// The detail of a report, one overload an alternative.
void FillDetail(std::monostate, pb::OrderReported*) {}
void FillDetail(const en::ChecksDone& done, pb::OrderReported* out) {
  for (const en::CheckReport& report : done.results) {
    Fill(report, out->mutable_checks()->add_results());
  }
  out->mutable_checks();  // present even when empty
}
void FillDetail(const en::EvidenceFrozen& frozen, pb::OrderReported* out) {
  pb::EvidenceFrozen* evidence = out->mutable_evidence();
  evidence->set_digest(frozen.digest);
  evidence->set_text(frozen.text);
  evidence->set_signature(frozen.signature);
  for (const en::CheckReport& report : frozen.results) {
    Fill(report, evidence->add_results());
  }
}
void FillDetail(const en::ReleaseAnswered& answer, pb::OrderReported* out) {
  out->mutable_release()->set_accepts(answer.accepts);
  out->mutable_release()->set_reason(answer.reason);
}
void FillDetail(const en::FlowsTried& tried, pb::OrderReported* out) {
  pb::FlowsTried* to = out->mutable_tried();
  for (const en::FlowsTried::Try& one : tried.tries) {
    pb::FlowsTried::Try* entry = to->add_tries();
    entry->set_flow(one.flow.Line());
    entry->set_verdict(ToPb(one.verdict));
    entry->set_reason(one.reason);
  }
}
pb::OrderReported ToPb(const en::OrderReported& event) {
  pb::OrderReported out;
  out.set_order(event.order.str());
  out.set_host(event.host.str());
  switch (event.outcome) {
    case en::Outcome::kDone:
      out.set_outcome(pb::OrderReported::OUTCOME_DONE);
      break;
    case en::Outcome::kRefused:
      out.set_outcome(pb::OrderReported::OUTCOME_REFUSED);
      break;
    case en::Outcome::kFailed:
      out.set_outcome(pb::OrderReported::OUTCOME_FAILED);
      break;
  }
  out.set_reason(event.reason);
  if (event.fence.has_value()) Fill(*event.fence, out.mutable_fence());
  std::visit([&out](const auto& detail) { FillDetail(detail, &out); },
             event.detail);
  return out;
}

pb::WatchChanged ToPb(const en::WatchChanged& event) {
  pb::WatchChanged out;
  out.set_host(event.host.str());
  out.set_step(event.step.str());
  Fill(event.report, out.mutable_report());
  return out;
}
pb::LeaseLost ToPb(const en::LeaseLost& event) {
  pb::LeaseLost out;
  out.set_host(event.host.str());
  out.set_release_digest(event.release_digest);
  return out;
}
pb::FenceChanged ToPb(const en::FenceChanged& event) {
  pb::FenceChanged out;
  out.set_host(event.host.str());
  out.set_reason(event.reason);
  Fill(event.fence, out.mutable_fence());
  return out;
}
pb::GlassBroken ToPb(const en::GlassBroken& event) {
  pb::GlassBroken out;
  out.set_host(event.host.str());
  out.set_text(event.text);
  out.set_signature(event.signature);
  out.set_over(event.over);
  Fill(event.fence, out.mutable_fence());
  return out;
}
pb::DecisionMade ToPb(const en::DecisionMade& event) {
  pb::DecisionMade out;
  out.set_gate(event.gate.str());
  out.set_round(event.round);
  out.set_by(event.by.str());
  AddAll(event.roles, out.mutable_roles());
  out.set_go(event.go);
  out.set_reason(event.reason);
  out.set_body_digest(event.body_digest);
  out.set_signature(event.signature);
  if (event.text != nullptr) out.set_text(*event.text);
  return out;
}
pb::TaskSigned ToPb(const en::TaskSigned& event) {
  pb::TaskSigned out;
  out.set_task(event.task.str());
  out.set_by(event.by.str());
  AddAll(event.roles, out.mutable_roles());
  out.set_note(event.note);
  out.set_attachment_digest(event.attachment_digest);
  out.set_signature(event.signature);
  if (event.text != nullptr) out.set_text(*event.text);
  return out;
}
pb::PointReported ToPb(const en::PointReported& event) {
  pb::PointReported out;
  out.set_host(event.host.str());
  out.set_task(event.task.str());
  out.set_order(event.order.str());
  out.set_by(event.by.str());
  AddAll(event.roles, out.mutable_roles());
  out.set_done(event.done);
  out.set_saw(event.saw);
  out.set_signature(event.signature);
  if (event.text != nullptr) out.set_text(*event.text);
  return out;
}
pb::IsolationOrdered ToPb(const en::IsolationOrdered& event) {
  using Scope = en::IsolationOrdered::Scope;
  pb::IsolationOrdered out;
  switch (event.scope) {
    case Scope::kAll:
      out.set_scope(pb::IsolationOrdered::SCOPE_ALL);
      break;
    case Scope::kRun:
      out.set_scope(pb::IsolationOrdered::SCOPE_RUN);
      break;
    case Scope::kSystem:
      out.set_scope(pb::IsolationOrdered::SCOPE_SYSTEM);
      break;
    case Scope::kHost:
      out.set_scope(pb::IsolationOrdered::SCOPE_HOST);
      break;
  }
  out.set_system(event.system.str());
  out.set_host(event.host.str());
  out.set_by(event.by.str());
  out.set_reason(event.reason);
  out.set_confirmation(event.confirmation);
  out.set_sensor_anew(event.sensor_anew);
  AddAll(event.roles, out.mutable_roles());
  return out;
}
pb::RetryAsked ToPb(const en::RetryAsked& event) {
  pb::RetryAsked out;
  AddAll(event.steps, out.mutable_steps());
  out.set_by(event.by.str());
  return out;
}
pb::RunPaused ToPb(const en::RunPaused& event) {
  pb::RunPaused out;
  out.set_by(event.by.str());
  return out;
}
pb::RunResumed ToPb(const en::RunResumed& event) {
  pb::RunResumed out;
  out.set_by(event.by.str());
  return out;
}
pb::RunEnded ToPb(const en::RunEnded& event) {
  pb::RunEnded out;
  out.set_by(event.by.str());
  out.set_reason(event.reason);
  return out;
}
pb::WaiverGiven ToPb(const en::WaiverGiven& event) {
  pb::WaiverGiven out;
  out.set_step(event.step.str());
  out.set_check(event.check.str());
  out.set_by(event.by.str());
  AddAll(event.roles, out.mutable_roles());
  out.set_reason(event.reason);
  out.set_until_ns(absl::ToUnixNanos(event.until));
  out.set_signature(event.signature);
  if (event.text != nullptr) out.set_text(*event.text);
  return out;
}
pb::TrustChanged ToPb(const en::TrustChanged& event) {
  pb::TrustChanged out;
  out.set_by(event.by.str());
  out.set_text(event.text);
  for (const std::string& one : event.signatures) out.add_signatures(one);
  return out;
}
pb::TimePassed ToPb(const en::TimePassed&) { return pb::TimePassed(); }

pb::IdentityChanged ToPb(const en::IdentityChanged& event) {
  pb::IdentityChanged out;
  // The numbers are one apart: the wire's begin with "unspecified".
  out.set_what(
      static_cast<pb::IdentityChanged::What>(static_cast<int>(event.what) + 1));
  out.set_host(event.host.str());
  out.set_by(event.by.str());
  out.set_key(event.key);
  out.set_evidence_key(event.evidence_key);
  out.set_token(event.token);
  out.set_until_us(absl::ToUnixMicros(event.until));
  out.set_reason(event.reason);
  out.set_text(event.text);
  out.set_signature(event.signature);
  return out;
}

pb::AccessRefused ToPb(const en::AccessRefused& event) {
  pb::AccessRefused out;
  out.set_address(event.address);
  out.set_addresses(event.addresses);
  out.set_logins(event.logins);
  out.set_tokens(event.tokens);
  out.set_calls(event.calls);
  out.set_last(event.last);
  return out;
}

pb::Kind KindOf(const en::Event& event) {
  struct Kinds {
    pb::Kind operator()(const en::ReignBegan&) { return pb::KIND_REIGN_BEGAN; }
    pb::Kind operator()(const en::PlanAdopted&) {
      return pb::KIND_PLAN_ADOPTED;
    }
    pb::Kind operator()(const en::RunStarted&) { return pb::KIND_RUN_STARTED; }
    pb::Kind operator()(const en::AgentConnected&) {
      return pb::KIND_AGENT_CONNECTED;
    }
    pb::Kind operator()(const en::AgentLost&) { return pb::KIND_AGENT_LOST; }
    pb::Kind operator()(const en::OrderReported&) {
      return pb::KIND_ORDER_REPORTED;
    }
    pb::Kind operator()(const en::WatchChanged&) {
      return pb::KIND_WATCH_CHANGED;
    }
    pb::Kind operator()(const en::LeaseLost&) { return pb::KIND_LEASE_LOST; }
    pb::Kind operator()(const en::FenceChanged&) {
      return pb::KIND_FENCE_CHANGED;
    }
    pb::Kind operator()(const en::DecisionMade&) {
      return pb::KIND_DECISION_MADE;
    }
    pb::Kind operator()(const en::TaskSigned&) { return pb::KIND_TASK_SIGNED; }
    pb::Kind operator()(const en::IsolationOrdered&) {
      return pb::KIND_ISOLATION_ORDERED;
    }
    pb::Kind operator()(const en::RetryAsked&) { return pb::KIND_RETRY_ASKED; }
    pb::Kind operator()(const en::RunPaused&) { return pb::KIND_RUN_PAUSED; }
    pb::Kind operator()(const en::RunResumed&) { return pb::KIND_RUN_RESUMED; }
    pb::Kind operator()(const en::RunEnded&) { return pb::KIND_RUN_ENDED; }
    pb::Kind operator()(const en::WaiverGiven&) {
      return pb::KIND_WAIVER_GIVEN;
    }
    pb::Kind operator()(const en::TrustChanged&) {
      return pb::KIND_TRUST_CHANGED;
    }
    pb::Kind operator()(const en::PointReported&) {
      return pb::KIND_POINT_REPORTED;
    }
    pb::Kind operator()(const en::GlassBroken&) {
      return pb::KIND_GLASS_BROKEN;
    }
    pb::Kind operator()(const en::TimePassed&) { return pb::KIND_TIME_PASSED; }
    pb::Kind operator()(const en::IdentityChanged&) {
      return pb::KIND_IDENTITY_CHANGED;
    }
    pb::Kind operator()(const en::AccessRefused&) {
      return pb::KIND_ACCESS_REFUSED;
    }
  };
  return std::visit(Kinds(), event);
}

}  // namespace

std::string EncodeSources(const std::vector<SourceFile>& files) {
  pb::Sources out;
  for (const SourceFile& file : files) {
    pb::Sources::File* to = out.add_files();
    to->set_name(file.name);
    to->set_text(file.text);
  }
  return out.SerializeAsString();
}

Encoded Encode(const en::Event& event) {
  return Encoded{
      static_cast<uint32_t>(KindOf(event)), kVersion,
      std::visit(
          [](const auto& value) { return ToPb(value).SerializeAsString(); },
          event)};
}

std::string KindName(uint32_t kind) {
  if (!pb::Kind_IsValid(static_cast<int>(kind))) {
    return absl::StrCat("unknown kind ", kind);
  }
  const std::string& name = pb::Kind_Name(static_cast<pb::Kind>(kind));
  return absl::AsciiStrToLower(
      absl::StrReplaceAll(absl::StripPrefix(name, "KIND_"), {{"_", " "}}));
}

}  // namespace sluice::journal
