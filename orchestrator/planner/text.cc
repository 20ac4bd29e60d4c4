#include "orchestrator/planner/text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace sluice::planning {
namespace {

absl::string_view InkCode(Ink ink) {
  switch (ink) {
    case Ink::kBold:
      return "1";
    case Ink::kDim:
      return "2";
    case Ink::kBlue:
      return "34";
    case Ink::kGreen:
      return "32";
    case Ink::kYellow:
      return "33";
    case Ink::kMagenta:
      return "35";
    case Ink::kCyan:
      return "36";
    case Ink::kRed:
      return "31";
  }
  return "0";
}

std::vector<std::string> Break(absl::string_view first, absl::string_view text,
                               int width) {
  const std::string indent(Columns(first), ' ');
  std::vector<std::string> lines = {std::string(first)};
  bool begun = false;
  for (const absl::string_view word :
       absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (begun && Columns(lines.back()) + 1 + Columns(word) > width) {
      lines.push_back(indent);
      begun = false;
    }
    absl::StrAppend(&lines.back(), begun ? " " : "", word);
    begun = true;
  }
  return lines;
}

}  // namespace

void Page::Line(absl::string_view line) {
  while (!line.empty() && line.back() == ' ') line.remove_suffix(1);
  absl::StrAppend(&text_, line, "\n");
}

void Page::Wrap(absl::string_view first, absl::string_view text) {
  for (const std::string& line : Break(first, text, width_)) Line(line);
}

void Page::WrapInk(Ink ink, absl::string_view first, absl::string_view text) {
  for (const std::string& line : Break(first, text, width_)) {
    Line(Paint(ink, line));
  }
}

std::string Page::Paint(Ink ink, absl::string_view text) const {
  if (!colour_ || text.empty()) return std::string(text);
  return absl::StrCat("\x1b[", InkCode(ink), "m", text, "\x1b[0m");
}

std::string Plain(absl::string_view text) {
  std::string plain(text);
  for (char& c : plain) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < ' ' || byte == 0x7f) c = '?';
  }
  return plain;
}

int Columns(absl::string_view text) {
  int columns = 0;
  bool escape = false;  // our own colours: "\x1b[1m"
  for (const char c : text) {
    if (c == '\x1b') escape = true;
    const bool continues = (static_cast<unsigned char>(c) & 0xc0) == 0x80;
    if (!escape && !continues) ++columns;
    if (escape && c == 'm') escape = false;
  }
  return columns;
}

std::string PadRight(absl::string_view text, int columns) {
  return absl::StrCat(text,
                      std::string(std::max(0, columns - Columns(text)), ' '));
}

std::string PadLeft(absl::string_view text, int columns) {
  return absl::StrCat(std::string(std::max(0, columns - Columns(text)), ' '),
                      text);
}

std::string Cut(absl::string_view text, int columns) {
  if (Columns(text) <= columns) return std::string(text);
  while (!text.empty() && Columns(text) > columns - 2) text.remove_suffix(1);
  return absl::StrCat(text, "..");
}

std::string Count(size_t number, absl::string_view one,
                  absl::string_view many) {
  if (number == 0) return absl::StrCat("no ", many);
  return absl::StrCat(number, " ", number == 1 ? one : many);
}

std::string List(const std::vector<std::string>& words, size_t most) {
  const size_t shown =
      words.size() <= most ? words.size() : std::max<size_t>(most, 2) - 1;
  std::string text;
  for (size_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == words.size();
    absl::StrAppend(&text, i == 0 ? "" : last ? " and " : ", ", words[i]);
  }
  if (shown < words.size()) {
    absl::StrAppend(&text, " and ", words.size() - shown, " more");
  }
  return text;
}

std::string Range(absl::Duration low, absl::Duration high) {
  if (low == high) return absl::FormatDuration(low);
  return absl::StrCat(absl::FormatDuration(low), " to ",
                      absl::FormatDuration(high));
}

std::string HostsText(const PlannedStep& step, size_t most) {
  std::vector<std::string> names;
  for (const HostId& host : step.hosts) names.push_back(host.str());
  std::string text = names.size() <= most ? absl::StrJoin(names, ", ")
                     : most < 2           ? Count(names.size(), "host", "hosts")
                                          : List(names, most);
  if (step.enough < static_cast<int>(step.hosts.size())) {
    absl::StrAppend(&text, " (", step.enough, " of ", step.hosts.size(), ")");
  }
  return text;
}

size_t CountFlows(const Plan& plan, const PlannedStep& step) {
  std::vector<const Flow*> flows;
  for (const GrantId& id : step.grants) {
    for (const HostFlow& flow : plan.FindGrant(id)->flows) {
      flows.push_back(&flow.flow);
    }
  }
  std::sort(flows.begin(), flows.end(),
            [](const Flow* a, const Flow* b) { return *a < *b; });
  return std::unique(flows.begin(), flows.end(),
                     [](const Flow* a, const Flow* b) { return *a == *b; }) -
         flows.begin();
}

std::string QuorumText(const GateRule& gate) {
  std::string text;
  for (const auto& [role, count] : gate.approvals) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", count, " ", role.str());
  }
  return text;
}

}  // namespace sluice::planning
