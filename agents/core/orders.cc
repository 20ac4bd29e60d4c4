// What each order means, and why it may be refused.

#include <algorithm>
#include <type_traits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agents/core/admission.h"
#include "agents/core/agent_core.h"
#include "agents/core/evidence.h"
#include "agents/core/trust.h"
#include "common/digest.h"

namespace sluice::agent {
namespace {

// Of what will be asked of a host.
constexpr absl::string_view kUnit = "unit ";
constexpr size_t kMaxNamed = 4;
constexpr size_t kMaxInHand = 1024;
constexpr size_t kMaxChecks = 256;
constexpr size_t kMaxTries = 4096;
constexpr size_t kMaxWatches = 256;
constexpr size_t kMaxRounds = 64;
constexpr size_t kReasonLimit = 400;
constexpr size_t kMaxDetails = 256;
// For a busy host.
constexpr absl::Duration kWatchLate = absl::Seconds(30);
constexpr absl::Duration kOftenest = absl::Milliseconds(100);
constexpr absl::Duration kLongestUnit = absl::Minutes(10);

template <class T>
constexpr bool kIsJob =
    std::is_same_v<T, IsolateHost> || std::is_same_v<T, Withdraw> ||
    std::is_same_v<T, Propose> || std::is_same_v<T, OpenFlows> ||
    std::is_same_v<T, Confirm> || std::is_same_v<T, ChangeTrust> ||
    std::is_same_v<T, GlassNoted>;

bool IsJob(const Order& order) {
  return std::visit(
      [](const auto& what) { return kIsJob<std::decay_t<decltype(what)>>; },
      order.what);
}

absl::Status CheckChecks(const std::vector<NamedCheck>& checks) {
  if (checks.size() > kMaxChecks) {
    return absl::InvalidArgumentError(
        absl::StrCat(checks.size(), " checks at once are more than the ",
                     kMaxChecks, " this agent runs; split the step"));
  }
  for (const NamedCheck& check : checks) {
    if (!IsName(check.id.str())) {
      return absl::InvalidArgumentError(
          "a check's id is empty, too long or has spaces");
    }
  }
  return absl::OkStatus();
}

// What the orchestrator sends is bounded here, whatever the manifest says.
std::vector<NamedCheck> Bounded(std::vector<NamedCheck> checks) {
  for (NamedCheck& check : checks) {
    CheckSpec& spec = check.spec;
    spec.timeout =
        std::clamp(spec.timeout, absl::Milliseconds(100), absl::Minutes(5));
    spec.attempts = std::clamp(spec.attempts, 1, 100);
    spec.between =
        std::clamp(spec.between, absl::ZeroDuration(), absl::Minutes(1));
  }
  return checks;
}

// How long the slowest of them may take.
absl::Duration LongestOf(const std::vector<NamedCheck>& checks) {
  absl::Duration longest;
  for (const NamedCheck& check : Bounded(checks)) {
    longest = std::max(longest, check.spec.attempts *
                                    (check.spec.timeout + check.spec.between));
  }
  return longest;
}

// S9: of a point without an agent, another host says it.
std::vector<NamedResult> Signed(std::vector<NamedResult> results,
                                const CoreOptions& options) {
  const std::string by = options.driven_by.empty()
                             ? absl::StrCat("host ", options.host.str())
                             : absl::StrCat("host ", options.driven_by.str(),
                                            " for ", options.host.str());
  for (NamedResult& entry : results) {
    entry.result.reason = OneLine(entry.result.reason, kReasonLimit);
    if (entry.result.details.size() > kMaxDetails) {
      entry.result.details.resize(kMaxDetails);
    }
    for (std::string& line : entry.result.details) {
      line = OneLine(line, kReasonLimit);
    }
    entry.result.said_by = by;
  }
  return results;
}

}  // namespace

void AgentCore::On(const OrderReceived& event) {
  const Order& order = event.order;
  if (!welcomed_) {
    out_.push_back(HangUp{"an order came before the orchestrator's welcome"});
    return;
  }
  if (!IsName(order.id.str())) {
    Say("an order without a usable id was ignored");
    return;
  }
  // S8: a repeated order changes nothing and gets the same answer.
  if (in_hand_.contains(order.id)) return;
  for (const Report& answer : answers_) {
    if (answer.order == order.id) {
      Answer(answer);
      return;
    }
  }
  const bool isolation = std::holds_alternative<IsolateHost>(order.what);
  if (in_hand_.size() >= kMaxInHand && !isolation) {
    Refuse(order.id, absl::StrCat("this host has ", kMaxInHand,
                                  " orders in hand; send it again later"));
    return;
  }
  in_hand_.insert(order.id);
  if (const absl::Status epoch = CheckEpoch(order); !epoch.ok() && !isolation) {
    Refuse(order.id, epoch.message());
    return;
  }
  if (!IsJob(order)) {
    std::visit([&](const auto& what) { Carry(order, what); }, order.what);
  } else if (isolation) {
    waiting_.push_front(order);  // S5: ahead of all other work
  } else {
    if (std::holds_alternative<OpenFlows>(order.what)) heard_[order.id] = now_;
    waiting_.push_back(order);
  }
}

absl::Status AgentCore::CheckEpoch(const Order& order) const {
  if (!stale_.empty()) return absl::FailedPreconditionError(stale_);
  if (order.epoch != link_epoch_) {
    return absl::FailedPreconditionError(absl::StrCat(
        "an order of epoch ", order.epoch, " came from the orchestrator of ",
        "epoch ", link_epoch_, "; it has to be given again"));
  }
  return absl::OkStatus();
}

// S5: in any epoch, without a quorum. The kernel first, the disk after: a host
// that dies between the two finds its fence up and believes it.
void AgentCore::Carry(const Order& order, const IsolateHost& what) {
  ++state_.quarantine_number;
  state_.mode = Mode::kQuarantined;
  state_.reason = OneLine(what.reason, kReasonLimit);
  state_.evidence.clear();
  state_.shut_peers.clear();
  state_.releases.clear();
  EndGlass();
  watches_.clear();
  Say(absl::StrCat("isolating this host, quarantine ", state_.quarantine_number,
                   ": ", state_.reason));
  Job job;
  job.kind = Job::Kind::kIsolate;
  job.report.order = order.id;
  BeginSensor(what, job);
  job.calls.push_back(fence::Replace{RulesWithoutLeases()});
  job.save_last = true;
  job.keep_answer = true;
  Begin(std::move(job));
}

void AgentCore::Carry(const Order& order, const FreezeEvidence& what) {
  if (!IsName(what.round)) {
    Refuse(order.id, "the round's name is empty, too long or has spaces");
    return;
  }
  if (const absl::Status status = CheckChecks(what.inspections); !status.ok()) {
    Refuse(order.id, status.message());
    return;
  }
  StartPending(order);
  out_.push_back(
      StartChecks{last_request_, Bounded(what.inspections), state_.past});
}

// What the host's own file does not allow of what will be asked, so that people
// know before they vote and not after; empty: it allows all.
std::string AgentCore::WouldRefuse(const std::vector<std::string>& asks) const {
  std::vector<std::string> named;
  for (const std::string& one : asks) {
    const absl::string_view line = one;
    const bool allowed =
        absl::StartsWith(line, kUnit)
            ? options_.units.contains(std::string(line.substr(kUnit.size())))
            : options_.may_run.contains(one);
    if (allowed) continue;
    if (named.size() == kMaxNamed) {
      named.push_back("more");
      break;
    }
    named.push_back(OneLine(one, 80));
  }
  if (named.empty()) return "";
  return absl::StrCat(
      "this host's agent.yaml does not name what will be asked: ",
      absl::StrJoin(named, ", "), "; write it there and restart sluice-agent");
}

void AgentCore::Carry(const Order& order, const Propose& what) {
  Report report{.order = order.id};
  ForgetLapsed(state_, now_);
  absl::StatusOr<KnownRelease> release =
      AdmitProposal(what, state_, TrustNow(options_.trust, state_, now_), now_);
  if (!release.ok()) {
    report.outcome = Outcome::kRefused;
    report.reason = OneLine(release.status().message(), 400);
    report.detail = ReleaseAnswer{false, report.reason};
    Answer(std::move(report));
    return;
  }
  report.detail = ReleaseAnswer{true, WouldRefuse(what.will_ask)};
  // Asked again, what is open under it stays as it is.
  state_.releases.try_emplace(Sha256(what.body), *std::move(release));
  Job job;
  job.report = std::move(report);
  job.calls.push_back(fence::Read{});
  job.save_last = true;
  Begin(std::move(job));
}

void AgentCore::Carry(const Order& order, const OpenFlows& what) {
  const auto came = heard_.extract(order.id);
  const absl::Duration waited =
      came.empty() ? absl::ZeroDuration() : now_ - came.mapped();
  const absl::StatusOr<KnownRelease*> admitted =
      AdmitOpening(what, state_, TrustNow(options_.trust, state_, now_), now_);
  if (!admitted.ok()) {
    Refuse(order.id, admitted.status().message());
    return;
  }
  KnownRelease& release = **admitted;
  if (release.HasAny(Grant::State::kOpen) && now_ >= release.guard_until) {
    const FenceReading::Leased dead{
        .digest = what.release_digest,
        .flows = FlowsIn(release, Grant::State::kOpen)};
    LoseLease(what.release_digest, release, &dead);
  }
  Job job;
  job.kind = Job::Kind::kOpen;
  job.report.order = order.id;
  job.digest = what.release_digest;
  for (const GrantId& name : what.grants) {
    if (release.grants.at(name).state == Grant::State::kClosed) {
      job.grants.push_back(name);
    }
  }
  // What is open already stays untouched, so that its sessions live.
  const std::vector<Flow> open = FlowsIn(release, Grant::State::kOpen);
  std::vector<Flow> flows = FlowsOf(release, job.grants);
  std::erase_if(flows, [&](const Flow& flow) {
    return std::binary_search(open.begin(), open.end(), flow);
  });
  // A grant may have no flow here, while its peers are out: it holds its lease
  // all the same, though no guard stands for it.
  if (open.empty()) {
    // S3: whoever gave the order may have failed right after it.
    const absl::Duration lease = std::min(
        LeaseNow(release),
        absl::Seconds(release.host(state_.host).lease_seconds) - waited);
    if (waited > absl::ZeroDuration() && lease < kShortestLease) {
      Refuse(order.id,
             "it waited longer for this host's disk than its lease lasts");
      return;
    }
    release.guard_until = now_ + lease;
  }
  if (flows.empty()) {
    job.calls.push_back(fence::Read{});
  } else {
    job.calls.push_back(fence::Open{
        what.release_digest, release.guard_until - now_, std::move(flows)});
  }
  Begin(std::move(job));
}

void AgentCore::Carry(const Order& order, const TryFlows& what) {
  if (what.flows.size() > kMaxTries) {
    Refuse(order.id, absl::StrCat("more than ", kMaxTries,
                                  " flows cannot be tried at once"));
    return;
  }
  // An orchestrator must not make this host a port scanner.
  std::set<Flow> known;
  for (const auto& [digest, release] : state_.releases) {
    for (const auto& [name, grant] : release.grants) {
      known.insert(grant.flows.begin(), grant.flows.end());
    }
  }
  for (const Flow& flow : what.flows) {
    if (known.contains(flow)) continue;
    Refuse(order.id, absl::StrCat(flow.Line(),
                                  " is part of no release order that this "
                                  "host accepted, so it is not tried"));
    return;
  }
  StartPending(order);
  out_.push_back(StartTries{
      last_request_, what.flows,
      std::clamp(what.timeout, absl::Milliseconds(100), absl::Minutes(1))});
}

void AgentCore::Carry(const Order& order, const RunChecks& what) {
  if (const absl::Status status = CheckChecks(what.checks); !status.ok()) {
    Refuse(order.id, status.message());
    return;
  }
  StartPending(order);
  out_.push_back(StartChecks{last_request_, Bounded(what.checks), state_.past});
}

void AgentCore::Carry(const Order& order, const StartUnit& what) {
  if (!options_.trust.suspended.empty()) {
    Refuse(order.id, absl::StrCat("this host ", options_.trust.suspended));
    return;
  }
  if (!options_.units.contains(what.unit)) {
    Refuse(order.id,
           absl::StrCat("unit '", OneLine(what.unit, 100),
                        "' is not among the units of this host's agent.yaml; "
                        "if it may be started, write it there"));
    return;
  }
  StartPending(order);
  out_.push_back(
      StartUnitNow{last_request_, what.unit,
                   std::clamp(order.deadline, absl::Seconds(1), kLongestUnit)});
}

void AgentCore::Carry(const Order& order, const Watch& what) {
  absl::Status status = CheckChecks(what.checks);
  if (status.ok() && !IsName(what.step.str())) {
    status = absl::InvalidArgumentError("the step's name cannot be used");
  }
  if (status.ok() && watches_.size() >= kMaxWatches &&
      !watches_.contains(what.step)) {
    status = absl::ResourceExhaustedError(
        absl::StrCat("this host watches ", kMaxWatches, " steps already"));
  }
  if (!status.ok()) {
    Refuse(order.id, status.message());
    return;
  }
  watches_.erase(what.step);
  if (!what.checks.empty()) {
    watches_[what.step] = {
        .checks = Bounded(what.checks),
        .every = std::clamp(what.every, kOftenest, absl::Hours(24)),
        .next = now_};
  }
  Answer({.order = order.id});
}

void AgentCore::Carry(const Order& order, const Confirm& what) {
  const absl::StatusOr<KnownRelease*> admitted = AdmitConfirmation(
      what, state_, TrustNow(options_.trust, state_, now_), now_);
  const absl::Status status =
      admitted.ok() ? CheckWatch(what.step) : admitted.status();
  if (!status.ok()) {
    Refuse(order.id, status.message());
    return;
  }
  Job job;
  job.kind = Job::Kind::kConfirm;
  job.report.order = order.id;
  job.digest = what.release_digest;
  job.keep_answer = true;
  job.save_last = true;
  for (const GrantId& name : what.grants) {
    if ((*admitted)->grants.at(name).state == Grant::State::kOpen) {
      job.grants.push_back(name);
    }
  }
  std::vector<Flow> flows = FlowsOf(**admitted, job.grants);
  // Confirmed under another release order already: it stands, and is leased
  // here as well.
  if (flows.empty()) {
    job.calls.push_back(fence::Read{});
  } else {
    job.calls.push_back(fence::Confirm{what.release_digest, std::move(flows)});
  }
  Begin(std::move(job));
}

void AgentCore::Carry(const Order& order, const ReadFence&) {
  Answer({.order = order.id});
}

// Whom this host believes is on its disk before anybody is told.
void AgentCore::Carry(const Order& order, const ChangeTrust& what) {
  const absl::StatusOr<std::string> said =
      AdmitTrust(what, options_.trust, state_, now_);
  if (!said.ok()) {
    Say(absl::StrCat("a change of whom this host believes was refused: ",
                     said.status().message()));
    Refuse(order.id, OneLine(said.status().message(), 400));
    return;
  }
  Say(*said);
  Job job;
  job.report.order = order.id;
  job.calls.push_back(fence::Read{});
  job.save_last = true;
  job.keep_answer = true;
  Begin(std::move(job));
}

void AgentCore::Carry(const Order& order, const Unreadable& what) {
  Refuse(order.id, what.why);
}

absl::Status AgentCore::CheckWatch(const StepId& step) const {
  const auto at = watches_.find(step);
  if (at == watches_.end()) return absl::OkStatus();  // watched elsewhere
  for (const NamedCheck& check : at->second.checks) {
    const auto last = at->second.last.find(check.id);
    if (last == at->second.last.end()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "watched check ", check.id.str(), " has not answered yet"));
    }
    if (last->second.verdict != Verdict::kPass) {
      return absl::FailedPreconditionError(
          absl::StrCat("watched check ", check.id.str(),
                       " does not pass: ", last->second.reason));
    }
  }
  // S9: one that hangs says nothing about today.
  const absl::Duration age = now_ - at->second.answered;
  if (!at->second.checks.empty() &&
      age > at->second.every + LongestOf(at->second.checks) + kWatchLate) {
    return absl::FailedPreconditionError(
        absl::StrCat("what is watched has not answered for ",
                     absl::FormatDuration(absl::Floor(age, absl::Seconds(1))),
                     "; its checks hang on this host"));
  }
  return absl::OkStatus();
}

