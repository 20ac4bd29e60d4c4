#include "orchestrator/manifest/values.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "orchestrator/manifest/problems.h"

namespace sluice::manifest {
namespace {

bool AllDigits(absl::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

bool IsNameStart(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c);
}

std::string Quoted(absl::string_view text) {
  return absl::StrCat("'", text.substr(0, 80), "'");
}

struct Unit {
  absl::string_view name;
  absl::Duration value;
};
const Unit kUnits[] = {{"d", absl::Hours(24)},
                       {"h", absl::Hours(1)},
                       {"m", absl::Minutes(1)},
                       {"s", absl::Seconds(1)},
                       {"ms", absl::Milliseconds(1)}};

}  // namespace

bool ParseName(absl::string_view text, std::string* out, std::string* why) {
  if (text.empty()) {
    *why = "a name is missing; write letters, digits and '-'";
    return false;
  }
  if (text.size() > kMaxName) {
    *why = absl::StrCat("the name ", Quoted(text), "… has ", text.size(),
                        " characters; ", kMaxName, " is the most");
    return false;
  }
  const bool good =
      IsNameStart(text[0]) && std::all_of(text.begin(), text.end(), [](char c) {
        return IsNameStart(c) || c == '-';
      });
  if (!good) {
    const std::string better = Slug(text);
    *why = absl::StrCat(
        Quoted(text), " is no name: lower-case letters, digits and '-' only",
        better.empty() ? "" : absl::StrCat("; write '", better, "'"));
    return false;
  }
  *out = std::string(text);
  return true;
}

bool ParseCount(absl::string_view text, int min, int max, int* out,
                std::string* why) {
  if (text.size() > 1 && text[0] == '0' &&
      (AllDigits(text) || text[1] == 'x' || text[1] == 'o')) {
    *why = absl::StrCat(Quoted(text),
                        " looks octal or hexadecimal; write a decimal number "
                        "without leading zeros");
    return false;
  }
  if (!AllDigits(text)) {
    *why =
        absl::StrCat(Quoted(text), " is no number; write ", min, " to ", max);
    return false;
  }
  if (!absl::SimpleAtoi(text, out) || *out < min || *out > max) {
    *why = absl::StrCat(text.substr(0, 40), " is out of range; ", min, " to ",
                        max, " is possible");
    return false;
  }
  return true;
}

bool ParseDuration(absl::string_view text, absl::Duration min,
                   absl::Duration max, absl::Duration* out, std::string* why) {
  absl::Duration sum = absl::ZeroDuration();
  absl::string_view rest = text;
  size_t next_unit = 0;
  const auto wrong = [&] {
    *why = absl::StrCat(Quoted(text),
                        " is no duration; write 30s, 5m, 1h or 1h30m");
    return false;
  };
  if (text.empty() || text.size() > 32) return wrong();
  if (AllDigits(text) && text != "0") {
    *why = absl::StrCat(Quoted(text), " has no unit; write ", text, "s, ", text,
                        "m or ", text, "h");
    return false;
  }
  if (text == "0") rest = "";
  while (!rest.empty()) {
    size_t digits = 0;
    while (digits < rest.size() && absl::ascii_isdigit(rest[digits])) ++digits;
    int64_t number = 0;
    if (digits == 0 || digits > 9 ||
        !absl::SimpleAtoi(rest.substr(0, digits), &number)) {
      return wrong();
    }
    if (digits > 1 && rest[0] == '0') {
      *why = absl::StrCat(Quoted(text),
                          " has a leading zero; write decimal numbers");
      return false;
    }
    rest.remove_prefix(digits);
    size_t letters = 0;
    while (letters < rest.size() && absl::ascii_isalpha(rest[letters])) {
      ++letters;
    }
    const absl::string_view unit = rest.substr(0, letters);
    rest.remove_prefix(letters);
    bool found = false;
    for (; next_unit < std::size(kUnits) && !found; ++next_unit) {
      if (kUnits[next_unit].name != unit) continue;
      sum += number * kUnits[next_unit].value;
      found = true;
    }
    if (!found) return wrong();
  }
  if (sum < min || sum > max) {
    *why = absl::StrCat(Quoted(text), " is out of range; ", DurationText(min),
                        " to ", DurationText(max), " is possible");
    return false;
  }
  *out = sum;
  return true;
}

std::string DurationText(absl::Duration duration) {
  std::string text;
  for (const Unit& unit : kUnits) {
    const int64_t number = absl::IDivDuration(duration, unit.value, &duration);
    if (number > 0) absl::StrAppend(&text, number, unit.name);
  }
  return text.empty() ? "0s" : text;
}

bool ParseBool(absl::string_view text, bool* out, std::string* why) {
  if (text == "true" || text == "false") {
    *out = text == "true";
    return true;
  }
  *why = absl::StrCat(Quoted(text), " is neither 'true' nor 'false'");
  const std::string lower = absl::AsciiStrToLower(text);
  if (lower == "yes" || lower == "on" || lower == "y") {
    absl::StrAppend(why, "; write true");
  } else if (lower == "no" || lower == "off" || lower == "n") {
    absl::StrAppend(why, "; write false");
  } else {
    absl::StrAppend(why, "; write one of them");
  }
  return false;
}

bool ParsePortRanges(absl::string_view text, std::vector<Port::Range>* out,
                     std::string* why) {
  absl::string_view numbers = text, protocol = "tcp+udp";
  if (const size_t slash = text.find('/'); slash != absl::string_view::npos) {
    numbers = text.substr(0, slash);
    protocol = text.substr(slash + 1);
  }
  const bool tcp = protocol == "tcp" || protocol == "tcp+udp";
  const bool udp = protocol == "udp" || protocol == "tcp+udp";
  if (!tcp && !udp) {
    *why = absl::StrCat(Quoted(text), ": ", Quoted(protocol),
                        " is no protocol here; write /tcp, /udp or /tcp+udp");
    return false;
  }
  const std::vector<absl::string_view> ends = absl::StrSplit(numbers, '-');
  if (ends.size() > 2 ||
      std::any_of(ends.begin(), ends.end(),
                  [](absl::string_view end) { return end.empty(); })) {
    *why = absl::StrCat(Quoted(text),
                        " is no port; write 5432/tcp or 49152-65535/tcp");
    return false;
  }
  int first = 0, last = 0;
  std::string detail;
  if (!ParseCount(ends[0], 1, 65535, &first, &detail) ||
      !ParseCount(ends.back(), 1, 65535, &last, &detail)) {
    *why = absl::StrCat("port ", detail);
    return false;
  }
  if (first > last) {
    *why = absl::StrCat(Quoted(text), " ends before it begins; write ", last,
                        "-", first);
    return false;
  }
  const PortRange ports{static_cast<uint16_t>(first),
                        static_cast<uint16_t>(last)};
  if (tcp) out->push_back({Protocol::kTcp, ports});
  if (udp) out->push_back({Protocol::kUdp, ports});
  return true;
}

std::string RangeText(const Port::Range& range) {
  return absl::StrCat(range.ports.ToString(), "/",
                      ProtocolName(range.protocol));
}

bool ParseEndpoint(absl::string_view text, std::string* out, Prefix* address,
                   std::string* why) {
  const size_t colon = text.rfind(':');
  const auto wrong = [&](absl::string_view detail) {
    *why = absl::StrCat(Quoted(text),
                        " is no address with a port; write 10.77.0.1:7443 or "
                        "\"[fd77::1]:7443\"",
                        detail);
    return false;
  };
  if (colon == absl::string_view::npos) return wrong("");
  absl::string_view host = text.substr(0, colon);
  const bool brackets =
      host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  if (!brackets && absl::StrContains(host, ":")) return wrong("");
  int port = 0;
  std::string detail;
  if (!ParseCount(text.substr(colon + 1), 1, 65535, &port, &detail)) {
    return wrong(absl::StrCat(" (port ", detail, ")"));
  }
  const absl::StatusOr<Prefix> parsed = Prefix::Parse(host);
  if (!parsed.ok() || !parsed->is_host() ||
      brackets != (parsed->family() == Family::kIpv6)) {
    return wrong(
        "; agents dial addresses, because a quarantined host has no name "
        "service");
  }
  *address = *parsed;
  *out = std::string(text);
  return true;
}

bool ExpandRange(absl::string_view text, std::vector<std::string>* out,
                 std::string* why) {
  const size_t open = text.find('[');
  if (open == absl::string_view::npos) {
    out->push_back(std::string(text));
    return true;
  }
  const size_t close = text.find(']', open);
  const auto wrong = [&](absl::string_view detail) {
    *why =
        absl::StrCat(Quoted(text), " is no range; write app-[01-40]", detail);
    return false;
  };
  if (close == absl::string_view::npos) return wrong("");
  const absl::string_view head = text.substr(0, open);
  const absl::string_view inner = text.substr(open + 1, close - open - 1);
  const absl::string_view tail = text.substr(close + 1);
  if (absl::StrContains(tail, "[")) return wrong(", with one range only");
  const std::vector<absl::string_view> ends = absl::StrSplit(inner, '-');
  int first = 0, last = 0;
  if (ends.size() != 2 || !AllDigits(ends[0]) || !AllDigits(ends[1]) ||
      ends[0].size() > 9 || ends[1].size() > 9 ||
      !absl::SimpleAtoi(ends[0], &first) || !absl::SimpleAtoi(ends[1], &last)) {
    return wrong("");
  }
  if (first > last) return wrong(", the smaller number first");
  if (last - first >= kMaxRange) {
    return wrong(absl::StrCat(", of at most ", kMaxRange));
  }
  const int width = static_cast<int>(ends[0].size());
  if (ends[0][0] == '0' && width > 1 && ends[1].size() != ends[0].size()) {
    return wrong(", with as many digits on both sides");
  }
  for (int i = first; i <= last; ++i) {
    out->push_back(absl::StrCat(head, absl::StrFormat("%0*d", width, i), tail));
  }
  return true;
}

bool ParsePublicKey(absl::string_view text, std::string* out,
                    std::string* why) {
  if (LooksSecret(text)) {
    *why =
        "this is a private key; remove it from the manifest, make a new one, "
        "and write the public key (the .pub file's line)";
    return false;
  }
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, ' ', absl::SkipEmpty());
  static constexpr absl::string_view kTypes[] = {
      "ssh-ed25519",
      "ecdsa-sha2-nistp256",
      "sk-ssh-ed25519@openssh.com",
      "sk-ecdsa-sha2-nistp256@openssh.com",
      "ssh-rsa",
  };
  const bool known =
      !words.empty() && std::find(std::begin(kTypes), std::end(kTypes),
                                  words[0]) != std::end(kTypes);
  std::string blob;
  if (!known || words.size() < 2 || text.size() > 2000 ||
      !absl::Base64Unescape(words[1], &blob)) {
    *why =
        "this is no OpenSSH public key; copy the line of the .pub file "
        "(ssh-ed25519, ecdsa-sha2-nistp256, sk-… or ssh-rsa)";
    return false;
  }
  // The blob begins with its own type, length first.
  const size_t size = words[0].size();
  if (blob.size() < size + 4 + 32 || blob[0] != 0 || blob[1] != 0 ||
      blob[2] != 0 || static_cast<unsigned char>(blob[3]) != size ||
      absl::string_view(blob).substr(4, size) != words[0]) {
    *why = "this public key is cut short or altered; copy the whole line again";
    return false;
  }
  *out = std::string(text);
  return true;
}

