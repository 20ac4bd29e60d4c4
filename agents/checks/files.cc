// files: what lies under the paths of a baseline, against the reading that this
// host took and signed before: cron, authorized keys, accounts, programs with
// the setuid bit, configuration.

#include <algorithm>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "agents/checks/baseline.h"
#include "agents/checks/check.h"
#include "agents/core/state.h"
#include "common/digest.h"
#include "common/sshsig.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxNamed = 4;
constexpr size_t kMaxBytes = 64 << 20;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  char buffer[65536];
  while (text.size() < kMaxBytes &&
         (file.read(buffer, sizeof buffer), file.gcount() > 0)) {
    text.append(buffer, static_cast<size_t>(file.gcount()));
  }
  return text;
}

std::string Named(const BaselineChanges& changes) {
  std::vector<std::string> named;
  const auto add = [&](const char* word, const std::vector<std::string>& all) {
    for (const std::string& path : all) {
      named.push_back(absl::StrCat(word, " ", OneLine(path, 80)));
    }
  };
  add("new", changes.added);
  add("changed", changes.changed);
  add("gone", changes.gone);
  const size_t all = named.size();
  named.resize(std::min(all, kMaxNamed));
  return absl::StrCat(
      absl::StrJoin(named, ", "),
      all > kMaxNamed ? absl::StrCat(" and ", all - kMaxNamed, " more") : "");
}

}  // namespace

CheckResult CheckFiles(const CheckSpec& spec, const CheckContext& context,
                       const Stop& stop) {
  const std::string name = Arg(spec, "baseline");
  const auto rule = context.baselines.find(name);
  if (rule == context.baselines.end()) {
    return Inconclusive(
        absl::StrCat("'", OneLine(name, 60),
                     "' is not among 'baselines' in this host's agent.yaml; if "
                     "it may be looked at, write it there"));
  }
  const std::string path = absl::StrCat(context.baseline_folder, "/", name);
  if (context.looking_at) context.looking_at(path);
  const std::string before = ReadFile(path);
  if (before.empty()) {
    return Inconclusive(absl::StrCat("no baseline '", name,
                                     "' was taken; while the host is well, run "
                                     "`sluice-agent baseline ",
                                     name, "` on it"));
  }
  const SshVerifier verifier;
  if (!verifier
           .Verify(context.evidence_key, kSignedBaseline, before,
                   ReadFile(absl::StrCat(path, ".sig")))
           .ok()) {
    return Fail(absl::StrCat("the baseline '", name,
                             "' is not as this host signed it"));
  }
  const absl::StatusOr<std::string> now =
      TakeBaseline(name, rule->second, absl::Now() + spec.timeout, stop,
                   context.looking_at);
  if (!now.ok()) return Inconclusive(std::string(now.status().message()));
  if (BaselineHead(before) != BaselineHead(*now)) {
    return Inconclusive(absl::StrCat(
        "the baseline '", name,
        "' is of other paths than agent.yaml names now; take it again"));
  }
  const BaselineChanges changes = CompareBaselines(before, *now);
  if (changes.added.empty() && changes.changed.empty() &&
      changes.gone.empty()) {
    return Pass(absl::StrCat("no sign found: ", changes.same,
                             " entries as in baseline ",
                             ShortDigest(Sha256(before))));
  }
  return Fail(absl::StrCat("since its baseline: ", Named(changes)));
}

}  // namespace sluice::agent
