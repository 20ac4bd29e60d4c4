// An IPv4 or IPv6 address range in CIDR form. Always canonical: host bits are
// zero, and IPv6 prints as inet_ntop prints it.

#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sluice {

enum class Family : uint8_t { kIpv4, kIpv6 };

class Prefix {
 public:
  Prefix() = default;  // 0.0.0.0/0

  // "10.77.0.11", "10.77.0.0/24", "fd77::11", "::/0". An address with host
  // bits below its length ("10.77.0.11/24") is an error: it is more often a
  // typing mistake than meant. Leading zeros in an octet are an error.
  static absl::StatusOr<Prefix> Parse(absl::string_view text);

  Family family() const { return family_; }
  int length() const { return length_; }  // bits
  // Network order; IPv4 uses the first four bytes.
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  bool is_host() const {
    return length_ == (family_ == Family::kIpv4 ? 32 : 128);
  }

  // The address alone, without the length: "10.77.0.11".
  std::string Address() const;
  // "10.77.0.11" for one address, "10.77.0.0/24" for a range.
  std::string ToString() const;

  bool Contains(const Prefix& other) const;
  bool Overlaps(const Prefix& other) const {
    return Contains(other) || other.Contains(*this);
  }

  friend bool operator==(const Prefix&, const Prefix&) = default;
  friend auto operator<=>(const Prefix&, const Prefix&) = default;

 private:
  Family family_ = Family::kIpv4;
  std::array<uint8_t, 16> bytes_{};
  int length_ = 0;
};

}  // namespace sluice
