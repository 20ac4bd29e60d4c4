#include "tests/simulation/orchestrator.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "agents/link/messages.h"
#include "common/contract.h"
#include "orchestrator/journal/codec.h"
#include "orchestrator/rpc/agent_messages.h"
#include "orchestrator/runtime/replay.h"
#include "sluice/v1/agent.pb.h"
#include "tests/scenarios/fake_world.h"
#include "tests/simulation/estate.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

std::string ReportText(const engine::Event& event) {
  if (const auto* report = std::get_if<engine::OrderReported>(&event)) {
    return absl::StrCat(
        "hears ", report->host.str(), " on ", report->order.str(), ": ",
        report->outcome == engine::Outcome::kDone      ? "done"
        : report->outcome == engine::Outcome::kRefused ? "refused"
                                                       : "failed",
        report->reason.empty() ? "" : ", ", report->reason);
  }
  if (const auto* watch = std::get_if<engine::WatchChanged>(&event)) {
    return absl::StrCat("hears ", watch->host.str(), ": ",
                        watch->report.id.str(), " ",
                        VerdictName(watch->report.result.verdict));
  }
  if (const auto* lost = std::get_if<engine::LeaseLost>(&event)) {
    return absl::StrCat("hears ", lost->host.str(), ": a lease ran out");
  }
  if (const auto* changed = std::get_if<engine::FenceChanged>(&event)) {
    return absl::StrCat("hears ", changed->host.str(), ": its fence changed");
  }
  if (const auto* lost = std::get_if<engine::AgentLost>(&event)) {
    return absl::StrCat("loses ", lost->host.str());
  }
  if (const auto* hello = std::get_if<engine::AgentConnected>(&event)) {
    return absl::StrCat("hello of ", hello->host.str());
  }
  return "hears something";
}

}  // namespace

uint64_t JournalDisk::last() const {
  auto& records = const_cast<journal::MemoryJournal&>(memory).records();
  return records.empty() ? 0 : records.back().sequence;
}

absl::Status JournalDisk::Append(uint64_t expected,
                                 absl::Span<const journal::Record> records) {
  const Die now = std::exchange(die, Die::kNo);
  if (now == Die::kBefore) throw ProcessDied();
  const absl::Status status = memory.Append(expected, records);
  if (!status.ok()) return status;
  for (const journal::Record& record : records) {
    const auto event =
        journal::Decode(record.kind, record.version, record.payload, LoadPlan);
    if (!event.ok()) {
      world_.Violate("S7", absl::StrCat("record ", record.sequence,
                                        " cannot be read again: ",
                                        event.status().message()));
      continue;
    }
    world_.watchers().Recorded(owner_, record, *event);
  }
  if (now == Die::kAfter) throw ProcessDied();
  return status;
}

Orchestrator::Orchestrator(World& world, int number, uint64_t seed)
    : world_(world),
      number_(number),
      random_(seed, absl::StrCat("orchestrator ", number)),
      disk_(world, *this) {}

Orchestrator::~Orchestrator() = default;

absl::Time Orchestrator::Now() const {
  return absl::UnixEpoch() + clock_.Read(world_.now());
}

