#include "orchestrator/report/brief.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/digest.h"
#include "orchestrator/report/brief_facts.h"
#include "orchestrator/report/brief_words.h"
#include "orchestrator/report/layout.h"
#include "orchestrator/report/page.h"
#include "orchestrator/report/time_text.h"

namespace sluice {
namespace {

constexpr int kItemWidth = kBriefWidth - 2;

// "1 incident-commander, 2 system-owner".
std::string QuorumText(const google::protobuf::Map<std::string, int>& quorum) {
  std::map<std::string, int> sorted(quorum.begin(), quorum.end());
  return absl::StrJoin(sorted, ", ", [](std::string* out, const auto& role) {
    absl::StrAppend(out, role.second, " ", role.first);
  });
}

class Brief {
 public:
  Brief(const v1::Status& status, const v1::History& history,
        const BriefWords& words)
      : status_(status),
        facts_(GatherBriefFacts(status, history)),
        words_(words),
        page_(kBriefWidth, words.more) {}

  std::string Text() {
    Head();
    Decision();
    NotBack();
    Back();
    Forecast();
    Notes();
    Decided();
    Isolation();
    return page_.Text(kBriefLines);
  }

 private:
  void Head();
  void Back();
  void NotBack();
  void Decision();
  void Forecast();
  void Notes();
  void Decided();
  void Isolation();

  std::string WaitText(const v1::Step& step, const v1::Wait& wait) const;
  std::string WhyText(const v1::Step& step) const;
  std::string TaskWhat(const std::string& id) const;
  std::string Who(const std::string& who) const {
    return who.empty() ? words_.somebody : who;
  }

