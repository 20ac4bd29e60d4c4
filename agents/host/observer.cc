#include "agents/host/observer.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/checks/sockets.h"

namespace sluice::agent {
namespace {

// Above, UDP sockets wait for answers as a rule.
constexpr uint16_t kFirstAnswerPort = 32768;

}  // namespace

std::vector<Listening> ListeningReader::Read() {
  std::map<ListenerKey, std::string> inodes;
  for (const Socket& socket : ReadSockets(proc_)) {
    if (!socket.listening || IsLoopback(socket.local) ||
        socket.local_port == 0 ||
        (socket.protocol == Protocol::kUdp &&
         socket.local_port >= kFirstAnswerPort)) {
      continue;
    }
    inodes[{socket.protocol, socket.local_port}] = socket.inode;
  }
  if (inodes == inodes_) return listening_;
  std::set<std::string> wanted;
  for (const auto& [key, inode] : inodes) wanted.insert(inode);
  const auto owners = SocketOwners(proc_, wanted);
  listening_.clear();
  for (const auto& [key, inode] : inodes) {
    const auto owner = owners.find(inode);
    listening_.push_back(
        {key, owner == owners.end() ? Process() : owner->second});
  }
  inodes_ = std::move(inodes);
  return listening_;
}

Process SenderLookup::Find(const LoggedPacket& packet) {
  Process process;
  if (packet.what == kLogSeenIn) return process;  // what listens is known
  const absl::Time now = clock_();
  const double passed = absl::ToDoubleSeconds(now - counted_);
  left_ = std::clamp(left_ + std::max(passed, 0.0) * kASecond, 0.0, kAtOnce);
  counted_ = now;
  if (left_ >= 1) {
    left_ -= 1;
    process = SenderOf(proc_, packet.protocol, packet.source,
                       packet.source_port);
  }
  // The kernel said it with the packet itself.
  if (packet.user.has_value()) process.user = UserName(*packet.user);
  return process;
}

Observer::Observer(Sightings* sightings, Ports ports)
    : sightings_(sightings),
      ports_(std::move(ports)),
      saved_(sightings->version()),
      saved_news_(sightings->news()),
      thread_([this] { Run(); }) {}

Observer::~Observer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Observer::Judged(Mode mode) {
  const std::lock_guard lock(mutex_);
  if (mode_ == mode) return;
  mode_ = mode;
  awake_ = true;
  wake_.notify_one();
}

void Observer::Wake(bool again) {
  const std::lock_guard lock(mutex_);
  if (awake_ && again_ == again) return;
  awake_ = true;
  again_ = again_ || again;
  wake_.notify_one();
}

void Observer::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto stopping = [this] { return stopping_; };
    wake_.wait_for(lock, absl::ToChronoMilliseconds(ports_.every),
                   [this] { return stopping_ || awake_; });
    awake_ = false;
    const bool last = stopping_;
    const std::optional<Mode> mode = mode_;
    const bool again = std::exchange(again_, false);
    lock.unlock();
    if (mode.has_value()) Turn(*mode, again, last);
    lock.lock();
    if (!mode.has_value()) again_ = again_ || again;
    if (last) return;
    // What comes together is read together.
    wake_.wait_for(lock, absl::ToChronoMilliseconds(ports_.soonest), stopping);
  }
}

void Observer::Turn(Mode mode, bool again, bool last) {
  absl::Status status;
  const absl::Time now = ports_.clock();
  if (mode == Mode::kOpen) {
    const absl::StatusOr<ObserveReading> reading = ports_.read();
    status = reading.status();
    recording_ = status.ok();
    if (status.ok()) sightings_->Saw(*reading, now);
    sightings_->Saw(ports_.listening(), now);
  } else if (std::exchange(recording_, false)) {
    // What was counted until the fence went up.
    const absl::StatusOr<ObserveReading> reading = ports_.read();
    if (reading.ok()) sightings_->Saw(*reading, now);
    status = ports_.stop();
  }
  // News at once; what is only counted, with the next minute.
  const uint64_t version = sightings_->version();
  const uint64_t news = sightings_->news();
  const bool due = last || now - told_at_ >= ports_.every;
  if (due) told_at_ = now;
  // The last time for good: how long it has watched is newer than any version.
  if (status.ok() &&
      (last || news != saved_news_ || (due && version != saved_))) {
    status = ports_.save(sightings_->Encode());
    if (status.ok()) {
      saved_ = version;
      saved_news_ = news;
    }
  }
  const std::string problem(status.message());
  if (problem != problem_ && !problem.empty()) ports_.log(problem);
  problem_ = problem;
  const bool tell = again || news != sent_news_ || (due && version != sent_);
  if (tell && ports_.send(sightings_->observations())) {
    sent_ = version;
    sent_news_ = news;
  }
}

}  // namespace sluice::agent
