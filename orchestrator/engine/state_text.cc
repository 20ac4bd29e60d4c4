// The whole state as canonical text: two engines that agree on it behave the
// same from here on (S7).

#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/state.h"

namespace sluice::engine {
namespace {

class Writer {
 public:
  std::string Take() { return std::move(text_); }

  void Line(absl::string_view name) { absl::StrAppend(&text_, "\n", name); }
  // Lengths make texts with newlines unambiguous.
  void Add(absl::string_view text) {
    absl::StrAppend(&text_, " ", text.size(), ":", text);
  }
  void Add(int64_t number) { absl::StrAppend(&text_, " ", number); }
  void Add(absl::Time time) {
    Add(absl::FormatTime("%E*s/%s", time, absl::UTCTimeZone()));
  }
  void Add(const OrderSet& keys) {
    for (const OrderKey& key : keys) {
      absl::StrAppend(&text_, " #", key.sequence, "/", key.index);
    }
    absl::StrAppend(&text_, " .");
  }
  void Add(const CheckReport& report) {
    Add(report.id.str());
    Add(static_cast<int64_t>(report.result.verdict));
    Add(report.result.reason);
    Add(report.result.said_by);
  }
  void Add(const Vote& vote) {
    Add(vote.decision.by.str());
    Add(int64_t{vote.decision.go});
    Add(vote.decision.body_digest);
    Add(vote.at);
    for (const StandsIn& one : vote.stands_in) Add(one.delegator.str());
  }

