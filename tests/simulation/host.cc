#include "tests/simulation/host.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/contract.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {

using agent::Event;

namespace {

constexpr size_t kOlderStates = 40;
// More events at one moment than an agent has work for: it spins.
constexpr int kTurnsAtOnce = 10'000;

// To every orchestrator of the management network, at 7443 as a rule.
std::vector<Flow> ManagementOf(const Plan& plan, const PlannedHost& host) {
  std::vector<Flow> flows;
  for (const std::string& endpoint : plan.management.orchestrators) {
    const size_t colon = endpoint.rfind(':');
    std::string address = endpoint.substr(0, colon);
    if (address.front() == '[') address = address.substr(1, address.size() - 2);
    const auto server = Prefix::Parse(address);
    int port = 0;
    SLUICE_CHECK(server.ok());
    SLUICE_CHECK(absl::SimpleAtoi(endpoint.substr(colon + 1), &port));
    for (const Prefix& client : host.addresses) {
      if (client.family() != server->family()) continue;
      const auto number = static_cast<uint16_t>(port);
      flows.push_back({Protocol::kTcp, client, *server, {number, number}});
    }
  }
  return flows;
}

struct CallText {
  std::string operator()(const agent::fence::Replace& call) const {
    return absl::StrCat(
        "fence: replaced, ",
        call.rules.mode == agent::Mode::kOpen ? "open" : "quarantined", ", ",
        call.rules.standing.size(), " standing");
  }
  std::string operator()(const agent::fence::Open& call) const {
    return absl::StrCat("fence: ", call.flows.size(), " flows leased for ",
                        absl::FormatDuration(call.lease));
  }
  std::string operator()(const agent::fence::Remove& call) const {
    return absl::StrCat("fence: ", call.flows.size(), " flows removed");
  }
  std::string operator()(const agent::fence::Renew& call) const {
    return absl::StrCat("fence: ", call.leases.size(), " leases renewed");
  }
  std::string operator()(const agent::fence::Confirm& call) const {
    return absl::StrCat("fence: ", call.flows.size(), " flows stand");
  }
  std::string operator()(const agent::fence::Read&) const { return ""; }
};

}  // namespace

Host::Host(World& world, const PlannedHost& planned, uint64_t seed)
    : world_(world),
      planned_(planned),
      random_(seed, absl::StrCat("host ", planned.id.str())),
      management_(ManagementOf(world.plan(), planned)),
      kernel_([this] { return boot_clock(); }),
      appliance_(planned.vital) {
  rate_ = 1.0 + random_.Between(-200, 200) * 1e-6;
  clock_.Start(world.now(), random_.Time(absl::Minutes(5), absl::Hours(500)),
               rate_);
}

absl::Duration Host::boot_clock() const {
  return driven() ? acting()->boot_clock() : clock_.Read(world_.now());
}

Host* Host::acting() const { return world_.FindHost(planned_.acting); }

std::vector<Host*> Host::Driven() const {
  std::vector<Host*> points;
  for (const auto& [other, host] : world_.hosts()) {
    if (host->driven() && host->acting() == this) points.push_back(host.get());
  }
  return points;
}

void Host::StopDriven() {
  for (Host* point : Driven()) {
    point->core_.reset();
    ++point->life_;
    point->crash_after_ = 0;
    point->events_.clear();
    point->unanswered_.clear();
    world_.network().Vanish(point->id());
  }
}

bool Host::quarantined() const {
  return driven() ? appliance_.closed() : kernel_.quarantined();
}

std::map<Flow, std::set<std::string>> Host::OpenFlows() const {
  if (!driven()) return kernel_.OpenFlows();
  std::map<Flow, std::set<std::string>> open;
  for (const Flow& flow : appliance_.open()) {
    const bool kept = std::find(planned_.vital.begin(), planned_.vital.end(),
                                flow) != planned_.vital.end();
    if (!kept) open[flow].insert("");
  }
  return open;
}

uint64_t Host::Changes() const {
  return driven() ? appliance_.changes() : kernel_.changes();
}

agent::Fence& Host::Port() {
  if (driven()) return *driven_fence_;
  return kernel_;
}

