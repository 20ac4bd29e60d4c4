#include "agents/core/authority.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/digest.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxSeats = 100;

// Seats people around the table: each seat wants a role, each person takes at
// most one seat. Augmenting paths (Kuhn) find the most that can be filled.
class Seating {
 public:
  Seating(std::vector<RoleId> seats,
          const std::map<OperatorId, std::set<RoleId>>& people)
      : seats_(std::move(seats)), people_(people) {}

  // The roles of the seats that stay empty.
  std::vector<std::string> Empty() {
    std::vector<std::string> empty;
    for (size_t seat = 0; seat < seats_.size(); ++seat) {
      std::set<OperatorId> asked;
      if (!Fill(seat, asked)) empty.push_back(seats_[seat].str());
    }
    return empty;
  }

 private:
  bool Fill(size_t seat, std::set<OperatorId>& asked) {
    for (const auto& [person, roles] : people_) {
      if (!roles.contains(seats_[seat])) continue;
      if (!asked.insert(person).second) continue;
      const auto taken = seat_of_.find(person);
      if (taken == seat_of_.end() || Fill(taken->second, asked)) {
        seat_of_[person] = seat;
        return true;
      }
    }
    return false;
  }

  std::vector<RoleId> seats_;
  const std::map<OperatorId, std::set<RoleId>>& people_;
  std::map<OperatorId, size_t> seat_of_;
};

}  // namespace

absl::Status CheckDecisions(const ReleaseOrder& order,
                            const std::vector<Decision>& decisions) {
  const std::string digest = order.Digest();
  std::map<OperatorId, std::set<RoleId>> people;
  for (const Decision& decision : decisions) {
    if (decision.body_digest != digest) continue;
    if (order.no_self_approval && decision.by == order.started_by) continue;
    people[decision.by].insert(decision.roles.begin(), decision.roles.end());
  }
  std::vector<RoleId> seats;
  for (const auto& [role, count] : order.quorum) {
    if (static_cast<size_t>(count) > kMaxSeats || seats.size() > kMaxSeats) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the quorum asks for more than the ", kMaxSeats,
          " people this agent counts; ask for fewer in the manifest"));
    }
    seats.insert(seats.end(), static_cast<size_t>(count), role);
  }
  if (seats.empty()) {
    return absl::PermissionDeniedError(
        "the release order asks nobody; only people can release (S2)");
  }
  const std::vector<std::string> missing = Seating(seats, people).Empty();
  if (missing.empty()) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("the decisions do not meet the quorum of ",
                   order.stage.str(), ": missing ",
                   absl::StrJoin(missing, ", "), "; ask for them at the gate"));
}

}  // namespace sluice::agent
