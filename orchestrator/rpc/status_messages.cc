#include "orchestrator/rpc/status_messages.h"

#include <algorithm>
#include <memory>

#include "absl/strings/string_view.h"
#include "orchestrator/model/words.h"
#include "orchestrator/planner/promises.h"
#include "orchestrator/rpc/values.h"
#include "orchestrator/runtime/durations.h"
#include "orchestrator/runtime/history.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::rpc {
namespace {

constexpr int kUsualLines = 1000;
constexpr int kMostLines = 10'000;

std::string Text(absl::string_view text) { return std::string(text); }

void FillWait(const engine::Wait& wait, v1::Wait* out) {
  out->set_kind(wait.kind);
  out->set_on(wait.on);
  out->set_who(wait.who);
  out->set_text(wait.text);
  out->set_on_kind(wait.on_kind);
  out->set_since_ms(Millis(wait.since));
  out->set_until_ms(Millis(wait.until));
  out->set_next(wait.next);
}

void FillRun(const engine::RunView& run, v1::Run* out) {
  out->set_id(run.id.str());
  out->set_state(run.state);
  out->set_started_by(run.started_by.str());
  if (run.state != "none") {
    out->set_started_ms(Millis(run.started));
    if (run.state == "ended") out->set_ended_ms(Millis(run.ended));
  }
  out->set_plan_digest(run.plan_digest);
  out->set_plan_number(run.plan_number);
  out->set_why(run.why);
  for (const engine::Criterion& criterion : run.criteria) {
    v1::Criterion* to = out->add_criteria();
    to->set_id(criterion.id);
    to->set_met(criterion.met);
    to->set_text(criterion.text);
    to->mutable_missing()->Assign(criterion.missing.begin(),
                                  criterion.missing.end());
  }
}

void FillNotKept(const NotKept& not_kept, v1::NotKept* out) {
  out->set_host(not_kept.host.str());
  out->set_enforcement(WordOf(not_kept.grade));
  out->mutable_promises()->Assign(not_kept.promises.begin(),
                                  not_kept.promises.end());
  out->set_text(not_kept.text);
}

void FillStep(const engine::StepView& step, const Plan* plan, v1::Step* out) {
  out->set_id(step.id.str());
  const PlannedStep* planned =
      plan == nullptr ? nullptr : plan->FindStep(step.id);
  if (planned != nullptr) {
    out->set_system(planned->system.str());
    out->set_external(planned->external.str());
    out->set_category(planned->category);
    out->set_priority(Text(WordOf(planned->priority)));
    out->set_stage(planned->stage.str());
    AddNames(planned->hosts, out->mutable_hosts());
    for (const NotKept& not_kept : NotKeptWith(*plan, {planned->id})) {
      FillNotKept(not_kept, out->add_not_kept());
    }
  }
  out->set_state(step.state);
  out->set_since_ms(Millis(step.since));
  out->set_reason(step.reason);
  for (const engine::Wait& wait : step.waits) FillWait(wait, out->add_waits());
  out->set_eta_low_ms(Millis(step.eta_low));
  out->set_eta_high_ms(Millis(step.eta_high));
  out->set_partial(step.partial);
  for (const std::string& note : step.notes) out->add_notes(note);
  out->set_failed(step.failed);
  out->set_state_ends_ms(Millis(step.state_ends));
  for (const engine::CheckReport& check : step.checks) {
    FillCheckResult(check, out->add_checks());
  }
}

void FillSensorAnew(const engine::SensorAnewView& from, v1::SensorAnew* to) {
  to->set_by(from.by.str());
  if (!from.by.empty()) to->set_at_ms(Millis(from.at));
  to->set_reason(from.reason);
  to->set_done(from.done);
}

void FillHost(const engine::HostView& host, const Plan* plan, v1::Host* out) {
  out->set_id(host.id.str());
  out->set_link(host.link);
  out->set_since_ms(Millis(host.since));
  out->set_fence(host.fence);
  out->set_quarantine_number(host.quarantine_number);
  out->set_leased_flows(host.leased_flows);
  out->set_standing_flows(host.standing_flows);
  out->set_text(host.text);
  out->set_dropped_packets(host.dropped_packets);
  out->set_agent_version(host.agent_version);
  out->set_trust(host.trust);
  out->set_broken_glass(host.broken_glass);
  out->set_said(host.said);
  if (host.sensor_anew.has_value()) {
    FillSensorAnew(*host.sensor_anew, out->mutable_sensor_anew());
  }
  const PlannedHost* planned =
      plan == nullptr ? nullptr : plan->FindHost(host.id);
  if (planned == nullptr) return;
  out->set_enforcement(WordOf(planned->grade));
  if (const auto not_kept = NotKeptBy(*planned)) {
    FillNotKept(*not_kept, out->mutable_not_kept());
  }
}

void FillPointTask(const engine::PointTaskView& task, v1::PointTask* out) {
  out->set_id(task.id.str());
  out->set_host(task.host.str());
  out->set_order(task.order.str());
  out->set_verb(task.verb);
  out->set_what(task.what);
  out->set_instructions(task.instructions);
  out->set_owner(task.owner.str());
  for (const engine::PointFlow& flow : task.flows) {
    v1::PointFlow* to = out->add_flows();
    to->set_from(flow.from);
    to->set_to(flow.to);
    to->set_flow(flow.flow.Line());
  }
  out->set_release(task.release);
  out->set_reason(task.reason);
  out->set_since_ms(Millis(task.since));
}

void FillGate(const engine::GateView& gate, v1::Gate* out) {
  out->set_id(gate.id.str());
  out->set_round(gate.round);
  out->set_state(gate.state);
  for (const auto& [role, count] : gate.quorum) {
    (*out->mutable_quorum())[role.str()] = count;
  }
  for (const auto& [role, count] : gate.missing) {
    (*out->mutable_missing())[role.str()] = count;
  }
  for (const engine::VoteView& vote : gate.votes) {
    v1::Vote* to = out->add_votes();
    to->set_by(vote.by.str());
    AddNames(vote.roles, to->mutable_roles());
    to->set_go(vote.go);
    to->set_reason(vote.reason);
    to->set_at_ms(Millis(vote.at));
    AddNames(vote.stands_in_for, to->mutable_stands_in_for());
  }
  AddNames(gate.steps, out->mutable_steps());
  const bool asked = gate.round > 0;
  out->set_opened_ms(asked ? std::max<int64_t>(0, Millis(gate.opened)) : 0);
  out->set_deadline_ms(asked ? std::max<int64_t>(0, Millis(gate.deadline)) : 0);
  out->set_body_digest(gate.body_digest);
  out->set_why(gate.why);
  for (const engine::Wait& wait : gate.waits) FillWait(wait, out->add_waits());
  out->set_confirming(gate.confirming);
  for (const std::string& waived : gate.waived) out->add_waived(waived);
}

void FillTask(const engine::TaskView& task, v1::Task* out) {
  out->set_id(task.id.str());
  out->set_what(task.what);
  out->set_owner(task.owner.str());
  out->set_step(task.step.str());
  out->set_kind(task.kind);
  out->set_wanted_now(task.wanted_now);
  out->set_done(task.done);
  out->set_by(task.by.str());
  if (task.done) out->set_at_ms(Millis(task.at));
  out->set_note(task.note);
}

// What of the forecast depends on people (S9: not rounded away).
std::string ForecastText(const engine::View& view) {
  if (view.run.state == "none" || view.run.state == "ended") return "";
  for (const engine::GateView& gate : view.gates) {
    if (gate.state != "done") {
      return "Machines' time only: what people take at gates and tasks comes "
             "on top.";
    }
  }
  return "";
}

}  // namespace

