// bench-swarm FOLDER: all agents of FOLDER/agents (as `sluice init` makes them)
// in this process, on kernels in memory. Driven by tests/bench/swarm/bench over
// standard input, one command a line, one line of JSON in answer:
//
//   dial NAME…      these dial ("*": all that have not); gone wrong by name:
//                   slow-…, dead-…, flood-…
//   count           {"linked", "answered", "isolated", "flood", "said"}
//   linked N S      waits for N links, at most S seconds; {"linked", "at"}
//   mark            forgets the answers so far
//   isolated N S    waits for N hosts isolated since the mark; {"at": [s, …]}
//   answered N S    waits for N answers since the mark; {"answered", "at"}
//   rates           {"each": [n, …]}: answers since the mark, each 0.1 s
//
// Times are seconds of CLOCK_BOOTTIME.

#include <absl/synchronization/mutex.h>
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agents/host/evidence_key.h"
#include "tests/bench/swarm/host.h"
#include "tests/bench/swarm/nuisance.h"
#include "tests/bench/swarm/pool.h"

namespace sluice::swarm {
namespace {

using Json = nlohmann::json;

constexpr absl::Duration kSlow = absl::Milliseconds(500);

class Counts : public Witness {
 public:
  void Linked(bool welcomed, absl::Duration at) override {
    const std::lock_guard lock(mutex_);
    linked_ += welcomed ? 1 : -1;
    linked_at_ = at;
    changed_.notify_all();
  }
  void Said(const std::string& line) override {
    const std::lock_guard lock(mutex_);
    ++said_[line];
  }
  void Answered(const std::string& host, const agent::Report& report,
                absl::Duration at) override {
    const std::lock_guard lock(mutex_);
    answered_.push_back(absl::ToDoubleSeconds(at));
    if (report.fence.quarantine_number > 0 &&
        report.fence.quarantine_number != quarantines_[host]) {
      quarantines_[host] = report.fence.quarantine_number;
      isolated_.push_back(absl::ToDoubleSeconds(at));
    }
    changed_.notify_all();
  }

  void Mark() {
    const std::lock_guard lock(mutex_);
    answered_.clear();
    isolated_.clear();
  }
  Json Count() {
    const std::lock_guard lock(mutex_);
    return {{"linked", linked_},
            {"answered", answered_.size()},
            {"isolated", isolated_.size()},
            {"said", said_}};
  }
  Json WaitLinked(size_t wanted, absl::Duration time) {
    std::unique_lock lock(mutex_);
    Wait(lock, time, [&] { return linked_ >= static_cast<int>(wanted); });
    return {{"linked", linked_}, {"at", absl::ToDoubleSeconds(linked_at_)}};
  }
  Json WaitIsolated(size_t wanted, absl::Duration time) {
    std::unique_lock lock(mutex_);
    Wait(lock, time, [&] { return isolated_.size() >= wanted; });
    return {{"at", isolated_}};
  }
  Json WaitAnswered(size_t wanted, absl::Duration time) {
    std::unique_lock lock(mutex_);
    Wait(lock, time, [&] { return answered_.size() >= wanted; });
    return {{"answered", answered_.size()},
            {"at", answered_.empty() ? 0.0 : answered_.back()}};
  }
  Json Rates() {
    const std::lock_guard lock(mutex_);
    std::vector<int> each;
    for (const double at : answered_) {
      const auto bin = static_cast<size_t>((at - answered_.front()) * 10);
      if (bin >= each.size()) each.resize(bin + 1);
      ++each[bin];
    }
    return {{"each", each}};
  }

 private:
  template <class Ready>
  void Wait(std::unique_lock<std::mutex>& lock, absl::Duration time,
            Ready ready) {
    changed_.wait_for(lock, absl::ToChronoMilliseconds(time), ready);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  // Below: guarded by mutex_.
  int linked_ = 0;
  absl::Duration linked_at_;
  std::vector<double> answered_;
  std::vector<double> isolated_;
  std::map<std::string, uint64_t> quarantines_;
  std::map<std::string, int> said_;
};

class Swarm {
 public:
  explicit Swarm(const std::filesystem::path& folder) : folder_(folder) {
    for (const auto& entry :
         std::filesystem::directory_iterator(folder / "agents")) {
      names_.push_back(entry.path().filename().string());
    }
    std::sort(names_.begin(), names_.end());
    hosts_.resize(names_.size());
    nuisances_.resize(names_.size());
    pool_ = std::make_unique<Pool>(
        names_.size(), 2, [this](size_t host) { return hosts_[host]->Turn(); });
  }
  ~Swarm() {
    for (auto& host : hosts_) {
      // A link's end still wakes its host.
      if (host != nullptr) host.reset();
    }
  }

