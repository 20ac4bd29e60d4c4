#include "agents/checks/workers.h"

#include <atomic>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agents/checks/process.h"
#include "agents/checks/try_flow.h"
#include "agents/core/state.h"

namespace sluice::agent {
namespace {

// The parts of one command, gathered by whichever thread ends last.
template <class Result>
struct Gathering {
  std::vector<Result> results;
  std::atomic<size_t> left{0};
};

absl::Status RunUnit(const std::string& unit,
                     const std::vector<std::string>& argv,
                     absl::Duration timeout, const Stop& stop) {
  const absl::StatusOr<ProcessResult> result =
      RunProcess(argv, timeout, Leftovers::kKeep, stop);
  if (!result.ok()) return result.status();
  if (result->exit_code == 0) return absl::OkStatus();
  std::string last;
  for (const absl::string_view line : absl::StrSplit(result->output, '\n')) {
    if (!OneLine(line, 200).empty()) last = OneLine(line, 200);
  }
  std::string how = absl::StrCat("ended with ", result->exit_code);
  if (result->timed_out) {
    how = absl::StrCat("did not end within ", absl::FormatDuration(timeout));
  } else if (result->exit_code < 0) {
    how = absl::StrCat("was ended by signal ", result->signal);
  }
  return absl::UnavailableError(
      absl::StrCat("starting ", unit, " ", how,
                   last.empty() ? "" : absl::StrCat(": ", last)));
}

}  // namespace

Workers::Workers(Options options, std::function<void(Event)> done)
    : options_(std::move(options)), done_(std::move(done)) {
  here_.most = options_.threads;
  apart_.most = options_.apart;
}

Workers::~Workers() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (Lane* lane : {&here_, &apart_}) {
      lane->tasks.clear();
      std::move(lane->threads.begin(), lane->threads.end(),
                std::back_inserter(threads));
    }
  }
  stop_.Set();
  here_.wake.notify_all();
  apart_.wake.notify_all();
  for (std::thread& thread : threads) thread.join();
}

void Workers::Start(StartChecks command) {
  if (command.checks.empty()) {
    done_(ChecksFinished{command.request, {}});
    return;
  }
  const auto context = std::make_shared<CheckContext>(options_.context);
  context->past = std::move(command.past);
  const auto gathering = std::make_shared<Gathering<NamedResult>>();
  gathering->results.resize(command.checks.size());
  gathering->left = command.checks.size();
  for (size_t i = 0; i < command.checks.size(); ++i) {
    Lane& lane = RunsApart(command.checks[i].spec.kind) ? apart_ : here_;
    Add(lane, [this, context, gathering, i, request = command.request,
               check = command.checks[i]] {
      gathering->results[i] = {
          check.id, RunCheckWithRetries(check.spec, *context, stop_)};
      if (--gathering->left == 0) {
        done_(ChecksFinished{request, std::move(gathering->results)});
      }
    });
  }
}

void Workers::Start(StartTries command) {
  if (command.flows.empty()) {
    done_(TriesFinished{command.request, {}});
    return;
  }
  const auto gathering = std::make_shared<Gathering<FlowTried>>();
  gathering->results.resize(command.flows.size());
  gathering->left = command.flows.size();
  for (size_t i = 0; i < command.flows.size(); ++i) {
    Add(here_, [this, gathering, i, request = command.request,
                timeout = command.timeout, flow = command.flows[i]] {
      gathering->results[i] =
          options_.context.elsewhere.empty()
              ? TryFlow(flow, timeout, stop_)
              : FlowTried{flow, Verdict::kInconclusive,
                          absl::StrCat(options_.context.elsewhere,
                                       " runs no agent that could try it")};
      if (--gathering->left == 0) {
        done_(TriesFinished{request, std::move(gathering->results)});
      }
    });
  }
}

void Workers::Start(StartUnitNow command) {
  Add(here_, [this, command = std::move(command)] {
    const auto unit = options_.units.find(command.unit);
    done_(UnitStarted{
        command.request,
        unit == options_.units.end() || unit->second.empty()
            ? absl::NotFoundError(absl::StrCat(
                  command.unit, " has no start command in agent.yaml"))
            : RunUnit(command.unit, unit->second, command.timeout, stop_)});
  });
}

void Workers::Add(Lane& lane, Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    lane.tasks.push_back(std::move(task));
    if (static_cast<int>(lane.tasks.size()) > lane.idle &&
        static_cast<int>(lane.threads.size()) < lane.most) {
      try {
        lane.threads.emplace_back([this, &lane] { Run(lane); });
      } catch (const std::system_error&) {
        // Other processes have taken all there are. Those that run go on with
        // it, or the next task tries again.
      }
    }
  }
  lane.wake.notify_one();
}

void Workers::Run(Lane& lane) {
  std::unique_lock lock(mutex_);
  while (true) {
    ++lane.idle;
    lane.wake.wait(lock, [&] { return stopping_ || !lane.tasks.empty(); });
    --lane.idle;
    if (stopping_) return;
    const Task task = std::move(lane.tasks.front());
    lane.tasks.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

}  // namespace sluice::agent
