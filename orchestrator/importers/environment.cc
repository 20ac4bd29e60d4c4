#include "orchestrator/importers/environment.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/importers/text.h"

namespace sluice::importers {
namespace {

constexpr size_t kMaxValue = 64 << 10;
constexpr int kMaxNesting = 16;

bool IsNameStart(char c) { return absl::ascii_isalpha(c) || c == '_'; }
bool IsNamePart(char c) { return absl::ascii_isalnum(c) || c == '_'; }

class Interpolation {
 public:
  Interpolation(const Environment& environment, std::set<std::string>* unset,
                std::string* why)
      : environment_(environment), unset_(unset), why_(why) {}

  bool Run(absl::string_view text, int depth, std::string* out) {
    if (depth > kMaxNesting) {
      *why_ = "${…} inside each other too deep; set the variable instead";
      return false;
    }
    for (size_t i = 0; i < text.size();) {
      if (out->size() > kMaxValue) {
        *why_ = "the value is longer than 64 KiB with its variables put in";
        return false;
      }
      if (text[i] != '$' || i + 1 >= text.size()) {
        *out += text[i++];
      } else if (text[i + 1] == '$') {
        *out += '$';
        i += 2;
      } else if (IsNameStart(text[i + 1])) {
        size_t end = i + 1;
        while (end < text.size() && IsNamePart(text[end])) ++end;
        *out += Get(std::string(text.substr(i + 1, end - i - 1)));
        i = end;
      } else if (text[i + 1] == '{') {
        const size_t close = Closing(text, i + 2);
        if (close == absl::string_view::npos) {
          *why_ = "'${' is not closed; write ${NAME}, or $$ for a dollar sign";
          return false;
        }
        if (!Braces(text.substr(i + 2, close - i - 2), depth, out)) {
          return false;
        }
        i = close + 1;
      } else {
        *out += text[i++];
      }
    }
    return true;
  }

 private:
  static size_t Closing(absl::string_view text, size_t from) {
    int open = 1;
    for (size_t i = from; i < text.size(); ++i) {
      if (text[i] == '$' && i + 1 < text.size() && text[i + 1] == '{') {
        ++open;
        ++i;
      } else if (text[i] == '}' && --open == 0) {
        return i;
      }
    }
    return absl::string_view::npos;
  }

  std::string Get(const std::string& name) {
    const auto at = environment_.find(name);
    if (at != environment_.end()) return at->second;
    unset_->insert(name);
    return "";
  }

  bool Braces(absl::string_view inner, int depth, std::string* out) {
    size_t end = 0;
    while (end < inner.size() && IsNamePart(inner[end])) ++end;
    const std::string name(inner.substr(0, end));
    absl::string_view rest = inner.substr(end);
    if (name.empty() || !IsNameStart(name[0])) {
      *why_ = absl::StrCat("'${", inner.substr(0, 40),
                           "}' names no variable; write ${NAME}, or $$ for a "
                           "dollar sign");
      return false;
    }
    if (rest.empty()) {
      *out += Get(name);
      return true;
    }
    const auto at = environment_.find(name);
    bool there = at != environment_.end();
    if (rest[0] == ':') {
      there = there && !at->second.empty();
      rest.remove_prefix(1);
    }
    const char what = rest.empty() ? '\0' : rest[0];
    if (what == '-' || what == '+') {
      const bool word = what == '-' ? !there : there;
      if (word) return Run(rest.substr(1), depth + 1, out);
      if (what == '-') *out += at->second;
      return true;
    }
    if (what == '?') {
      if (there) {
        *out += at->second;
        return true;
      }
      std::string message;
      if (!Run(rest.substr(1), depth + 1, &message)) return false;
      *why_ =
          absl::StrCat("the variable ", name, " has to be set",
                       message.empty() ? "" : absl::StrCat(" (", message, ")"),
                       "; give it in a file with --env-file");
      return false;
    }
    *why_ = absl::StrCat("'${", inner.substr(0, 40),
                         "}' is no form that Compose knows; write "
                         "${NAME:-default}");
    return false;
  }

  const Environment& environment_;
  std::set<std::string>* unset_;
  std::string* why_;
};

std::string Unescaped(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 >= text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
  }
  return out;
}

}  // namespace

bool Interpolate(absl::string_view text, const Environment& environment,
                 std::string* out, std::set<std::string>* unset,
                 std::string* why) {
  out->clear();
  return Interpolation(environment, unset, why).Run(text, 0, out);
}

void ReadEnvFile(absl::string_view text, int file, manifest::Problems& problems,
                 Environment* environment) {
  const Lines lines(text, file);
  for (int i = 0; i < lines.count(); ++i) {
    absl::string_view line = absl::StripAsciiWhitespace(lines.Line(i));
    if (line.empty() || line[0] == '#') continue;
    if (absl::StartsWith(line, "export ")) {
      line = absl::StripAsciiWhitespace(line.substr(7));
    }
    const size_t equals = line.find('=');
    const absl::string_view name =
        absl::StripAsciiWhitespace(line.substr(0, equals));
    const bool good = !name.empty() && IsNameStart(name[0]) &&
                      std::all_of(name.begin(), name.end(), [](char c) {
                        return IsNamePart(c) || c == '.' || c == '-';
                      });
    if (!good) {
      problems.Error(lines.At(i, 0),
                     "no variable is set here; write NAME=value, or begin the "
                     "line with '#'");
      continue;
    }
    // Without '=' it would come from the shell, which is not asked: the same
    // files give the same manifest everywhere.
    if (equals == absl::string_view::npos) continue;
    absl::string_view rest =
        absl::StripLeadingAsciiWhitespace(line.substr(equals + 1));
    const char quote = rest.empty() ? '\0' : rest[0];
    std::string value;
    if (quote == '\'' || quote == '"') {
      size_t end = 1;
      while (end < rest.size() && rest[end] != quote) {
        end += quote == '"' && rest[end] == '\\' ? 2 : 1;
      }
      if (end >= rest.size()) {
        problems.Error(lines.At(i, 0),
                       "a quoted value that does not end on its line; close "
                       "the quote");
        continue;
      }
      value = std::string(rest.substr(1, end - 1));
      if (quote == '"') value = Unescaped(value);
    } else {
      const size_t comment = rest.find(" #");
      value = std::string(absl::StripAsciiWhitespace(rest.substr(0, comment)));
    }
    if (quote != '\'') {
      std::set<std::string> unset;
      std::string why, put_in;
      if (!Interpolate(value, *environment, &put_in, &unset, &why)) {
        problems.Error(lines.At(i, 0), why);
        continue;
      }
      value = put_in;
    }
    (*environment)[std::string(name)] = value;
  }
}

}  // namespace sluice::importers
