#include "tests/crash/estate.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/status.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/runtime/history.h"
#include "orchestrator/runtime/replay.h"
#include "tests/scenarios/fake_world.h"

namespace sluice::crash {
namespace {

using Kind = Trouble::Kind;
using engine::Event;
using engine::Order;
using engine::OrderReported;

// No run of an example takes as many turns, or as long.
constexpr int kMostTurns = 50'000;
constexpr absl::Duration kLongest = absl::Hours(12);
// What comes again late comes after so many rounds of orders.
constexpr int kLate = 5;
constexpr absl::Duration kLongestLease = absl::Minutes(2);
constexpr absl::Duration kRestartTakes = absl::Seconds(2);

std::vector<PlannedCheck> ChecksOf(const Order& order) {
  if (const auto* run = std::get_if<engine::RunChecks>(&order.what)) {
    return run->checks;
  }
  if (const auto* freeze = std::get_if<engine::FreezeEvidence>(&order.what)) {
    return freeze->inspections;
  }
  return {};
}

bool CanFail(const Order& order) {
  return std::holds_alternative<engine::TryFlows>(order.what) ||
         !ChecksOf(order).empty();
}

// Of a task for people: "plc-1/open-" before its number.
bool IsTask(absl::string_view before) {
  for (const char* verb : {"/isolate-", "/close-", "/open-", "/start-"}) {
    if (absl::EndsWith(before, verb)) return true;
  }
  return false;
}

// Numbers that stand alone are times, rounds and places: '#'.
std::string WithoutNumbers(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const bool alone =
        i == 0 || text[i - 1] == ' ' || text[i - 1] == ':' ||
        IsTask(text.substr(0, i)) ||
        (absl::ascii_isdigit(static_cast<unsigned char>(text[i - 1])) != 0);
    if (absl::ascii_isdigit(static_cast<unsigned char>(text[i])) == 0 ||
        !alone) {
      out += text[i++];
      continue;
    }
    while (i < text.size() &&
           absl::ascii_isdigit(static_cast<unsigned char>(text[i])) != 0) {
      ++i;
    }
    for (const char* ending : {"st", "nd", "rd", "th"}) {
      if (absl::StartsWith(text.substr(i), ending)) i += 2;
    }
    out += '#';
  }
  return out;
}

// Who is linked, and that an orchestrator took over, differs by itself when
// one dies; all else that people hear must not.
bool IsAboutTheRun(const runtime::HistoryLine& line) {
  // What was asked of people is void when its flows open anew after a death.
  if (line.kind == "task" && absl::StrContains(line.text, " is void: ")) {
    return false;
  }
  return line.kind != "host" && line.kind != "connecting" &&
         !absl::StrContains(line.text, "took over");
}

}  // namespace

absl::StatusOr<Case> ReadCase(const std::string& path) {
  std::ifstream in(path);
  if (!in) return absl::NotFoundError(absl::StrCat(path, " cannot be read"));
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  Case read;
  read.name = path.substr(path.rfind('/') + 1);
  read.sources = journal::EncodeSources({{read.name, text}});
  SLUICE_ASSIGN_OR_RETURN(read.plan, testing::PlanOf(text));
  return read;
}

Estate::Estate(const Case& manifest, bool drill, Trouble trouble)
    : case_(manifest), trouble_(trouble), person_(*manifest.plan, drill) {
  // The same texts give the same plan: it was read once.
  loader_ = [this](const std::vector<journal::SourceFile>&)
      -> absl::StatusOr<std::shared_ptr<const Plan>> { return case_.plan; };
  checker_.Adopt(case_.plan);
  for (const PlannedHost& host : case_.plan->hosts) {
    if (host.has_agent()) {
      agents_.emplace(host.id, testing::FakeAgent(host.id));
    }
  }
}

Estate::~Estate() = default;

// ── the disk ────────────────────────────────────────────────────────────────