bool Orchestrator::Start() {
  SLUICE_CHECK(!running());
  ++life_;
  absl::StatusOr<runtime::Memory> memory = runtime::Replay(disk_, LoadPlan);
  if (!memory.ok()) {
    problem_ = std::string(memory.status().message());
    world_.Trace("orchestrator", "does not start: ", problem_);
    return false;
  }
  problem_.clear();
  // As SystemClock: the wall's time at start, then the machine's own pace.
  clock_.Start(world_.now(), world_.now() + wall_error - absl::UnixEpoch(),
               rate);
  instance_ = absl::StrCat("o", number_, "-", ++starts_);
  next_turn_ = absl::InfiniteFuture();
  world_.Trace("orchestrator", "starts as ", instance_, ", journal of ",
               disk_.last());
  writer_ = std::make_unique<runtime::DirectWriter>(&disk_);
  writer_->set_hanging(disk_hangs);
  loop_ = std::make_unique<runtime::Loop>(
      *std::move(memory), writer_.get(), static_cast<runtime::AgentLink*>(this),
      static_cast<runtime::OperatorSink*>(this),
      runtime::LoopOptions{.instance = instance_});
  world_.watchers().Began(*this);
  try {
    const auto begun = loop_->Begin(
        engine::PlanAdopted{0, world_.shared_plan(), world_.sources(), {}},
        Now());
    if (!begun.ok()) {
      problem_ = std::string(begun.status().message());
      world_.Trace("orchestrator", "does not start: ", problem_);
      Die();
      return false;
    }
  } catch (const ProcessDied&) {
    Die();
    return false;
  }
  TurnBy(world_.now() + absl::Milliseconds(1));
  return true;
}

void Orchestrator::Die() {
  if (!running()) return;
  world_.Trace("orchestrator", "dies");
  loop_.reset();
  writer_.reset();
  ++life_;
  die_after_sends = 0;
  streams_.clear();
  world_.watchers().Died(*this);
  world_.network().PeerVanished(number_);
}

void Orchestrator::SetHanging(bool hanging) {
  disk_hangs = hanging;
  if (!running()) return;
  writer_->set_hanging(hanging);
  TurnBy(world_.now() + absl::Microseconds(200));
}

void Orchestrator::TurnBy(absl::Time when) {
  if (when >= next_turn_) return;
  next_turn_ = when;
  world_.agenda().At(when, [this, when, life = life_] {
    if (life == life_ && next_turn_ == when) Turn();
  });
}

void Orchestrator::Turn() {
  next_turn_ = absl::InfiniteFuture();
  if (!running()) return;
  if (world_.now() < frozen_until) return TurnBy(frozen_until);
  try {
    const absl::Time next = loop_->Turn(Now());
    const absl::Time at = clock_.When(next - absl::UnixEpoch(), world_.now());
    TurnBy(std::max(at, world_.now() + absl::Microseconds(100)));
  } catch (const ProcessDied&) {
    Die();
  }
}

void Orchestrator::Ask(engine::Event event, bool isolation) {
  if (!running()) return;
  runtime::FromPerson request;
  auto asked = std::make_shared<engine::Event>(std::move(event));
  request.make =
      [this, asked](
          const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
    if (auto* start = std::get_if<engine::RunStarted>(asked.get())) {
      start->run = RunId(glimpse.next_run);
    }
    world_.watchers().Heard(*this, *asked);
    return *asked;
  };
  request.reply = [this, asked](const runtime::Answer& answer) {
    world_.Trace("orchestrator", "answers: ",
                 answer.status.ok() ? answer.message
                                    : std::string(answer.status.message()));
    world_.watchers().Answered(*this, *asked, answer);
  };
  const absl::Status taken = isolation
                                 ? loop_->inbox().Isolate(std::move(request))
                                 : loop_->inbox().Ask(std::move(request));
  if (taken.ok()) TurnBy(world_.now() + absl::Microseconds(200));
}

void Orchestrator::Look(runtime::Look look) {
  if (!running()) return;
  if (loop_->inbox().LookAt(std::move(look)).ok()) {
    TurnBy(world_.now() + absl::Microseconds(200));
  }
}

// ── agents ──────────────────────────────────────────────────────────────────

void Orchestrator::Tell(const HostId& host, uint64_t stream,
                        engine::Event event) {
  if (!running()) return;
  world_.Trace("orchestrator", ReportText(event));
  // A driven point's agent is that of whoever acts for it.
  const PlannedHost* planned = world_.plan().FindHost(host);
  const HostId speaker = planned == nullptr ? host : planned->speaker();
  if (loop_->inbox()
          .Tell({host, stream, std::move(event), nullptr, speaker})
          .ok()) {
    TurnBy(world_.now() +
           random_.Time(absl::Microseconds(20), absl::Milliseconds(1)));
  }
}

