#include "orchestrator/engine/state.h"

#include <algorithm>

#include "orchestrator/engine/waivers.h"

namespace sluice::engine {
namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

template <class R>
auto* FindRound(R& run, int step) {
  using RoundPointer = decltype(&run.gates[0].released.begin()->second);
  const int at = run.steps[step].gate;
  const int number = run.steps[step].round;
  if (at < 0 || number == 0) return RoundPointer{nullptr};
  auto& gate = run.gates[at];
  if (gate.forming.has_value() && gate.forming->number == number) {
    return RoundPointer{&*gate.forming};
  }
  const auto it = gate.released.find(number);
  return it == gate.released.end() ? RoundPointer{nullptr} : &it->second;
}

}  // namespace

const char* PhaseName(const Phase& phase) {
  return std::visit(Overloaded{
                        [](const Quarantined&) { return "quarantined"; },
                        [](const Inspecting&) { return "inspecting"; },
                        [](const Ready&) { return "ready"; },
                        [](const Connecting&) { return "connecting"; },
                        [](const Probing&) { return "probing"; },
                        [](const Soaking&) { return "soaking"; },
                        [](const Accepting&) { return "accepting"; },
                        [](const Reconnected&) { return "reconnected"; },
                        [](const Isolating&) { return "isolating"; },
                    },
                    phase);
}

const Round* RoundOf(const Run& run, int step) { return FindRound(run, step); }
Round* RoundOf(Run& run, int step) { return FindRound(run, step); }

int HostsIn(const Step& step) {
  return static_cast<int>(
      std::count_if(step.parts.begin(), step.parts.end(),
                    [](const auto& entry) { return entry.second.in; }));
}

int HostsUp(const World& world, const Step& step) {
  return static_cast<int>(std::count_if(
      step.parts.begin(), step.parts.end(), [&](const auto& entry) {
        return entry.second.in && world.Connected(entry.first);
      }));
}

int HostsWell(const World& world, const Step& step) {
  return static_cast<int>(std::count_if(
      step.parts.begin(), step.parts.end(), [&](const auto& entry) {
        const auto& [host, part] = entry;
        if (!part.in || !world.Connected(host)) return false;
        if (step.doubtful.empty()) return true;
        const auto doubt = step.doubtful.lower_bound({host, CheckId()});
        return doubt == step.doubtful.end() || doubt->first.first != host;
      }));
}

bool IsHealthyNow(const World& world, int step) {
  const Step& state = world.run->steps[step];
  return IsHealthy(state) &&
         HostsWell(world, state) >= world.run->plan().planned(step).enough;
}

bool NeedsMet(const World& world, int step) {
  for (const NeedInfo& need : world.run->plan().step(step).needs) {
    if (!need.hard) continue;
    if (!IsHealthyNow(world, need.step)) return false;
    if (need.soaked && !HasSoaked(world.run->steps[need.step])) return false;
  }
  return true;
}

bool CanComeBackWhole(const World& world, int step) {
  const Run& run = *world.run;
  const Step& state = run.steps[step];
  if (!In<Reconnected>(state) || state.stop != Stop::kNone) return false;
  const bool whole = state.closed.empty() &&
                     HostsIn(state) == static_cast<int>(state.parts.size());
  if (whole) return false;
  const std::vector<int> radius = run.plan().BlastRadius(step);
  return std::none_of(radius.begin(), radius.end(), [&](int other) {
    return IsOpenOrLive(run.steps[other]);
  });
}

absl::Time NextTimer(const World& world) {
  absl::Time next = absl::InfiniteFuture();
  if (!world.order_timers.empty()) {
    next = std::min(next, world.order_timers.begin()->first);
  }
  if (!world.step_timers.empty()) {
    next = std::min(next, world.step_timers.begin()->first);
  }
  if (!world.host_timers.empty()) {
    next = std::min(next, world.host_timers.begin()->first);
  }
  next = std::min(next, NextWaiverEnds(world));
  if (!world.run_active()) return next;
  for (const Gate& gate : world.run->gates) {
    if (gate.forming.has_value()) {
      const Round& round = *gate.forming;
      if (round.state == Round::State::kAsking) {
        next = std::min(next, round.deadline);
      }
      if (round.state != Round::State::kRefused &&
          round.state != Round::State::kHeld) {
        next = std::min(next, round.valid_until);
      }
    }
    for (const auto& [number, round] : gate.released) {
      if (!round.expired) next = std::min(next, round.valid_until);
    }
  }
  return next;
}

}  // namespace sluice::engine
