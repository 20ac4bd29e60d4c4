#include "common/delegation.h"

#include "absl/strings/str_cat.h"
#include "common/fact_lines.h"
#include "common/status.h"

namespace sluice {
namespace {

constexpr size_t kMaxBytes = 64 << 10;
constexpr char kTime[] = "%Y-%m-%dT%H:%M:%SZ";

absl::StatusOr<absl::Time> TakeTime(FactLines& lines, absl::string_view key) {
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view text, lines.Take(key));
  absl::Time time;
  if (absl::ParseTime(kTime, text, absl::UTCTimeZone(), &time, nullptr)) {
    return time;
  }
  return lines.Error("a time is written as 2026-11-22T02:00:00Z");
}

}  // namespace

std::string Delegation::Body() const {
  std::string body =
      absl::StrCat("sluice delegation 1\nestate ", estate.str(), "\ndelegator ",
                   delegator.str(), "\ndeputy ", deputy.str(), "\n");
  for (const RoleId& role : roles) {
    absl::StrAppend(&body, "role ", role.str(), "\n");
  }
  if (tasks) absl::StrAppend(&body, "tasks yes\n");
  absl::StrAppend(
      &body, "from ", absl::FormatTime(kTime, from, absl::UTCTimeZone()),
      "\nuntil ", absl::FormatTime(kTime, until, absl::UTCTimeZone()), "\n");
  return body;
}

absl::StatusOr<Delegation> Delegation::Parse(absl::string_view body) {
  if (body.size() > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("delegation: ", body.size(),
                     " bytes are more than the 64 KiB one has"));
  }
  FactLines lines("delegation", body);
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view version,
                          lines.Take("sluice delegation"));
  if (version != "1") return lines.Error("only version 1 is known here");
  Delegation delegation;
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view estate, lines.Take("estate"));
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view delegator,
                          lines.Take("delegator"));
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view deputy, lines.Take("deputy"));
  delegation.estate = EstateId(estate);
  delegation.delegator = OperatorId(delegator);
  delegation.deputy = OperatorId(deputy);
  while (lines.StartsWith("role")) {
    SLUICE_ASSIGN_OR_RETURN(const absl::string_view role, lines.Take("role"));
    if (!delegation.roles.empty() && delegation.roles.back() >= RoleId(role)) {
      return lines.Error("roles are sorted and stand once each");
    }
    delegation.roles.emplace_back(role);
  }
  if (lines.StartsWith("tasks")) {
    SLUICE_ASSIGN_OR_RETURN(const absl::string_view yes, lines.Take("tasks"));
    if (yes != "yes") return lines.Error("'tasks yes' or no such line");
    delegation.tasks = true;
  }
  SLUICE_ASSIGN_OR_RETURN(delegation.from, TakeTime(lines, "from"));
  SLUICE_ASSIGN_OR_RETURN(delegation.until, TakeTime(lines, "until"));
  if (delegation.Body() != body) {
    return absl::InvalidArgumentError(
        "delegation: the text is not in its canonical form; it was changed on "
        "its way or made by another program");
  }
  if (delegation.delegator.empty() || delegation.deputy.empty() ||
      delegation.delegator == delegation.deputy) {
    return absl::InvalidArgumentError(
        "delegation: somebody else stands in, and both are named");
  }
  if (delegation.until <= delegation.from ||
      delegation.length() > kLongestDelegation) {
    return absl::InvalidArgumentError(
        absl::StrCat("delegation: it ends after it begins and within ",
                     absl::ToInt64Hours(kLongestDelegation) / 24, " days"));
  }
  return delegation;
}

}  // namespace sluice