void AgentCore::StartPending(const Order& order) {
  pending_[++last_request_] = {order, state_.quarantine_number};
}

void AgentCore::On(const ChecksFinished& event) {
  std::vector<NamedResult> results = Signed(event.results, options_);
  for (auto& [step, watching] : watches_) {
    if (watching.running == event.request) {
      OnWatchResults(step, watching, results);
      return;
    }
  }
  auto node = pending_.extract(event.request);
  if (node.empty()) return;  // of a watch that was stopped
  const Pending& pending = node.mapped();
  if (const auto* freeze = std::get_if<FreezeEvidence>(&pending.order.what)) {
    OnFrozen(pending, *freeze, std::move(results));
    return;
  }
  Report report{.order = pending.order.id};
  report.detail = ChecksDone{std::move(results)};
  Answer(std::move(report));
}

void AgentCore::OnWatchResults(const StepId& step, Watching& watching,
                               const std::vector<NamedResult>& results) {
  watching.running = 0;
  watching.answered = now_;
  watching.next = now_ + watching.every;
  for (const NamedResult& entry : results) {
    const auto last = watching.last.find(entry.id);
    const bool changed = last == watching.last.end() ||
                         last->second.verdict != entry.result.verdict;
    watching.last[entry.id] = entry.result;
    if (changed) SendMessage(WatchChanged{step, entry});
  }
}

