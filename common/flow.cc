#include "common/flow.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice {
namespace {

absl::StatusOr<uint16_t> ParsePort(absl::string_view text) {
  int value = 0;
  const bool digits =
      !text.empty() && text.size() <= 5 && text[0] != '0' &&
      text.find_first_not_of("0123456789") == absl::string_view::npos;
  if (!digits || !absl::SimpleAtoi(text, &value) || value > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", text.substr(0, 20), "' is not a port from 1 to 65535"));
  }
  return static_cast<uint16_t>(value);
}

}  // namespace

absl::string_view ProtocolName(Protocol protocol) {
  return protocol == Protocol::kTcp ? "tcp" : "udp";
}

std::string PortRange::ToString() const {
  return first == last ? absl::StrCat(first) : absl::StrCat(first, "-", last);
}

std::string Flow::Line() const {
  return absl::StrCat(ProtocolName(protocol), " ", client.ToString(), " ",
                      server.ToString(), " ", ports.ToString());
}

absl::StatusOr<Flow> Flow::Parse(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 4) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", line.substr(0, 120),
                     "' is not a flow; one is 'tcp CLIENT SERVER PORT'"));
  }
  Flow flow;
  if (words[0] == "tcp") {
    flow.protocol = Protocol::kTcp;
  } else if (words[0] == "udp") {
    flow.protocol = Protocol::kUdp;
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", words[0].substr(0, 20), "' is not a protocol; use tcp or udp"));
  }
  SLUICE_ASSIGN_OR_RETURN(flow.client, Prefix::Parse(words[1]));
  SLUICE_ASSIGN_OR_RETURN(flow.server, Prefix::Parse(words[2]));
  if (flow.client.family() != flow.server.family()) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", line, "' joins an IPv4 and an IPv6 address"));
  }
  const std::vector<absl::string_view> ports = absl::StrSplit(words[3], '-');
  if (ports.size() > 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", words[3].substr(0, 20), "' is not a port range"));
  }
  SLUICE_ASSIGN_OR_RETURN(flow.ports.first, ParsePort(ports.front()));
  SLUICE_ASSIGN_OR_RETURN(flow.ports.last, ParsePort(ports.back()));
  if (flow.ports.last < flow.ports.first) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", words[3], "' ends before it begins"));
  }
  if (flow.Line() != line) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", line, "' is not in canonical form; that is '", flow.Line(), "'"));
  }
  return flow;
}

std::string FlowsDigest(const std::vector<Flow>& flows) {
  std::vector<std::string> lines;
  lines.reserve(flows.size());
  for (const Flow& flow : flows) lines.push_back(flow.Line());
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  std::string text;
  for (const std::string& line : lines) absl::StrAppend(&text, line, "\n");
  return Sha256(text);
}

}  // namespace sluice
