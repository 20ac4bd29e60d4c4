#include "orchestrator/report/layout.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice {
namespace {

constexpr uint32_t kBroken = 0xFFFFFFFF;

// The code point at the front of `text` and its length in bytes; {kBroken, 1}
// for bytes that are not UTF-8.
std::pair<uint32_t, size_t> Decode(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1};
  size_t length = 0;
  uint32_t code = 0;
  uint32_t least = 0;
  if ((first & 0xE0) == 0xC0) {
    length = 2, code = first & 0x1F, least = 0x80;
  } else if ((first & 0xF0) == 0xE0) {
    length = 3, code = first & 0x0F, least = 0x800;
  } else if ((first & 0xF8) == 0xF0) {
    length = 4, code = first & 0x07, least = 0x10000;
  }
  if (length == 0 || text.size() < length) return {kBroken, 1};
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {kBroken, 1};
    code = code << 6 | (byte(i) & 0x3F);
  }
  if (code < least || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
    return {kBroken, 1};
  }
  return {code, length};
}

bool IsCombining(uint32_t code) {
  return (code >= 0x300 && code < 0x370) || (code >= 0x200B && code < 0x2010) ||
         (code >= 0xFE00 && code < 0xFE10) || code == 0xFEFF;
}

bool IsWide(uint32_t code) {
  return (code >= 0x1100 && code < 0x1160) ||
         (code >= 0x2E80 && code < 0xA4D0) ||
         (code >= 0xAC00 && code < 0xD7A4) ||
         (code >= 0xF900 && code < 0xFB00) ||
         (code >= 0xFF00 && code < 0xFF61) ||
         (code >= 0x1F300 && code < 0x1FB00) || code >= 0x20000;
}

int WidthOf(uint32_t code) {
  if (code == kBroken) return 1;
  if (IsCombining(code)) return 0;
  return IsWide(code) ? 2 : 1;
}

// The length in bytes of the colour sequence that `text` begins with, or 0.
size_t ColourLength(absl::string_view text) {
  if (text.size() < 3 || text[0] != '\x1b' || text[1] != '[') return 0;
  const size_t end = text.find('m');
  return end == absl::string_view::npos ? 0 : end + 1;
}

// The bytes of `text` that fit into `width` columns.
size_t FittingBytes(absl::string_view text, int width) {
  size_t at = 0;
  int used = 0;
  while (at < text.size()) {
    if (const size_t skip = ColourLength(text.substr(at))) {
      at += skip;
      continue;
    }
    const auto [code, length] = Decode(text.substr(at));
    if (used + WidthOf(code) > width) break;
    used += WidthOf(code);
    at += length;
  }
  return at;
}

bool IsUnsafe(uint32_t code) {
  return code == kBroken || code < 0x20 || (code >= 0x7F && code < 0xA0) ||
         (code >= 0x200E && code <= 0x200F) ||
         (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

int DisplayWidth(absl::string_view text) {
  int width = 0;
  while (!text.empty()) {
    if (const size_t skip = ColourLength(text)) {
      text.remove_prefix(skip);
      continue;
    }
    const auto [code, length] = Decode(text);
    width += WidthOf(code);
    text.remove_prefix(length);
  }
  return width;
}

std::string PadTo(absl::string_view text, int width) {
  const int missing = width - DisplayWidth(text);
  return absl::StrCat(text, std::string(missing > 0 ? missing : 0, ' '));
}

std::string Clip(absl::string_view text, int width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width < 1) return "";
  // A colour that was begun is ended, though its end was cut off.
  const bool coloured = text.find('\x1b') != absl::string_view::npos;
  return absl::StrCat(text.substr(0, FittingBytes(text, width - 1)), "…",
                      coloured ? "\x1b[0m" : "");
}

std::vector<std::string> Wrap(absl::string_view text, int width) {
  if (width < 8) width = 8;
  std::vector<std::string> lines;
  for (absl::string_view paragraph : absl::StrSplit(text, '\n')) {
    std::string line;
    for (absl::string_view word :
         absl::StrSplit(paragraph, ' ', absl::SkipEmpty())) {
      if (!line.empty() &&
          DisplayWidth(line) + 1 + DisplayWidth(word) > width) {
        lines.push_back(std::move(line));
        line.clear();
      }
      while (DisplayWidth(word) > width) {
        const size_t fits = FittingBytes(word, width);
        lines.emplace_back(word.substr(0, fits));
        word.remove_prefix(fits);
      }
      absl::StrAppend(&line, line.empty() ? "" : " ", word);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string Hang(absl::string_view first, absl::string_view text, int width) {
  const int indent = DisplayWidth(first);
  std::string out;
  for (const std::string& line : Wrap(text, width - indent)) {
    absl::StrAppend(&out, out.empty() ? first : std::string(indent, ' '), line,
                    "\n");
  }
  return out;
}

std::string Printable(absl::string_view text, bool keep_newlines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto [code, length] = Decode(text);
    if (code == '\n' || code == '\t') {
      out += code == '\n' && keep_newlines ? '\n' : ' ';
    } else if (IsUnsafe(code)) {
      out += '?';
    } else {
      out.append(text.data(), length);
    }
    text.remove_prefix(length);
  }
  return out;
}

void MakePrintable(google::protobuf::Message* message) {
  const auto* reflection = message->GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const auto* field : fields) {
    const bool newlines = field->name() == "body" || field->name() == "text";
    using Field = google::protobuf::FieldDescriptor;
    if (field->cpp_type() == Field::CPPTYPE_MESSAGE) {
      if (!field->is_repeated()) {
        MakePrintable(reflection->MutableMessage(message, field));
        continue;
      }
      for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
        MakePrintable(reflection->MutableRepeatedMessage(message, field, i));
      }
    } else if (field->cpp_type() == Field::CPPTYPE_STRING) {
      if (!field->is_repeated()) {
        reflection->SetString(
            message, field,
            Printable(reflection->GetString(*message, field), newlines));
        continue;
      }
      for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
        reflection->SetRepeatedString(
            message, field, i,
            Printable(reflection->GetRepeatedString(*message, field, i),
                      newlines));
      }
    }
  }
}

std::string Paint::In(absl::string_view code, absl::string_view text) const {
  if (!on_ || text.empty()) return std::string(text);
  return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
}

}  // namespace sluice