void Host::SetRate(double rate) {
  clock_.Start(world_.now(), boot_clock(), rate);
  rate_ = rate;
  if (running()) SetAlarm(deadline_);
  for (Host* point : Driven()) {
    if (point->running()) point->SetAlarm(point->deadline_);
  }
}

void Host::Boot() {
  // The first boot was long ago.
  if (boots_ > 0) {
    clock_.Start(world_.now(),
                 random_.Time(absl::Seconds(4), absl::Seconds(30)), rate_);
  }
  powered_ = true;
  if (by_hand()) return;
  if (driven()) {
    if (!running()) StartAgent();
    return;
  }
  boot_id_ = absl::StrCat(id().str(), "-boot-", ++boots_);
  kernel_.Boot();
  world_.watchers().Rebooted(*this);
  StartAgent();
}

void Host::Reboot(absl::Duration down) {
  world_.Trace(id().str(), "goes down");
  powered_ = false;
  // An appliance comes back as it was; its driver's agent is elsewhere.
  if (!driven()) {
    core_.reset();
    ++life_;
    events_.clear();
    unanswered_.clear();
    world_.network().Vanish(id());
    StopDriven();
  }
  world_.agenda().After(down, [this] {
    if (powered_) return;
    world_.Trace(id().str(), "boots");
    Boot();
  });
}

void Host::RollBack(size_t saves) {
  if (disk_.older.empty() || driven()) return;
  saves = std::min(saves, disk_.older.size());
  disk_.text = disk_.older[disk_.older.size() - saves];
  disk_.older.clear();
  rolled_back = true;
  Reboot(absl::Seconds(5));
}

void Host::KillAgent() {
  if (driven()) return acting()->KillAgent();
  if (!running()) return;
  world_.Trace(id().str(), "its agent dies");
  core_.reset();
  ++life_;
  crash_after_ = 0;
  events_.clear();
  unanswered_.clear();
  world_.network().Vanish(id());
  StopDriven();
  const uint64_t life = life_;
  const absl::Duration wait =
      random_.Time(absl::Milliseconds(200), absl::Seconds(5));
  world_.agenda().After(wait, [this, life] {
    if (life == life_ && powered_ && !running()) StartAgent();
  });
}

void Host::StartAgent() {
  if (driven() && !acting()->running()) return;  // it starts with that one
  ++life_;
  agent::CoreOptions options;
  if (driven()) {
    boot_id_ = acting()->boot_id_;
    options.driven_by = acting()->id();
    using Mood = ApplianceDriver::Mood;
    driver_ = std::make_unique<ApplianceDriver>(&appliance_, [this] {
      if (!powered_ || !kernel_.Read().ok()) return Mood::kAway;
      return kernel_.troubled() ? Mood::kIdles : Mood::kWell;
    });
    driven_fence_ = std::make_unique<agent::CommandFence>(
        agent::CommandFence::Options{.point = id(),
                                     .addresses = planned_.addresses,
                                     .now = [this] { return boot_clock(); }},
        driver_.get());
  }
  options.estate = world_.plan().estate;
  options.host = id();
  options.version = "simulated";
  if (!driven()) options.management = management_;
  options.vital = planned_.vital;
  suspended_ = file_damaged || (driven() && acting()->file_damaged);
  if (suspended_) {
    options.trust.suspended = "cannot use its agent.yaml (drawn)";
  }
  for (const PlannedStep& step : world_.plan().steps) {
    if (suspended_ || step.start_unit.empty()) continue;
    options.units.insert(step.start_unit);
  }
  for (const sluice::Approver& approver : world_.plan().approvers) {
    options.trust.approvers.push_back(
        {approver.id,
         {approver.roles.begin(), approver.roles.end()},
         absl::StrCat("key-of-", approver.id.str())});
  }
  options.trust.verifier = &verifier_;
  core_ = std::make_unique<agent::AgentCore>(std::move(options));
  events_.clear();
  unanswered_.clear();
  busy_ = false;
  alarm_ = absl::InfiniteFuture();
  agent::Started started;
  started.boot_id = boot_id_;
  started.fresh_number =
      static_cast<uint64_t>(absl::ToUnixSeconds(world_.now()));
  if (disk_.text.empty()) {
    started.file = agent::Started::File::kMissing;
  } else {
    absl::StatusOr<agent::AgentState> state =
        agent::AgentState::Decode(disk_.text);
    if (state.ok()) {
      started.file = agent::Started::File::kRead;
      started.state = *std::move(state);
    } else {
      started.file = agent::Started::File::kCorrupt;
      started.problem = std::string(state.status().message());
    }
  }
  world_.Trace(id().str(), "its agent starts");
  world_.watchers().AgentStarted(*this);
  Feed(std::move(started));
  if (running()) {
    world_.network().Dial(
        *this, random_.Time(absl::Milliseconds(20), absl::Milliseconds(800)));
  }
  for (Host* point : Driven()) {
    if (running() && !point->running()) point->StartAgent();
  }
}

