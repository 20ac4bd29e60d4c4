// The plan as JSON. nlohmann's objects keep their keys sorted, so the same
// plan is the same bytes.

#include "nlohmann/json.hpp"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/model/words.h"
#include "orchestrator/planner/phrase.h"
#include "orchestrator/planner/promises.h"
#include "orchestrator/planner/render.h"

namespace sluice {
namespace {

using Json = nlohmann::json;

double Seconds(absl::Duration duration) {
  return absl::ToDoubleSeconds(duration);
}

template <class Tag>
Json Names(const std::vector<Name<Tag>>& names) {
  Json list = Json::array();
  for (const Name<Tag>& name : names) list.push_back(name.str());
  return list;
}

Json ChecksJson(const std::vector<PlannedCheck>& checks) {
  Json list = Json::array();
  for (const PlannedCheck& check : checks) {
    list.push_back({{"id", check.id.str()},
                    {"kind", check.spec.kind},
                    {"args", check.spec.args},
                    {"timeout_seconds", Seconds(check.spec.timeout)},
                    {"attempts", check.spec.attempts},
                    {"between_seconds", Seconds(check.spec.between)}});
  }
  return list;
}

Json TasksJson(const std::vector<PlannedTask>& tasks) {
  Json list = Json::array();
  for (const PlannedTask& task : tasks) {
    list.push_back({{"id", task.id.str()},
                    {"what", task.what},
                    {"owner", task.owner.str()}});
  }
  return list;
}

Json StepJson(const PlannedStep& step) {
  Json needs = Json::array();
  for (const StepNeed& need : step.needs) {
    needs.push_back({{"step", need.step.str()},
                     {"strength", WordOf(need.strength)},
                     {"soaked", need.soaked}});
  }
  Json json = {{"id", step.id.str()},
               {"system", step.system.str()},
               {"title", step.title},
               {"category", step.category},
               {"priority", WordOf(step.priority)},
               {"stage", step.stage.str()},
               {"hosts", Names(step.hosts)},
               {"enough", step.enough},
               {"needs", std::move(needs)},
               {"dependents", Names(step.dependents)},
               {"grants", Names(step.grants)},
               {"inspect", ChecksJson(step.inspect)},
               {"inspect_tasks", TasksJson(step.inspect_tasks)},
               {"health", ChecksJson(step.health)},
               {"watch", ChecksJson(step.watch)},
               {"accept_tasks", TasksJson(step.accept_tasks)},
               {"soak_seconds", Seconds(step.soak)},
               {"lease_seconds", Seconds(step.lease)},
               {"watch_every_seconds", Seconds(step.watch_every)},
               {"expected_seconds", Seconds(step.expected)},
               {"wanted_by_seconds", Seconds(step.wanted_by)},
               {"on_failure", WordOf(step.on_failure)},
               {"protected", step.is_protected}};
  if (!step.external.empty()) json["external"] = step.external.str();
  if (!step.start_unit.empty()) json["start_unit"] = step.start_unit;
  if (!step.stop_unit.empty()) json["stop_unit"] = step.stop_unit;
  if (step.joint_group >= 0) json["joint_group"] = step.joint_group;
  return json;
}

Json GrantJson(const PlannedGrant& grant) {
  Json flows = Json::array();
  for (const HostFlow& flow : grant.flows) {
    Json one = {{"flow", flow.flow.Line()}};
    if (!flow.client.empty()) one["client_host"] = flow.client.str();
    if (!flow.server.empty()) one["server_host"] = flow.server.str();
    if (!flow.through.empty()) one["through"] = Names(flow.through);
    flows.push_back(std::move(one));
  }
  Json json = {{"id", grant.id.str()},
               {"strength", WordOf(grant.strength)},
               {"flows", std::move(flows)}};
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
  };
  add("client_system", grant.client_system.str());
  add("client_external", grant.client_external.str());
  add("server_system", grant.server_system.str());
  add("server_external", grant.server_external.str());
  return json;
}

Json StageJson(const PlannedStage& stage) {
  Json approvals = Json::object();
  for (const auto& [role, count] : stage.gate.approvals) {
    approvals[role.str()] = count;
  }
  const bool automatic = stage.gate.confirm == ConfirmRule::kAutomatic;
  return {{"id", stage.id.str()},
          {"digest", stage.digest},
          {"phrase", DigestPhrase(stage.digest)},
          {"steps", Names(stage.steps)},
          {"gate",
           {{"approvals", std::move(approvals)},
            {"timeout_seconds", Seconds(stage.gate.timeout)},
            {"evidence_max_age_seconds", Seconds(stage.gate.evidence_max_age)},
            {"no_self_approval", stage.gate.no_self_approval},
            {"confirm", automatic ? "automatic" : "by-decision"}}}};
}

Json HostJson(const PlannedHost& host) {
  Json addresses = Json::array();
  for (const Prefix& address : host.addresses) {
    addresses.push_back(address.ToString());
  }
  Json vital = Json::array();
  for (const Flow& flow : host.vital) vital.push_back(flow.Line());
  Json json = {
      {"id", host.id.str()},         {"addresses", std::move(addresses)},
      {"vital", std::move(vital)},   {"systems", Names(host.systems)},
      {"grade", WordOf(host.grade)}, {"acting", host.acting.str()}};
  if (const auto not_kept = NotKeptBy(host)) {
    json["not_kept"] = not_kept->promises;
  }
  if (host.instructions != Instructions{}) {
    json["instructions"] = {{"close", host.instructions.close},
                            {"open", host.instructions.open},
                            {"owner", host.instructions.owner.str()}};
  }
  return json;
}

}  // namespace

std::string PlanJson(const Plan& plan) {
  Json operators = Json::array();
  for (const Prefix& prefix : plan.management.operators) {
    operators.push_back(prefix.ToString());
  }
  Json json = {{"sluice_plan", 1},
               {"estate", plan.estate.str()},
               {"title", plan.title},
               {"digest", plan.digest},
               {"phrase", DigestPhrase(plan.digest)},
               {"management",
                {{"orchestrators", plan.management.orchestrators},
                 {"operators", std::move(operators)}}},
               {"order", Names(plan.order)},
               {"critical_path", Names(plan.critical_path)},
               {"critical_seconds", Seconds(plan.critical_duration)},
               {"wanted_by_seconds", Seconds(plan.wanted_by)}};
  const auto list = [&](const char* key) -> Json& {
    return json[key] = Json::array();
  };
  Json& approvers = list("approvers");
  for (const Approver& approver : plan.approvers) {
    approvers.push_back({{"id", approver.id.str()},
                         {"roles", Names(approver.roles)},
                         {"deputy_for", Names(approver.deputy_for)},
                         {"key", approver.key}});
  }
  Json& hosts = list("hosts");
  for (const PlannedHost& host : plan.hosts) hosts.push_back(HostJson(host));
  Json& stages = list("stages");
  for (const PlannedStage& s : plan.stages) stages.push_back(StageJson(s));
  Json& steps = list("steps");
  for (const PlannedStep& step : plan.steps) steps.push_back(StepJson(step));
  Json& grants = list("grants");
  for (const PlannedGrant& g : plan.grants) grants.push_back(GrantJson(g));
  // Bytes that are not UTF-8 cannot come from a manifest; should one come all
  // the same, it is replaced, not thrown over.
  return absl::StrCat(json.dump(2, ' ', false, Json::error_handler_t::replace),
                      "\n");
}

}  // namespace sluice
