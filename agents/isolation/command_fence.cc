#include "agents/isolation/command_fence.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "agents/isolation/rules_check.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

using Json = nlohmann::json;

// More than any point was ever told to let pass.
constexpr size_t kMaxFlows = 20'000;
constexpr size_t kShown = 160;  // bytes of what a driver says

std::set<Flow> ToSet(const std::vector<Flow>& flows) {
  return {flows.begin(), flows.end()};
}

std::vector<Flow> Both(const std::set<Flow>& a, const std::set<Flow>& b) {
  std::vector<Flow> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(),
                        std::back_inserter(both));
  return both;
}

std::set<Flow> Without(const std::set<Flow>& a, const std::set<Flow>& b) {
  std::set<Flow> left;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(),
                      std::inserter(left, left.end()));
  return left;
}

// What a program wrote, fit for one line of a message.
std::string Shown(absl::string_view text) {
  std::string line;
  for (const char c : text.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    line += byte < 0x20 ? ' ' : byte < 0x7F ? c : '?';
  }
  return text.size() > kShown ? absl::StrCat(line, "...") : line;
}

std::string TextAt(const Json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : "";
}

bool IsTrue(const Json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_boolean() && at->get<bool>();
}

absl::StatusOr<Json> Parse(const std::string& verb, const std::string& output) {
  Json answer = Json::parse(output, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) {
    return absl::DataLossError(
        absl::StrCat("the driver's answer to '", verb, "' is no JSON object: ",
                     output.empty() ? "it said nothing" : Shown(output)));
  }
  if (!IsTrue(answer, "ok")) {
    const std::string why = TextAt(answer, "error");
    return absl::UnavailableError(
        absl::StrCat("the driver did not do '", verb,
                     "': ", why.empty() ? "it gives no reason" : Shown(why)));
  }
  return answer;
}

}  // namespace

// ── the driver ──────────────────────────────────────────────────────────────

absl::StatusOr<std::string> CommandFence::Call(const std::string& verb,
                                               const std::set<Flow>& flows,
                                               absl::Duration lease) {
  Json request = {
      {"sluice", 1}, {"verb", verb}, {"host", options_.point.str()}};
  request["addresses"] = Json::array();
  for (const Prefix& address : options_.addresses) {
    request["addresses"].push_back(address.ToString());
  }
  if (verb != "read") {
    request["flows"] = Json::array();
    for (const Flow& flow : flows) request["flows"].push_back(flow.Line());
  }
  if (verb == "open") {
    request["lease"] =
        absl::ToInt64Seconds(absl::Ceil(lease, absl::Seconds(1)));
  }
  {
    const std::lock_guard lock(mutex_);
    interruptible_ = !closes_ && (verb == "open" || verb == "read");
  }
  absl::StatusOr<std::string> output =
      program_->Run(absl::StrCat(request.dump(), "\n"));
  {
    const std::lock_guard lock(mutex_);
    interruptible_ = false;
  }
  if (output.ok()) return output;
  return absl::Status(output.status().code(),
                      absl::StrCat("the driver, asked to '", verb, "', ",
                                   output.status().message()));
}

void CommandFence::Interrupt() {
  const std::lock_guard lock(mutex_);
  if (interruptible_) program_->Interrupt();
}

absl::Status CommandFence::Change(const std::string& verb,
                                  const std::set<Flow>& flows,
                                  absl::Duration lease) {
  SLUICE_ASSIGN_OR_RETURN(const std::string output, Call(verb, flows, lease));
  return Parse(verb, output).status();
}

absl::StatusOr<CommandFence::Point> CommandFence::Ask() {
  SLUICE_ASSIGN_OR_RETURN(const std::string output,
                          Call("read", {}, absl::ZeroDuration()));
  SLUICE_ASSIGN_OR_RETURN(const Json answer, Parse("read", output));
  const auto isolated = answer.find("isolated");
  const auto flows = answer.find("flows");
  if (isolated == answer.end() || !isolated->is_boolean() ||
      flows == answer.end() || !flows->is_array()) {
    return absl::DataLossError(
        "the driver's answer to 'read' lacks `isolated` (true or false) or "
        "`flows` (a list)");
  }
  if (flows->size() > kMaxFlows) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the driver says that ", flows->size(),
                     " flows pass, which nobody asked for"));
  }
  Point point{.isolated = isolated->get<bool>(),
              .cuts_sessions = IsTrue(answer, "cuts_sessions"),
              .holds_leases = IsTrue(answer, "holds_leases")};
  holds_leases_ = point.holds_leases;
  for (const Json& entry : *flows) {
    const std::string line = entry.is_string() ? entry.get<std::string>() : "";
    absl::StatusOr<Flow> flow = Flow::Parse(line);
    if (!flow.ok()) {
      return absl::DataLossError(
          absl::StrCat("the driver's answer to 'read' has a flow that is "
                       "none: ",
                       Shown(line)));
    }
    point.flows.insert(*std::move(flow));
  }
  return point;
}

// ── what it should hold ─────────────────────────────────────────────────────

bool CommandFence::IsLive(const Held& held) const {
  return !held.closed && options_.now() < held.until;
}