void FillStatus(const runtime::Glimpse& glimpse, v1::Status* out) {
  const engine::View view = glimpse.engine.MakeView(glimpse.now);
  const std::shared_ptr<const Plan> plan = glimpse.engine.plan();
  out->set_estate(view.estate.str());
  out->set_orchestrator_version(SLUICE_VERSION);
  out->set_epoch(view.epoch);
  out->set_now_ms(Millis(glimpse.now));
  out->set_journal_head(glimpse.head);
  out->set_journal_sequence(glimpse.sequence);
  out->set_journal_problem(glimpse.journal_problem);
  if (!view.refused.empty()) out->add_warnings(view.refused);
  FillRun(view.run, out->mutable_run());
  if (plan != nullptr && out->run().plan_digest().empty()) {
    // Before a run: the plan that one would follow.
    out->mutable_run()->set_plan_digest(plan->digest);
  }
  for (const engine::StepView& step : view.steps) {
    FillStep(step, plan.get(), out->add_steps());
  }
  for (const engine::HostView& host : view.hosts) {
    FillHost(host, plan.get(), out->add_hosts());
  }
  for (const engine::GateView& gate : view.gates) {
    FillGate(gate, out->add_gates());
  }
  for (const engine::TaskView& task : view.tasks) {
    FillTask(task, out->add_tasks());
  }
  for (const engine::PointTaskView& task : view.point_tasks) {
    FillPointTask(task, out->add_point_tasks());
  }
  v1::Forecast* forecast = out->mutable_forecast();
  forecast->set_low_ms(Millis(view.eta_low));
  forecast->set_high_ms(Millis(view.eta_high));
  forecast->set_steps_done(view.steps_done);
  forecast->set_steps_total(view.steps_total);
  AddNames(view.critical_path, forecast->mutable_critical_path());
  forecast->set_text(ForecastText(view));
}

