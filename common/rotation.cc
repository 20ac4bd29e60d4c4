#include "common/rotation.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/fact_lines.h"
#include "common/ssh_key.h"
#include "common/status.h"

namespace sluice {
namespace {

constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kMaxApprovers = 1000;
constexpr size_t kMaxStages = 1000;
constexpr size_t kMaxSeats = 100;  // as agents count (agents/core/authority.cc)

std::string RolesText(const std::vector<RoleId>& roles) {
  return absl::StrJoin(roles, ",", [](std::string* out, const RoleId& role) {
    absl::StrAppend(out, role.str());
  });
}

absl::StatusOr<Rotation::Person> ParsePerson(const FactLines& lines,
                                             absl::string_view text) {
  std::vector<absl::string_view> words =
      absl::StrSplit(text, absl::MaxSplits(' ', 2));
  if (words.size() != 3 || !absl::ConsumePrefix(&words[1], "roles=") ||
      !absl::ConsumePrefix(&words[2], "key=")) {
    return lines.Error("an approver is NAME roles=ROLE,… key=TYPE BASE64");
  }
  Rotation::Person person{.id = OperatorId(words[0])};
  for (const absl::string_view role : absl::StrSplit(words[1], ',')) {
    if (role.empty() ||
        (!person.roles.empty() && person.roles.back() >= RoleId(role))) {
      return lines.Error("roles are sorted and stand once each");
    }
    person.roles.emplace_back(role);
  }
  const absl::StatusOr<SshPublicKey> key = SshPublicKey::Parse(words[2]);
  if (!key.ok()) return lines.Error(key.status().message());
  person.key = key->Line();
  return person;
}

// Seats that each want a role, and keys that each fill one seat: one key may go
// by two names and still is one person.
class Seating {
 public:
  // `fits[i]`: the keys that may fill seat i.
  explicit Seating(std::vector<std::vector<std::string>> fits)
      : fits_(std::move(fits)) {}

  bool AllFilled() {
    for (size_t seat = 0; seat < fits_.size(); ++seat) {
      std::set<std::string> asked;
      if (!Fill(seat, asked)) return false;
    }
    return true;
  }

 private:
  bool Fill(size_t seat, std::set<std::string>& asked) {
    for (const std::string& key : fits_[seat]) {
      if (!asked.insert(key).second) continue;
      const auto taken = seat_of_.find(key);
      if (taken == seat_of_.end() || Fill(taken->second, asked)) {
        seat_of_[key] = seat;
        return true;
      }
    }
    return false;
  }