void Host::Feed(Event event) {
  if (!running()) return;
  events_.push_back(std::move(event));
  if (busy_) return;
  busy_ = true;
  const uint64_t life = life_;
  const uint64_t changes = Changes();
  seen_open_.clear();
  seen_changes_ = changes;
  int turns = 0;
  while (!events_.empty()) {
    if (++turns > kTurnsAtOnce) {
      world_.Violate("L1", absl::StrCat("the agent of ", id().str(),
                                        " does the same over and over"));
      break;
    }
    const Event next = std::move(events_.front());
    events_.pop_front();
    const agent::AgentCore::Output output = core_->Step(next, boot_clock());
    deadline_ = output.next_deadline;
    for (const agent::Command& command : output.commands) {
      if (crash_after_ > 0 && --crash_after_ == 0) {
        KillAgent();
        break;
      }
      std::visit([this](const auto& what) { Do(what); }, command);
      if (life != life_) break;
    }
    if (life != life_) break;
  }
  if (Changes() != changes) {
    std::vector<Opening> openings;
    for (const auto& [flow, digests] : OpenFlows()) {
      const auto before = seen_open_.find(flow);
      for (const std::string& digest : digests) {
        if (before != seen_open_.end() && before->second.contains(digest)) {
          continue;
        }
        openings.push_back({digest, flow});
      }
    }
    if (!openings.empty()) world_.watchers().Opened(*this, openings);
  }
  if (life != life_) return;
  busy_ = false;
  SetAlarm(deadline_);
}

void Host::SetAlarm(absl::Duration deadline) {
  DriftingClock& clock = driven() ? acting()->clock_ : clock_;
  const absl::Time at = clock.When(deadline, world_.now());
  if (at >= alarm_ || at == absl::InfiniteFuture()) return;
  alarm_ = at;
  const uint64_t life = life_;
  world_.agenda().At(at, [this, at, life] {
    if (life != life_ || alarm_ != at) return;
    alarm_ = absl::InfiniteFuture();
    if (boot_clock() >= deadline_) {
      Feed(agent::TimePassed{});
    } else {
      SetAlarm(deadline_);
    }
  });
}

void Host::Later(absl::Duration wait, Event event) {
  const uint64_t life = life_;
  world_.agenda().After(wait, [this, life, event = std::move(event)] {
    if (life == life_) Feed(event);
  });
}

void Host::Do(const agent::ChangeFence& command) {
  namespace fence = agent::fence;
  agent::FenceDone done{.request = command.request};
  absl::StatusOr<agent::FenceReading> reading = agent::FenceReading();
  agent::Fence& port = Port();
  const bool reads = std::holds_alternative<fence::Read>(command.call);
  const auto* renew = std::get_if<fence::Renew>(&command.call);
  if (!reads && renew == nullptr && Changes() == seen_changes_) {
    seen_open_ = OpenFlows();
  }
  if (const auto* call = std::get_if<fence::Replace>(&command.call)) {
    reading = port.Replace(call->rules);
  } else if (const auto* open = std::get_if<fence::Open>(&command.call)) {
    reading = port.Open(open->digest, open->lease, open->flows);
  } else if (const auto* take = std::get_if<fence::Remove>(&command.call)) {
    reading = port.Remove(take->digest, take->flows);
  } else if (renew != nullptr) {
    done.status = port.Renew(renew->leases);
  } else if (const auto* keep = std::get_if<fence::Confirm>(&command.call)) {
    reading = port.Confirm(keep->digest, keep->flows);
  } else {
    reading = port.Read();
  }
  if (reading.ok()) {
    done.reading = *std::move(reading);
  } else {
    done.status = reading.status();
  }
  if (!reads && renew == nullptr) {
    world_.Trace(id().str(), std::visit(CallText{}, command.call),
                 done.status.ok() ? "" : " FAILED");
  }
  if (const auto* open = std::get_if<fence::Open>(&command.call)) {
    const auto held = kernel_.leased().find(open->digest);
    if (done.status.ok() && held != kernel_.leased().end()) {
      world_.watchers().Guarded(*this, open->digest, held->second.until);
    }
  } else if (renew != nullptr) {
    for (const auto& [digest, lease] : renew->leases) {
      const auto held = kernel_.leased().find(digest);
      if (held == kernel_.leased().end()) continue;
      if (boot_clock() >= held->second.until) continue;
      world_.watchers().Guarded(*this, digest, held->second.until);
    }
  }
  events_.push_back(std::move(done));
}