  const v1::Status& status_;
  const BriefFacts facts_;
  const BriefWords& words_;
  Page page_;
};

void Brief::Head() {
  Page::Section& head = page_.Add("", /*least=*/6);
  const std::string title = Fill(words_.title, {status_.estate()});
  const std::string at = DateTimeText(status_.now_ms());
  head.Line(absl::StrCat(
      PadTo(Clip(title, kBriefWidth - 21), kBriefWidth - DisplayWidth(at)),
      at));
  const v1::Run& run = status_.run();
  if (run.id().empty() || run.state() == "none") {
    head.Item(words_.no_run);
    return;
  }
  std::string line =
      Fill(words_.run_line, {run.id(), run.state(),
                             DateTimeText(run.started_ms()), run.started_by()});
  if (run.ended_ms() != 0) {
    absl::StrAppend(&line, " ",
                    Fill(words_.ended, {DateTimeText(run.ended_ms())}));
  }
  head.Item(line);
  if (!run.why().empty()) head.Item(Fill(words_.held, {run.why()}));
  if (!status_.journal_problem().empty()) {
    head.Item(Fill(words_.journal_broken, {status_.journal_problem()}));
  }
}

void Brief::Back() {
  const size_t total = facts_.back.size() + facts_.not_back.size();
  Page::Section& section =
      page_.Add(Fill(words_.back,
                     {absl::StrCat(facts_.back.size()), absl::StrCat(total)}),
                /*least=*/4, "sluice status");
  if (facts_.back.empty()) section.Item(words_.nothing_back);
  std::vector<std::string> items;
  for (const v1::Step* step : facts_.back) {
    items.push_back(absl::StrCat(ClockText(step->since_ms()), " ", step->id()));
  }
  section.Flow(items, " · ");
}

std::string Brief::TaskWhat(const std::string& id) const {
  for (const v1::Task& task : status_.tasks()) {
    if (task.id() == id) return absl::StrCat("“", task.what(), "”");
  }
  return id;
}

std::string Brief::WaitText(const v1::Step& step, const v1::Wait& wait) const {
  const std::string& kind = wait.kind();
  const std::string who = Who(wait.who());
  if (kind == "gate" && !wait.who().empty()) {
    return Fill(words_.wait_gate, {wait.on(), who});
  }
  if (kind == "gate") {
    return Fill(
        wait.on() == step.stage() ? words_.wait_round : words_.wait_stage,
        {wait.on()});
  }
  if (kind == "task") return Fill(words_.wait_task, {TaskWhat(wait.on()), who});
  if (kind == "need") return Fill(words_.wait_need, {wait.on()});
  if (kind == "check") return Fill(words_.wait_check, {wait.on()});
  if (kind == "host") return Fill(words_.wait_host, {wait.on()});
  if (kind == "soak") return words_.wait_soak;
  if (kind == "person" && wait.on() == "run") {
    return wait.who().empty() ? std::string(words_.wait_run)
                              : Fill(words_.wait_paused, {wait.who()});
  }
  if (kind == "person" && step.failed()) {
    return Fill(words_.wait_retry, {step.id()});
  }
  if (kind == "person") return Fill(words_.wait_person, {who, wait.text()});
  return wait.text();
}

// Everything after "since": the failure, then what is waited for.
std::string Brief::WhyText(const v1::Step& step) const {
  std::vector<std::string> parts;
  if (step.failed()) {
    parts.push_back(Fill(words_.failed, {step.reason()}));
  } else if (!step.reason().empty()) {
    parts.push_back(step.reason());
  }
  for (const std::string& host : step.hosts()) {
    for (const v1::Host* lost : facts_.lost) {
      if (lost->id() != host) continue;
      parts.push_back(lost->link() == "never"
                          ? Fill(words_.unknown_never, {host})
                          : Fill(words_.unknown_host,
                                 {host, MinuteText(lost->since_ms())}));
    }
  }
  for (const v1::Wait& wait : step.waits())
    parts.push_back(WaitText(step, wait));
  if (parts.empty()) parts.emplace_back(words_.wait_nothing_known);
  return absl::StrJoin(parts, "; ");
}

void Brief::NotBack() {
  Page::Section& section =
      page_.Add(Fill(words_.not_back, {absl::StrCat(facts_.not_back.size())}),
                /*least=*/10, "sluice status");
  if (facts_.not_back.empty()) section.Item(words_.everything_back);
  // Steps in the same state for the same reason share an item.
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const v1::Step* step : facts_.not_back) {
    const std::string text =
        absl::StrCat(Fill(words_.not_back_line,
                          {"%", step->state(), MinuteText(step->since_ms())}),
                     "; ", WhyText(*step));
    auto found =
        std::find_if(groups.begin(), groups.end(),
                     [&](const auto& group) { return group.first == text; });
    if (found == groups.end()) {
      found = groups.insert(groups.end(), {text, {}});
    }
    found->second.push_back(step->id());
  }
  for (const auto& [text, steps] : groups) {
    // "%: quarantined since …": the names stand where the "%" is.
    section.Item(absl::StrCat(absl::StrJoin(steps, ", "), text.substr(1)),
                 static_cast<int>(steps.size()));
  }
}

void Brief::Decision() {
  Page::Section& section =
      page_.Add(words_.decision, /*least=*/6, "sluice status");
  for (const v1::Gate* gate : facts_.asking) {
    const std::string until =
        gate->deadline_ms() == 0
            ? ""
            : Fill(words_.gate_until, {MinuteText(gate->deadline_ms())});
    section.Item(
        Fill(words_.gate_asks, {gate->id(), absl::StrJoin(gate->steps(), ", "),
                                Who(QuorumText(gate->missing())), until}));
    section.Item(
        Fill(words_.answer_with, {absl::StrCat("sluice show ", gate->id(),
                                               ", sluice go ", gate->id())}),
        0);
  }
  for (const v1::Gate* gate : facts_.stuck) {
    section.Item(Fill(
        gate->state() == "refused" ? words_.gate_refused : words_.gate_held,
        {gate->id(), gate->why()}));
    section.Item(Fill(words_.answer_with, {"sluice retry"}), 0);
  }
  for (const v1::Task* task : facts_.wanted) {
    section.Item(Fill(words_.task_wanted,
                      {Who(task->owner()), task->what(), task->step()}));
    section.Item(
        Fill(words_.answer_with, {absl::StrCat("sluice done ", task->id())}),
        0);
  }
  if (section.empty()) section.Item(words_.no_decision);
}

void Brief::Forecast() {
  Page::Section& section = page_.Add(words_.forecast, /*least=*/3, "");
  const v1::Forecast& forecast = status_.forecast();
  const int total = forecast.steps_total();
  if (total > 0 && forecast.steps_done() == total) {
    section.Item(Fill(words_.forecast_done, {absl::StrCat(total)}));
    return;
  }
  if (forecast.high_ms() == 0) {
    section.Item(words_.forecast_none);
  } else {
    const auto left = absl::Milliseconds(forecast.high_ms() - status_.now_ms());
    section.Item(Fill(words_.forecast_range,
                      {MinuteText(forecast.low_ms()),
                       MinuteText(forecast.high_ms()), RoughSpanText(left)}));
  }
  if (!forecast.critical_path().empty()) {
    section.Item(Fill(words_.critical_path,
                      {absl::StrJoin(forecast.critical_path(), " → ")}));
  }
}

void Brief::Notes() {
  const auto add = [&](const char* header,
                       const std::vector<BriefFacts::Note>& notes,
                       bool always) {
    if (notes.empty() && !always) return;
    Page::Section& section = page_.Add(header, /*least=*/2, "sluice status");
    if (notes.empty()) section.Item(words_.none);
    for (const BriefFacts::Note& note : notes) {
      section.Item(absl::StrCat(note.step->id(), ": ", note.text));
    }
  };
  add(words_.waivers, facts_.waivers, true);
  std::vector<BriefFacts::Note> unproven = facts_.unproven;
  for (const v1::Step& step : status_.steps()) {
    if (!step.partial()) continue;
    unproven.push_back({&step, Fill(words_.partial, {step.system()})});
  }
  add(words_.unproven, unproven, false);
}

void Brief::Decided() {
  Page::Section& section =
      page_.Add(words_.decided, /*least=*/4, "sluice history");
  using Kind = BriefFacts::Decision::Kind;
  for (const BriefFacts::Decision& made : facts_.decisions) {
    const std::string at = ClockText(made.at_ms);
    std::string line;
    switch (made.kind) {
      case Kind::kVote:
        line = Fill(made.go ? words_.vote_go : words_.vote_no_go,
                    {at, made.by, made.on, made.note});
        break;
      case Kind::kTask:
        line = Fill(words_.task_signed,
                    {at, made.by, absl::StrCat("“", made.on, "”"),
                     made.note.empty() ? "" : absl::StrCat(": ", made.note)});
        break;
      case Kind::kIsolation:
        line = Fill(words_.isolated_by,
                    {at, made.by,
                     absl::StrReplaceAll(
                         made.on, {{absl::StrCat(" by ", made.by), ""}})});
        break;
      case Kind::kAsWritten:
        line = absl::StrContains(made.on, made.by)
                   ? absl::StrCat(at, "  ", made.on)
                   : absl::StrCat(at, "  ", made.by, ": ", made.on);
        break;
    }
    section.Item(line);
  }
  if (section.empty()) section.Item(words_.none);
}

void Brief::Isolation() {
  Page::Section& section =
      page_.Add(words_.isolation, /*least=*/5, "sluice status");
  section.Item(Fill(
      words_.hosts_line,
      {absl::StrCat(status_.hosts_size()), absl::StrCat(facts_.quarantined),
       absl::StrCat(facts_.open), absl::StrCat(facts_.unknown)}));
  section.Item(Fill(words_.flows_line, {absl::StrCat(facts_.leased_flows),
                                        absl::StrCat(facts_.standing_flows),
                                        absl::StrCat(facts_.dropped_packets)}));
  if (!facts_.isolations.empty()) {
    section.Item(Fill(words_.isolations,
                      {absl::StrCat(facts_.isolations.size()),
                       ClockText(facts_.isolations.front()->at_ms()),
                       ClockText(facts_.isolations.back()->at_ms())}));
  }
  for (const v1::Host* host : facts_.lost) {
    section.Item(host->link() == "never"
                     ? Fill(words_.never_seen, {host->id()})
                     : Fill(words_.host_problem,
                            {host->id(), ClockText(host->since_ms())}));
  }
  // In the words of those who did it: nothing there was measured.
  for (const v1::Host* host : facts_.by_hand) {
    section.Item(absl::StrCat(host->id(), ": ", host->text()));
  }
  section.Item(Fill(words_.journal, {absl::StrCat(status_.journal_sequence()),
                                     ShortDigest(status_.journal_head())}),
               0);
}

}  // namespace

absl::StatusOr<std::string> BriefText(const v1::Status& status,
                                      const v1::History& history,
                                      absl::string_view language) {
  const BriefWords* words = FindBriefWords(language);
  if (words == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no brief in language '", Printable(language),
                     "'; ask for --lang en or --lang es"));
  }
  return Brief(status, history, *words).Text();
}

}  // namespace sluice