absl::Status Estate::Append(uint64_t expected,
                            absl::Span<const journal::Record> records) {
  const uint64_t last = expected + records.size() - 1;
  const bool now = !struck_ && trouble_.dies() && trouble_.at >= expected &&
                   trouble_.at <= last;
  if (now) struck_ = true;
  if (now && trouble_.kind == Kind::kDieBefore) throw Died();
  if (now && trouble_.kind == Kind::kDieTorn) {
    // The bytes up to the middle of the record reach the disk.
    journal_.set_lying(true);
    SLUICE_RETURN_IF_ERROR(journal_.Append(expected, records));
    journal_.set_lying(false);
    const size_t whole = journal_.unsynced_bytes();
    const size_t behind = static_cast<size_t>(last - trouble_.at);
    const size_t half = records[records.size() - 1 - behind].payload.size() / 2;
    journal_.Crash(std::min(whole, half + 1 + behind));
    CheckTorn();
    throw Died();
  }
  SLUICE_RETURN_IF_ERROR(journal_.Append(expected, records));
  checker_.Saw(engine::TimePassed{}, now_);  // a soak ends with no report
  for (const Event& event : on_its_way_) checker_.Saw(event, now_);
  on_its_way_.clear();
  if (now && trouble_.kind == Kind::kDieAfter) throw Died();
  if (now) leave_ = 1;
  return absl::OkStatus();
}

// A record that can only be read in half, and was acknowledged, is no history:
// the program says so and stops.
void Estate::CheckTorn() {
  if (journal_.records().empty()) return;
  journal::MemoryJournal copy;
  for (const journal::Record& record : journal_.records()) {
    if (!copy.Append(record.sequence, {record}).ok()) return;
  }
  copy.Tear(copy.records().back().payload.size() / 2);
  const auto memory = runtime::Replay(copy, loader_);
  if (memory.ok()) {
    violations_.push_back("a torn record was replayed as if it were whole");
  }
}

// ── to agents and to people ─────────────────────────────────────────────────

void Estate::Welcome(const HostId& host, runtime::StreamId, uint64_t) {
  agents_.at(host).connected = true;
}

void Estate::Send(uint64_t, const Order& order) {
  if (leave_ == 0) throw Died();
  if (leave_ > 0) --leave_;
  checker_.Left(order);
  Note(testing::OrderText(order));
  if (streams_.contains(order.host)) mail_.push_back(order);
}

void Estate::Renew(const HostId& host, uint64_t,
                   const std::vector<std::string>& releases) {
  agents_.at(host).Renew(releases, now_);
}

void Estate::Refuse(const HostId& host, runtime::StreamId, const std::string&) {
  streams_.erase(host);
  agents_.at(host).connected = false;
}

void Estate::Announced(const runtime::HistoryLine& line) {
  told_.push_back(line);
  Note(absl::StrCat(line.kind, ": ", line.text));
}

// ── the processes ───────────────────────────────────────────────────────────

void Estate::Start() {
  auto memory = runtime::Replay(*this, loader_);
  if (!memory.ok()) {
    violations_.push_back(
        absl::StrCat("it does not start again: ", memory.status().message()));
    return;
  }
  journal::Journal* const disk = this;
  writer_ = std::make_unique<runtime::DirectWriter>(disk);
  runtime::AgentLink* const link = this;
  runtime::OperatorSink* const sink = this;
  loop_ = std::make_unique<runtime::Loop>(
      *std::move(memory), writer_.get(), link, sink,
      runtime::LoopOptions{absl::StrCat("instance-", ++instance_),
                           absl::Seconds(2)});
  const auto begun =
      loop_->Begin(engine::PlanAdopted{0, case_.plan, case_.sources, {}}, now_);
  if (!begun.ok()) {
    violations_.push_back(
        absl::StrCat("it does not begin: ", begun.status().message()));
    loop_.reset();
    return;
  }
  Attach();
}

void Estate::Attach() {
  for (auto& [host, agent] : agents_) {
    if (streams_.contains(host)) continue;
    streams_[host] = ++last_stream_;
    Tell(host, agent.Hello(now_));
  }
}

void Estate::Restart() {
  loop_.reset();
  writer_.reset();
  Note(absl::StrCat("it died with ", journal_.records().size(),
                    " records on disk, ", mail_.size(),
                    " orders on their way"));
  leave_ = -1;
  on_its_way_.clear();
  if (trouble_.arrives) {
    for (const Order& order : mail_) {
      agents_.at(order.host).Obey(order, now_);
    }
  }
  mail_.clear();
  orders_again_.clear();
  reports_again_.clear();
  streams_.clear();
  for (auto& [host, agent] : agents_) agent.connected = false;
  now_ += kRestartTakes;
  try {
    Start();
  } catch (const Died&) {
    Restart();  // it died as it began; it is struck only once
  }
}

void Estate::Turn() {
  now_ += absl::Milliseconds(1);
  next_ = loop_->Turn(now_);
}

