#include "agents/host/acting.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agents/core/state.h"
#include "agents/host/isolate_command.h"
#include "agents/host/release_command.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxOutput = 1 << 20;
// A point is asked over a network as a rule: not every five seconds.
constexpr absl::Duration kAuditEvery = absl::Seconds(15);

std::string LastLine(const std::string& text) {
  std::string last;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (std::string one = OneLine(line, 160); !one.empty()) {
      last = std::move(one);
    }
  }
  return last;
}

const DriverRule& RuleOf(const AgentConfig& config, const HostId& point) {
  return config.drivers.at(point);
}

// What the checks of a point may use: the network, from here, and nothing of
// this machine.
CheckContext ChecksFor(const HostId& point, const DriverRule& rule,
                       CheckContext context) {
  context.addresses = rule.addresses;
  context.elsewhere = point.str();
  context.fence = nullptr;
  return context;
}

}  // namespace

absl::StatusOr<std::string> DriverProcess::Run(const std::string& input) {
  std::vector<std::string> argv = rule_.command;
  if (!rule_.user.empty()) {
    const std::optional<UserIds> ids = FindUser(rule_.user);
    if (!ids.has_value()) {
      return absl::NotFoundError(
          absl::StrCat("could not run: this host has no user '", rule_.user,
                       "', as whom agent.yaml runs it"));
    }
    argv = AsUser(argv, *ids);
  }
  Stop stop;
  {
    const std::lock_guard lock(mutex_);
    running_ = &stop;
  }
  absl::StatusOr<ProcessResult> result = RunProcess(argv,
                                                    {.timeout = rule_.timeout,
                                                     .input = input,
                                                     .most_output = kMaxOutput,
                                                     .errors_apart = true,
                                                     .bounded = false},
                                                    stop);
  {
    const std::lock_guard lock(mutex_);
    running_ = nullptr;
  }
  if (!result.ok()) {
    return absl::UnavailableError(
        absl::StrCat("could not run: ", result.status().message()));
  }
  if (result->stopped) {
    return absl::CancelledError("was given up, for an isolation waits");
  }
  if (result->timed_out) {
    return absl::DeadlineExceededError(
        absl::StrCat("did not end within ", absl::FormatDuration(rule_.timeout),
                     " and was killed"));
  }
  if (result->output_full) {
    return absl::ResourceExhaustedError(
        "wrote more than 1 MiB, and was not believed");
  }
  if (result->exit_code == 0) return std::move(result->output);
  const std::string last = LastLine(result->errors);
  return absl::UnavailableError(absl::StrCat(
      result->exit_code < 0
          ? absl::StrCat("was ended by signal ", strsignal(result->signal))
          : absl::StrCat("ended with ", result->exit_code),
      last.empty() ? "" : absl::StrCat(": ", last)));
}

void DriverProcess::Interrupt() {
  const std::lock_guard lock(mutex_);
  if (running_ != nullptr) running_->Set();
}

absl::StatusOr<std::unique_ptr<ActingPoint>> ActingPoint::Open(
    const AgentConfig& config, Options options) {
  SLUICE_ASSIGN_OR_RETURN(FileStateStore store, FileStateStore::Open(PointState(
                                                    config, options.point)));
  return std::unique_ptr<ActingPoint>(
      new ActingPoint(config, std::move(options), std::move(store)));
}

ActingPoint::ActingPoint(const AgentConfig& config, Options options,
                         FileStateStore store)
    : options_(std::move(options)),
      acting_(config.host),
      state_(PointState(config, options_.point)),
      store_(std::move(store)),
      program_(RuleOf(config, options_.point)),
      fence_({.point = options_.point,
              .addresses = RuleOf(config, options_.point).addresses,
              .now = TimeSinceBoot},
             &program_) {
  CoreOptions core = CoreOptionsFor(options_.point, config, options_.version);
  core.evidence_signer = options_.evidence_signer;
  const auto log = [this](const std::string& line) {
    options_.log(absl::StrCat(options_.point.str(), ": ", line));
  };
  driver_ = std::make_unique<Driver>(
      std::move(core),
      DriverPorts{.fence = &fence_,
                  .store = &store_,
                  .now = TimeSinceBoot,
                  .start_checks =
                      [this](StartChecks c) { workers_->Start(std::move(c)); },
                  .start_tries =
                      [this](StartTries c) { workers_->Start(std::move(c)); },
                  .start_unit =
                      [this](StartUnitNow c) { workers_->Start(std::move(c)); },
                  .send =
                      [this](const Message& message) {
                        const std::lock_guard lock(mutex_);
                        if (link_) link_->Send(message);
                      },
                  .hang_up =
                      [this](const std::string& why) {
                        const std::lock_guard lock(mutex_);
                        if (link_) link_->HangUp(why);
                      },
                  .log = log,
                  .tell_root =
                      [this, log](const TellRoot& tell) {
                        AnswerRelease(state_, tell, log);
                      }});
  Workers::Options workers;
  workers.context = ChecksFor(options_.point, RuleOf(config, options_.point),
                              options_.checks);
  workers.threads = 4;
  workers.apart = 4;
  workers_ = std::make_unique<Workers>(
      std::move(workers), [this](Event event) { Post(std::move(event)); });
}

ActingPoint::~ActingPoint() {
  driver_->Stop();
  fence_.Interrupt();
  if (thread_.joinable()) thread_.join();
  std::unique_ptr<AgentLink> link;
  {
    const std::lock_guard lock(mutex_);
    link = std::move(link_);
  }
  link.reset();
  workers_.reset();
}

void ActingPoint::Post(Event event) {
  const bool urgent = IsUrgent(event);
  driver_->Post(std::move(event));
  if (urgent) fence_.Interrupt();
}

void ActingPoint::TakeRequests() {
  if (TakeIsolationRequest(state_)) {
    Post(IsolatedLocally{IsolatedByRoot(acting_)});
  }
  TakeReleaseRequest(
      state_, [this](ReleasedLocally release) { Post(std::move(release)); },
      options_.log);
}

void ActingPoint::Start(const std::string& boot_id, uint64_t fresh_number) {
  thread_ = std::thread([this, boot_id, fresh_number] {
    driver_->Start(boot_id, fresh_number, kAuditEvery);
    driver_->Run();
  });
}

void ActingPoint::Dial(std::vector<std::string> orchestrators,
                       Credentials credentials) {
  auto link = std::make_unique<AgentLink>(
      LinkOptions{.orchestrators = std::move(orchestrators),
                  .acts_for = options_.point,
                  .credentials_now = std::move(credentials)},
      nullptr, [this](Event event) { Post(std::move(event)); },
      [this](const std::string& line) {
        options_.log(absl::StrCat(options_.point.str(), ": ", line));
      });
  AgentLink* const dialling = link.get();
  {
    const std::lock_guard lock(mutex_);
    link_ = std::move(link);
  }
  dialling->Start();
}

}  // namespace sluice::agent
