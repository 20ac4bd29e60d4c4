// The small values a manifest is made of, each read strictly: what could mean
// two things is refused with a sentence that says what to write instead.
//
// Every function returns true and sets `*out`, or returns false and sets `*why`
// to what is wrong and what to do, without the value's place or owner.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/prefix.h"
#include "orchestrator/model/model.h"

namespace sluice::manifest {

inline constexpr size_t kMaxName = 63;
inline constexpr size_t kMaxText = 1000;
inline constexpr size_t kMaxLines = 2000;  // bytes of a text of several lines
inline constexpr int kMaxRange = 1000;  // hosts in one "app-[01-40]"
inline constexpr absl::Duration kMaxDuration = absl::Hours(24 * 30);

// 1 to 63 lower-case letters, digits and '-', beginning with no '-'.
bool ParseName(absl::string_view text, std::string* out, std::string* why);

// Decimal, no sign, no leading zeros.
bool ParseCount(absl::string_view text, int min, int max, int* out,
                std::string* why);

// "500ms", "30s", "5m", "1h30m", "2d"; from `min` to `max`.
bool ParseDuration(absl::string_view text, absl::Duration min,
                   absl::Duration max, absl::Duration* out, std::string* why);
// The shortest such text: "90s" for a minute and a half, "1h".
std::string DurationText(absl::Duration duration);

// "true" or "false".
bool ParseBool(absl::string_view text, bool* out, std::string* why);

// "5432/tcp", "49152-65535/tcp", "53/tcp+udp"; without protocol, both.
bool ParsePortRanges(absl::string_view text, std::vector<Port::Range>* out,
                     std::string* why);
std::string RangeText(const Port::Range& range);  // "5432/tcp"

// "10.77.0.1:7443" or "[fd77::1]:7443": an address, never a name.
bool ParseEndpoint(absl::string_view text, std::string* out, Prefix* address,
                   std::string* why);

// "app-[01-40]" is app-01 … app-40; a text without brackets is itself. The
// width of the numbers is the width of the first.
bool ExpandRange(absl::string_view text, std::vector<std::string>* out,
                 std::string* why);

// "ssh-ed25519 AAAA… comment", as in authorized_keys, without options.
bool ParsePublicKey(absl::string_view text, std::string* out, std::string* why);

// One line of printable text; control characters and those that make a text
// read otherwise than it works are refused, escaped or not.
bool ParseText(absl::string_view text, std::string* out, std::string* why);
// The same, of several lines; blanks at their ends are none.
bool ParseLines(absl::string_view text, std::string* out, std::string* why);

// True when `text` looks like a secret, which no manifest may hold.
bool LooksSecret(absl::string_view text);

// "service passwords rotated" → "service-passwords-rotated"; may be empty.
std::string Slug(absl::string_view text);

}  // namespace sluice::manifest
