#include "orchestrator/manifest/scalar_text.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace sluice::manifest {
namespace {

bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

// YAML would read something else, or nothing, without quotes.
bool NeedsQuotes(absl::string_view text, bool in_brackets) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ' ||
      text.back() == ':') {
    return true;
  }
  if (absl::StrContains("-?:,[]{}#&*!|>'\"%@`=~", text.front()) ||
      absl::StartsWith(text, "...") || absl::StartsWith(text, "<<")) {
    return true;
  }
  if (absl::StrContains(text, ": ") || absl::StrContains(text, " #")) {
    return true;
  }
  return std::any_of(text.begin(), text.end(), [&](char c) {
    return IsControl(c) || (in_brackets && absl::StrContains(",[]{}", c));
  });
}

// Some reader of YAML takes this for something else than a text: quotes that
// somebody wrote around it stay.
bool LooksLikeAnother(absl::string_view text) {
  if (absl::StrContains(text, ':')) return true;  // a number to base 60
  static constexpr const char* kWords[] = {"true", "false", "yes", "no",  "on",
                                           "off",  "y",     "n",   "null"};
  const std::string lower = absl::AsciiStrToLower(text);
  if (std::any_of(std::begin(kWords), std::end(kWords),
                  [&](const char* word) { return lower == word; })) {
    return true;
  }
  return !text.empty() &&
         (absl::ascii_isdigit(text.front()) ||
          absl::StrContains("+-.", text.front())) &&
         std::count(text.begin(), text.end(), '.') <= 1 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isxdigit(c) || absl::StrContains("_.+-xXoO", c);
         });
}

std::string InQuotes(absl::string_view text) {
  const bool escapes = std::any_of(text.begin(), text.end(), IsControl);
  const bool bare =
      !absl::StrContains(text, '"') && !absl::StrContains(text, '\\');
  std::string out;
  if (!escapes && !bare) {
    out = "'";
    for (const char c : text) {
      out += c;
      if (c == '\'') out += c;
    }
    return out + "'";
  }
  out = "\"";
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (IsControl(c)) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(c));
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace

int WidthOf(absl::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string ScalarText(const Node& node, bool in_brackets) {
  const absl::string_view text = node.text;
  const bool quotes =
      NeedsQuotes(text, in_brackets) || (node.quoted && LooksLikeAnother(text));
  return quotes ? InQuotes(text) : std::string(text);
}

std::vector<std::string> Fold(absl::string_view text, int width) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ' ||
      absl::StrContains(text, "  ") ||
      std::any_of(text.begin(), text.end(), IsControl)) {
    return {};
  }
  std::vector<std::string> lines;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (lines.empty() || WidthOf(lines.back()) + 1 + WidthOf(word) > width) {
      lines.emplace_back(word.data(), word.size());
    } else {
      lines.back() += ' ';
      lines.back().append(word.data(), word.size());
    }
  }
  return lines;
}

std::vector<std::string> Lines(absl::string_view text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  const bool as_it_is =
      std::all_of(lines.begin(), lines.end(), [](const std::string& line) {
        return line.empty() ||
               (line.back() != ' ' &&
                std::none_of(line.begin(), line.end(), IsControl));
      });
  // The first line's beginning says how far in they all are.
  if (lines.size() < 2 || !as_it_is || lines.front().empty() ||
      lines.front().front() == ' ' || lines.back().empty()) {
    return {};
  }
  return lines;
}

}  // namespace sluice::manifest
