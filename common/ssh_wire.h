// The few data types of the SSH protocol (RFC 4251, section 5), read with
// bounds and written.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice {

// Takes values from the front of a text. After the first that is not there,
// everything is missing.
class SshReader {
 public:
  explicit SshReader(absl::string_view bytes) : left_(bytes) {}

  std::optional<absl::string_view> Bytes(size_t count) {
    if (count > left_.size()) {
      left_ = {};
      failed_ = true;
    }
    if (failed_) return std::nullopt;
    const absl::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }

  std::optional<uint32_t> Number() {
    const auto bytes = Bytes(4);
    if (!bytes.has_value()) return std::nullopt;
    uint32_t value = 0;
    for (const char c : *bytes) value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }

  std::optional<absl::string_view> Text() {
    const auto size = Number();
    return size.has_value() ? Bytes(*size) : std::nullopt;
  }

  // Nothing failed and nothing is left.
  bool Done() const { return !failed_ && left_.empty(); }

 private:
  absl::string_view left_;
  bool failed_ = false;
};

inline std::string SshNumber(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(value >> shift & 0xff));
  }
  return bytes;
}

inline std::string SshText(absl::string_view text) {
  std::string bytes = SshNumber(static_cast<uint32_t>(text.size()));
  bytes.append(text.data(), text.size());
  return bytes;
}

}  // namespace sluice