void Orchestrator::Greeted(const HostId& host, uint64_t stream,
                           const agent::Message& hello) {
  streams_[host] = Attachment{stream, false, 0};
  world_.watchers().Greeted(*this, host);
  Said(host, stream, hello);
}

void Orchestrator::Said(const HostId& host, uint64_t stream,
                        const agent::Message& message) {
  // That it came is all a heartbeat says.
  if (std::holds_alternative<agent::Heartbeat>(message)) return;
  absl::StatusOr<engine::Event> event =
      rpc::EventOf(host, agent::ToProto(message));
  SLUICE_CHECK(event.ok());
  Tell(host, stream, *std::move(event));
}

void Orchestrator::Ended(const HostId& host, uint64_t stream,
                         const std::string& why) {
  const auto at = streams_.find(host);
  if (at != streams_.end() && at->second.stream == stream) streams_.erase(at);
  Tell(host, stream, engine::AgentLost{host, why});
}

void Orchestrator::Welcome(const HostId& host, runtime::StreamId stream,
                           uint64_t epoch) {
  const auto at = streams_.find(host);
  if (at == streams_.end() || at->second.stream != stream) return;
  at->second.welcomed = true;
  world_.watchers().Welcomed(*this, host, epoch);
  world_.network().SendDown(
      number_, host, stream,
      agent::LinkWelcomed{epoch, instance_, world_.plan().estate.str()});
}

void Orchestrator::Send(uint64_t epoch, const engine::Order& order) {
  const auto at = streams_.find(order.host);
  if (at == streams_.end() || !at->second.welcomed) return;
  v1::OrchestratorMessage message;
  rpc::FillOrder(epoch, order, message.mutable_order());
  const absl::StatusOr<agent::Event> event = agent::FromProto(message);
  SLUICE_CHECK(event.ok());
  world_.Trace("orchestrator", testing::OrderText(order), " (", order.id.str(),
               ")");
  world_.watchers().OrderLeft(*this, epoch, order);
  world_.network().SendDown(number_, order.host, at->second.stream, *event);
  if (die_after_sends > 0 && --die_after_sends == 0) throw ProcessDied();
}

void Orchestrator::Renew(const HostId& host, uint64_t epoch,
                         const std::vector<std::string>& releases) {
  const auto at = streams_.find(host);
  if (at == streams_.end() || !at->second.welcomed) return;
  world_.network().SendDown(
      number_, host, at->second.stream,
      agent::RenewalReceived{epoch, releases, ++at->second.renewals});
}

void Orchestrator::Refuse(const HostId& host, runtime::StreamId stream,
                          const std::string& why) {
  world_.network().Close(number_, host, stream, why);
}

void Orchestrator::Announced(const runtime::HistoryLine& line) {
  world_.Trace("orchestrator", line.kind, ": ", line.text);
}

absl::Time Orchestrator::Turned(const runtime::Glimpse& glimpse) {
  world_.watchers().TurnEnded(*this, glimpse);
  if (world_.by_hand()) TellOfHands(glimpse);
  return absl::InfiniteFuture();
}

void Orchestrator::TellOfHands(const runtime::Glimpse& glimpse) {
  const engine::View view = glimpse.engine.MakeView(glimpse.now);
  for (const engine::GateView& gate : view.gates) {
    if (gate.body_digest.empty() || shown_.contains(gate.body_digest)) continue;
    const auto detail = glimpse.engine.MakeGateDetail(gate.id, glimpse.now);
    if (!detail.ok() || detail->body.empty()) continue;
    shown_.insert(gate.body_digest);
    world_.watchers().Shown(*this, gate.body_digest, detail->body);
  }
  world_.watchers().Asked(*this, view.point_tasks);
}

}  // namespace sluice::simulation