std::set<Flow> CommandFence::Wanted() const {
  std::set<Flow> wanted = management_;
  wanted.insert(vital_.begin(), vital_.end());
  wanted.insert(standing_.begin(), standing_.end());
  for (const auto& [digest, held] : releases_) {
    if (IsLive(held)) wanted.insert(held.flows.begin(), held.flows.end());
  }
  return wanted;
}

// What no release has is shown as standing: it is no lease of ours, and whoever
// compares finds that it should not be there.
FenceReading CommandFence::ReadingOf(const Point& point) const {
  FenceReading reading;
  reading.mode = point.isolated ? Mode::kQuarantined : Mode::kOpen;
  if (!point.isolated) {
    reading.rules_digest = Sha256("open");
    return reading;
  }
  reading.management = Both(management_, point.flows);
  reading.vital = Both(vital_, point.flows);
  std::set<Flow> others = Without(point.flows, management_);
  others = Without(others, vital_);
  others = Without(others, standing_);
  for (const auto& [digest, held] : releases_) {
    const bool live = IsLive(held);
    FenceReading::Leased leased{
        .digest = digest,
        .remaining = live ? held.until - options_.now() : absl::ZeroDuration(),
        .flows = {held.flows.begin(), held.flows.end()}};
    if (live) leased.flows = Both(held.flows, point.flows);
    if (live) others = Without(others, held.flows);
    if (!leased.flows.empty()) reading.releases.push_back(std::move(leased));
  }
  std::vector<Flow> standing = Both(standing_, point.flows);
  standing.insert(standing.end(), others.begin(), others.end());
  std::sort(standing.begin(), standing.end());
  reading.standing = std::move(standing);
  if (!point.cuts_sessions) {
    reading.remark =
        "its driver does not cut sessions that were open before (S4)";
  }
  reading.rules_digest = Sha256(absl::StrCat(
      "quarantined ", FlowsDigest(reading.management), " ",
      FlowsDigest(reading.vital), " ", FlowsDigest(reading.standing)));
  return reading;
}

absl::StatusOr<FenceReading> CommandFence::Verified(const std::string& verb) {
  SLUICE_ASSIGN_OR_RETURN(const Point point, Ask());
  if (!point.isolated) {
    return absl::DataLossError(absl::StrCat(
        "the driver says it did '", verb, "', and `read` says that ",
        options_.point.str(), " is not isolated"));
  }
  const std::set<Flow> wanted = Wanted();
  const std::set<Flow> missing = Without(wanted, point.flows);
  const std::set<Flow> more = Without(point.flows, wanted);
  if (missing.empty() && more.empty()) return ReadingOf(point);
  return absl::DataLossError(absl::StrCat(
      "the driver says it did '", verb, "', and `read` says that ",
      more.empty() ? missing.begin()->Line() : more.begin()->Line(),
      more.empty() ? " does not pass" : " still passes",
      missing.size() + more.size() > 1
          ? absl::StrCat(" (", missing.size() + more.size(),
                         " flows are not as they should be)")
          : ""));
}

// S3, as far as it goes: this process is the timer.
absl::Status CommandFence::CloseWhatRanOut() {
  std::set<Flow> gone;
  for (const auto& [digest, held] : releases_) {
    if (!held.closed && !IsLive(held)) {
      gone.insert(held.flows.begin(), held.flows.end());
    }
  }
  if (gone.empty()) return absl::OkStatus();
  const bool was = std::exchange(closes_, true);
  const absl::Cleanup restore = [this, was] { closes_ = was; };
  gone = Without(gone, Wanted());
  absl::Status status = gone.empty() ? absl::OkStatus() : Change("close", gone);
  if (status.ok()) {
    const absl::StatusOr<Point> point = Ask();
    status = point.status();
    if (point.ok() && !Both(gone, point->flows).empty()) {
      status = absl::DataLossError(absl::StrCat(
          "`read` says that ", Both(gone, point->flows).front().Line(),
          " still passes"));
    }
  }
  if (!status.ok()) {
    return absl::UnavailableError(absl::StrCat(
        "a lease ran out and its flows may be open still: ", status.message()));
  }
  for (auto& [digest, held] : releases_) held.closed |= !IsLive(held);
  return absl::OkStatus();
}

// ── the port ────────────────────────────────────────────────────────────────

absl::StatusOr<FenceReading> CommandFence::Replace(const FenceRules& rules) {
  SLUICE_RETURN_IF_ERROR(CheckRules(rules));
  if (rules.mode == Mode::kOpen) {
    return absl::UnimplementedError(
        absl::StrCat("no driver takes the fence of ", options_.point.str(),
                     " away; do it there by hand, when people decided so"));
  }
  mode_ = rules.mode;
  management_ = ToSet(rules.management);
  vital_ = ToSet(rules.vital);
  standing_ = ToSet(rules.standing);
  releases_.clear();
  const absl::Duration now = options_.now();
  for (const Release& release : rules.releases) {
    if (release.leased.empty()) continue;
    releases_[release.digest] = {now + release.lease, ToSet(release.leased)};
  }
  closes_ = true;
  const absl::Cleanup restore = [this] { closes_ = false; };
  SLUICE_RETURN_IF_ERROR(Change("isolate", Wanted()));
  return Verified("isolate");
}

