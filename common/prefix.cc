#include "common/prefix.h"

#include <arpa/inet.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/contract.h"

namespace sluice {
namespace {

bool BitsBelowAreZero(const std::array<uint8_t, 16>& bytes, int length,
                      int total) {
  for (int bit = length; bit < total; ++bit) {
    if (bytes[bit / 8] & (0x80 >> (bit % 8))) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<Prefix> Prefix::Parse(absl::string_view text) {
  const auto error = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text.substr(0, 80), "' is not an address: ", why));
  };
  // inet_pton() reads up to a NUL: what follows one must not hide behind it.
  if (text.find('\0') != absl::string_view::npos) {
    return error("it holds a NUL byte");
  }
  absl::string_view address = text;
  int length = -1;
  if (size_t slash = text.find('/'); slash != absl::string_view::npos) {
    address = text.substr(0, slash);
    absl::string_view digits = text.substr(slash + 1);
    const bool plain =
        !digits.empty() && digits.size() <= 3 &&
        digits.find_first_not_of("0123456789") == absl::string_view::npos &&
        !(digits.size() > 1 && digits[0] == '0');
    if (!plain || !absl::SimpleAtoi(digits, &length)) {
      return error("the part after '/' is a number of bits, as in /24");
    }
  }
  Prefix prefix;
  const std::string copy(address);
  if (address.find(':') != absl::string_view::npos) {
    prefix.family_ = Family::kIpv6;
    if (inet_pton(AF_INET6, copy.c_str(), prefix.bytes_.data()) != 1) {
      return error("write IPv6 as in fd77::11 or fd77::/64");
    }
  } else {
    prefix.family_ = Family::kIpv4;
    if (inet_pton(AF_INET, copy.c_str(), prefix.bytes_.data()) != 1) {
      return error("write IPv4 as in 10.77.0.11 or 10.77.0.0/24");
    }
  }
  const int total = prefix.family_ == Family::kIpv4 ? 32 : 128;
  prefix.length_ = length < 0 ? total : length;
  if (prefix.length_ > total) {
    return error(absl::StrCat("at most /", total, " fits this family"));
  }
  if (!BitsBelowAreZero(prefix.bytes_, prefix.length_, total)) {
    return error(absl::StrCat(
        "it has bits below /", prefix.length_,
        "; write the network's first address, or one address without '/'"));
  }
  return prefix;
}

std::string Prefix::Address() const {
  if (family_ == Family::kIpv4) {  // plans print millions; inet_ntop is slow
    return absl::StrCat(bytes_[0], ".", bytes_[1], ".", bytes_[2], ".",
                        bytes_[3]);
  }
  char buffer[INET6_ADDRSTRLEN];
  SLUICE_CHECK(inet_ntop(AF_INET6, bytes_.data(), buffer, sizeof buffer) !=
               nullptr);
  return buffer;
}

std::string Prefix::ToString() const {
  return is_host() ? Address() : absl::StrCat(Address(), "/", length_);
}

bool Prefix::Contains(const Prefix& other) const {
  if (family_ != other.family_ || other.length_ < length_) return false;
  for (int bit = 0; bit < length_; ++bit) {
    const uint8_t mask = 0x80 >> (bit % 8);
    if ((bytes_[bit / 8] ^ other.bytes_[bit / 8]) & mask) return false;
  }
  return true;
}

}  // namespace sluice
