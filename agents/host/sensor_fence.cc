#include "agents/host/sensor_fence.h"

#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice::agent {

SensorFence::SensorFence(Fence* fence, Sightings* sightings, Ports ports)
    : fence_(fence), sightings_(sightings), ports_(std::move(ports)) {}

absl::StatusOr<FenceReading> SensorFence::Note(
    absl::StatusOr<FenceReading> reading) {
  if (!reading.ok()) return reading;
  // Before it is put up again, there being none says nothing.
  if (starting_ && reading->mode == Mode::kOpen) return reading;
  std::optional<absl::Duration> watched;
  if (reading->watching_since.has_value() && !reading->sensor_full) {
    watched = ports_.now() - *reading->watching_since;
  }
  sightings_->Saw(*reading, watched, ports_.clock());
  return reading;
}

absl::StatusOr<FenceReading> SensorFence::Replace(const FenceRules& rules) {
  if (rules.sensor_anew) {
    absl::StatusOr<FenceReading> emptied = fence_->Replace(rules);
    if (emptied.ok()) sightings_->BeginAnew();
    return Note(std::move(emptied));
  }
  if (!starting_ || rules.mode == Mode::kOpen) {
    return Note(fence_->Replace(rules));
  }
  FenceRules with = rules;
  with.sensor = sightings_->Memory(ports_.nothing_sent());
  return Note(fence_->Replace(with));
}

absl::StatusOr<FenceReading> SensorFence::Open(const std::string& digest,
                                               absl::Duration lease,
                                               const std::vector<Flow>& flows) {
  return Note(fence_->Open(digest, lease, flows));
}

absl::StatusOr<FenceReading> SensorFence::Remove(
    const std::string& digest, const std::vector<Flow>& flows) {
  return Note(fence_->Remove(digest, flows));
}

absl::Status SensorFence::Renew(
    const std::map<std::string, absl::Duration>& leases) {
  return fence_->Renew(leases);
}

absl::StatusOr<FenceReading> SensorFence::Confirm(
    const std::string& digest, const std::vector<Flow>& flows) {
  return Note(fence_->Confirm(digest, flows));
}

absl::StatusOr<FenceReading> SensorFence::Read() {
  return Note(fence_->Read());
}

// "  eth0: <8 numbers of what was received> <bytes sent> <packets sent> …"
bool NothingSent(const std::string& proc) {
  constexpr size_t kPacketsSent = 9;
  std::ifstream file(absl::StrCat(proc, "/net/dev"));
  std::string line;
  std::getline(file, line);  // two lines of headings
  std::getline(file, line);
  if (!file) return false;
  while (std::getline(file, line)) {
    const std::pair<std::string, std::string> halves =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    const std::vector<absl::string_view> words =
        absl::StrSplit(halves.second, ' ', absl::SkipEmpty());
    uint64_t packets = 0;
    if (words.size() <= kPacketsSent ||
        !absl::SimpleAtoi(words[kPacketsSent], &packets)) {
      return false;
    }
    if (packets > 0 && absl::StripAsciiWhitespace(halves.first) != "lo") {
      return false;
    }
  }
  return true;
}

}  // namespace sluice::agent
