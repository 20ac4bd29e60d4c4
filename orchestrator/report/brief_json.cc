#include <nlohmann/json.hpp>

#include "orchestrator/report/brief.h"
#include "orchestrator/report/brief_facts.h"

namespace sluice {
namespace {

using Json = nlohmann::json;

Json StepJson(const v1::Step& step) {
  Json waits = Json::array();
  for (const v1::Wait& wait : step.waits()) {
    waits.push_back({{"kind", wait.kind()},
                     {"on", wait.on()},
                     {"who", wait.who()},
                     {"text", wait.text()}});
  }
  return {{"step", step.id()},         {"state", step.state()},
          {"since_ms", step.since_ms()}, {"failed", step.failed()},
          {"reason", step.reason()},   {"partial", step.partial()},
          {"waits", std::move(waits)}};
}

Json StepsJson(const std::vector<const v1::Step*>& steps) {
  Json out = Json::array();
  for (const v1::Step* step : steps) out.push_back(StepJson(*step));
  return out;
}

Json GateJson(const v1::Gate& gate) {
  Json missing = Json::object();
  for (const auto& [role, count] : gate.missing()) missing[role] = count;
  return {{"gate", gate.id()},
          {"state", gate.state()},
          {"round", gate.round()},
          {"steps", std::vector<std::string>(gate.steps().begin(),
                                             gate.steps().end())},
          {"missing", std::move(missing)},
          {"deadline_ms", gate.deadline_ms()},
          {"why", gate.why()}};
}

Json NotesJson(const std::vector<BriefFacts::Note>& notes) {
  Json out = Json::array();
  for (const BriefFacts::Note& note : notes) {
    out.push_back({{"step", note.step->id()}, {"text", note.text}});
  }
  return out;
}

const char* KindName(BriefFacts::Decision::Kind kind) {
  using Kind = BriefFacts::Decision::Kind;
  switch (kind) {
    case Kind::kVote: return "vote";
    case Kind::kTask: return "task";
    case Kind::kIsolation: return "isolation";
    case Kind::kAsWritten: return "record";
  }
  return "record";
}

}  // namespace

std::string BriefJson(const v1::Status& status, const v1::History& history) {
  const BriefFacts facts = GatherBriefFacts(status, history);
  Json decisions = Json::array();
  for (const BriefFacts::Decision& made : facts.decisions) {
    decisions.push_back({{"kind", KindName(made.kind)},
                         {"at_ms", made.at_ms},
                         {"by", made.by},
                         {"on", made.on},
                         {"go", made.go},
                         {"note", made.note}});
  }
  Json asked = Json::array();
  for (const v1::Gate* gate : facts.asking) asked.push_back(GateJson(*gate));
  for (const v1::Gate* gate : facts.stuck) asked.push_back(GateJson(*gate));
  Json tasks = Json::array();
  for (const v1::Task* task : facts.wanted) {
    tasks.push_back({{"task", task->id()},
                     {"what", task->what()},
                     {"owner", task->owner()},
                     {"step", task->step()}});
  }
  Json unheard = Json::array();
  for (const v1::Host* host : facts.lost) unheard.push_back(host->id());
  const v1::Run& run = status.run();
  const v1::Forecast& forecast = status.forecast();
  const Json brief = {
      {"estate", status.estate()},
      {"now_ms", status.now_ms()},
      {"run",
       {{"id", run.id()},
        {"state", run.state()},
        {"started_by", run.started_by()},
        {"started_ms", run.started_ms()},
        {"ended_ms", run.ended_ms()},
        {"why", run.why()}}},
      {"back", StepsJson(facts.back)},
      {"not_back", StepsJson(facts.not_back)},
      {"gates", std::move(asked)},
      {"tasks", std::move(tasks)},
      {"forecast",
       {{"low_ms", forecast.low_ms()},
        {"high_ms", forecast.high_ms()},
        {"steps_done", forecast.steps_done()},
        {"steps_total", forecast.steps_total()},
        {"critical_path",
         std::vector<std::string>(forecast.critical_path().begin(),
                                  forecast.critical_path().end())}}},
      {"waivers", NotesJson(facts.waivers)},
      {"unproven", NotesJson(facts.unproven)},
      {"decisions", std::move(decisions)},
      {"isolation",
       {{"hosts", status.hosts_size()},
        {"quarantined", facts.quarantined},
        {"open", facts.open},
        {"unknown", facts.unknown},
        {"unheard", std::move(unheard)},
        {"leased_flows", facts.leased_flows},
        {"standing_flows", facts.standing_flows},
        {"dropped_packets", facts.dropped_packets}}},
      {"journal",
       {{"sequence", status.journal_sequence()},
        {"head", status.journal_head()},
        {"problem", status.journal_problem()}}}};
  return brief.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace sluice
