#include "common/enrol_token.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/digest.h"

namespace sluice {
namespace {

constexpr absl::string_view kPrefix = "sluice-token-1.";
constexpr size_t kLongest = 8192;
constexpr size_t kSecretDigits = 64;
constexpr size_t kMostOrchestrators = 32;

}  // namespace

std::string EnrolToken::Line() const {
  std::string text =
      absl::StrCat("estate ", estate.str(), "\nhost ", host.str(), "\nsecret ",
                   secret, "\nauthority ", authority, "\n");
  for (const std::string& address : orchestrators) {
    absl::StrAppend(&text, "orchestrator ", address, "\n");
  }
  return absl::StrCat(kPrefix, absl::WebSafeBase64Escape(text));
}

absl::StatusOr<EnrolToken> EnrolToken::Parse(absl::string_view line) {
  const absl::Status bad = absl::InvalidArgumentError(
      "this is no enrolment token, or not the whole of one; copy the line "
      "that `sluice enrol --host HOST` prints, from 'sluice-token-1.' to its "
      "end");
  line = absl::StripAsciiWhitespace(line);
  std::string text;
  if (line.size() > kLongest || !absl::ConsumePrefix(&line, kPrefix) ||
      !absl::WebSafeBase64Unescape(line, &text)) {
    return bad;
  }
  EnrolToken token;
  std::string estate;
  std::string host;
  for (const absl::string_view one :
       absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(one, absl::MaxSplits(' ', 1));
    const std::string value(parts.second);
    if (value.empty()) return bad;
    std::string* const single = parts.first == "estate"      ? &estate
                                : parts.first == "host"      ? &host
                                : parts.first == "secret"    ? &token.secret
                                : parts.first == "authority" ? &token.authority
                                                             : nullptr;
    if (single != nullptr) {
      if (!single->empty()) return bad;
      *single = value;
    } else if (parts.first == "orchestrator") {
      token.orchestrators.push_back(value);
    } else {
      return bad;
    }
  }
  token.estate = EstateId(estate);
  token.host = HostId(host);
  if (estate.empty() || host.empty() || token.secret.size() != kSecretDigits ||
      !std::all_of(token.secret.begin(), token.secret.end(),
                   absl::ascii_isxdigit) ||
      !IsDigest(token.authority) || token.orchestrators.empty() ||
      token.orchestrators.size() > kMostOrchestrators) {
    return bad;
  }
  return token;
}

}  // namespace sluice
