#include "common/break_glass.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/fact_lines.h"
#include "common/status.h"

namespace sluice {
namespace {

constexpr size_t kMaxBytes = 64 << 10;

absl::Status Wrong(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("break-glass: ", why));
}

absl::StatusOr<int64_t> TakeSeconds(FactLines& lines, absl::string_view key) {
  SLUICE_ASSIGN_OR_RETURN(const uint64_t seconds, lines.TakeNumber(key));
  if (seconds > uint64_t{1} << 40) {
    return lines.Error("these are more seconds than any host runs");
  }
  return static_cast<int64_t>(seconds);
}

absl::Status CheckValues(const BreakGlass& glass) {
  if (absl::StripAsciiWhitespace(glass.reason).empty()) {
    return Wrong("it gives no reason; say why with --reason");
  }
  if (glass.reason.size() > BreakGlass::kLongestReason) {
    return Wrong(absl::StrCat("its reason is over ", BreakGlass::kLongestReason,
                              " bytes; a sentence is enough"));
  }
  if (glass.valid_seconds < 1 ||
      glass.valid_seconds > BreakGlass::kLongestValid) {
    return Wrong("it may be used for at least a second and at most a day");
  }
  return absl::OkStatus();
}

}  // namespace

std::string BreakGlass::What() const {
  if (everything()) return "everything";
  if (flows.size() == 1) return flows[0].Line();
  return absl::StrCat(flows.size(), " flows");
}

std::string BreakGlass::Body() const {
  std::string body = absl::StrCat(
      "sluice break-glass 1\nestate ", estate.str(), "\nhost ", host.str(),
      "\nquarantine-number ", quarantine_number, "\nboot ", boot,
      "\ndrafted-seconds ", drafted_seconds, "\nvalid-seconds ", valid_seconds,
      "\nreason ", reason, "\n");
  if (everything()) absl::StrAppend(&body, "open everything\n");
  for (const Flow& flow : flows) {
    absl::StrAppend(&body, "flow ", flow.Line(), "\n");
  }
  return body;
}

absl::StatusOr<BreakGlass> BreakGlass::Parse(absl::string_view body) {
  if (body.size() > kMaxBytes) {
    return Wrong(
        absl::StrCat(body.size(), " bytes are more than the 64 KiB one has"));
  }
  FactLines lines("break-glass", body);
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view version,
                          lines.Take("sluice break-glass"));
  if (version != "1") return lines.Error("only version 1 is known here");
  BreakGlass glass;
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view estate, lines.Take("estate"));
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view host, lines.Take("host"));
  glass.estate = EstateId(estate);
  glass.host = HostId(host);
  SLUICE_ASSIGN_OR_RETURN(glass.quarantine_number,
                          lines.TakeNumber("quarantine-number"));
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view boot, lines.Take("boot"));
  glass.boot = std::string(boot);
  SLUICE_ASSIGN_OR_RETURN(glass.drafted_seconds,
                          TakeSeconds(lines, "drafted-seconds"));
  SLUICE_ASSIGN_OR_RETURN(glass.valid_seconds,
                          TakeSeconds(lines, "valid-seconds"));
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view reason, lines.Take("reason"));
  glass.reason = std::string(reason);
  while (lines.StartsWith("flow")) {
    SLUICE_ASSIGN_OR_RETURN(const absl::string_view line, lines.Take("flow"));
    const absl::StatusOr<Flow> flow = Flow::Parse(line);
    if (!flow.ok()) return lines.Error(flow.status().message());
    if (!glass.flows.empty() && !(glass.flows.back() < *flow)) {
      return lines.Error("flows are sorted and stand once each");
    }
    glass.flows.push_back(*flow);
    if (glass.flows.size() > kMostFlows) {
      return lines.Error("more than 256 flows; open everything instead");
    }
  }
  if (glass.Body() != body) {
    return Wrong(
        "the text is not in its canonical form; it was changed on its way or "
        "made by another program");
  }
  SLUICE_RETURN_IF_ERROR(CheckValues(glass));
  return glass;
}

}  // namespace sluice
