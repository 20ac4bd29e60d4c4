#include "orchestrator/runtime/loop.h"

#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/contract.h"
#include "orchestrator/journal/codec.h"
#include "orchestrator/journal/commands_digest.h"
#include "orchestrator/runtime/heartbeat.h"

namespace sluice::runtime {
namespace {

// The engine's deadlines are not run more often than this.
constexpr absl::Duration kFinestTick = absl::Milliseconds(1);
// Stepped and not on disk: more is not taken from people.
constexpr size_t kMostUnwritten = 10'000;

std::string InWords(const std::vector<HistoryLine>& lines) {
  constexpr size_t kMost = 3;
  std::vector<absl::string_view> texts;
  for (const HistoryLine& line : lines) {
    if (texts.size() < kMost) texts.push_back(line.text);
  }
  return absl::StrJoin(texts, "\n");
}

Answer Refusal(absl::Status status) {
  Answer answer;
  answer.status = std::move(status);
  return answer;
}

}  // namespace

Loop::Loop(Memory memory, Writer* writer, AgentLink* link, OperatorSink* sink,
           LoopOptions options)
    : options_(std::move(options)),
      writer_(writer),
      link_(link),
      sink_(sink),
      memory_(std::move(memory)),
      written_(memory_.head),
      written_epoch_(memory_.engine.epoch()) {
  SLUICE_CHECK(options_.heartbeat > absl::ZeroDuration());
}

Loop::~Loop() { writer_->Forget(); }

absl::StatusOr<bool> Loop::Begin(std::optional<engine::PlanAdopted> plan,
                                 absl::Time now) {
  // A journal from a machine whose clock ran ahead: its time goes on.
  if (memory_.head.sequence > 0 && now <= memory_.head.at) {
    ahead_ = memory_.head.at + absl::Microseconds(1) - now;
  }
  SetTime(now);
  Step(engine::ReignBegan{memory_.highest_epoch_seen + 1, options_.instance});
  bool in_force = true;
  if (plan.has_value()) {
    const auto present = memory_.engine.plan();
    in_force = present != nullptr && present->digest == plan->plan->digest;
    // A run goes on under the plan that people released.
    if (!in_force && !memory_.engine.run_active()) {
      plan->number = memory_.plans + 1;
      Step(*plan);
      in_force = true;
    }
  }
  const bool first_start = written_.sequence == 0;
  next_heartbeat_ = now_;
  Write(options_.disk_hangs);
  if (under_way_ > 0) Hang();
  if (first_start && !problem_.empty()) {
    return absl::UnavailableError(problem_);
  }
  // S5: otherwise it serves all the same, for isolations, under the reign that
  // is on disk; the new one begins when it can be recorded.
  return in_force;
}

void Loop::SetTime(absl::Time now) {
  // Whole microseconds, as on disk, or a replay would differ; never back.
  const absl::Time whole =
      absl::FromUnixMicros(absl::ToUnixMicros(now + ahead_));
  now_ = std::max({now_, whole, memory_.head.at});
  next_run_ = memory_.NextRun(now_);
}

Glimpse Loop::Look() const {
  return Glimpse{memory_.engine,
                 memory_.history,
                 now_,
                 written_.sequence,
                 written_.hash,
                 problem_,
                 changes_,
                 next_run_,
                 memory_.durations,
                 &memory_.sources,
                 &memory_.previous_sources};
}

absl::Time Loop::Turn(absl::Time now) {
  SetTime(now);
  if (problem_.empty()) {
    Settle(absl::ZeroDuration());
  } else {
    // First, so that whoever asks in this turn is not refused for nothing.
    Write(options_.turns_wait);
  }
  Batch batch = inbox_.Take(options_.events_a_turn);
  for (const FromPerson& request : batch.isolations) HearPerson(request, true);
  for (const FromPerson& request : batch.people) HearPerson(request, false);
  HearRefusals();
  HearWhatWaits();
  for (FromAgent& from : batch.agents) HearAgent(std::move(from));
  TellTime();

  Write(options_.turns_wait);
  if (!problem_.empty() || IsLate()) LeaveUnrecorded();
  WelcomeArrivals();
  AnswerAskers();
  LetReadOn();
  Heartbeat();
  sink_wants_ = sink_->Turned(Look());
  for (const sluice::runtime::Look& look : batch.looks) look(Look());
  return NextTurn();
}

void Loop::Step(const engine::Event& event) {
  const engine::Stamp stamp{memory_.head.sequence + 1, now_, memory_.head.hash};
  engine::Output output = memory_.engine.Step(stamp, event);
  memory_.next_deadline = output.next_deadline;
  memory_.Note(event);
  memory_.durations.Note(event, output, stamp.at);

  Unwritten unwritten;
  journal::Encoded encoded = journal::Encode(event);
  journal::Record& record = unwritten.record;
  record.sequence = stamp.sequence;
  record.at = stamp.at;
  record.kind = encoded.kind;
  record.version = encoded.version;
  record.payload = std::move(encoded.payload);
  record.previous = stamp.journal_head;
  record.commands = journal::CommandsDigest(output.commands);
  record.hash = journal::RecordHash(record);
  memory_.head = journal::Head{record.sequence, record.hash, record.at};

  unwritten.lines = LinesOf(output.commands, stamp.sequence, stamp.at);
  for (engine::Command& command : output.commands) {
    if (auto* order = std::get_if<engine::Order>(&command)) {
      unwritten.orders.push_back(std::move(*order));
    }
  }
  unwritten.epoch = memory_.engine.epoch();
  unwritten_.push_back(std::move(unwritten));
  ++changes_;
}

void Loop::HearPerson(const FromPerson& request, bool isolation) {
  if (!problem_.empty() && !isolation) {
    // S6: it could not be put on disk.
    request.reply(Refusal(absl::UnavailableError(absl::StrCat(
        "nothing was done, because nothing can be recorded: ", problem_,
        " (Isolating still works.)"))));
    return;
  }
  if (unwritten_.size() >= kMostUnwritten && !isolation) {
    request.reply(Refusal(absl::UnavailableError(
        "nothing was done: the journal's disk is too slow for what happens; "
        "try again in a moment")));
    return;
  }
  absl::StatusOr<engine::Event> event = request.make(Look());
  const absl::Status admitted =
      event.ok() ? memory_.engine.Admit(*event, now_) : event.status();
  if (!admitted.ok()) {
    request.reply(Refusal(admitted));
    return;
  }
  Allowance& allowance = peoples_allowances_[request.who];
  if (!isolation && !allowance.Allows(now_)) {
    request.reply(Refusal(absl::ResourceExhaustedError(
        "nothing was done: you ask for more than the journal should hold; "
        "wait a few seconds, and stop the program that asks for you")));
    return;
  }
  Step(*event);
  if (std::holds_alternative<engine::PlanAdopted>(*event)) EndWhoMayNotSpeak();
  allowance.Spend(unwritten_.back().record.payload.size());
  askers_.push_back(Asker{request.reply, memory_.head.sequence, isolation,
                          InWords(unwritten_.back().lines)});
  next_run_ = memory_.NextRun(now_);
}

// What cannot be recorded now is summed up until it can.
void Loop::HearRefusals() {
  const bool recorded = problem_.empty() && !IsLate();
  if (!recorded) return;
  for (engine::AccessRefused& one : inbox_.refusals().Take(now_)) {
    Step(std::move(one));
  }
}

void Loop::TellTime() {
  // While nothing can be recorded time stands still for the run; leases end
  // by themselves.
  if (!problem_.empty() || IsLate() || !memory_.next_deadline.has_value() ||
      now_ < *memory_.next_deadline) {
    return;
  }
  Step(engine::TimePassed{});
  // Guards against a deadline that stays in the past: a busy loop that fills
  // the disk would be worse than a late tick.
  if (memory_.next_deadline.has_value()) {
    memory_.next_deadline =
        std::max(*memory_.next_deadline, now_ + kFinestTick);
  }
}

void Loop::AnswerAskers() {
  const bool late = IsLate();
  std::erase_if(askers_, [&](const Asker& asker) {
    Answer answer;
    answer.sequence = asker.sequence;
    answer.message = asker.message;
    answer.recorded = asker.sequence <= written_.sequence;
    if (answer.recorded) {
      asker.reply(answer);
      return true;
    }
    if (asker.isolation && (late || !problem_.empty())) {
      // S5: said in so many words.
      answer.message = absl::StrCat(
          asker.message, "\nIsolated, not recorded: ",
          problem_.empty()
              ? "the journal's disk is slow; look at the history later."
              : problem_);
      asker.reply(answer);
      return true;
    }
    if (problem_.empty()) return false;
    // The engine has taken it in, so "refused" would be untrue.
    answer.status = absl::UnavailableError(absl::StrCat(
        "this is not recorded yet and has had no effect: ", problem_,
        " It takes effect when the journal can be written again, unless the "
        "orchestrator restarts before; look at `sluice status` then."));
    asker.reply(answer);
    return true;
  });
}

// An agent whose report is not on disk yet says nothing more, so what waits
// for a slow disk is bounded; isolating needs to hear their answers, though.
void Loop::LetReadOn() {
  const bool all = IsLate() || !problem_.empty();
  std::erase_if(readers_, [&](const auto& reader) {
    if (!all && reader.first > written_.sequence) return false;
    reader.second();
    return true;
  });
}

void Loop::Heartbeat() {
  if (now_ < next_heartbeat_) return;
  const size_t slices = SlicesFor(attached_.size());
  next_heartbeat_ = now_ + options_.heartbeat / static_cast<int64_t>(slices);
  ++slice_;
  // S3: an orchestrator that cannot record keeps nothing open.
  if (!problem_.empty() || IsLate()) return;
  for (const auto& [host, stream] : attached_) {
    if (!HearsSlice(stream, slice_, slices, /*leased=*/true)) continue;
    const std::vector<std::string> live =
        memory_.engine.LiveReleases(host, now_);
    if (!HearsSlice(stream, slice_, slices, !live.empty())) continue;
    link_->Renew(host, written_epoch_, live);
  }
}

absl::Time Loop::NextTurn() const {
  absl::Time next = std::min(next_heartbeat_, sink_wants_);
  if (under_way_ == 0 && problem_.empty() && !unwritten_.empty()) {
    next = now_;
  } else if (under_way_ > 0) {
    if (!IsLate()) next = std::min(next, began_ + options_.isolations_wait);
    if (problem_.empty()) next = std::min(next, began_ + options_.disk_hangs);
  } else if (!problem_.empty()) {
    next = std::min(next, try_again_);
  }
  if (problem_.empty() && !IsLate() && memory_.next_deadline.has_value()) {
    next = std::min(next, *memory_.next_deadline);
  }
  for (const auto& [host, from] : waiting_hosts_) {
    next = std::min(next, hosts_allowances_.at(host).Next());
  }
  return next - ahead_;
}

}  // namespace sluice::runtime
