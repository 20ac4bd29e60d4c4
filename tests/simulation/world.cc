#include "tests/simulation/world.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "absl/strings/str_format.h"
#include "common/contract.h"
#include "tests/simulation/estate.h"
#include "tests/simulation/watchers.h"

namespace sluice::simulation {
namespace {

constexpr absl::Duration kCalm = absl::Seconds(5);
// More steps at one moment than any estate has work for: somebody spins.
constexpr int kAtOnce = 100'000;
// A day that goes badly to its end takes some 300'000.
constexpr uint64_t kMostSteps = 1'000'000;

absl::Time StartOfAll() { return absl::FromUnixSeconds(1'795'000'000); }

std::string ReadManifest(const std::string& path) {
  std::ifstream in(path);
  SLUICE_CHECK(in.good());
  return std::string{std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

World::World(const Options& options)
    : options_(options), start_(StartOfAll()), agenda_(start_) {
  Random estate(options.seed, "estate");
  Random hands(options.seed, "estate by hand");
  manifest_ = options.manifest.empty()
                  ? DrawManifest(estate, hands, options.most_systems)
                  : ReadManifest(options.manifest);
  SetManifest(manifest_);

  checkers_ = MakeCheckers(*this);
  watchers_ = std::make_unique<Watchers>(&checkers_);
  for (const PlannedHost& host : plan_->hosts) {
    hosts_.emplace(host.id, std::make_unique<Host>(*this, host, options.seed));
    by_hand_ = by_hand_ || !host.has_agent();
  }
  network_ = std::make_unique<Network>(*this, options.seed);
  AddOrchestrator();
  people_ = std::make_unique<People>(*this, options.seed);
  traffic_ = std::make_unique<Traffic>(*this, options.seed);
  Draw();
}

World::~World() = default;

void World::SetManifest(const std::string& text) {
  const std::vector<journal::SourceFile> files = {{"drawn.yaml", text}};
  auto plan = LoadPlan(files);
  if (!plan.ok()) {
    std::fprintf(stderr, "seed %llu: %s\n%s",
                 static_cast<unsigned long long>(options_.seed),
                 std::string(plan.status().message()).c_str(), text.c_str());
  }
  SLUICE_CHECK(plan.ok());
  newest_manifest_ = text;
  plan_ = *std::move(plan);
  plans_.push_back(plan_);
  sources_ = journal::EncodeSources(files);
}

Orchestrator& World::AddOrchestrator() {
  const int number = static_cast<int>(peers_.size());
  orchestrators_.push_back(
      std::make_unique<Orchestrator>(*this, number, options_.seed));
  peers_.push_back(orchestrators_.back().get());
  return *orchestrators_.back();
}

int World::AddPeer(Peer* peer) {
  peers_.push_back(peer);
  return static_cast<int>(peers_.size()) - 1;
}

Host* World::FindHost(const HostId& id) {
  const auto at = hosts_.find(id);
  return at == hosts_.end() ? nullptr : at->second.get();
}

void World::Draw() {
  std::vector<const FaultKind*> kinds;
  std::vector<const FaultKind*> besides;
  for (const FaultKind& kind : FaultKinds()) {
    if (!options_.kinds.empty() && !options_.kinds.contains(kind.name)) {
      continue;
    }
    if (kind.weight == 0) besides.push_back(&kind);
    for (int i = 0; i < kind.weight; ++i) kinds.push_back(&kind);
  }
  if (options_.most_faults == 0) return;
  Random count(options_.seed, "faults");
  const int faults = count.Between(0, options_.most_faults);
  for (int i = 0; i < faults && !kinds.empty(); ++i) {
    // A stream each: leaving one out does not change the others.
    Random random(options_.seed, absl::StrCat("fault ", i));
    DrawOne(kinds, random);
  }
  // Kinds that came later, so that seeds keep the faults that they had.
  Random more(options_.seed, "faults besides");
  if (!besides.empty() && more.Percent(20)) DrawOne(besides, more);
}

void World::DrawOne(const std::vector<const FaultKind*>& kinds,
                    Random& random) {
  const FaultKind* kind = random.Pick(kinds);
  Drawn drawn;
  // Some while everything is isolated and asked, most in mid-run.
  const absl::Duration at = random.Time(absl::Seconds(1), absl::Seconds(100));
  drawn.fault = kind->draw(*this, random);
  drawn.fault->at = at;
  faults_.push_back(std::move(drawn));
}

std::vector<std::string> World::FaultTexts() const {
  std::vector<std::string> texts;
  for (const Drawn& drawn : faults_) {
    texts.push_back(absl::StrFormat("%6.1fs %s",
                                    absl::ToDoubleSeconds(drawn.fault->at),
                                    drawn.fault->Text()));
  }
  return texts;
}

void World::Heal() {
  Trace("world", "all is healed");
  healed_ = true;
  for (Drawn& drawn : faults_) {
    if (drawn.begun && !drawn.ended) drawn.fault->End(*this);
    drawn.ended = true;
  }
  people_->BecomeDiligent();
}

void World::Run() {
  absl::Duration heal_at = absl::Seconds(110);
  for (size_t i = 0; i < faults_.size(); ++i) {
    if (options_.left_out.contains(static_cast<int>(i))) continue;
    agenda_.At(start_ + faults_[i].fault->at, [this, i] {
      Drawn& drawn = faults_[i];
      if (healed_) return;
      drawn.begun = true;
      Trace("FAULT", drawn.fault->Text());
      drawn.fault->Begin(*this);
      if (drawn.fault->lasts > absl::ZeroDuration()) {
        agenda_.After(drawn.fault->lasts, [this, i] {
          if (faults_[i].ended) return;
          faults_[i].ended = true;
          Trace("FAULT", "over: ", faults_[i].fault->Text());
          faults_[i].fault->End(*this);
        });
      }
    });
  }
  agenda_.At(start_ + heal_at, [this] { Heal(); });
  const absl::Time limit = start_ + heal_at + options_.patience;

  // An orchestrator that died is started again, as systemd would.
  primary().Start();
  Supervise();
  for (const auto& [id, host] : hosts_) host->Boot();
  people_->Begin();
  traffic_->Begin();
  absl::Time finished_at = absl::InfiniteFuture();
  int at_once = 0;
  while (!agenda_.empty() && violations_.empty()) {
    if (agenda_.next() > limit) break;
    const absl::Time before = now();
    agenda_.Step();
    at_once = now() == before ? at_once + 1 : 0;
    if (agenda_.steps() > kMostSteps) {
      Violate("L1", absl::StrCat("nothing comes to rest: ", kMostSteps,
                                 " steps by now"));
    }
    if (at_once > kAtOnce) {
      Violate("L1", absl::StrCat("the same is done over and over without time ",
                                 "passing, ", kAtOnce, " steps by now"));
    }
    if (!people_->finished()) {
      finished_at = absl::InfiniteFuture();
    } else if (finished_at == absl::InfiniteFuture()) {
      finished_at = now();
    } else if (now() - finished_at > kCalm) {
      break;
    }
  }
  if (!violations_.empty()) return;
  for (const auto& checker : checkers_) checker->Ended();
}

void World::Supervise() {
  agenda_.After(absl::Seconds(2), [this] {
    if (!primary().running()) primary().Start();
    Supervise();
  });
}

std::string World::JournalHash() const {
  auto& records = orchestrators_.front()->disk().memory.records();
  return records.empty() ? "" : records.back().hash;
}

void World::Violate(absl::string_view promise, const std::string& text) {
  Trace(promise, "BROKEN: ", text);
  violations_.push_back({std::string(promise), text, elapsed()});
}

void World::AddTrace(absl::string_view who, const std::string& what) {
  if (what.empty()) return;
  std::string line = absl::StrFormat(
      "%9.3f %-12s %s", absl::ToDoubleSeconds(elapsed()), who, what);
  for (char& c : line) {
    if (c == '\n') c = ' ';
  }
  trace_.push_back(std::move(line));
}

void Checker::Violate(const std::string& what) {
  world_.Violate(promise(), what);
}

std::vector<std::unique_ptr<Checker>> MakeCheckers(World& world) {
  std::vector<std::unique_ptr<Checker>> all;
  all.push_back(MakeOrderChecker(world));
  all.push_back(MakeAuthorityChecker(world));
  all.push_back(MakeLeaseChecker(world));
  all.push_back(MakeSurvivorChecker(world));
  all.push_back(MakeIsolationChecker(world));
  all.push_back(MakeDiskChecker(world));
  all.push_back(MakeHistoryChecker(world));
  all.push_back(MakeStaleChecker(world));
  all.push_back(MakeHonestyChecker(world));
  all.push_back(MakeVoteChecker(world));
  all.push_back(MakeProgressChecker(world));
  all.push_back(MakeReasonChecker(world));
  return all;
}

}  // namespace sluice::simulation