 private:
  std::string text_;
};

void AddFence(Writer* out, const FenceSeen& fence) {
  out->Line("fence");
  out->Add(static_cast<int64_t>(fence.mode));
  out->Add(static_cast<int64_t>(fence.quarantine_number));
  out->Add(static_cast<int64_t>(fence.state_serial));
  out->Add(static_cast<int64_t>(fence.dropped_packets));
  out->Add(fence.rules_digest);
  for (const FenceSeen::Release& release : fence.releases) {
    out->Line("release");
    out->Add(release.digest);
    out->Add(int64_t{release.leased_flows});
    out->Add(int64_t{release.standing_flows});
    out->Add(absl::ToInt64Milliseconds(release.lease_remaining));
    for (const GrantId& grant : release.withdrawn) out->Add(grant.str());
  }
  for (const std::string& digest : fence.broken_glass) {
    out->Line("broken-glass");
    out->Add(digest);
  }
  if (!fence.sensor_anew.empty()) {
    out->Line("sensor-anew");
    out->Add(fence.sensor_anew);
  }
}

void AddHosts(Writer* out, const World& world) {
  for (const auto& [id, host] : world.hosts) {
    out->Line("host");
    out->Add(id.str());
    out->Add(static_cast<int64_t>(host.link));
    out->Add(host.since);
    out->Add(host.lost_reason);
    out->Add(int64_t{host.absent});
    out->Add(host.absent_at);
    out->Add(host.boot_id);
    out->Add(host.agent_version);
    out->Add(int64_t{host.must_be_quarantined});
    out->Add(int64_t{host.never_isolated});
    out->Add(host.isolating ? OrderSet{*host.isolating} : OrderSet{});
    out->Add(host.pending);
    out->Add(static_cast<int64_t>(host.isolation));
    out->Add(host.isolation_orders);
    if (host.fence.has_value()) AddFence(out, *host.fence);
    out->Add(int64_t{host.manual});
    out->Add(int64_t{host.tasks_made});
    if (host.closed.has_value()) {
      out->Line("closed");
      out->Add(host.closed->by.str());
      out->Add(host.closed->at);
      out->Add(host.closed->saw);
    }
    for (const auto& [grant, opened] : host.opened_by_hand) {
      out->Line("opened-by-hand");
      out->Add(grant.str());
      out->Add(opened.release);
      out->Add(int64_t{opened.in_doubt});
      for (const PointFlow& flow : opened.flows) out->Add(flow.flow.Line());
    }
    if (host.sensor_anew.has_value()) {
      out->Line("sensor-anew");
      out->Add(host.sensor_anew->by.str());
      out->Add(host.sensor_anew->at);
      out->Add(host.sensor_anew->reason);
      out->Add(host.sensor_anew->act);
      out->Add(static_cast<int64_t>(host.sensor_anew->sequence));
      out->Add(int64_t{host.sensor_anew->done});
    }
    for (const auto& [digest, words] : host.glass) {
      out->Line("glass");
      out->Add(digest);
      out->Add(words);
    }
  }
}

void AddOrders(Writer* out, const World& world) {
  for (const auto& [key, pending] : world.orders) {
    out->Line("order");
    out->Add(pending.order.id.str());
    out->Add(pending.order.host.str());
    out->Add(static_cast<int64_t>(pending.order.what.index()));
    out->Add(static_cast<int64_t>(pending.purpose));
    out->Add(int64_t{pending.step});
    out->Add(int64_t{pending.gate});
    out->Add(int64_t{pending.grant});
    out->Add(pending.deadline);
    out->Add(int64_t{pending.failed});
    if (pending.by_hand.has_value()) {
      out->Add(pending.by_hand->id.str());
      out->Add(int64_t{pending.by_hand->answered});
      for (const PointFlow& flow : pending.by_hand->flows) {
        out->Add(flow.flow.Line());
      }
    }
    for (const int step : pending.steps) out->Add(int64_t{step});
  }
}

void AddPhase(Writer* out, const Phase& phase) {
  out->Add(PhaseName(phase));
  std::visit(
      [out](const auto& state) {
        using P = std::decay_t<decltype(state)>;
        if constexpr (requires { state.waiting; }) out->Add(state.waiting);
        if constexpr (std::is_same_v<P, Connecting>) {
          out->Add(static_cast<int64_t>(state.part));
          out->Add(int64_t{state.sent});
        } else if constexpr (std::is_same_v<P, Soaking>) {
          out->Add(state.until);
        } else if constexpr (std::is_same_v<P, Accepting>) {
          out->Add(int64_t{state.confirming});
          out->Add(int64_t{state.decided});
          out->Add(int64_t{state.refusals});
          out->Add(state.again);
          for (const HostId& host : state.confirmed) out->Add(host.str());
        } else if constexpr (std::is_same_v<P, Reconnected>) {
          out->Add(int64_t{state.place});
        }
      },
      phase);
}

void AddStep(Writer* out, const Step& step) {
  out->Line("step");
  AddPhase(out, step.phase);
  out->Add(step.since);
  out->Add(static_cast<int64_t>(step.stop));
  out->Add(step.reason);
  out->Add(int64_t{step.round});
  out->Add(int64_t{step.gate});
  out->Add(int64_t{step.watched});
  out->Add(int64_t{step.lost_grants});
  out->Add(int64_t{step.settled});
  out->Add(step.timer);
  for (const auto& [host, part] : step.parts) {
    out->Add(host.str());
    out->Add(int64_t{part.in});
    out->Add(int64_t{part.failed});
    out->Add(part.why);
  }
  for (const int grant : step.opened) out->Add(int64_t{grant});
  out->Line("closed");
  for (const int grant : step.closed) out->Add(int64_t{grant});
  for (const HostId& host : step.shut_servers) out->Add(host.str());
  out->Line("withdrawn");
  for (const HostId& host : step.withdrawn) out->Add(host.str());
  for (const auto& [grant, late] : step.late) {
    out->Line("late");
    out->Add(int64_t{grant});
    out->Add(static_cast<int64_t>(late.stage));
    out->Add(late.waiting);
    out->Add(int64_t{late.refusals});
    out->Add(late.again);
  }
  out->Line("doubtful");
  for (const auto& [key, report] : step.doubtful) {
    out->Add(key.first.str());
    out->Add(report);
  }
  for (const std::string& note : step.notes) out->Add(note);
  for (const auto& [key, report] : step.checks) {
    out->Add(key.second.str());
    out->Add(report);
  }
}

void AddRound(Writer* out, const Round& round) {
  out->Line("round");
  out->Add(int64_t{round.number});
  out->Add(static_cast<int64_t>(round.state));
  for (const int step : round.steps) out->Add(int64_t{step});
  out->Add(round.waiting);
  out->Add(round.body);
  out->Add(round.opened);
  out->Add(round.deadline);
  out->Add(round.valid_until);
  out->Add(int64_t{round.expired});
  out->Add(round.why);
  out->Add(round.stale);
  for (const Vote& vote : round.votes) out->Add(vote);
  out->Line("confirm");
  for (const Vote& vote : round.confirm_votes) out->Add(vote);
  for (const auto& [id, host] : round.hosts) {
    out->Line("of");
    out->Add(id.str());
    out->Add(int64_t{host.frozen});
    out->Add(host.boot_id);
    out->Add(static_cast<int64_t>(host.quarantine_number));
    out->Add(host.frozen_at);
    out->Add(host.evidence_digest);
    out->Add(host.out);
    out->Add(static_cast<int64_t>(host.answer));
    out->Add(host.answer_reason);
    out->Add(int64_t{host.is_void});
    for (const CheckReport& report : host.results) out->Add(report);
  }
}

void AddRun(Writer* out, const Run& run) {
  out->Line("run");
  out->Add(run.id.str());
  out->Add(run.by.str());
  out->Add(run.started);
  out->Add(run.ended);
  out->Add(run.end_reason);
  for (const Criterion& criterion : run.end_criteria) {
    out->Add(criterion.id);
    out->Add(int64_t{criterion.met});
    out->Add(criterion.text);
  }
  out->Add(int64_t{run.active});
  out->Add(int64_t{run.paused});
  out->Add(run.paused_by.str());
  out->Add(run.paused_at);
  out->Add(int64_t{run.plan_number});
  out->Add(run.planned_by.str());
  for (const int step : run.came_back) out->Add(int64_t{step});
  for (const auto& [id, task] : run.tasks) {
    out->Line("task");
    out->Add(id.str());
    out->Add(task.by.str());
    out->Add(task.at);
    out->Add(task.note);
    out->Add(task.attachment_digest);
  }
  for (const auto& [id, waiver] : run.waivers) {
    out->Line("waiver");
    out->Add(id.str());
    out->Add(waiver.by.str());
    out->Add(waiver.reason);
    out->Add(waiver.until);
  }
  for (const Step& step : run.steps) AddStep(out, step);
  for (const Gate& gate : run.gates) {
    out->Line("gate");
    out->Add(gate.id.str());
    out->Add(int64_t{gate.last_round});
    out->Add(int64_t{gate.current});
    out->Add(int64_t{gate.unsettled});
    out->Add(gate.why);
    if (gate.forming.has_value()) AddRound(out, *gate.forming);
    for (const auto& [number, round] : gate.released) AddRound(out, round);
  }
}

void AddIdentities(Writer* out, const Identities& identities) {
  for (const auto& [host, identity] : identities.hosts()) {
    out->Line("identity");
    out->Add(host.str());
    out->Add(identity.key);
    out->Add(identity.evidence_key);
    out->Add(identity.since);
  }
  for (const auto& [secret, token] : identities.tokens()) {
    out->Line("token");
    out->Add(secret);
    out->Add(token.host.str());
    out->Add(token.by.str());
    out->Add(token.until);
  }
  for (const std::string& key : identities.revoked()) {
    out->Line("revoked");
    out->Add(key);
  }
}

}  // namespace

std::string StateText(const World& world) {
  Writer out;
  out.Line("world");
  out.Add(static_cast<int64_t>(world.epoch));
  out.Add(world.instance);
  out.Add(world.now);
  out.Add(world.plan == nullptr ? "" : world.plan->digest);
  out.Add(int64_t{world.plan_number});
  AddHosts(&out, world);
  AddOrders(&out, world);
  if (world.run.has_value()) AddRun(&out, *world.run);
  AddIdentities(&out, world.identities);
  for (const auto& [delegator, one] : world.stand_ins) {
    out.Line("stand-in");
    out.Add(one.text);
  }
  if (!world.rotation.empty()) {
    out.Line("rotation");
    out.Add(world.rotation);
  }
  if (world.refused.last_at != absl::InfinitePast()) {
    out.Line("refused");
    out.Add(static_cast<int64_t>(world.refused.logins));
    out.Add(static_cast<int64_t>(world.refused.tokens));
    out.Add(static_cast<int64_t>(world.refused.calls));
    out.Add(world.refused.since);
    out.Add(world.refused.last_at);
    out.Add(world.refused.last);
  }
  return out.Take();
}

}  // namespace sluice::engine
