#include "orchestrator/importers/text.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice::importers {
namespace {

constexpr char kByteOrderMark[] = "\xef\xbb\xbf";

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

// How many bytes the character at `at` has, or 0 where it is not UTF-8
// (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
size_t SequenceAt(absl::string_view text, size_t at) {
  const auto byte = [&](size_t i) -> uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const uint32_t first = byte(at);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  uint32_t c = first & (0x7fu >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
    c = c << 6 | (byte(at + i) & 0x3f);
  }
  if ((size == 3 && c < 0x800) || (size == 4 && c < 0x10000) || c > 0x10ffff ||
      (c >= 0xd800 && c <= 0xdfff)) {
    return 0;
  }
  return size;
}

}  // namespace

Lines::Lines(absl::string_view text, int file) : text_(text), file_(file) {
  starts_.push_back(absl::StartsWith(text, kByteOrderMark) ? 3 : 0);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && i + 1 < text.size()) starts_.push_back(i + 1);
  }
}

absl::string_view Lines::Line(int line) const {
  const size_t begin = starts_[line];
  size_t end = line + 1 < count() ? starts_[line + 1] : text_.size();
  while (end > begin && (text_[end - 1] == '\n' || text_[end - 1] == '\r')) {
    --end;
  }
  return text_.substr(begin, end - begin);
}

Place Lines::At(size_t offset) const {
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), offset);
  const int line = std::max(0, static_cast<int>(after - starts_.begin()) - 1);
  return At(line, static_cast<int>(offset - std::min(offset, starts_[line])));
}

Place Lines::At(int line, int column) const {
  Place place{file_, line + 1, 1};
  if (line < 0 || line >= count()) return {file_, 1, 1};
  const absl::string_view text = Line(line);
  const size_t end = std::min(text.size(), static_cast<size_t>(column));
  place.column += static_cast<int>(
      end - std::count_if(text.begin(), text.begin() + end, IsContinuation));
  return place;
}

bool LooksLikeText(absl::string_view text, int file, absl::string_view what,
                   manifest::Problems& problems) {
  const Place place{file, 1, 1};
  if (text.size() > kMaxBytes) {
    problems.Error(place, absl::StrCat("the file has ", text.size() >> 20,
                                       " MiB, more than 16; split it"));
    return false;
  }
  if (absl::StartsWith(text, "\xff\xfe") ||
      absl::StartsWith(text, "\xfe\xff")) {
    problems.Error(place, "the file is UTF-16; save it as UTF-8 and try again");
    return false;
  }
  if (text.find('\0') != absl::string_view::npos) {
    problems.Error(
        place, absl::StrCat("the file is not text; give ", what, ", UTF-8"));
    return false;
  }
  return true;
}

std::vector<int> CheckUtf8(const Lines& lines, manifest::Problems& problems) {
  std::vector<int> bad;
  for (int line = 0; line < lines.count(); ++line) {
    const absl::string_view text = lines.Line(line);
    for (size_t at = 0; at < text.size();) {
      const size_t size = SequenceAt(text, at);
      if (size > 0) {
        at += size;
        continue;
      }
      problems.Error(
          lines.At(line, static_cast<int>(at)),
          absl::StrFormat("byte 0x%02x is not UTF-8; save the file as UTF-8, "
                          "or correct the character",
                          static_cast<unsigned char>(text[at])));
      bad.push_back(line + 1);
      break;
    }
  }
  return bad;
}

std::string BaseName(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == absl::string_view::npos ? path
                                                      : path.substr(slash + 1));
}

std::string Beside(absl::string_view path, absl::string_view other) {
  while (absl::StartsWith(other, "./")) other.remove_prefix(2);
  const size_t slash = path.rfind('/');
  if (absl::StartsWith(other, "/") || slash == absl::string_view::npos) {
    return std::string(other);
  }
  return absl::StrCat(path.substr(0, slash + 1), other);
}

}  // namespace sluice::importers
