#include "orchestrator/cli/client_error.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace sluice::cli {
namespace {

// gRPC's own words for a connection that broke or never stood.
constexpr std::array<absl::string_view, 8> kBroken = {
    "failed to connect", "Socket closed",
    "Connection reset",  "GOAWAY",
    "Broken pipe",       "Endpoint closing",
    "recvmsg",           "Stream removed"};

// Their certificate is not one that our authority signed, or names another.
constexpr std::array<absl::string_view, 3> kStranger = {
    "CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "Peer name"};

// It listened, and ended the handshake.
constexpr std::array<absl::string_view, 3> kHungUp = {
    "Socket closed", "Connection reset", "Broken pipe"};

template <size_t N>
bool ContainsAny(absl::string_view text,
                 const std::array<absl::string_view, N>& needles) {
  return std::any_of(needles.begin(), needles.end(),
                     [&](absl::string_view needle) {
                       return absl::StrContains(text, needle);
                     });
}

// "… Failed to connect to remote host: Connection refused" → the last part.
std::string ShortReason(absl::string_view reason) {
  if (reason.empty()) return "no answer in time";
  const size_t colon = reason.rfind(": ");
  if (colon != absl::string_view::npos) reason.remove_prefix(colon + 2);
  return absl::AsciiStrToLower(absl::StripAsciiWhitespace(reason));
}

}  // namespace

absl::Status NobodyAnswers(const std::vector<FailedAddress>& failed) {
  for (const FailedAddress& one : failed) {
    if (!ContainsAny(one.reason, kStranger)) continue;
    return absl::PermissionDeniedError(absl::StrCat(
        "what answers at ", one.address,
        " is not the orchestrator of your authority: its certificate was "
        "signed by another, or for another purpose. Nothing was sent. Check "
        "that your client.yaml and its ca.crt belong to this estate, and tell "
        "whoever runs the orchestrator."));
  }
  for (const FailedAddress& one : failed) {
    if (!ContainsAny(one.reason, kHungUp)) continue;
    return absl::UnauthenticatedError(absl::StrCat(
        "what answers at ", one.address,
        " hung up at once. Nothing was changed. Either it is no orchestrator, "
        "or it does not know the authority that signed your certificate: "
        "compare the ca.crt beside your client.yaml with the orchestrator's."));
  }
  // Addresses that failed alike stand together.
  std::vector<std::pair<std::string, std::vector<std::string>>> reasons;
  for (const FailedAddress& one : failed) {
    const std::string reason = ShortReason(one.reason);
    auto found =
        std::find_if(reasons.begin(), reasons.end(),
                     [&](const auto& group) { return group.first == reason; });
    if (found == reasons.end()) {
      found = reasons.insert(reasons.end(), {reason, {}});
    }
    found->second.push_back(one.address);
  }
  const std::string where =
      absl::StrJoin(reasons, "; ", [](std::string* out, const auto& group) {
        absl::StrAppend(out, absl::StrJoin(group.second, " or "), ": ",
                        group.first);
      });
  return absl::UnavailableError(absl::StrCat(
      "no orchestrator answers at ", where,
      ". Nothing was changed. Is sluice-orchestrator running? Start it with "
      "`sluice-orchestrator --config orchestrator.yaml` on its host; flows "
      "that are still leased close by themselves meanwhile."));
}

absl::Status CallFailed(const std::string& address, int grpc_code,
                        absl::string_view message, bool changes) {
  const auto code = static_cast<absl::StatusCode>(grpc_code);
  const bool broken =
      code == absl::StatusCode::kUnavailable && ContainsAny(message, kBroken);
  const bool late = code == absl::StatusCode::kDeadlineExceeded;
  if (broken || late) {
    const absl::string_view what =
        late ? "has not answered in time" : "hung up";
    // S9: a command that got no answer may or may not have been carried out.
    return absl::Status(
        late ? absl::StatusCode::kDeadlineExceeded
             : absl::StatusCode::kUnavailable,
        absl::StrCat(
            "the orchestrator at ", address, " ", what, ". ",
            changes
                ? "Whether it was carried out is not known: look with `sluice "
                  "status` before you repeat it."
                : "Ask again; if it hangs up each time, it may not know your "
                  "certificate's authority: compare your ca.crt with its."));
  }
  if (code == absl::StatusCode::kUnimplemented) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the orchestrator at ", address,
        " does not know this command; it is of another version. Compare "
        "`sluice --version` with the version in `sluice status --json`."));
  }
  if (message.empty()) {
    return absl::Status(code, absl::StrCat("the orchestrator at ", address,
                                           " refused without saying why (code ",
                                           grpc_code, "); look at its log."));
  }
  return absl::Status(code, message);
}

}  // namespace sluice::cli
