#include "orchestrator/engine/plan_index.h"

#include <algorithm>
#include <set>
#include <utility>

namespace sluice::engine {
namespace {

template <class T>
void SortUnique(std::vector<T>* values) {
  std::sort(values->begin(), values->end());
  values->erase(std::unique(values->begin(), values->end()), values->end());
}

}  // namespace

PlanIndex::PlanIndex(std::shared_ptr<const Plan> plan)
    : plan_(std::move(plan)) {
  IndexSteps();
  IndexGrants();
  IndexGroups();
  IndexNeeds();
  IndexTasks();
  for (int i = 0; i < size(); ++i) {
    StepInfo& info = steps_[i];
    info.all_hosts.insert(info.all_hosts.end(), info.step->hosts.begin(),
                          info.step->hosts.end());
    SortUnique(&info.all_hosts);
    for (const HostId& host : info.step->hosts) steps_on_[host].push_back(i);
    for (const HostId& host : info.all_hosts) {
      steps_touching_[host].push_back(i);
    }
  }
}

void PlanIndex::IndexSteps() {
  absl::flat_hash_map<StepId, const PlannedStep*> by_id;
  for (const PlannedStep& step : plan_->steps) by_id[step.id] = &step;
  auto add = [this](const PlannedStep* step) {
    if (!step_numbers_.emplace(step->id, size()).second) return;
    steps_.emplace_back().step = step;
  };
  for (const StepId& id : plan_->order) {
    if (const auto it = by_id.find(id); it != by_id.end()) add(it->second);
  }
  for (const PlannedStep& step : plan_->steps) add(&step);

  stages_.resize(plan_->stages.size());
  for (int i = 0; i < size(); ++i) {
    StepInfo& info = steps_[i];
    info.stage = FindStage(info.step->stage);
    info.entry = !info.step->external.empty();
    if (info.stage >= 0) stages_[info.stage].push_back(i);
    if (!info.entry) system_numbers_.emplace(info.step->system, i);
  }
  for (StepInfo& info : steps_) {
    info.health = &info.step->health;
    if (!info.entry || !info.health->empty()) continue;
    const int entered = FindSystem(info.step->system);
    if (entered >= 0) info.health = &steps_[entered].step->health;
  }
}

void PlanIndex::IndexGrants() {
  for (const PlannedGrant& grant : plan_->grants) {
    GrantInfo info;
    info.grant = &grant;
    info.hard = grant.strength == Strength::kHard;
    info.from_outside = !grant.client_external.empty();
    info.target = FindSystem(grant.server_system);
    for (const HostFlow& flow : grant.flows) {
      if (!flow.server.empty()) info.servers.push_back(flow.server);
      if (!flow.client.empty()) info.clients.push_back(flow.client);
      // A barrier on the path opens with the server's end.
      for (const HostId& barrier : flow.through) {
        if (plan_->FindHost(barrier) != nullptr) {
          info.servers.push_back(barrier);
        }
      }
    }
    SortUnique(&info.servers);
    SortUnique(&info.clients);
    grant_numbers_.emplace(grant.id, static_cast<int>(grants_.size()));
    grants_.push_back(std::move(info));
  }
  for (int i = 0; i < size(); ++i) {
    StepInfo& step = steps_[i];
    for (const GrantId& id : step.step->grants) {
      const int number = FindGrant(id);
      if (number < 0 || grants_[number].owner >= 0) continue;
      GrantInfo& grant = grants_[number];
      grant.owner = i;
      step.soft = step.soft || (!grant.hard && grant.target >= 0);
      step.grants.push_back(number);
      step.touching.push_back(number);
      step.all_hosts.insert(step.all_hosts.end(), grant.servers.begin(),
                            grant.servers.end());
      step.all_hosts.insert(step.all_hosts.end(), grant.clients.begin(),
                            grant.clients.end());
    }
  }
  for (size_t number = 0; number < grants_.size(); ++number) {
    for (const SystemId& system : {grants_[number].grant->client_system,
                                   grants_[number].grant->server_system}) {
      const int step = system.empty() ? -1 : FindSystem(system);
      if (step >= 0) steps_[step].touching.push_back(static_cast<int>(number));
    }
  }
  for (StepInfo& step : steps_) {
    SortUnique(&step.grants);
    SortUnique(&step.touching);
  }
}

void PlanIndex::IndexGroups() {
  std::map<std::pair<int, int>, std::vector<int>> groups;
  for (int i = 0; i < size(); ++i) {
    const int group = steps_[i].step->joint_group;
    if (group >= 0) groups[{group, steps_[i].stage}].push_back(i);
  }
  for (const auto& [key, members] : groups) {
    for (const int member : members) {
      for (const int other : members) {
        if (other != member) steps_[member].group.push_back(other);
      }
    }
  }
}

void PlanIndex::IndexNeeds() {
  std::vector<std::map<int, NeedInfo>> needs(steps_.size());
  for (int i = 0; i < size(); ++i) {
    const std::vector<int>& group = steps_[i].group;
    auto outside = [&](int other) {
      return other != i &&
             !std::binary_search(group.begin(), group.end(), other);
    };
    for (const StepNeed& need : steps_[i].step->needs) {
      const int other = FindStep(need.step);
      if (other < 0 || !outside(other)) continue;
      NeedInfo& info = needs[i]
                           .try_emplace(other, NeedInfo{other, false, false})
                           .first->second;
      info.hard = info.hard || need.strength == Strength::kHard;
      info.soaked = info.soaked || need.soaked;
    }
  }
  for (int i = 0; i < size(); ++i) {
    std::map<int, NeedInfo> all = needs[i];
    for (const int member : steps_[i].group) {
      for (const auto& [other, need] : needs[member]) {
        NeedInfo& info = all.try_emplace(other, need).first->second;
        info.hard = info.hard || need.hard;
        info.soaked = info.soaked || need.soaked;
      }
    }
    for (const auto& [other, need] : all) {
      steps_[i].needs.push_back(need);
      steps_[other].dependents.push_back(i);
      if (need.hard) steps_[other].hard_dependents.push_back(i);
    }
  }
}

void PlanIndex::IndexTasks() {
  for (int i = 0; i < size(); ++i) {
    for (const PlannedTask& task : steps_[i].step->inspect_tasks) {
      tasks_.emplace(task.id, TaskInfo{&task, i, false});
    }
    for (const PlannedTask& task : steps_[i].step->accept_tasks) {
      tasks_.emplace(task.id, TaskInfo{&task, i, true});
    }
  }
}

int PlanIndex::FindStep(const StepId& id) const {
  const auto it = step_numbers_.find(id);
  return it == step_numbers_.end() ? -1 : it->second;
}

int PlanIndex::FindSystem(const SystemId& id) const {
  const auto it = system_numbers_.find(id);
  return it == system_numbers_.end() ? -1 : it->second;
}

int PlanIndex::FindStage(const StageId& id) const {
  for (size_t i = 0; i < plan_->stages.size(); ++i) {
    if (plan_->stages[i].id == id) return static_cast<int>(i);
  }
  return -1;
}

int PlanIndex::FindGrant(const GrantId& id) const {
  const auto it = grant_numbers_.find(id);
  return it == grant_numbers_.end() ? -1 : it->second;
}

const TaskInfo* PlanIndex::FindTask(const TaskId& id) const {
  const auto it = tasks_.find(id);
  return it == tasks_.end() ? nullptr : &it->second;
}

const std::vector<int>& PlanIndex::StepsOn(const HostId& host) const {
  const auto it = steps_on_.find(host);
  return it == steps_on_.end() ? none_ : it->second;
}

const std::vector<int>& PlanIndex::StepsTouching(const HostId& host) const {
  const auto it = steps_touching_.find(host);
  return it == steps_touching_.end() ? none_ : it->second;
}

std::vector<int> PlanIndex::BlastRadius(int step) const {
  std::set<int> reached = {step};
  std::vector<int> open = {step};
  while (!open.empty()) {
    const int next = open.back();
    open.pop_back();
    auto reach = [&](int other) {
      if (reached.insert(other).second) open.push_back(other);
    };
    for (const int other : steps_[next].hard_dependents) reach(other);
    for (const int other : steps_[next].group) reach(other);
  }
  reached.erase(step);
  return {reached.begin(), reached.end()};
}

}  // namespace sluice::engine