void Estate::Tell(const HostId& host, const Event& event) {
  const auto stream = streams_.find(host);
  if (stream == streams_.end()) return;
  if (const auto* report = std::get_if<OrderReported>(&event)) {
    Note(absl::StrCat("< ", host.str(), " ", report->order.str(), " ",
                      report->outcome == engine::Outcome::kDone ? "done" : "",
                      report->reason));
  }
  on_its_way_.push_back(event);
  // What a driven point says, the agent that acts for it says.
  const HostId& speaker = case_.plan->FindHost(host)->speaker();
  if (!loop_->inbox()
           .Tell({host, stream->second, event, nullptr, speaker})
           .ok()) {
    violations_.push_back("the inbox is full");
  }
}

void Estate::Obey(const Order& order, bool again) {
  testing::FakeAgent& agent = agents_.at(order.host);
  if (!again) {
    ++orders_;
    if (CanFail(order)) with_checks_.insert(orders_);
  }
  const bool now =
      !again && !trouble_.dies() && trouble_.at == orders_ && trouble_.at > 0;
  if (now) struck_ = true;
  if (now && trouble_.kind == Kind::kFail) {
    OrderReported report;
    report.order = order.id;
    report.host = order.host;
    report.outcome = engine::Outcome::kFailed;
    report.reason = "it failed once";
    report.fence = agent.Fence(now_);
    Tell(order.host, report);
    return;
  }
  if (now && trouble_.kind == Kind::kFailChecks) {
    for (const PlannedCheck& check : ChecksOf(order)) {
      agent.checks[check.id] = {Verdict::kFail, "it failed once", 1};
    }
    agent.deaf_tries = true;
  }
  const std::optional<OrderReported> report = agent.Obey(order, now_);
  agent.deaf_tries = false;
  if (!report.has_value() || (now && trouble_.kind == Kind::kSilent)) return;
  Tell(order.host, *report);
  if (again) return;
  if (trouble_.kind == Kind::kTwice) {
    struck_ = true;
    Obey(order, true);
    Tell(order.host, *report);
  } else if (trouble_.kind == Kind::kTwiceLate) {
    struck_ = true;
    orders_again_.emplace_back(round_ + kLate, order);
    reports_again_.emplace_back(round_ + kLate, *report);
  }
}

// Each host does the first order that waits for it, in the order they left.
bool Estate::Deliver() {
  while (!orders_again_.empty() && orders_again_.front().first <= round_) {
    const Order order = orders_again_.front().second;
    orders_again_.pop_front();
    Obey(order, true);
  }
  while (!reports_again_.empty() && reports_again_.front().first <= round_) {
    const Event event = reports_again_.front().second;
    reports_again_.pop_front();
    Tell(std::get<OrderReported>(event).host, event);
  }
  if (mail_.empty()) return false;
  ++round_;
  std::set<HostId> busy;
  std::deque<Order> later;
  std::vector<Order> now;
  for (Order& order : mail_) {
    const bool first = busy.insert(order.host).second;
    if (first) {
      now.push_back(std::move(order));
    } else {
      later.push_back(std::move(order));
    }
  }
  mail_ = std::move(later);
  for (const Order& order : now) {
    if (streams_.contains(order.host)) Obey(order, false);
  }
  return true;
}

// True when something that was asked for is done.
bool Estate::AskPeople() {
  const runtime::Glimpse glimpse = loop_->Look();
  checker_.Asked(glimpse.engine.MakeView(glimpse.now).point_tasks);
  const std::vector<Event> wants = person_.Wants(glimpse);
  const size_t before = answers_.size();
  for (const Event& event : wants) {
    if (std::holds_alternative<engine::PointReported>(event) ||
        std::holds_alternative<engine::DecisionMade>(event)) {
      on_its_way_.push_back(event);
    }
    runtime::FromPerson request;
    request.make = [event](const runtime::Glimpse&) { return event; };
    request.reply = [this, event](const runtime::Answer& answer) {
      if (!answer.status.ok()) return;
      answers_.push_back({event, answer});
      person_.Done(event);
    };
    const bool isolates =
        std::holds_alternative<engine::IsolationOrdered>(event);
    const absl::Status taken = isolates
                                   ? loop_->inbox().Isolate(std::move(request))
                                   : loop_->inbox().Ask(std::move(request));
    if (!taken.ok()) violations_.emplace_back(taken.message());
  }
  if (!wants.empty()) Turn();
  return answers_.size() > before;
}

void Estate::Note(const std::string& line) {
  story_.push_back(absl::StrCat(
      absl::FormatTime("%H:%M:%E3S ", now_, absl::UTCTimeZone()), line));
}