  const std::vector<std::vector<std::string>> fits_;
  std::map<std::string, size_t> seat_of_;
};

// At most as many as there can be seats: more than that are never needed.
std::vector<std::string> KeysOf(const Rotation& rotation, const RoleId& role) {
  std::set<std::string> keys;
  for (const Rotation::Person& person : rotation.approvers) {
    if (keys.size() == kMaxSeats) break;
    if (std::binary_search(person.roles.begin(), person.roles.end(), role)) {
      keys.insert(person.key);
    }
  }
  return {keys.begin(), keys.end()};
}

// What one stage asks is the most of `more` and what all of them ask.
absl::Status CheckCanBeMet(const Rotation& rotation,
                           const std::map<RoleId, int>& more) {
  std::map<RoleId, int> quorum = rotation.quorum;
  for (const auto& [role, wanted] : more) {
    quorum[role] = std::max(quorum[role], wanted);
  }
  std::vector<std::vector<std::string>> fits;
  for (const auto& [role, wanted] : quorum) {
    const std::vector<std::string> keys = KeysOf(rotation, role);
    if (static_cast<int>(keys.size()) < wanted) {
      return absl::InvalidArgumentError(absl::StrCat(
          "rotation: it wants ", wanted, " ", role.str(), " and names ",
          keys.size(),
          " with keys of their own, so the hosts would stay closed for good; "
          "name more approvers or ask for fewer"));
    }
    fits.insert(fits.end(), static_cast<size_t>(wanted), keys);
    if (fits.size() > kMaxSeats) {
      return absl::InvalidArgumentError(
          absl::StrCat("rotation: it wants more than the ", kMaxSeats,
                       " people that hosts count"));
    }
  }
  if (Seating(std::move(fits)).AllFilled()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "rotation: it wants ", QuorumFacts(quorum),
      ", and the people it names cannot fill all of these at once, since each "
      "fills one: the hosts would stay closed for good; name more approvers or "
      "ask for fewer"));
}

absl::Status TakeHosts(FactLines& lines, Rotation& rotation) {
  while (lines.StartsWith("host")) {
    SLUICE_ASSIGN_OR_RETURN(const absl::string_view host, lines.Take("host"));
    if (!rotation.hosts.empty() && rotation.hosts.back() >= HostId(host)) {
      return lines.Error("hosts are sorted and stand once each");
    }
    rotation.hosts.emplace_back(host);
  }
  if (rotation.hosts.empty()) return lines.Error("it names no host");
  return absl::OkStatus();
}

absl::Status TakePeople(FactLines& lines, Rotation& rotation) {
  while (lines.StartsWith("approver")) {
    SLUICE_ASSIGN_OR_RETURN(const absl::string_view text,
                            lines.Take("approver"));
    SLUICE_ASSIGN_OR_RETURN(Rotation::Person person, ParsePerson(lines, text));
    if (!rotation.approvers.empty() &&
        rotation.approvers.back().id >= person.id) {
      return lines.Error("approvers are sorted and stand once each");
    }
    if (rotation.approvers.size() == kMaxApprovers) {
      return lines.Error("no estate has so many approvers");
    }
    rotation.approvers.push_back(std::move(person));
  }
  return absl::OkStatus();
}

absl::Status TakeQuorums(FactLines& lines, Rotation& rotation) {
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view quorum, lines.Take("quorum"));
  SLUICE_ASSIGN_OR_RETURN(rotation.quorum, lines.Quorum(quorum));
  if (rotation.quorum.empty()) {
    return lines.Error("a minimum of nobody protects nothing");
  }
  while (lines.StartsWith("quorum-at")) {
    SLUICE_ASSIGN_OR_RETURN(const absl::string_view text,
                            lines.Take("quorum-at"));
    const std::vector<absl::string_view> words =
        absl::StrSplit(text, absl::MaxSplits(' ', 1));
    if (words.size() != 2) return lines.Error("quorum-at is STAGE ROLE=COUNT…");
    if (rotation.stages.size() == kMaxStages) {
      return lines.Error("no estate has so many stages");
    }
    SLUICE_ASSIGN_OR_RETURN(rotation.stages[StageId(words[0])],
                            lines.Quorum(words[1]));
  }
  return absl::OkStatus();
}

}  // namespace

std::string Rotation::Body() const {
  std::string body = absl::StrCat("sluice rotation 1\nestate ", estate.str(),
                                  "\nserial ", serial, "\n");
  for (const HostId& host : hosts) {
    absl::StrAppend(&body, "host ", host.str(), "\n");
  }
  for (const Person& person : approvers) {
    absl::StrAppend(&body, "approver ", person.id.str(),
                    " roles=", RolesText(person.roles), " key=", person.key,
                    "\n");
  }
  absl::StrAppend(&body, "quorum ", QuorumFacts(quorum), "\n");
  for (const auto& [stage, more] : stages) {
    absl::StrAppend(&body, "quorum-at ", stage.str(), " ", QuorumFacts(more),
                    "\n");
  }
  return body;
}

bool Rotation::Names(const HostId& host) const {
  return std::binary_search(hosts.begin(), hosts.end(), host);
}

absl::StatusOr<Rotation> Rotation::Parse(absl::string_view body) {
  if (body.size() > kMaxBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rotation: ", body.size(), " bytes are more than the 1 MiB one has"));
  }
  FactLines lines("rotation", body);
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view version,
                          lines.Take("sluice rotation"));
  if (version != "1") return lines.Error("only version 1 is known here");
  Rotation rotation;
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view estate, lines.Take("estate"));
  rotation.estate = EstateId(estate);
  SLUICE_ASSIGN_OR_RETURN(rotation.serial, lines.TakeNumber("serial"));
  if (rotation.serial == 0) return lines.Error("serials count from 1");
  SLUICE_RETURN_IF_ERROR(TakeHosts(lines, rotation));
  SLUICE_RETURN_IF_ERROR(TakePeople(lines, rotation));
  SLUICE_RETURN_IF_ERROR(TakeQuorums(lines, rotation));
  // What follows, in whatever order or spelling, is not what Body() writes.
  if (rotation.Body() != body) {
    return absl::InvalidArgumentError(
        "rotation: the text is not in its canonical form; it was changed on "
        "its way or made by another program");
  }
  SLUICE_RETURN_IF_ERROR(CheckCanBeMet(rotation, {}));
  for (const auto& [stage, quorum] : rotation.stages) {
    SLUICE_RETURN_IF_ERROR(CheckCanBeMet(rotation, quorum));
  }
  return rotation;
}

}  // namespace sluice
