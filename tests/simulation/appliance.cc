#include "tests/simulation/appliance.h"

#include <algorithm>

#include "common/contract.h"
#include "nlohmann/json.hpp"

namespace sluice::simulation {

void Appliance::Do(const engine::PointTaskView& task) {
  std::set<Flow> flows;
  for (const engine::PointFlow& flow : task.flows) flows.insert(flow.flow);
  // A person who closes it all leaves nothing open.
  if (task.verb == "isolate") flows.clear();
  Do(task.verb, flows);
}

void Appliance::Do(const std::string& verb, const std::set<Flow>& flows) {
  ++changes_;
  if (verb == "isolate") {
    closed_ = true;
    open_ = flows;
  } else if (verb == "open") {
    open_.insert(flows.begin(), flows.end());
  } else if (verb == "close") {
    for (const Flow& flow : flows) open_.erase(flow);
  }
}

bool Appliance::Passes(const Flow& flow) const {
  const auto covers = [&](const Flow& wide) {
    return wide.protocol == flow.protocol &&
           wide.client.Contains(flow.client) &&
           wide.server.Contains(flow.server) &&
           wide.ports.first <= flow.ports.first &&
           flow.ports.last <= wide.ports.last;
  };
  return !closed_ || std::any_of(kept_.begin(), kept_.end(), covers) ||
         std::any_of(open_.begin(), open_.end(), covers);
}

absl::StatusOr<std::string> ApplianceDriver::Run(const std::string& input) {
  const Mood mood = mood_();
  if (mood == Mood::kAway) {
    return absl::UnavailableError("ended with 1: no route to host");
  }
  const nlohmann::json request = nlohmann::json::parse(input);
  const std::string verb = request.at("verb").get<std::string>();
  nlohmann::json answer = {{"ok", true}};
  if (verb == "read") {
    answer["isolated"] = appliance_->closed();
    answer["flows"] = nlohmann::json::array();
    for (const Flow& flow : appliance_->open()) {
      answer["flows"].push_back(flow.Line());
    }
  } else if (mood == Mood::kWell) {
    std::set<Flow> flows;
    for (const nlohmann::json& line : request.at("flows")) {
      const absl::StatusOr<Flow> flow = Flow::Parse(line.get<std::string>());
      SLUICE_CHECK(flow.ok());
      flows.insert(*flow);
    }
    appliance_->Do(verb, flows);
  }
  return answer.dump();
}

}  // namespace sluice::simulation
