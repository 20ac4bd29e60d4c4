// Agents: who is attached on which stream, and under which reign.

#include <algorithm>
#include <iterator>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "orchestrator/runtime/loop.h"

namespace sluice::runtime {
namespace {

// No agent has honestly seen an epoch this far above ours; a captured one
// could otherwise use the numbers up.
constexpr uint64_t kMostEpochsAhead = 1'000'000;
// A new reign makes every agent attach again. One host brings that about this
// often at most, or a captured one would keep the whole estate busy.
constexpr absl::Duration kReignPause = absl::Hours(1);
// Of one host, behind what it may not say yet.
constexpr size_t kMostWaiting = 1024;
// Nobody wants to hear more often that a host says too much.
constexpr absl::Duration kTellSlowed = absl::Hours(1);
// Events kept in memory while the journal cannot be written.
constexpr size_t kMostUnwritten = 100'000;

}  // namespace

absl::Status MaySpeakFor(const engine::Engine& engine, const HostId& host,
                         const HostId& speaker) {
  const auto plan = engine.plan();
  const PlannedHost* planned = plan == nullptr ? nullptr : plan->FindHost(host);
  if (planned == nullptr) {
    if (speaker == host) return absl::OkStatus();  // it may have to close yet
    return absl::PermissionDeniedError(absl::StrCat(
        "host '", host.str(), "', for which the agent of '", speaker.str(),
        "' speaks, is not in the manifest in "
        "force; add it there, or take it out of `drivers:`"));
  }
  if (!planned->has_agent()) {
    return absl::PermissionDeniedError(absl::StrCat(
        "host '", host.str(),
        "' is a manual point in the manifest in force: people act for it, no "
        "agent does; if one runs there, take `enforcement: manual` out"));
  }
  if (planned->speaker() == speaker) return absl::OkStatus();
  if (planned->grade == Grade::kDriven) {
    return absl::PermissionDeniedError(absl::StrCat(
        "host '", host.str(), "' is driven through '", planned->acting.str(),
        "' in the manifest in force, and '", speaker.str(),
        "' speaks for it; correct `through:` there "
        "or `drivers:` in agent.yaml"));
  }
  return absl::PermissionDeniedError(
      absl::StrCat("host '", host.str(),
                   "' has an agent of its own in the manifest in "
                   "force, and '",
                   speaker.str(),
                   "' may not speak for it; a point that "
                   "runs none has `enforcement: driven` and `through: ",
                   speaker.str(), "` there"));
}

void Loop::HearAgent(FromAgent from) {
  const bool hello = std::holds_alternative<engine::AgentConnected>(from.event);
  const bool lost = std::holds_alternative<engine::AgentLost>(from.event);
  const auto waiting = waiting_hosts_.find(from.host);
  if (waiting != waiting_hosts_.end()) {
    // What a stream that ended, or was replaced, still had to say is void: its
    // agent says all that matters again in its next hello.
    const StreamId stream = waiting->second.front().stream;
    if (stream < from.stream || (stream == from.stream && lost)) {
      waiting_hosts_.erase(waiting);
    } else if (hello) {
      return;
    } else if (stream == from.stream) {
      return WaitBehind(std::move(from), &waiting->second);
    }
  }
  if (!hello && !IsAttached(from)) return;
  if (lost) return HearLost(from);
  if (IsVoid(&from)) return;
  if (IsSlowedDown(from)) {
    waiting_hosts_[from.host].push_back(std::move(from));
    return;
  }
  TakeIn(std::move(from));
}

// S8: a report on an order that nobody waits for would change nothing, and be
// on disk for ever.
bool Loop::IsVoid(FromAgent* from) {
  from->event = WithOwnOrderId(from->event);
  const auto* report = std::get_if<engine::OrderReported>(&from->event);
  if (report == nullptr || memory_.engine.Awaits(report->host, report->order)) {
    return false;
  }
  if (from->taken_up) readers_.emplace_back(0, std::move(from->taken_up));
  return true;
}

bool Loop::IsAttached(const FromAgent& from) const {
  const auto attached = attached_.find(from.host);
  return attached != attached_.end() && attached->second == from.stream;
}

// Its stream reads on only when this was taken in: it harms itself alone.
bool Loop::IsSlowedDown(const FromAgent& from) {
  const auto plan = memory_.engine.plan();
  if (plan == nullptr || plan->FindHost(from.host) == nullptr) return false;
  Allowance& allowance = hosts_allowances_[from.host];
  if (allowance.Allows(now_)) return false;
  // Only what is waited for came this far.
  if (std::holds_alternative<engine::OrderReported>(from.event) &&
      allowance.AllowsAnswer(now_)) {
    return false;
  }
  absl::Time& told =
      told_slowed_.try_emplace(from.host, absl::InfinitePast()).first->second;
  if (now_ - told >= kTellSlowed) {
    told = now_;
    sink_->Announced(HistoryLine{
        0, now_, "alarm", from.host.str(),
        absl::StrCat("Host ", from.host.str(),
                     " reports more than the journal should hold and is heard "
                     "more slowly from here on. Look at what changes there; if "
                     "nothing does, isolate it.")});
  }
  return true;
}

void Loop::HearWhatWaits() {
  for (auto at = waiting_hosts_.begin(); at != waiting_hosts_.end();) {
    std::deque<FromAgent>& waiting = at->second;
    while (!waiting.empty() && hosts_allowances_[at->first].Allows(now_)) {
      FromAgent from = std::move(waiting.front());
      waiting.pop_front();
      const bool hello =
          std::holds_alternative<engine::AgentConnected>(from.event);
      if ((hello || IsAttached(from)) && !IsVoid(&from)) {
        TakeIn(std::move(from));
      }
    }
    at = waiting.empty() ? waiting_hosts_.erase(at) : std::next(at);
  }
}

// A stream is read one event at a time, so there is hardly more than one.
void Loop::WaitBehind(FromAgent from, std::deque<FromAgent>* waiting) {
  if (waiting->size() < kMostWaiting) {
    waiting->push_back(std::move(from));
    return;
  }
  link_->Refuse(from.host, from.stream,
                "the host says more than it is asked to; attach again");
}

void Loop::TakeIn(FromAgent from) {
  const uint64_t before = memory_.head.sequence;
  if (const auto* hello = std::get_if<engine::AgentConnected>(&from.event)) {
    HearHello(from, *hello);
  } else if (unwritten_.size() >= kMostUnwritten) {
    link_->Refuse(from.host, from.stream,
                  "the orchestrator cannot record what hosts report; attach "
                  "again later");
  } else {
    Step(from.event);
  }
  if (memory_.head.sequence != before) {
    // A hello costs twice: its end is recorded too.
    Allowance& allowance = hosts_allowances_[from.host];
    allowance.Spend(unwritten_.back().record.payload.size());
    if (std::holds_alternative<engine::AgentConnected>(from.event)) {
      allowance.Spend(0);
    }
  }
  if (from.taken_up) {
    readers_.emplace_back(memory_.head.sequence, std::move(from.taken_up));
  }
}

// An answer that was asked for costs the host nothing.
void Loop::Send(const engine::Order& order) {
  Allowance& allowance = hosts_allowances_[order.host];
  allowance.Credit();
  if (std::holds_alternative<engine::IsolateHost>(order.what)) {
    allowance.CreditIsolation();
  }
  link_->Send(written_epoch_, order);
}

void Loop::HearHello(const FromAgent& from,
                     const engine::AgentConnected& hello) {
  const auto attached = attached_.find(from.host);
  if (attached != attached_.end() && attached->second >= from.stream) return;
  const auto plan = memory_.engine.plan();
  const bool known = plan != nullptr && plan->FindHost(from.host) != nullptr;
  // One that left the estate with a new plan is heard until it has closed.
  if (!known && memory_.engine.Outstanding(from.host).empty()) {
    return link_->Refuse(
        from.host, from.stream,
        absl::StrCat("host '", from.host.str(),
                     "' is not in the manifest in force; add it there, or "
                     "stop its agent"));
  }
  const HostId& speaker = from.speaker.empty() ? from.host : from.speaker;
  if (const absl::Status may = MaySpeakFor(memory_.engine, from.host, speaker);
      !may.ok()) {
    return link_->Refuse(from.host, from.stream, std::string(may.message()));
  }
  if (unwritten_.size() >= kMostUnwritten) {
    return link_->Refuse(from.host, from.stream,
                         "the orchestrator cannot record; attach again later");
  }
  if (!ReignAbove(hello)) {
    return link_->Refuse(
        from.host, from.stream,
        absl::StrCat("host '", from.host.str(), "' says it has seen epoch ",
                     hello.highest_epoch, " and ours is ",
                     memory_.engine.epoch(),
                     ", which cannot be so; look for another orchestrator, "
                     "and enrol the host again"));
  }
  attached_[from.host] = from.stream;
  speakers_[from.host] = speaker;
  welcomed_.insert(from.host);
  lost_meanwhile_.erase(from.host);
  Step(hello);
  arrivals_.push_back({from.host, from.stream, memory_.head.sequence});
}

// A new plan may drive a point through another host, or not at all any more.
void Loop::EndWhoMayNotSpeak() {
  const auto plan = memory_.engine.plan();
  for (const auto& [host, stream] : attached_) {
    // One that left the estate with it is heard until it has closed.
    if (plan == nullptr || plan->FindHost(host) == nullptr) continue;
    const absl::Status may =
        MaySpeakFor(memory_.engine, host, speakers_.at(host));
    if (!may.ok()) link_->Refuse(host, stream, std::string(may.message()));
  }
}

// S8: an agent that has seen our epoch from another, or a higher one, obeys
// only a reign above it. False when its number is beyond belief.
bool Loop::ReignAbove(const engine::AgentConnected& hello) {
  const uint64_t ours = memory_.engine.epoch();
  const uint64_t seen = hello.highest_epoch;
  if (seen < ours || (seen == ours && welcomed_.contains(hello.host))) {
    return true;
  }
  if (seen > ours && seen - ours > kMostEpochsAhead) return false;
  if (!problem_.empty()) {
    // A reign that is not on disk is none. The host still obeys isolations.
    reign_unfinished_.insert(hello.host);
    return true;
  }
  const auto before = last_reign_for_.find(hello.host);
  if (before != last_reign_for_.end() && now_ < before->second + kReignPause) {
    return false;
  }
  last_reign_for_[hello.host] = now_;
  BeginReign(std::max(seen, memory_.highest_epoch_seen) + 1);
  sink_->Announced(HistoryLine{
      0, now_, "alarm", hello.host.str(),
      absl::StrCat("Host ", hello.host.str(), " had seen epoch ", seen,
                   ", and ours was ", ours,
                   ": another orchestrator of this "
                   "estate is or was at work, or the host is not to be "
                   "trusted. Epoch ",
                   memory_.engine.epoch(), " begins.")});
  return true;
}

// The epoch belongs to the stream: all others attach again, under the new one.
void Loop::BeginReign(uint64_t epoch) {
  Step(engine::ReignBegan{epoch, options_.instance});
  for (const auto& [host, stream] : attached_) {
    link_->Refuse(host, stream, "a new reign begins; attach again");
  }
  attached_.clear();
  arrivals_.clear();
  welcomed_.clear();
}

void Loop::HearLost(const FromAgent& from) {
  attached_.erase(from.host);
  std::erase_if(arrivals_, [&](const Arrival& arrival) {
    return arrival.host == from.host && arrival.stream == from.stream;
  });
  reign_unfinished_.erase(from.host);
  if (unwritten_.size() >= kMostUnwritten) {
    lost_meanwhile_.insert(from.host);
    return;
  }
  Step(from.event);
}

// Whoever is on disk; everybody when the disk keeps isolations waiting, which
// they must be able to hear.
void Loop::WelcomeArrivals() {
  const bool all = IsLate() || !problem_.empty();
  std::erase_if(arrivals_, [&](const Arrival& arrival) {
    if (!all && arrival.sequence > written_.sequence) return false;
    // A reign that did not reach the disk is none: until it does the host
    // hears the one before, which is good for isolations.
    if (memory_.engine.epoch() != written_epoch_) {
      reign_unfinished_.insert(arrival.host);
    }
    link_->Welcome(arrival.host, arrival.stream, written_epoch_);
    return true;
  });
}

// Whoever attached while our reign was not on disk attaches again under it.
void Loop::FinishReign() {
  if (memory_.engine.epoch() != written_epoch_) return;
  for (const HostId& host : reign_unfinished_) {
    const auto attached = attached_.find(host);
    if (attached == attached_.end()) continue;
    link_->Refuse(host, attached->second,
                  "what could not be recorded is recorded now, and a new reign "
                  "begins; attach again");
  }
  reign_unfinished_.clear();
}

// An order that left unrecorded carried our instance (see LeaveUnrecorded()).
engine::Event Loop::WithOwnOrderId(const engine::Event& event) const {
  const auto* report = std::get_if<engine::OrderReported>(&event);
  if (report == nullptr) return event;
  absl::string_view id = report->order.str();
  if (!absl::ConsumeSuffix(&id, absl::StrCat("~", options_.instance))) {
    return event;
  }
  engine::OrderReported own = *report;
  own.order = engine::OrderId(id);
  return own;
}

}  // namespace sluice::runtime