  absl::Status Dial(const std::string& name) {
    for (size_t i = 0; i < names_.size(); ++i) {
      if (name != "*" && name != names_[i]) continue;
      if (hosts_[i] != nullptr || nuisances_[i] != nullptr) continue;
      const absl::Status made = Make(i);
      if (!made.ok()) return made;
    }
    // All are made before the first dials: a storm, not a queue.
    for (const auto& host : made_) host->Dial();
    made_.clear();
    return absl::OkStatus();
  }

  Counts& counts() { return counts_; }
  uint64_t flood() const { return flood_; }

 private:
  absl::Status Make(size_t number) {
    const std::string& name = names_[number];
    const auto config =
        agent::ReadConfig((folder_ / "agents" / name / "agent.yaml").string());
    if (!config.ok()) return config.status();
    const auto credentials = agent::ReadCredentials(
        config->certificate, config->key, config->authority, config->estate);
    if (!credentials.ok()) return credentials.status();
    absl::StatusOr<SshSigner> signer =
        agent::LoadOrMakeEvidenceKey(config->evidence_key);
    if (!signer.ok()) return signer.status();
    if (absl::StartsWith(name, "dead-") || absl::StartsWith(name, "flood-")) {
      nuisances_[number] = std::make_unique<Nuisance>(
          name[0] == 'd' ? Nuisance::Kind::kDead : Nuisance::Kind::kFlooding,
          *config, *credentials, &flood_);
      return absl::OkStatus();
    }
    const absl::Duration delay =
        absl::StartsWith(name, "slow-") ? kSlow : absl::ZeroDuration();
    hosts_[number] = std::make_unique<Host>(
        *config, *std::move(signer), *credentials, &counts_,
        [this, number, delay] { pool_->Wake(number, delay); });
    made_.push_back(hosts_[number].get());
    return absl::OkStatus();
  }

  const std::filesystem::path folder_;
  std::vector<std::string> names_;
  Counts counts_;
  std::atomic<uint64_t> flood_ = 0;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<Nuisance>> nuisances_;
  std::vector<Host*> made_;
  std::unique_ptr<Pool> pool_;
};

Json Obey(Swarm& swarm, const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  words >> verb;
  if (verb == "dial") {
    std::string name;
    while (words >> name) {
      const absl::Status dialled = swarm.Dial(name);
      if (!dialled.ok()) return {{"error", std::string(dialled.message())}};
    }
    return Json::object();
  }
  if (verb == "mark") {
    swarm.counts().Mark();
    return Json::object();
  }
  if (verb == "count") {
    Json counts = swarm.counts().Count();
    counts["flood"] = swarm.flood();
    return counts;
  }
  if (verb == "rates") return swarm.counts().Rates();
  size_t wanted = 0;
  double seconds = 0;
  words >> wanted >> seconds;
  const absl::Duration time = absl::Seconds(seconds);
  if (verb == "linked") return swarm.counts().WaitLinked(wanted, time);
  if (verb == "isolated") return swarm.counts().WaitIsolated(wanted, time);
  if (verb == "answered") return swarm.counts().WaitAnswered(wanted, time);
  return {{"error", absl::StrCat("'", verb, "' is not known here")}};
}

int Main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: bench-swarm FOLDER\n";
    return 2;
  }
  // One descriptor a stream, and one thread a link.
  rlimit limit = {200'000, 200'000};
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  std::signal(SIGPIPE, SIG_IGN);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 << 10);
  pthread_setattr_default_np(&attributes);
  Swarm swarm(argv[1]);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << Obey(swarm, line).dump() << std::endl;
  }
  std::cout.flush();
  // Thousands of links would take long to end one by one.
  std::_Exit(0);
}

}  // namespace
}  // namespace sluice::swarm

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return sluice::swarm::Main(argc, argv);
}