void AgentCore::OnFrozen(const Pending& pending, const FreezeEvidence& what,
                         std::vector<NamedResult> results) {
  if (pending.quarantine_number != state_.quarantine_number) {
    Refuse(pending.order.id,
           "this host was isolated while its inspections ran; they are of the "
           "quarantine before, so freeze them again");
    return;
  }
  EvidenceFrozen frozen;
  frozen.text = EvidenceText(state_, what.round, now_,
                             Bounded(what.inspections), results);
  frozen.digest = Sha256(frozen.text);
  if (options_.evidence_signer != nullptr) {
    frozen.signature =
        options_.evidence_signer->Sign(signed_as::kEvidence, frozen.text);
  }
  frozen.results = std::move(results);
  while (state_.evidence.size() >= kMaxRounds &&
         !state_.evidence.contains(what.round)) {
    state_.evidence.erase(
        std::min_element(state_.evidence.begin(), state_.evidence.end(),
                         [](const auto& a, const auto& b) {
                           return a.second.frozen_at < b.second.frozen_at;
                         }));
  }
  state_.evidence[what.round] = {frozen.digest, now_};
  Job job;
  job.report.order = pending.order.id;
  job.report.detail = std::move(frozen);
  job.calls.push_back(fence::Read{});
  job.save_last = true;
  ready_.push_back(std::move(job));
}

void AgentCore::On(const TriesFinished& event) {
  auto node = pending_.extract(event.request);
  if (node.empty()) return;
  FlowsTried tried{event.tries};
  for (FlowTried& flow : tried.flows) {
    flow.reason = OneLine(flow.reason, kReasonLimit);
  }
  Report report{.order = node.mapped().order.id};
  report.detail = std::move(tried);
  Answer(std::move(report));
}

void AgentCore::On(const UnitStarted& event) {
  auto node = pending_.extract(event.request);
  if (node.empty()) return;
  Job job;
  job.report.order = node.mapped().order.id;
  if (!event.status.ok()) {
    job.report.outcome = Outcome::kFailed;
    job.report.reason = OneLine(event.status.message(), 400);
  }
  job.calls.push_back(fence::Read{});
  job.save_last = true;
  job.keep_answer = true;
  ready_.push_back(std::move(job));
}

}  // namespace sluice::agent
