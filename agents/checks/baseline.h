// What lies under a few paths of this host, as a text that two readings can be
// compared by: names, kinds, rights, owners and SHA-256 of contents.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agents/checks/stop.h"

namespace sluice::agent {

struct BaselineRule {
  std::vector<std::string> paths;  // whole; '*' and '?' as in a shell
  bool setuid_only = false;  // nothing but programs that lend their rights
};

// For a host's signature over such a text.
inline constexpr absl::string_view kSignedBaseline = "baseline@sluice";

//   sluice baseline 1
//   name cron
//   path /etc/cron.d
//   dir 0755 0:0 - /etc/cron.d
//   file 0644 0:0 sha256:… /etc/cron.d/backup
//
// Does not follow links and does not leave a path's file system. What cannot be
// read is an entry that says so. DeadlineExceeded when `until` has passed,
// ResourceExhausted beyond kMaxEntries entries. Each path goes to `looking_at`
// before it is looked at.
absl::StatusOr<std::string> TakeBaseline(
    const std::string& name, const BaselineRule& rule, absl::Time until,
    const Stop& stop,
    const std::function<void(const std::string&)>& looking_at = nullptr);
inline constexpr size_t kMaxEntries = 200'000;

// "name …" and "path …" of a text, for comparing with the rule of today.
std::string BaselineHead(absl::string_view text);

struct BaselineChanges {
  std::vector<std::string> added;
  std::vector<std::string> changed;
  std::vector<std::string> gone;
  size_t same = 0;
};
BaselineChanges CompareBaselines(absl::string_view before,
                                 absl::string_view now);

}  // namespace sluice::agent
