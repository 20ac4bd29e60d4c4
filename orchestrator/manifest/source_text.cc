#include "orchestrator/manifest/source_text.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice::manifest {
namespace {

// After this many lines with tabs, the point is made.
constexpr int kMaxTabs = 20;

bool IsBlankOrEnd(absl::string_view line, size_t at) {
  return at >= line.size() || line[at] == ' ' || line[at] == '\r';
}

// Where the quoted text that begins at `begin` ends, or npos when it does not
// on this line.
size_t ClosingQuote(absl::string_view line, size_t begin) {
  const char quote = line[begin];
  for (size_t i = begin + 1; i < line.size(); ++i) {
    if (quote == '"' && line[i] == '\\') {
      ++i;
    } else if (line[i] == quote) {
      if (quote == '\'' && i + 1 < line.size() && line[i + 1] == '\'') {
        ++i;
      } else {
        return i;
      }
    }
  }
  return absl::string_view::npos;
}

}  // namespace

SourceText::SourceText(absl::string_view text, int file, Problems& problems)
    : file_(file) {
  if (text.size() > kMaxBytes) {
    problems.Error({file, 1, 1},
                   absl::StrCat("the file has ", text.size() >> 20,
                                " MiB, more than 16; split it with 'include'"));
    readable_ = false;
    return;
  }
  if (absl::StartsWith(text, "\xff\xfe") ||
      absl::StartsWith(text, "\xfe\xff")) {
    problems.Error({file, 1, 1},
                   "the file is UTF-16; save it as UTF-8 and try again");
    readable_ = false;
    return;
  }
  if (text.find('\0') != absl::string_view::npos) {
    problems.Error({file, 1, 1},
                   "the file is not text; give a manifest in YAML, UTF-8");
    readable_ = false;
    return;
  }
  if (absl::StartsWith(text, "\xef\xbb\xbf")) text.remove_prefix(3);
  mended_ = std::string(text);
  line_starts_.push_back(0);
  for (size_t i = 0; i < mended_.size(); ++i) {
    if (mended_[i] == '\n') line_starts_.push_back(i + 1);
    if (static_cast<unsigned char>(mended_[i]) >= 0x80) ascii_ = false;
  }
  CheckBytes(problems);
  if (readable_) CheckQuotes(problems);
}

Place SourceText::At(int line, int byte_column) const {
  if (line < 0) line = 0;
  Place place{file_, line + 1, byte_column + 1};
  if (ascii_ || static_cast<size_t>(line) >= line_starts_.size()) return place;
  const size_t start = line_starts_[line];
  const size_t end = std::min(mended_.size(), start + byte_column);
  place.column = 1;
  for (size_t i = start; i < end; ++i) {
    if ((static_cast<unsigned char>(mended_[i]) & 0xc0) != 0x80) {
      ++place.column;
    }
  }
  return place;
}

Place SourceText::UnclosedBefore(int line) const {
  Place place{file_, 0, 0};
  for (const Bracket& bracket : unclosed_) {
    if (bracket.line <= line) {
      place = At(bracket.line, static_cast<int>(bracket.column));
    }
  }
  return place;
}

// One UTF-8 sequence at `at`; RFC 3629: no overlong forms, no surrogates,
// nothing above U+10FFFF.
bool SourceText::CheckSequence(size_t at, size_t* length,
                               std::string* why) const {
  const auto byte = [&](size_t i) -> uint32_t {
    return i < mended_.size() ? static_cast<unsigned char>(mended_[i]) : 0;
  };
  const uint32_t first = byte(at);
  const int size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  *length = 1;
  *why = absl::StrFormat("byte 0x%02x is not UTF-8; save the file as UTF-8",
                         first);
  if (first < 0xc2 || first > 0xf4) return false;
  uint32_t c = first & (0x7fu >> size);
  for (int i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return false;
    c = c << 6 | (byte(at + i) & 0x3f);
  }
  if ((size == 3 && c < 0x800) || (size == 4 && c < 0x10000) || c > 0x10ffff ||
      (c >= 0xd800 && c <= 0xdfff)) {
    return false;
  }
  *length = size;
  if (IsDeceptive(c)) {
    *why = absl::StrFormat(
        "an invisible character (U+%04X) that makes the text read otherwise "
        "than it works; remove it",
        c);
    return false;
  }
  return true;
}