// ── a run ───────────────────────────────────────────────────────────────────

Ending Estate::Run() {
  const absl::Time begun = now_;
  try {
    Start();
  } catch (const Died&) {
    Restart();
  }
  int turns = 0;
  while (loop_ != nullptr && violations_.empty()) {
    try {
      Turn();
      while (Deliver()) Turn();
      Attach();
      if (AskPeople()) continue;
      if (person_.finished() && mail_.empty() && orders_again_.empty()) break;
      if (!mail_.empty()) continue;
      ++round_;  // time passes for what comes again late, too
      now_ = std::max(now_, next_);
    } catch (const Died&) {
      Restart();
    }
    if (++turns > kMostTurns || now_ - begun > kLongest) {
      violations_.push_back("L1: it does not end");
    }
  }
  // What nobody renews any more closes.
  const absl::Time over = now_ + kLongestLease;
  while (loop_ != nullptr && violations_.empty() && now_ < over) {
    try {
      Turn();
      while (Deliver()) Turn();
      now_ = std::max(now_, next_);
    } catch (const Died&) {
      Restart();
    }
  }
  Ending ending;
  if (loop_ != nullptr) Look(&ending);
  ending.records = journal_.records().size();
  ending.orders = orders_;
  ending.with_checks = with_checks_;
  ending.struck = struck_;
  ending.story = story_;
  for (const std::string& violation : checker_.violations()) {
    violations_.push_back(violation);
  }
  ending.violations = violations_;
  if (loop_ != nullptr) CheckHistory(&ending);
  return ending;
}

void Estate::Look(Ending* ending) {
  for (auto& [host, agent] : agents_) {
    agent.RunOutLeases(now_);
    if (agent.quarantined()) ending->fenced.insert(host.str());
    for (const std::string& grant : agent.OpenGrants(now_)) {
      ending->open.emplace(host, grant);
    }
  }
  const engine::View view = loop_->Look().engine.MakeView(now_);
  absl::StrAppend(&ending->run, "run ", view.run.state, "\n");
  for (const engine::StepView& step : view.steps) {
    absl::StrAppend(&ending->run, step.id.str(), " ", step.state,
                    step.failed ? " failed" : "",
                    step.partial ? " partial" : "", "\n");
    for (const engine::Wait& wait : step.waits) {
      absl::StrAppend(&ending->notes, step.id.str(), " ", wait.kind, " ",
                      WithoutNumbers(wait.text), "\n");
    }
    for (const std::string& note : step.notes) {
      absl::StrAppend(&ending->notes, step.id.str(), " ", WithoutNumbers(note),
                      "\n");
    }
  }
  const runtime::History& history = loop_->Look().history;
  for (const runtime::HistoryLine& line : history.From(0, history.size())) {
    if (!IsAboutTheRun(line)) continue;
    ending->told.insert(
        absl::StrCat(line.kind, ": ", WithoutNumbers(line.text)));
  }
}

// S6, S7: what people were told and answered is in the journal as they heard
// it, and the journal alone gives the state.
void Estate::CheckHistory(Ending* ending) {
  const auto memory = runtime::Replay(journal_, loader_);
  if (!memory.ok()) {
    ending->violations.push_back(
        absl::StrCat("S7: it cannot be replayed: ", memory.status().message()));
    return;
  }
  if (memory->engine.StateDigest() != loop_->Look().engine.StateDigest()) {
    ending->violations.push_back("S7: a replay gives another state");
  }
  std::set<std::string> kept;
  for (const runtime::HistoryLine& line :
       memory->history.From(0, memory->history.size())) {
    kept.insert(absl::StrCat(line.sequence, " ", line.text));
  }
  for (const runtime::HistoryLine& line : told_) {
    if (line.sequence == 0) continue;
    if (kept.contains(absl::StrCat(line.sequence, " ", line.text))) continue;
    ending->violations.push_back(absl::StrCat(
        "S6: people were told '", line.text, "', which is in no record"));
  }
  for (const Given& given : answers_) {
    const journal::Encoded encoded = journal::Encode(given.event);
    const uint64_t at = given.answer.sequence;
    const bool there = at >= 1 && at <= journal_.records().size() &&
                       journal_.records()[at - 1].payload == encoded.payload &&
                       journal_.records()[at - 1].kind == encoded.kind;
    if (there) continue;
    ending->violations.push_back(
        absl::StrCat("S6: record ", at, " is not what was answered with '",
                     given.answer.message, "'"));
  }
}

}  // namespace sluice::crash
