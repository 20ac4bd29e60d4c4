// Text on a terminal: widths, wrapping, colour, and nothing that a host wrote
// reaching the terminal as a control sequence.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace google::protobuf {
class Message;
}

namespace sluice {

// Columns that `text` takes: code points, combining marks and ANSI colour
// sequences not counted, wide ones twice.
int DisplayWidth(absl::string_view text);

// `text` with blanks up to `width` columns; longer text is left alone.
std::string PadTo(absl::string_view text, int width);
// At most `width` columns, ended by "…" where something was cut off.
std::string Clip(absl::string_view text, int width);

// Lines of at most `width` columns, broken at blanks; a longer word stands on
// a line of its own and is cut into pieces. Newlines in `text` break too.
std::vector<std::string> Wrap(absl::string_view text, int width);
// `text` wrapped to `width` columns in all, the first line after `first`, the
// others after as many blanks. Each line ends in a newline.
std::string Hang(absl::string_view first, absl::string_view text, int width);

// Control characters, bidirectional overrides and broken UTF-8 replaced by
// "?"; newlines kept when `keep_newlines`, else blanks. Reasons and notes come
// from hosts that may be in somebody else's hands.
std::string Printable(absl::string_view text, bool keep_newlines = false);
// The same for every string in a message, however deep. Fields named "body"
// and "text" keep their newlines.
void MakePrintable(google::protobuf::Message* message);

// Colour, or not.
class Paint {
 public:
  explicit Paint(bool on) : on_(on) {}

  std::string Bold(absl::string_view text) const { return In("1", text); }
  std::string Dim(absl::string_view text) const { return In("2", text); }
  std::string Red(absl::string_view text) const { return In("31", text); }
  std::string Green(absl::string_view text) const { return In("32", text); }
  std::string Yellow(absl::string_view text) const { return In("33", text); }
  std::string Cyan(absl::string_view text) const { return In("36", text); }

 private:
  std::string In(absl::string_view code, absl::string_view text) const;
  bool on_;
};

}  // namespace sluice