void SourceText::CheckBytes(Problems& problems) {
  int tabs = 0, controls = 0;
  int line = 0;
  int last_tab_line = -1;
  std::vector<std::pair<size_t, size_t>> bad;  // mended after places are known
  for (size_t i = 0; i < mended_.size(); ++i) {
    const auto byte = static_cast<unsigned char>(mended_[i]);
    const int column = static_cast<int>(i - line_starts_[line]);
    if (byte == '\n') {
      ++line;
    } else if (byte == '\t') {
      if (line != last_tab_line && ++tabs <= kMaxTabs) {
        problems.Error(At(line, column), "a tab; indent and space with blanks");
      }
      last_tab_line = line;
      bad.push_back({i, 1});
    } else if (byte == '\r' && i + 1 < mended_.size() &&
               mended_[i + 1] == '\n') {
      continue;
    } else if (byte < 0x20 || byte == 0x7f) {
      bad.push_back({i, 1});
      if (++controls <= kMaxTabs) {
        problems.Error(At(line, column),
                       absl::StrFormat("a control character (0x%02x); remove "
                                       "it, or write \"\\x%02x\" in quotes",
                                       byte, byte));
      }
    } else if (byte >= 0x80) {
      size_t length = 1;
      std::string why;
      if (!CheckSequence(i, &length, &why)) {
        if (++controls <= kMaxTabs) problems.Error(At(line, column), why);
        bad.push_back({i, length});
      }
      i += length - 1;
    }
  }
  if (tabs > kMaxTabs) {
    problems.Error(At(line, 0), absl::StrCat("tabs on ", tabs - kMaxTabs,
                                             " more lines before this one"));
  }
  if (controls > kMaxTabs) {
    problems.Error({file_, 1, 1},
                   "the file is not text; give a manifest in YAML, UTF-8");
    readable_ = false;
  }
  for (const auto& [at, length] : bad) {
    const char with = mended_[at] == '\t' ? ' ' : '?';
    for (size_t i = at; i < at + length; ++i) mended_[i] = with;
  }
}

void SourceText::CheckQuotes(Problems& problems) {
  std::string whole;
  whole.reserve(mended_.size() + 16);
  std::vector<size_t> starts;
  Lexer lexer;
  for (size_t n = 0; n < line_starts_.size() && readable_; ++n) {
    const size_t begin = line_starts_[n];
    const size_t end =
        n + 1 < line_starts_.size() ? line_starts_[n + 1] - 1 : mended_.size();
    std::string line = mended_.substr(begin, end - begin);
    if (LexLine(lexer, static_cast<int>(n), line, problems)) {
      closed_a_quote_ = true;
    }
    starts.push_back(whole.size());
    whole += line;
    if (n + 1 < line_starts_.size()) whole += '\n';
  }
  unclosed_ = std::move(lexer.open);
  if (closed_a_quote_ && readable_) {
    mended_ = std::move(whole);
    line_starts_ = std::move(starts);
  }
}

// Knows just enough of YAML to tell where a quoted text begins: after an
// indicator or at a line's first word, outside comments and block texts.
bool SourceText::LexLine(Lexer& lexer, int line, std::string& text,
                         Problems& problems) {
  const size_t indent = text.find_first_not_of(' ');
  if (indent == std::string::npos || text[indent] == '\r') return false;
  if (lexer.in_block) {
    if (lexer.block_indent == 0 && indent > lexer.block_parent) {
      lexer.block_indent = indent;
    }
    if (lexer.block_indent > 0 && indent >= lexer.block_indent) return false;
    lexer.in_block = false;
  }
  bool token_start = true;
  bool after_quote = false;
  int dashes = 0;
  for (size_t i = indent; i < text.size(); ++i) {
    const char c = text[i];
    const bool flow = !lexer.open.empty();
    if (c == ' ' || c == '\r') continue;
    if (c == '#' && (i == 0 || text[i - 1] == ' ')) return false;
    if (token_start && (c == '"' || c == '\'')) {
      const size_t end = ClosingQuote(text, i);
      if (end == std::string::npos) {
        problems.Error(
            At(line, static_cast<int>(i)),
            absl::StrCat("this ", c == '"' ? "\"" : "'",
                         " is not closed on its line and would swallow what "
                         "follows; close it (longer texts: 'key: |')"));
        if (text.back() == '\r') text.pop_back();
        const size_t backslashes =
            text.size() - (text.find_last_not_of('\\') + 1);
        if (c == '"' && backslashes % 2 == 1) text.back() = ' ';
        text += c;
        return true;
      }
      i = end;
      token_start = false;
      after_quote = true;
      continue;
    }
    if (token_start && (c == '-' || c == '?') && IsBlankOrEnd(text, i + 1)) {
      if (++dashes > kMaxDepth) readable_ = false;
    } else if (token_start && !flow && (c == '|' || c == '>')) {
      lexer.in_block = true;
      lexer.block_parent = indent;
      lexer.block_indent = 0;
      return false;
    } else if ((token_start || flow) && (c == '[' || c == '{')) {
      lexer.open.push_back({line, i, c});
      if (lexer.open.size() > kMaxDepth) readable_ = false;
      token_start = true;
    } else if (flow && (c == ']' || c == '}')) {
      lexer.open.pop_back();
      token_start = false;
      after_quote = true;
    } else if (flow && c == ',') {
      token_start = true;
    } else if (c == ':' &&
               (IsBlankOrEnd(text, i + 1) ||
                (flow &&
                 (after_quote || absl::StrContains(",[]{}", text[i + 1]))))) {
      token_start = true;
      after_quote = false;
      continue;
    } else if (token_start && (c == '!' || c == '&')) {
      while (!IsBlankOrEnd(text, i + 1)) ++i;
    } else {
      token_start = false;
    }
    if (!readable_) {
      problems.Error(At(line, static_cast<int>(i)),
                     absl::StrCat("nested deeper than ", kMaxDepth,
                                  " levels; no manifest needs that"));
      return false;
    }
    if (c != ']' && c != '}') after_quote = false;
  }
  return false;
}

}  // namespace sluice::manifest
