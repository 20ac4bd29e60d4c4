// Diagnostics as people and programs read them.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/manifest/problems.h"

namespace sluice {
namespace {

constexpr size_t kWidth = 80;

struct Colours {
  const char* bold = "";
  const char* error = "";
  const char* warning = "";
  const char* dim = "";
  const char* off = "";
};

Colours MakeColours(bool colour) {
  if (!colour) return {};
  return {"\x1b[1m", "\x1b[1;31m", "\x1b[1;35m", "\x1b[2m", "\x1b[0m"};
}

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

size_t Characters(absl::string_view text) {
  return text.size() - static_cast<size_t>(std::count_if(
                           text.begin(), text.end(), IsContinuation));
}

// The line without its end, and nothing in it that a terminal would obey.
std::string SourceLine(const ManifestResult& result, const Place& place) {
  if (place.line <= 0 || place.file < 0 ||
      place.file >= static_cast<int>(result.sources.files.size())) {
    return "";
  }
  absl::string_view text = result.sources.files[place.file].text;
  for (int line = 1; line < place.line; ++line) {
    const size_t end = text.find('\n');
    if (end == absl::string_view::npos) return "";
    text.remove_prefix(end + 1);
  }
  std::string found(text.substr(0, text.find('\n')));
  if (!found.empty() && found.back() == '\r') found.pop_back();
  if (place.line == 1 &&
      absl::string_view(found).substr(0, 3) == "\xef\xbb\xbf") {
    found.erase(0, 3);
  }
  std::replace(found.begin(), found.end(), '\t', ' ');
  return manifest::Printable(found);
}

// Byte offset of a 1-based character column.
size_t Offset(absl::string_view line, int column) {
  size_t at = 0;
  for (int i = 1; i < column && at < line.size(); ++i) {
    ++at;
    while (at < line.size() && IsContinuation(line[at])) ++at;
  }
  return at;
}

// How far the marked word goes, in characters.
size_t WordLength(absl::string_view rest) {
  if (rest.empty()) return 1;
  size_t end = 1;
  if (rest[0] == '"' || rest[0] == '\'') {
    end = rest.find(rest[0], 1);
    end = end == absl::string_view::npos ? rest.size() : end + 1;
  } else {
    while (end < rest.size() && absl::string_view(" ,]}").find(rest[end]) ==
                                    absl::string_view::npos) {
      ++end;
    }
    if (end > 1 && rest[end - 1] == ':') --end;
  }
  return std::max<size_t>(1, Characters(rest.substr(0, end)));
}

void AppendSource(const std::string& line, const Place& place,
                  const Colours& colours, std::string* out) {
  const std::string number = absl::StrCat(place.line);
  const std::string margin(std::max<size_t>(number.size(), 4) + 1, ' ');
  const size_t room = kWidth - margin.size() - 3;
  size_t offset = Offset(line, place.column);
  absl::string_view shown = line;
  std::string head, tail;
  // A long line is shown around the place.
  if (Characters(shown) > room) {
    size_t begin = offset > room / 2 ? offset - room / 2 : 0;
    while (begin > 0 && IsContinuation(line[begin])) --begin;
    if (begin > 0) head = "…";
    shown = shown.substr(begin);
    offset -= begin;
    size_t end = std::min(shown.size(), room - 2);
    while (end > 0 && end < shown.size() && IsContinuation(shown[end])) --end;
    if (end < shown.size()) tail = "…";
    shown = shown.substr(0, end);
  }
  const size_t before = Characters(shown.substr(0, offset)) + Characters(head);
  const size_t length =
      std::min(WordLength(shown.substr(std::min(offset, shown.size()))),
               room > before ? room - before : 1);
  absl::StrAppend(
      out, colours.dim, std::string(margin.size() - 1 - number.size(), ' '),
      number, " | ", colours.off, head, shown, tail, "\n", colours.dim, margin,
      "| ", colours.off, std::string(before, ' '), colours.error, "^",
      std::string(length - 1, '~'), colours.off, "\n");
}

// Breaks at blanks so that no line is wider than a terminal; what follows the
// first line is indented.
std::string Wrap(const std::string& text) {
  std::string out;
  size_t column = 0;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    const size_t width = Characters(word);
    if (column > 0 && column + 1 + width > kWidth) {
      out += "\n    ";
      column = 4;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    absl::StrAppend(&out, word);
    column += width;
  }
  return out;
}

std::string FileName(const ManifestResult& result, const Place& place) {
  const auto& files = result.sources.files;
  if (place.file < 0 || place.file >= static_cast<int>(files.size())) {
    return "manifest";
  }
  return files[place.file].name;
}

}  // namespace

std::string FormatDiagnostic(const ManifestResult& result,
                             const Diagnostic& diagnostic, bool with_source,
                             bool colour) {
  const Colours colours = MakeColours(colour);
  const Place& place = diagnostic.place;
  const bool error = diagnostic.severity == Diagnostic::Severity::kError;
  std::string where = FileName(result, place);
  if (place.line > 0) absl::StrAppend(&where, ":", place.line);
  if (place.line > 0 && place.column > 0) {
    absl::StrAppend(&where, ":", place.column);
  }
  const std::string kind = error ? "error:" : "warning:";
  std::string text = absl::StrCat(where, ": ", kind, " ", diagnostic.message);
  if (with_source) text = Wrap(text);
  if (colour) {
    const size_t at = text.find(kind, where.size());
    if (at != std::string::npos) {
      text = absl::StrCat(colours.bold, text.substr(0, at), colours.off,
                          error ? colours.error : colours.warning, kind,
                          colours.off, text.substr(at + kind.size()));
    }
  }
  text += "\n";
  if (with_source) {
    const std::string line = SourceLine(result, place);
    if (!line.empty()) AppendSource(line, place, colours, &text);
  }
  return text;
}

std::string DiagnosticsJson(const ManifestResult& result) {
  nlohmann::json all = nlohmann::json::array();
  for (const Diagnostic& diagnostic : result.diagnostics) {
    const bool error = diagnostic.severity == Diagnostic::Severity::kError;
    all.push_back({{"severity", error ? "error" : "warning"},
                   {"file", FileName(result, diagnostic.place)},
                   {"line", diagnostic.place.line},
                   {"column", diagnostic.place.column},
                   {"message", diagnostic.message}});
  }
  return all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace sluice
