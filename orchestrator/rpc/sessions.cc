#include "orchestrator/rpc/sessions.h"

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/secret.h"

namespace sluice::rpc {
namespace {

constexpr size_t kTokenBytes = 32;
constexpr size_t kTokenDigits = 2 * kTokenBytes;
constexpr char kEnded[] = "sluice/session-ended";  // a status' payload

}  // namespace

std::string AddressOf(absl::string_view peer) {
  if (absl::StartsWith(peer, "unix")) return "unix";
  const size_t colon = peer.rfind(':');
  return std::string(colon == absl::string_view::npos ? peer
                                                      : peer.substr(0, colon));
}

bool IsSessionsEnd(const absl::Status& status) {
  return status.GetPayload(kEnded).has_value();
}

bool Sessions::Over(const Session& session, absl::Time now) const {
  return now >= session.until || now - session.used >= options_.idle;
}

void Sessions::MakeRoom(const OperatorId& who, absl::Time now) {
  std::erase_if(sessions_,
                [&](const auto& one) { return Over(one.second, now); });
  while (true) {
    size_t held = 0;
    auto oldest = sessions_.end();
    for (auto one = sessions_.begin(); one != sessions_.end(); ++one) {
      if (one->second.who != who) continue;
      ++held;
      if (oldest == sessions_.end() || one->second.used < oldest->second.used) {
        oldest = one;
      }
    }
    if (held < options_.each) return;
    sessions_.erase(oldest);
  }
}

std::string Sessions::Open(const OperatorId& who, const std::string& key,
                           absl::string_view peer, absl::Time now) {
  std::string token = RandomHex(kTokenBytes);
  const std::lock_guard<std::mutex> lock(mutex_);
  MakeRoom(who, now);
  sessions_[Sha256(token)] =
      Session{who, key, AddressOf(peer), now + options_.life, now};
  return token;
}

absl::StatusOr<Sessions::Found> Sessions::Find(absl::string_view token,
                                               absl::string_view peer,
                                               absl::Time now) {
  absl::Status ended = absl::UnauthenticatedError(
      "the session has ended; log in with `sluice login`");
  ended.SetPayload(kEnded, absl::Cord());
  if (token.size() != kTokenDigits) return ended;
  const std::string digest = Sha256(token);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = sessions_.find(digest);
  if (found == sessions_.end()) return ended;
  if (Over(found->second, now)) {
    sessions_.erase(found);
    return ended;
  }
  if (!peer.empty() && found->second.address != AddressOf(peer)) {
    return absl::UnauthenticatedError(absl::StrCat(
        "the session of ", found->second.who.str(),
        " was opened from another address; log in with `sluice login`"));
  }
  found->second.used = now;
  return Found{found->second.who, found->second.key};
}

void Sessions::Close(absl::string_view token) {
  const std::string digest = Sha256(token);
  const std::lock_guard<std::mutex> lock(mutex_);
  sessions_.erase(digest);
}

void Sessions::CloseKey(const std::string& key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::erase_if(sessions_,
                [&](const auto& one) { return one.second.key == key; });
}

size_t Sessions::size() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return sessions_.size();
}

}  // namespace sluice::rpc
