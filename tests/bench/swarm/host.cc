#include "tests/bench/swarm/host.h"

#include <utility>
#include <variant>

#include "agents/host/driver.h"

namespace sluice::swarm {
namespace {

using agent::Event;
using agent::FenceReading;

struct FenceCaller {
  agent::Fence* fence;

  absl::StatusOr<FenceReading> operator()(
      const agent::fence::Replace& call) const {
    return fence->Replace(call.rules);
  }
  absl::StatusOr<FenceReading> operator()(
      const agent::fence::Open& call) const {
    return fence->Open(call.digest, call.lease, call.flows);
  }
  absl::StatusOr<FenceReading> operator()(
      const agent::fence::Remove& call) const {
    return fence->Remove(call.digest, call.flows);
  }
  absl::StatusOr<FenceReading> operator()(
      const agent::fence::Renew& call) const {
    const absl::Status status = fence->Renew(call.leases);
    if (!status.ok()) return status;
    return FenceReading();
  }
  absl::StatusOr<FenceReading> operator()(
      const agent::fence::Confirm& call) const {
    return fence->Confirm(call.digest, call.flows);
  }
  absl::StatusOr<FenceReading> operator()(const agent::fence::Read&) const {
    return fence->Read();
  }
};

agent::CoreOptions OptionsOf(const agent::AgentConfig& config,
                             const Signer* signer) {
  agent::CoreOptions options = agent::CoreOptionsOf(config, "swarm");
  options.evidence_signer = signer;
  return options;
}

}  // namespace

absl::Duration Now() { return agent::TimeSinceBoot(); }

Host::Host(const agent::AgentConfig& config, SshSigner signer,
           std::shared_ptr<grpc::ChannelCredentials> credentials,
           Witness* witness, std::function<void()> wake)
    : name_(config.host.str()),
      signer_(std::move(signer)),
      witness_(witness),
      wake_(std::move(wake)),
      fence_([] { return absl::UnixEpoch() + Now(); }),
      core_(OptionsOf(config, &signer_)) {
  link_ = std::make_unique<agent::AgentLink>(
      agent::LinkOptions{.orchestrators = config.orchestrators},
      std::move(credentials), [this](Event event) { Hear(std::move(event)); },
      [witness](const std::string& line) { witness->Said(line); });
  agent::Started started;
  started.boot_id = agent::ReadBootId();
  started.fresh_number = 1'000'000'000;
  Step(std::move(started));
}

Host::~Host() { link_.reset(); }

absl::Duration Host::Turn() {
  Event event = agent::TimePassed{};
  while (Take(&event)) Step(std::move(event));
  if (Now() >= deadline_) Step(agent::TimePassed{});
  return deadline_;
}

void Host::Post(Event event) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(event));
}

bool Host::Take(Event* event) {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty()) return false;
  *event = std::move(waiting_.front());
  waiting_.pop_front();
  return true;
}

void Host::Step(Event event) {
  answers_.push_back(std::move(event));
  while (!answers_.empty()) {
    const Event next = std::move(answers_.front());
    answers_.pop_front();
    const agent::AgentCore::Output output = core_.Step(next, Now());
    deadline_ = output.next_deadline;
    for (const agent::Command& command : output.commands) {
      std::visit([this](const auto& what) { Do(what); }, command);
    }
  }
}

void Host::Do(const agent::ChangeFence& command) {
  absl::StatusOr<FenceReading> reading =
      std::visit(FenceCaller{&fence_}, command.call);
  agent::FenceDone done{.request = command.request, .status = reading.status()};
  if (reading.ok()) done.reading = *std::move(reading);
  answers_.push_back(std::move(done));
}

// The text is made, as on a real host, and kept by nobody.
void Host::Do(const agent::SaveState& command) {
  const std::string text = command.state.Encode();
  answers_.push_back(agent::StateSaved{
      command.request,
      text.empty() ? absl::InternalError("an empty state") : absl::OkStatus()});
}

// A real host's checks take their time on the host, not here.
void Host::Do(const agent::StartChecks& command) {
  agent::ChecksFinished done{command.request, {}};
  for (const agent::NamedCheck& check : command.checks) {
    done.results.push_back({check.id, {Verdict::kPass, "", ""}});
  }
  answers_.push_back(std::move(done));
}

// As the network would have it: what this host's own fence keeps closed does
// not pass.
void Host::Do(const agent::StartTries& command) {
  agent::TriesFinished done{command.request, {}};
  for (const Flow& flow : command.flows) {
    const bool passes = fence_.Admits(flow);
    done.tries.push_back({flow, passes ? Verdict::kPass : Verdict::kFail,
                          passes ? "" : "its own fence is closed"});
  }
  answers_.push_back(std::move(done));
}

void Host::Do(const agent::StartUnitNow& command) {
  answers_.push_back(agent::UnitStarted{command.request, absl::OkStatus()});
}

void Host::Do(const agent::Send& command) {
  link_->Send(command.message);
  if (const auto* report = std::get_if<agent::Report>(&command.message)) {
    witness_->Answered(name_, *report, Now());
  }
}

void Host::Hear(Event event) {
  if (std::holds_alternative<agent::LinkWelcomed>(event)) {
    if (!std::exchange(welcomed_, true)) witness_->Linked(true, Now());
  } else if (std::holds_alternative<agent::LinkDown>(event)) {
    if (std::exchange(welcomed_, false)) witness_->Linked(false, Now());
  }
  Post(std::move(event));
  wake_();
}

}  // namespace sluice::swarm