void Host::HangDisk() { ++disk_hangs_; }

void Host::EndHang() {
  if (--disk_hangs_ > 0) return;
  const uint64_t life = life_;
  for (const agent::SaveState& save : std::exchange(unanswered_, {})) {
    if (life != life_) return;
    Do(save);
    const agent::Event saved = std::move(events_.front());
    events_.pop_front();
    Feed(saved);
  }
}

void Host::Do(const agent::SaveState& command) {
  if (disk_hangs_ > 0) {
    disk_.behind = true;
    unanswered_.push_back(command);
    return;
  }
  agent::StateSaved saved{command.request, disk_.failure};
  disk_.behind = !saved.status.ok();
  if (saved.status.ok()) {
    if (!disk_.text.empty()) {
      disk_.older.push_back(std::move(disk_.text));
      if (disk_.older.size() > kOlderStates) disk_.older.pop_front();
    }
    disk_.text = command.state.Encode();
    disk_.serial = command.state.serial;
  }
  events_.push_back(std::move(saved));
}

void Host::Do(const agent::StartChecks& command) {
  if (silent_checks) return;
  agent::ChecksFinished finished{command.request, {}};
  for (const agent::NamedCheck& check : command.checks) {
    const auto bad = verdicts.find(check.id);
    finished.results.push_back(
        {check.id, bad == verdicts.end()
                       ? CheckResult{Verdict::kPass, "no sign found", ""}
                       : bad->second});
  }
  Later(random_.Time(absl::Milliseconds(2), absl::Milliseconds(150)) +
            slow_checks,
        std::move(finished));
}

void Host::Do(const agent::StartTries& command) {
  const uint64_t life = life_;
  const absl::Duration wait =
      random_.Time(absl::Milliseconds(1), absl::Milliseconds(60));
  world_.agenda().After(wait, [this, life, command] {
    if (life != life_) return;
    agent::TriesFinished finished{command.request, {}};
    for (const Flow& flow : command.flows) finished.tries.push_back(Try(flow));
    Feed(std::move(finished));
  });
}

agent::FlowTried Host::Try(const Flow& flow) const {
  agent::FlowTried tried{flow, Verdict::kInconclusive, "udp: cannot be tried"};
  if (flow.protocol == Protocol::kUdp) return tried;
  tried.verdict = Verdict::kPass;
  tried.reason = "connected";
  if (!world_.traffic().Reaches(flow)) {
    tried.verdict = Verdict::kFail;
    tried.reason = "timed out";
  }
  return tried;
}

void Host::Do(const agent::StartUnitNow& command) {
  Later(random_.Time(absl::Milliseconds(20), absl::Milliseconds(700)),
        agent::UnitStarted{command.request, absl::OkStatus()});
}

void Host::Do(const agent::Send& command) {
  world_.watchers().SaidBy(*this, command.message);
  world_.network().SendUp(*this, command.message);
}

void Host::Do(const agent::HangUp& command) {
  world_.Trace(id().str(), "hangs up: ", command.reason);
  world_.network().HangUp(*this);
}

void Host::Do(const agent::Note& command) {
  world_.Trace(id().str(), command.text);
}

}  // namespace sluice::simulation
