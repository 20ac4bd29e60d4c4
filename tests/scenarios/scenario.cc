#include "tests/scenarios/scenario.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "orchestrator/engine/names.h"

namespace sluice::testing {
namespace {

using engine::ClockText;

std::string Rest(const std::vector<std::string>& words, size_t from) {
  if (words.size() <= from) return "";
  return absl::StrJoin(words.begin() + static_cast<int64_t>(from), words.end(),
                       " ");
}

std::string Word(const std::vector<std::string>& words, size_t at) {
  return at < words.size() ? words[at] : std::string();
}

std::string Refusal(const absl::Status& status) {
  if (status.ok()) return "";
  return absl::StrCat("refused: ", std::string(status.message()), "\n");
}

}  // namespace

std::string Scenario::Run(const std::string& line, const std::string& input) {
  const std::vector<std::string> words =
      absl::StrSplit(line, ' ', absl::SkipEmpty());
  const std::string output = Do(words, line, input);
  std::string text;
  for (const FakeWorld::Entry& entry : world_.TakeLog()) {
    if (entry.is_order && !orders_) continue;
    absl::StrAppend(&text, entry.text, "\n");
  }
  text += output;
  // Every command is followed by a replay of all there was (S7).
  engine::Engine replayed;
  const std::string differs = world_.Replay(&replayed);
  if (!differs.empty()) absl::StrAppend(&text, "BROKEN: ", differs, "\n");
  const std::vector<std::string>& violations = world_.checker().violations();
  for (; violations_ < violations.size(); ++violations_) {
    absl::StrAppend(&text, "BROKEN: ", violations[violations_], "\n");
  }
  return text.empty() ? "ok\n" : text;
}

std::string Scenario::Do(const std::vector<std::string>& words,
                         const std::string& line, const std::string& input) {
  const std::string& verb = words[0];
  if (verb == "manifest") {
    if (words.size() == 1) return Refusal(world_.Adopt(input));
    const std::string path = absl::StrCat(folder_, "/", words[1]);
    std::ifstream in(path);
    if (!in) return absl::StrCat(path, " cannot be read\n");
    return Refusal(
        world_.Adopt(std::string{std::istreambuf_iterator<char>(in), {}}));
  }
  if (verb == "replan" || verb == "foresee") return Replan(words, input);
  if (verb == "orders") {
    orders_ = Word(words, 1) == "on";
    return "";
  }
  if (verb == "advance") {
    absl::Duration duration;
    if (!absl::ParseDuration(Word(words, 1), &duration)) {
      return absl::StrCat("not a duration: ", line, "\n");
    }
    world_.Advance(duration);
    return "";
  }
  if (verb == "restart") {
    world_.Restart();
    return "";
  }
  for (const char* look :
       {"status", "gates", "waits", "hosts", "outstanding", "flows", "show"}) {
    if (verb == look) return Look(words);
  }
  for (const char* agent :
       {"connect", "lose", "return", "fail", "heal", "silent", "answer",
        "refuse-release", "refuse-opening", "lacks", "cannot-close", "deaf",
        "watched", "lease-lost"}) {
    if (verb == agent) return Agent(words);
  }
  return Person(words);
}

// replan by NAME, then one change of the manifest a line:
//   ANCHOR | OLD | NEW    the first OLD after the line that begins with ANCHOR
// `foresee` tells what it would do and does nothing.
std::string Scenario::Replan(const std::vector<std::string>& words,
                             const std::string& input) {
  std::string manifest = world_.manifest();
  for (const absl::string_view line :
       absl::StrSplit(input, '\n', absl::SkipEmpty())) {
    std::vector<std::string> change = absl::StrSplit(line, " | ");
    if (change.size() != 3) return absl::StrCat("not a change: ", line, "\n");
    for (std::string& part : change) {
      part = absl::StrReplaceAll(part, {{"\\n", "\n"}});
    }
    const std::string anchor = absl::StrCat("\n  ", change[0]);
    const size_t begin = manifest.find(anchor);
    const size_t at = begin == std::string::npos
                          ? begin
                          : manifest.find(change[1], begin + 1);
    if (at == std::string::npos) {
      return absl::StrCat("the manifest does not have: ", line, "\n");
    }
    manifest.replace(at, change[1].size(), change[2]);
  }
  const std::string by = Word(words, 2);
  if (words[0] == "replan") return Refusal(world_.Adopt(manifest, by));
  const auto plan = PlanOf(manifest);
  if (!plan.ok()) return Refusal(plan.status());
  const auto view =
      world_.engine().PreviewPlan(*plan, OperatorId(by), world_.now());
  if (!view.ok()) return Refusal(view.status());
  std::string text = absl::StrCat("plan ", view->plan_number, "\n");
  for (const auto* lines : {&view->steps, &view->gates, &view->hosts}) {
    for (const engine::ReplanView::Line& line : *lines) {
      if (line.fate == "keeps" && line.text.empty()) continue;
      absl::StrAppend(&text, line.name, " ", line.fate,
                      line.state.empty() ? "" : absl::StrCat(" ", line.state),
                      line.text.empty() ? "" : ": ", line.text, "\n");
    }
  }
  return text;
}

std::string Scenario::Person(const std::vector<std::string>& words) {
  const std::string& verb = words[0];
  const OperatorId by(words.back());
  if (verb == "isolate") {
    // isolate all|run|host H|system S [confirm X] by NAME [reason…]
    engine::IsolationOrdered order;
    using Scope = engine::IsolationOrdered::Scope;
    const std::string scope = Word(words, 1);
    order.scope = scope == "all"    ? Scope::kAll
                  : scope == "run"  ? Scope::kRun
                  : scope == "host" ? Scope::kHost
                                    : Scope::kSystem;
    if (order.scope == Scope::kHost) order.host = HostId(Word(words, 2));
    if (order.scope == Scope::kSystem) order.system = SystemId(Word(words, 2));
    for (size_t i = 2; i + 1 < words.size(); ++i) {
      if (words[i] == "confirm") order.confirmation = words[i + 1];
      if (words[i] == "by") {
        order.by = OperatorId(words[i + 1]);
        order.reason = Rest(words, i + 2);
        break;
      }
    }
    return Refusal(world_.Isolate(order));
  }
  if (verb == "start") return Refusal(world_.Start(Word(words, 1)));
  if (verb == "go" || verb == "no-go") {
    return Refusal(world_.Decide(Word(words, 1), Word(words, 2), verb == "go",
                                 Rest(words, 3)));
  }
  if (verb == "sign") {
    return Refusal(world_.Sign(Word(words, 1), Word(words, 2)));
  }
  if (verb == "did" || verb == "could-not") {
    // did TASK NAME what they saw
    return Refusal(world_.Say(Word(words, 1), Word(words, 2), verb == "did",
                              Rest(words, 3)));
  }
  if (verb == "retry") {
    // retry [STEP…] by NAME
    engine::RetryAsked retry;
    for (size_t i = 1; i + 2 < words.size(); ++i) {
      retry.steps.emplace_back(words[i]);
    }
    retry.by = by;
    return Refusal(world_.Ask(retry));
  }
  if (verb == "skip") {
    // skip STEP[:CHECK] until DURATION by NAME [reason…]
    const std::string what = Word(words, 1);
    const size_t colon = what.rfind(':');
    const bool named = colon != std::string::npos &&
                       what.find('/', colon) != std::string::npos;
    engine::WaiverGiven waiver;
    waiver.step = StepId(what.substr(0, named ? colon : what.size()));
    if (named) waiver.check = CheckId(what.substr(colon + 1));
    absl::Duration span;
    if (!absl::ParseDuration(Word(words, 3), &span)) {
      return absl::StrCat("not a duration: ", Word(words, 3), "\n");
    }
    waiver.until = world_.now() + span;
    waiver.by = OperatorId(Word(words, 5));
    waiver.roles = world_.RolesOf(waiver.by);
    waiver.reason = Rest(words, 6);
    return Refusal(world_.Ask(waiver));
  }
  if (verb == "pause") return Refusal(world_.Ask(engine::RunPaused{by}));
  if (verb == "resume") return Refusal(world_.Ask(engine::RunResumed{by}));
  if (verb == "end") {
    return Refusal(world_.Ask(
        engine::RunEnded{OperatorId(Word(words, 1)), Rest(words, 2)}));
  }
  return absl::StrCat("no such command: ", verb, "\n");
}

void Scenario::FailCheck(const std::vector<std::string>& words) {
  // fail CHECK on HOST [once] [inconclusive] [reason…]
  FakeAgent::Verdicts verdicts{Verdict::kFail, "", 0};
  size_t at = 4;
  for (; at < words.size(); ++at) {
    if (words[at] == "once") {
      verdicts.times = 1;
    } else if (words[at] == "inconclusive") {
      verdicts.verdict = Verdict::kInconclusive;
    } else {
      break;
    }
  }
  verdicts.reason = Rest(words, at);
  world_.agent(HostId(Word(words, 3))).checks[CheckId(Word(words, 1))] =
      verdicts;
}

std::string Scenario::Agent(const std::vector<std::string>& words) {
  const std::string& verb = words[0];
  const HostId host(Word(words, 1));
  if (verb == "connect") {
    host == HostId("all") ? world_.ConnectAll() : world_.Connect(host);
  } else if (verb == "lose") {
    world_.Lose(host);
  } else if (verb == "return") {
    FakeAgent& agent = world_.agent(host);
    const std::string how = Word(words, 2);
    if (how == "rebooted") agent.Reboot();
    if (how == "open") agent.Open();
    if (how == "rolled-back") agent.RollBack();
    if (how == "with-strange-flows") agent.OpenStrangeFlow();
    if (how == "without-standing-flows") agent.LoseStanding();
    world_.Connect(host);
  } else if (verb == "fail") {
    FailCheck(words);
  } else if (verb == "heal") {
    for (auto& [id, agent] : world_.agents()) {
      agent.checks.erase(CheckId(Word(words, 1)));
    }
  } else if (verb == "silent" || verb == "answer") {
    world_.agent(host).silent = verb == "silent";
  } else if (verb == "refuse-release") {
    world_.agent(host).refuses_releases = Word(words, 2) != "no";
  } else if (verb == "refuse-opening") {
    world_.agent(host).refuses_opening = Word(words, 2) != "no";
  } else if (verb == "lacks") {
    // lacks HOST unit|plugin|yara|baseline NAME
    world_.agent(host).lacks =
        absl::StrCat(Word(words, 2), " ", Word(words, 3));
  } else if (verb == "cannot-close") {
    world_.agent(host).cannot_close = Word(words, 2) != "no";
  } else if (verb == "deaf") {
    world_.agent(host).deaf_tries = Word(words, 2) != "no";
  } else if (verb == "watched") {
    // watched HOST STEP CHECK pass|fail|inconclusive [reason…]
    engine::WatchChanged changed;
    changed.host = host;
    changed.step = StepId(Word(words, 2));
    changed.report.id = CheckId(Word(words, 3));
    const std::string verdict = Word(words, 4);
    changed.report.result = {verdict == "pass"   ? Verdict::kPass
                             : verdict == "fail" ? Verdict::kFail
                                                 : Verdict::kInconclusive,
                             Rest(words, 5), ""};
    world_.Tell(changed);
  } else if (verb == "lease-lost") {
    for (const std::string& digest :
         world_.engine().LiveReleases(host, world_.now())) {
      world_.Tell(engine::LeaseLost{host, digest});
    }
  }
  return "";
}

std::string Scenario::Look(const std::vector<std::string>& words) {
  const std::string& what = words[0];
  if (what == "status") return Status();
  if (what == "gates") return Gates();
  if (what == "waits") return Waits();
  if (what == "hosts") return Hosts();
  if (what == "flows") return Flows();
  if (what == "outstanding") return Outstanding();
  // show GATE: what a person who decides is shown.
  const auto detail =
      world_.engine().MakeGateDetail(StageId(Word(words, 1)), world_.now());
  if (!detail.ok()) return Refusal(detail.status());
  std::string text;
  for (const std::string& waived : detail->gate.waived) {
    absl::StrAppend(&text, "! ", waived, "\n");
  }
  for (const absl::string_view line : absl::StrSplit(detail->body, '\n')) {
    // Digests change with every word of the manifest.
    if (absl::StrContains(line, "sha256:")) continue;
    if (!line.empty()) absl::StrAppend(&text, line, "\n");
  }
  for (const engine::GateDetail::Evidence& evidence : detail->evidence) {
    absl::StrAppend(&text, evidence.host.str(), ": ", evidence.answer, "\n");
    for (const engine::CheckReport& report : evidence.results) {
      absl::StrAppend(&text, "  ", report.id.str(), " ",
                      VerdictName(report.result.verdict), "\n");
    }
  }
  for (const auto& [host, flows] : detail->flows) {
    absl::StrAppend(&text, host.str(), " opens ", flows.size(), "\n");
  }
  return text;
}

std::string Scenario::Status() const {
  const engine::View view = world_.engine().MakeView(world_.now());
  std::string text = absl::StrCat(
      "run ", view.run.state, view.run.why.empty() ? "" : ": ", view.run.why,
      "; ", view.steps_done, " of ", view.steps_total, " back\n");
  for (const engine::StepView& step : view.steps) {
    absl::StrAppendFormat(&text, "  %-24s %s%s%s\n", step.id.str(), step.state,
                          step.failed ? " failed" : "",
                          step.partial ? " partial" : "");
    for (const std::string& note : step.notes) {
      absl::StrAppend(&text, "      ", note, "\n");
    }
  }
  return text;
}

std::string Scenario::Waits() const {
  std::string text;
  for (const engine::StepView& step :
       world_.engine().MakeView(world_.now()).steps) {
    for (const engine::Wait& wait : step.waits) {
      absl::StrAppend(&text, step.id.str(), " ", wait.text, "  [", wait.kind,
                      " ", wait.on, wait.who.empty() ? "" : ", ", wait.who,
                      "]\n");
    }
    if (step.waits.empty() && step.state != "reconnected" &&
        step.state != "open") {
      absl::StrAppend(&text, "BROKEN: L2: nobody says what ", step.id.str(),
                      " waits for\n");
    }
  }
  return text;
}

std::string Scenario::Gates() const {
  std::string text;
  for (const engine::GateView& gate :
       world_.engine().MakeView(world_.now()).gates) {
    absl::StrAppend(&text, gate.id.str(), " ", gate.state, ", round ",
                    gate.round, " [",
                    absl::StrJoin(gate.steps, " ",
                                  [](std::string* out, const StepId& id) {
                                    absl::StrAppend(out, id.str());
                                  }),
                    "]: ", gate.why, "\n");
  }
  return text;
}

std::string Scenario::Hosts() const {
  std::string text;
  for (const engine::HostView& host :
       world_.engine().MakeView(world_.now()).hosts) {
    absl::StrAppend(&text, host.id.str(), " ", host.link, " ", host.fence, " #",
                    host.quarantine_number, ", leased ", host.leased_flows,
                    ", standing ", host.standing_flows,
                    host.text.empty() ? "" : ": ", host.text, "\n");
  }
  return text;
}

std::string Scenario::Flows() {
  std::string text;
  for (const PlannedHost& host : world_.plan()->hosts) {
    FakeAgent& agent = world_.agent(host.id);
    absl::StrAppend(&text, host.id.str(), ": ",
                    agent.quarantined() ? "" : "no fence ",
                    absl::StrJoin(agent.OpenGrants(world_.now()), ", "), "\n");
  }
  return text;
}

std::string Scenario::Outstanding() const {
  std::string text;
  for (const PlannedHost& host : world_.plan()->hosts) {
    for (const engine::Order& order : world_.engine().Outstanding(host.id)) {
      absl::StrAppend(&text, order.id.str(), " ", OrderText(order), "\n");
    }
  }
  return text;
}

}  // namespace sluice::testing