void FillGateDetail(const runtime::Glimpse& glimpse,
                    const engine::GateDetail& detail, v1::GateDetail* out) {
  FillGate(detail.gate, out->mutable_gate());
  out->set_body(detail.body);
  for (const engine::GateDetail::Evidence& evidence : detail.evidence) {
    v1::HostEvidence* to = out->add_evidence();
    to->set_host(evidence.host.str());
    to->set_digest(evidence.digest);
    to->set_text(evidence.text);
    for (const engine::CheckReport& report : evidence.results) {
      FillCheckResult(report, to->add_results());
    }
    to->set_answer(evidence.answer);
    to->set_signature(evidence.signature);
    if (evidence.sensor_anew.has_value()) {
      FillSensorAnew(*evidence.sensor_anew, to->mutable_sensor_anew());
    }
  }
  for (const auto& [host, flows] : detail.flows) {
    v1::HostFlows* to = out->add_flows();
    to->set_host(host.str());
    AddFlows(flows, to->mutable_flows());
  }
  const engine::View view = glimpse.engine.MakeView(glimpse.now);
  const std::shared_ptr<const Plan> plan = glimpse.engine.plan();
  if (plan != nullptr) {
    for (const NotKept& not_kept : NotKeptWith(*plan, detail.gate.steps)) {
      FillNotKept(not_kept, out->add_not_kept());
    }
  }
  for (const engine::StepView& step : view.steps) {
    const PlannedStep* planned =
        plan == nullptr ? nullptr : plan->FindStep(step.id);
    if (planned != nullptr && planned->stage == detail.gate.id) {
      FillStep(step, plan.get(), out->add_steps());
    }
  }
}

void FillHistory(const runtime::Glimpse& glimpse, uint64_t from_sequence,
                 int limit, v1::History* out) {
  const int most = std::clamp(limit <= 0 ? kUsualLines : limit, 1, kMostLines);
  for (const runtime::HistoryLine& line :
       glimpse.history.From(from_sequence, static_cast<size_t>(most))) {
    v1::Entry* entry = out->add_entries();
    entry->set_sequence(line.sequence);
    entry->set_at_ms(Millis(line.at));
    entry->set_kind(line.kind);
    entry->set_who(line.who);
    entry->set_text(line.text);
  }
}

void FillDurations(const runtime::Glimpse& glimpse, v1::Durations* out) {
  for (const auto& [id, list] : glimpse.durations.steps()) {
    v1::StepDurations* step = out->add_steps();
    step->set_step(id.str());
    for (const absl::Duration took : list) {
      step->add_took_ms(absl::ToInt64Milliseconds(took));
    }
  }
  for (const auto& [id, list] : glimpse.durations.gates()) {
    v1::GateDurations* gate = out->add_gates();
    gate->set_gate(id.str());
    for (const absl::Duration waited : list) {
      gate->add_waited_ms(absl::ToInt64Milliseconds(waited));
    }
  }
}

}  // namespace sluice::rpc
