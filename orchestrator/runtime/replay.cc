#include "orchestrator/runtime/replay.h"

#include <algorithm>
#include <future>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "orchestrator/journal/commands_digest.h"

namespace sluice::runtime {
namespace {

constexpr size_t kReadAtOnce = 4096;
constexpr size_t kDayLength = 10;  // "2026-11-21"

std::string About(const journal::Record& record) {
  return absl::StrCat(
      "journal record ", record.sequence, " of ",
      absl::FormatTime(absl::RFC3339_sec, record.at, absl::LocalTimeZone()),
      " (", journal::KindName(record.kind), ")");
}

// Records that follow each other, and why there are no more of them.
struct Piece {
  std::vector<journal::Record> records;
  journal::Head head;  // of the last of them
  absl::Status status;
};

Piece ReadPiece(journal::Journal* journal, journal::Head head) {
  Piece piece;
  piece.head = std::move(head);
  auto records = journal->Read(piece.head.sequence + 1, kReadAtOnce);
  if (!records.ok()) {
    piece.status = records.status();
    return piece;
  }
  piece.records = *std::move(records);
  for (size_t i = 0; i < piece.records.size(); ++i) {
    const journal::Record& record = piece.records[i];
    piece.status = WithContext(
        journal::CheckLink(record, piece.head.sequence, piece.head.hash),
        "journal");
    if (!piece.status.ok()) {
      piece.records.resize(i);
      return piece;
    }
    piece.head = journal::Head{record.sequence, record.hash, record.at};
  }
  return piece;
}

absl::Status ReplayOne(const journal::Record& record,
                       const journal::PlanLoader& load_plan, Memory* memory) {
  absl::StatusOr<engine::Event> event =
      journal::Decode(record.kind, record.version, record.payload, load_plan);
  if (!event.ok()) return WithContext(event.status(), About(record));
  const engine::Output output = memory->engine.Step(
      engine::Stamp{record.sequence, record.at, memory->head.hash}, *event);
  if (journal::CommandsDigest(output.commands) != record.commands) {
    return absl::FailedPreconditionError(absl::StrCat(
        About(record),
        ": this version would act on it otherwise than was acted then; go on "
        "with the version of Sluice that wrote the journal"));
  }
  memory->next_deadline = output.next_deadline;
  memory->Note(*event);
  memory->durations.Note(*event, output, record.at);
  for (HistoryLine& line :
       LinesOf(output.commands, record.sequence, record.at)) {
    memory->history.Add(std::move(line));
  }
  return absl::OkStatus();
}

}  // namespace

void Memory::Note(const engine::Event& event) {
  if (const auto* reign = std::get_if<engine::ReignBegan>(&event)) {
    highest_epoch_seen = std::max(highest_epoch_seen, reign->epoch);
  } else if (const auto* agent = std::get_if<engine::AgentConnected>(&event)) {
    highest_epoch_seen = std::max(highest_epoch_seen, agent->highest_epoch);
  } else if (const auto* plan = std::get_if<engine::PlanAdopted>(&event)) {
    plans = std::max(plans, plan->number);
    const std::shared_ptr<const Plan> in_force = engine.plan();
    const bool adopted = in_force != nullptr && plan->plan != nullptr &&
                         in_force->digest == plan->plan->digest;
    // What a restarted orchestrator adopts again is no other plan.
    if (adopted && plan->sources != sources) {
      previous_sources = std::exchange(sources, plan->sources);
    }
  } else if (const auto* run = std::get_if<engine::RunStarted>(&event)) {
    ++runs_of_day[run->run.str().substr(0, kDayLength)];
  }
}

std::string Memory::NextRun(absl::Time now) const {
  const std::string day =
      absl::FormatTime("%Y-%m-%d", now, absl::UTCTimeZone());
  const auto found = runs_of_day.find(day);
  return absl::StrCat(day, "-",
                      found == runs_of_day.end() ? 1 : found->second + 1);
}

std::vector<HistoryLine> LinesOf(const std::vector<engine::Command>& commands,
                                 uint64_t sequence, absl::Time at) {
  std::vector<HistoryLine> lines;
  for (const engine::Command& command : commands) {
    if (const auto* line = std::get_if<engine::Announce>(&command)) {
      lines.push_back({sequence, at, line->kind, line->who, line->text});
    }
  }
  return lines;
}

absl::StatusOr<Memory> Replay(journal::Journal& journal,
                              const journal::PlanLoader& load_plan) {
  Memory memory;
  Piece piece = ReadPiece(&journal, memory.head);
  while (true) {
    // The next is read and checked while this one is replayed: about half of
    // a long restart's work each.
    std::future<Piece> next;
    if (piece.records.size() == kReadAtOnce) {
      next = std::async(std::launch::async, ReadPiece, &journal, piece.head);
    }
    for (const journal::Record& record : piece.records) {
      SLUICE_RETURN_IF_ERROR(ReplayOne(record, load_plan, &memory));
      memory.head = journal::Head{record.sequence, record.hash, record.at};
    }
    SLUICE_RETURN_IF_ERROR(piece.status);
    if (!next.valid()) return memory;
    piece = next.get();
  }
}

}  // namespace sluice::runtime