bool ParseText(absl::string_view text, std::string* out, std::string* why) {
  text = absl::StripAsciiWhitespace(text);
  if (text.empty()) {
    *why = "the text is empty; write a few words";
    return false;
  }
  if (text.size() > kMaxText) {
    *why = absl::StrCat("the text has ", text.size(), " bytes; ", kMaxText,
                        " is the most");
    return false;
  }
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) continue;
    *why = c == '\n'
               ? "the text has several lines; write it on one, or fold it "
                 "with 'key: >-'"
               : "the text has a control character; remove it";
    return false;
  }
  if (Printable(text) != text) {
    *why =
        "the text has an invisible character that makes it read otherwise; "
        "remove it";
    return false;
  }
  *out = std::string(text);
  return true;
}

bool ParseLines(absl::string_view text, std::string* out, std::string* why) {
  text = absl::StripAsciiWhitespace(text);
  if (text.size() > kMaxLines) {
    *why = absl::StrCat("the text has ", text.size(), " bytes; ", kMaxLines,
                        " is the most");
    return false;
  }
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    std::string one;
    const absl::string_view stripped = absl::StripTrailingAsciiWhitespace(line);
    if (stripped.empty()) {
      lines.emplace_back();
      continue;
    }
    if (!ParseText(stripped, &one, why)) return false;
    // A line's own beginning is kept: lists are indented.
    const size_t indent = stripped.find_first_not_of(' ');
    lines.push_back(absl::StrCat(std::string(indent, ' '), one));
  }
  if (text.empty()) {
    *why = "the text is empty; write a few words";
    return false;
  }
  *out = absl::StrJoin(lines, "\n");
  return true;
}

bool LooksSecret(absl::string_view text) {
  if (absl::StrContains(text, "PRIVATE KEY")) return true;
  // scheme://user:password@host
  const size_t scheme = text.find("://");
  if (scheme == absl::string_view::npos) return false;
  absl::string_view rest = text.substr(scheme + 3);
  rest = rest.substr(0, rest.find('/'));
  const size_t at = rest.find('@');
  const size_t colon = rest.find(':');
  return at != absl::string_view::npos && colon < at;
}

std::string Slug(absl::string_view text) {
  std::string slug;
  for (const char c : text) {
    const char lower = absl::ascii_tolower(c);
    if (IsNameStart(lower)) {
      slug += lower;
    } else if (!slug.empty() && slug.back() != '-') {
      slug += '-';
    }
  }
  slug.resize(std::min(slug.size(), kMaxName));
  while (!slug.empty() && slug.back() == '-') slug.pop_back();
  return slug;
}

}  // namespace sluice::manifest