absl::StatusOr<FenceReading> CommandFence::Open(
    const std::string& digest, absl::Duration lease,
    const std::vector<Flow>& flows) {
  if (mode_ == Mode::kOpen) return NoFence("opening flows");
  SLUICE_RETURN_IF_ERROR(CheckRelease({digest, lease, flows}));
  if (flows.empty()) return Read();
  SLUICE_RETURN_IF_ERROR(CloseWhatRanOut());
  const absl::Duration until = options_.now() + lease;
  const std::set<Flow> fresh = Without(ToSet(flows), Wanted());
  if (!fresh.empty()) {
    const absl::Status status = Change("open", fresh, lease);
    if (!status.ok()) return Undone(status, fresh);
  }
  const std::map<std::string, Held> before = releases_;
  Held& held = releases_.try_emplace(digest, Held{until, {}}).first->second;
  if (!IsLive(held)) held = {until, {}};
  held.flows.insert(flows.begin(), flows.end());
  absl::StatusOr<FenceReading> reading = Verified("open");
  if (reading.ok()) return reading;
  releases_ = before;
  return Undone(reading.status(), fresh);
}

// Whole or not at all: part of it may have been opened.
absl::StatusOr<FenceReading> CommandFence::Undone(
    const absl::Status& why, const std::set<Flow>& opened) {
  if (opened.empty()) return why;
  closes_ = true;
  const absl::Cleanup restore = [this] { closes_ = false; };
  const absl::Status undone = Change("close", opened);
  if (undone.ok()) return why;
  return absl::Status(why.code(),
                      absl::StrCat(why.message(),
                                   "; and what it may have opened was not "
                                   "closed again: ",
                                   undone.message()));
}

absl::StatusOr<FenceReading> CommandFence::Remove(
    const std::string& digest, const std::vector<Flow>& flows) {
  if (mode_ == Mode::kOpen) return NoFence("closing flows");
  for (auto it = releases_.begin(); it != releases_.end();) {
    if (digest.empty() || it->first == digest) {
      for (const Flow& flow : flows) it->second.flows.erase(flow);
    }
    it = it->second.flows.empty() ? releases_.erase(it) : std::next(it);
  }
  if (digest.empty()) {
    for (const Flow& flow : flows) standing_.erase(flow);
  }
  closes_ = true;
  const absl::Cleanup restore = [this] { closes_ = false; };
  SLUICE_RETURN_IF_ERROR(CloseWhatRanOut());
  const std::set<Flow> gone = Without(ToSet(flows), Wanted());
  if (!gone.empty()) SLUICE_RETURN_IF_ERROR(Change("close", gone));
  return Verified("close");
}

absl::Status CommandFence::Renew(
    const std::map<std::string, absl::Duration>& leases) {
  if (leases.empty()) return absl::OkStatus();
  if (mode_ == Mode::kOpen) return NoFence("renewing leases");
  for (const auto& [digest, lease] : leases) {
    SLUICE_RETURN_IF_ERROR(CheckLease(digest, lease));
  }
  std::vector<std::string> gone;
  for (const auto& [digest, lease] : leases) {
    const auto found = releases_.find(digest);
    if (found == releases_.end() || !IsLive(found->second)) {
      gone.push_back(digest);
      continue;
    }
    Held& held = found->second;
    if (holds_leases_) {
      // Not each second: half of it is left at the least.
      if (held.until - options_.now() >= lease / 2) continue;
      SLUICE_RETURN_IF_ERROR(
          Change("open", Without(held.flows, standing_), lease));
    }
    held.until = options_.now() + lease;
  }
  return gone.empty() ? absl::OkStatus() : GuardsRanOut(gone);
}

absl::StatusOr<FenceReading> CommandFence::Confirm(
    const std::string& digest, const std::vector<Flow>& flows) {
  if (mode_ == Mode::kOpen) return NoFence("confirming flows");
  const auto found = releases_.find(digest);
  for (const Flow& flow : flows) {
    // What another grant made stand needs no lease, and may have none.
    if (standing_.contains(flow)) continue;
    if (found == releases_.end() || !found->second.flows.contains(flow)) {
      return NotLeased(digest, flow);
    }
    if (!IsLive(found->second)) return GuardsRanOut({digest});
  }
  SLUICE_RETURN_IF_ERROR(Verified("open").status());
  if (holds_leases_) SLUICE_RETURN_IF_ERROR(Change("open", ToSet(flows)));
  standing_.insert(flows.begin(), flows.end());
  if (found != releases_.end()) {
    for (const Flow& flow : flows) found->second.flows.erase(flow);
    if (found->second.flows.empty()) releases_.erase(found);
  }
  return Read();
}

absl::StatusOr<FenceReading> CommandFence::Read() {
  if (mode_ == Mode::kQuarantined) SLUICE_RETURN_IF_ERROR(CloseWhatRanOut());
  SLUICE_ASSIGN_OR_RETURN(const Point point, Ask());
  return ReadingOf(point);
}

}  // namespace sluice::agent
