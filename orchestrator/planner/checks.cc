// Checks with their port names resolved.

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "orchestrator/planner/draft.h"

namespace sluice::planning {
namespace {

bool IsPortNumber(absl::string_view text) {
  int value = 0;
  return !text.empty() && text.size() <= 5 &&
         text.find_first_not_of("0123456789") == absl::string_view::npos &&
         absl::SimpleAtoi(text, &value) && value >= 1 && value <= 65535;
}

bool RangeBefore(const Port::Range& a, const Port::Range& b) {
  return std::tie(a.ports, a.protocol) < std::tie(b.ports, b.protocol);
}

bool RangeSame(const Port::Range& a, const Port::Range& b) {
  return a.ports == b.ports && a.protocol == b.protocol;
}

bool LooksAtAttempts(const System& system) {
  const auto looks = [](const std::vector<Check>& checks) {
    return std::any_of(checks.begin(), checks.end(), [](const Check& check) {
      const auto* spec = std::get_if<CheckSpec>(&check.what);
      return spec != nullptr && spec->kind == "attempts";
    });
  };
  return looks(system.inspect) || looks(system.health) || looks(system.watch);
}

// A task where a machine's verdict is wanted, or the other way round.
absl::Status WrongKind(const Draft& draft, const Check& check,
                       absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      At(*draft.model, check.place), "check '", check.id.str(), "': ", what));
}

}  // namespace

CheckResolver::CheckResolver(const Draft& draft,
                             const std::vector<PlannedGrant>& grants)
    : draft_(draft) {
  for (const System& system : draft.model->systems) {
    if (!callable_.has_value() && LooksAtAttempts(system)) {
      callable_.emplace(*draft.model, grants);
    }
    for (const HostId& host : system.hosts) {
      std::vector<Port::Range>& declared = declared_[host];
      for (const Port& port : system.ports) {
        declared.insert(declared.end(), port.ranges.begin(), port.ranges.end());
      }
    }
  }
  for (const Host& host : draft.model->hosts) {
    for (const Vital& vital : host.vital) {
      if (!vital.host.empty()) declared_[vital.host].push_back(vital.range);
    }
  }
}

std::string CheckResolver::DeclaredPorts(const System& system) const {
  std::vector<Port::Range> ranges;
  for (const HostId& host : system.hosts) {
    const auto at = declared_.find(host);
    if (at == declared_.end()) continue;
    ranges.insert(ranges.end(), at->second.begin(), at->second.end());
  }
  std::sort(ranges.begin(), ranges.end(), RangeBefore);
  ranges.erase(std::unique(ranges.begin(), ranges.end(), RangeSame),
               ranges.end());
  std::string text;
  for (const Port::Range& range : ranges) {
    absl::StrAppend(&text, text.empty() ? "" : ",", range.ports.ToString(), "/",
                    ProtocolName(range.protocol));
  }
  return text;
}

absl::Status CheckResolver::Resolve(const DraftStep& step,
                                    PlannedStep& planned) const {
  const System& system = *step.system;
  const auto resolve = [&](const Check& check) -> absl::StatusOr<PlannedCheck> {
    PlannedCheck result{check.id, std::get<CheckSpec>(check.what)};
    if (result.spec.kind == "listeners") {
      result.spec.args["ports"] = DeclaredPorts(system);
    }
    if (result.spec.kind == "attempts" && callable_.has_value()) {
      result.spec.args["declared"] = callable_->Declared(system.hosts);
      result.spec.args["estate"] = callable_->estate();
    }
    const auto arg = result.spec.args.find("port");
    if (arg == result.spec.args.end()) return result;
    const Port* port = system.FindPort(PortId(arg->second));
    if (port != nullptr && !port->ranges.empty()) {
      arg->second = absl::StrCat(port->ranges.front().ports.first);
    } else if (!IsPortNumber(arg->second)) {
      return WrongKind(
          draft_, check,
          absl::StrCat("system '", system.id.str(), "' has no port '",
                       arg->second, "'; declare it under its 'ports'"));
    }
    return result;
  };
  const auto resolve_all = [&](const std::vector<Check>& checks,
                               std::vector<PlannedCheck>& machines,
                               std::vector<PlannedTask>* tasks) {
    for (const Check& check : checks) {
      if (const Task* task = std::get_if<Task>(&check.what)) {
        if (tasks == nullptr) {
          return WrongKind(draft_, check,
                           "people's tasks belong under 'inspect' or "
                           "'accept'; move it there");
        }
        tasks->push_back({task->id, task->what, task->owner});
        continue;
      }
      absl::StatusOr<PlannedCheck> resolved = resolve(check);
      if (!resolved.ok()) return resolved.status();
      machines.push_back(*std::move(resolved));
    }
    return absl::OkStatus();
  };

  SLUICE_RETURN_IF_ERROR(resolve_all(system.health, planned.health, nullptr));
  SLUICE_RETURN_IF_ERROR(resolve_all(system.watch, planned.watch, nullptr));
  if (system.watch.empty()) planned.watch = planned.health;
  if (step.external != nullptr) return absl::OkStatus();  // no more of its own

  SLUICE_RETURN_IF_ERROR(
      resolve_all(system.inspect, planned.inspect, &planned.inspect_tasks));
  for (const Check& check : system.accept) {
    const Task* task = std::get_if<Task>(&check.what);
    if (task == nullptr) {
      return WrongKind(draft_, check,
                       "only a person can accept; write a task with an "
                       "owner, or move the check to 'health'");
    }
    planned.accept_tasks.push_back({task->id, task->what, task->owner});
  }
  return absl::OkStatus();
}

}  // namespace sluice::planning
