#include "orchestrator/importers/compose_ports.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/manifest/values.h"

namespace sluice::importers {
namespace {

bool ParsePublished(absl::string_view text, std::string* out) {
  std::vector<Port::Range> ranges;
  std::string why;
  if (!manifest::ParsePortRanges(absl::StrCat(text, "/tcp"), &ranges, &why)) {
    return false;
  }
  *out = ranges[0].ports.ToString();
  return true;
}

}  // namespace

bool IsLoopback(absl::string_view host_ip) {
  return absl::StartsWith(host_ip, "127.") || host_ip == "::1" ||
         host_ip == "[::1]" || host_ip == "localhost";
}

bool ParseContainerPort(absl::string_view text, ComposePort* out) {
  std::string whole(text);
  if (!absl::StrContains(text, "/")) whole += "/tcp";
  std::vector<Port::Range> ranges;
  std::string why;
  if (!manifest::ParsePortRanges(whole, &ranges, &why) || ranges.size() != 1) {
    return false;
  }
  out->protocol = ranges[0].protocol;
  out->ports = ranges[0].ports;
  return true;
}

bool ParseShortPort(absl::string_view text, ComposePort* out) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return ParseContainerPort(text, out);
  if (!ParseContainerPort(text.substr(colon + 1), out)) return false;
  absl::string_view published = text.substr(0, colon), address;
  if (const size_t ip = published.rfind(':'); ip != absl::string_view::npos) {
    address = published.substr(0, ip);
    published = published.substr(ip + 1);
    const bool v6 = absl::StrContains(address, ":");
    if (v6 && (address.front() != '[' || address.back() != ']')) return false;
  }
  // "127.0.0.1::80": a random port of one address.
  if (published.empty()) return !address.empty();
  if (!ParsePublished(published, &out->published)) return false;
  out->from_outside = !IsLoopback(address);
  return true;
}

}  // namespace sluice::importers
