// What the engine says of itself: steps, hosts, tasks, the run, the forecast.

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/ending.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/gate_view.h"
#include "orchestrator/engine/glass.h"
#include "orchestrator/engine/hand.h"
#include "orchestrator/engine/hosts.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/state.h"
#include "orchestrator/engine/waits.h"
#include "orchestrator/engine/waivers.h"
#include "orchestrator/planner/forecast.h"

namespace sluice::engine {
namespace {

// A step whose host is away may be anything: it is shown as unknown, never
// guessed (DESIGN §2).
bool IsUnknown(const World& world, const Step& step) {
  if (In<Quarantined>(step) || In<Ready>(step)) return false;
  return HostsUp(world, step) < HostsIn(step);
}

void AddUnknown(const World& world, const Step& step, StepView* view) {
  view->state = "unknown";
  for (const auto& [host, part] : step.parts) {
    if (!part.in || world.Connected(host)) continue;
    view->notes.push_back(absl::StrCat("unknown: ", AwayText(world, host),
                                       "; it was ", PhaseName(step.phase)));
    const Host* state = world.FindHost(host);
    if (state != nullptr) view->since = state->since;
    if (!view->waits.empty()) continue;
    // Back, as far as anybody knows.
    Wait wait;
    wait.kind = wait.on_kind = "host";
    wait.on = host.str();
    wait.text = absl::StrCat("is unknown: ", AwayText(world, host));
    wait.since = view->since;
    wait.next = absl::StrCat("sluice show ", host.str());
    view->waits.push_back(std::move(wait));
  }
}

StepView RunStepView(const World& world, int number, absl::Time now) {
  const Run& run = *world.run;
  const Step& step = run.steps[number];
  StepView view;
  view.id = run.plan().planned(number).id;
  view.state = PhaseName(step.phase);
  view.since = step.since;
  view.reason = step.reason;
  view.failed = step.stop == Stop::kFailed;
  view.waits = WaitsOf(world, number, now);
  // S9: what nobody checks just now stands before all else.
  view.notes = WaiverTexts(world, number);
  view.notes.insert(view.notes.end(), step.notes.begin(), step.notes.end());
  if (const auto* soaking = std::get_if<Soaking>(&step.phase)) {
    if (soaking->until != absl::InfiniteFuture()) {
      view.state_ends = soaking->until;
    }
  }
  for (const auto& [host, part] : step.parts) {
    if (part.in || !IsOpenOrLive(step)) continue;
    // S9: some of it works; with fewer than enough, none of it does.
    view.partial = HostsIn(step) >= run.plan().planned(number).enough;
    view.notes.push_back(absl::StrCat(view.partial ? "partial: " : "",
                                      host.str(),
                                      " is not part of it: ", part.why));
  }
  for (const auto& [host, part] : step.parts) {
    const Host* state = world.FindHost(host);
    if (!part.in || state == nullptr || !state->manual) continue;
    // S9: nobody's program has looked at it.
    view.notes.push_back(absl::StrCat(
        "by hand: ", host.str(), " is ",
        state->closed ? SaidText(*state) : "not said to be closed"));
  }
  for (const auto& [key, report] : step.checks) view.checks.push_back(report);
  if (IsUnknown(world, step)) AddUnknown(world, step, &view);
  return view;
}

// Without a run, a system is what its hosts are.
StepView IdleStepView(const World& world, const PlannedStep& planned) {
  StepView view;
  view.id = planned.id;
  view.since = absl::InfinitePast();
  bool isolating = false;
  bool unknown = false;
  bool open = false;
  for (const HostId& id : planned.hosts) {
    const Host* host = world.FindHost(id);
    if (host == nullptr) continue;
    view.since = std::max(view.since, host->since);
    if (!host->connected() || !host->fence.has_value()) {
      unknown = true;
      view.notes.push_back(absl::StrCat("unknown: ", AwayText(world, id)));
    }
    isolating = isolating || host->isolating.has_value();
    open = open || (host->fence.has_value() && !host->quarantined());
  }
  view.state = isolating ? "isolating"
               : unknown ? "unknown"
               : open    ? "open"
                         : "quarantined";
  if (view.state == "quarantined" || view.state == "isolating") {
    Wait wait;
    wait.kind = "person";
    wait.on_kind = wait.on = "run";
    wait.text = "waits for a run: `sluice start`";
    wait.since = view.since;
    wait.next = "sluice start";
    view.waits.push_back(std::move(wait));
  }
  return view;
}

HostView MakeHostView(const World& world, const HostId& id, const Host& host) {
  HostView view;
  view.id = id;
  view.since = host.since;
  view.agent_version = host.agent_version;
  view.trust = host.trust;
  view.said = SaidText(host);
  view.sensor_anew = SensorAnewOf(host);
  view.link = host.manual                           ? "manual"
              : host.link == Host::Link::kConnected ? "connected"
              : host.link == Host::Link::kLost      ? "lost"
                                                    : "never";
  view.fence = "unknown";
  view.broken_glass = GlassText(host);
  if (host.fence.has_value()) {
    view.fence = host.quarantined() ? "quarantined" : "open";
    view.quarantine_number = host.fence->quarantine_number;
    view.dropped_packets = host.fence->dropped_packets;
    for (const FenceSeen::Release& release : host.fence->releases) {
      view.leased_flows += release.leased_flows;
      view.standing_flows += release.standing_flows;
    }
  }
  if (host.manual) {
    // S9: a word is less than a reading, and said to be one.
    if (host.isolating.has_value()) view.fence = "unknown";
    view.text = host.isolating.has_value()
                    ? HandWaitText(world, world.orders.at(*host.isolating))
                : view.said.empty() ? AwayText(world, id)
                                    : view.said;
    for (const PointTaskView& task : PointTasksOf(world)) {
      if (task.host != id || host.isolating.has_value()) continue;
      absl::StrAppend(&view.text, "; task ", task.id.str(), " waits for ",
                      HandOwnerText(world, id));
    }
  } else if (!host.connected()) {
    view.text = AwayText(world, id);
    // What was read last is not what is: only a fence we know of stays up.
    if (view.fence == "open") view.fence = "unknown";
    if (host.link == Host::Link::kLost) {
      absl::StrAppend(&view.text,
                      "; unknown since then, its leased flows close by "
                      "themselves");
    }
  } else if (host.isolating.has_value()) {
    view.text = "is being isolated; its kernel has not been read back yet";
  } else if (!view.broken_glass.empty()) {
    view.text =
        absl::StrCat("holds open by its break-glass key: ", view.broken_glass);
  }
  return view;
}

TaskView MakeTaskView(const World& world, const TaskId& id,
                      const TaskInfo& info) {
  TaskView view;
  view.id = id;
  view.what = info.task->what;
  view.owner = info.task->owner;
  view.kind = info.accept ? "accept" : "inspect";
  view.step = world.index->planned(info.step).id;
  if (!world.run.has_value()) return view;
  view.step = world.run->plan().planned(info.step).id;
  const Step& step = world.run->steps[info.step];
  const auto done = world.run->tasks.find(id);
  if (done != world.run->tasks.end()) {
    view.done = true;
    view.by = done->second.by;
    view.at = done->second.at;
    view.note = done->second.note;
  }
  view.wanted_now = !view.done && world.run->active &&
                    step.stop == Stop::kNone &&
                    (info.accept ? In<Accepting>(step) : In<Inspecting>(step));
  return view;
}

RunView MakeRunView(const World& world) {
  RunView view;
  if (world.plan != nullptr) {
    view.plan_digest = world.plan->digest;
    view.plan_number = world.plan_number;
  }
  if (!world.run.has_value()) return view;
  const Run& run = *world.run;
  view.id = run.id;
  view.started_by = run.by;
  view.started = run.started;
  view.ended = run.ended;
  view.plan_digest = run.plan().plan().digest;
  view.plan_number = run.plan_number;
  view.criteria = run.active ? CriteriaOf(world) : run.end_criteria;
  const std::string held = run.active ? HeldText(world) : "";
  if (!run.active) {
    view.state = "ended";
    view.why = run.end_reason;
  } else if (run.paused) {
    view.state = "paused";
    view.why = absl::StrCat("paused by ", run.paused_by.str(),
                            ": `sluice resume` goes on");
  } else if (!held.empty()) {
    view.state = "held";
    view.why = held;
  } else {
    view.state = "active";
  }
  return view;
}

Remaining Left(const World& world, const PlannedStep& planned) {
  const Remaining whole = WholeDuration(planned);
  if (!world.run.has_value()) return whole;
  const int number = world.run->plan().FindStep(planned.id);
  if (number < 0) return whole;
  const Step& step = world.run->steps[number];
  if (step.stop != Stop::kNone) {
    return {absl::InfiniteDuration(), absl::InfiniteDuration()};
  }
  if (In<Reconnected>(step) || In<Accepting>(step)) {
    return {absl::ZeroDuration(), absl::ZeroDuration(), true};
  }
  if (const auto* soaking = std::get_if<Soaking>(&step.phase)) {
    const absl::Duration left =
        soaking->until == absl::InfiniteFuture()
            ? planned.soak
            : std::max(absl::ZeroDuration(), soaking->until - world.now);
    return {left, left, true};
  }
  return {whole.low, whole.high, IsLive(step)};
}

void AddForecast(const World& world, absl::Time now, View* view) {
  const Plan& plan = *world.plan;
  if (plan.steps.empty()) return;
  const ForecastResult forecast = Forecast(
      plan, [&](const PlannedStep& step) { return Left(world, step); });
  view->eta_low = now + forecast.estate.low;
  view->eta_high = now + forecast.estate.high;
  view->critical_path = forecast.critical_path;
  for (StepView& step : view->steps) {
    const auto it = forecast.steps.find(step.id);
    if (it == forecast.steps.end() || step.state == "reconnected") continue;
    step.eta_low = now + it->second.low;
    step.eta_high = now + it->second.high;
  }
}

}  // namespace

View Engine::MakeView(absl::Time now) const {
  const World& world = *state_;
  View view;
  view.epoch = world.epoch;
  view.run = MakeRunView(world);
  view.refused = RefusedText(world, now);
  if (world.plan == nullptr) return view;
  view.estate = world.plan->estate;
  view.steps_total = static_cast<int>(world.plan->steps.size());
  for (const PlannedStep& planned : world.plan->steps) {
    const int number =
        world.run.has_value() ? world.run->plan().FindStep(planned.id) : -1;
    view.steps.push_back(number < 0 ? IdleStepView(world, planned)
                                    : RunStepView(world, number, now));
    if (number < 0) continue;
    const auto& step = world.run->steps[number];
    if (In<Reconnected>(step) && step.stop == Stop::kNone) ++view.steps_done;
  }
  for (const PlannedHost& planned : world.plan->hosts) {
    const Host* host = world.FindHost(planned.id);
    if (host == nullptr) continue;
    view.hosts.push_back(MakeHostView(world, planned.id, *host));
  }
  for (int i = 0; i < world.index->stages(); ++i) {
    view.gates.push_back(MakeGateView(world, i, now));
  }
  view.point_tasks = PointTasksOf(world);
  for (const auto& [id, info] : world.index->tasks()) {
    view.tasks.push_back(MakeTaskView(world, id, info));
  }
  AddForecast(world, now, &view);
  return view;
}

}  // namespace sluice::engine
