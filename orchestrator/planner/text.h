// Lines for people: wrapped, aligned, coloured where asked. Private to this
// room.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "orchestrator/planner/plan.h"

namespace sluice::planning {

enum class Ink { kBold, kDim, kBlue, kGreen, kYellow, kMagenta, kCyan, kRed };

class Page {
 public:
  Page(int width, bool colour) : width_(width), colour_(colour) {}

  int width() const { return width_; }
  void Line(absl::string_view line = "");
  // `text` broken at blanks: `first` before its first line, as many blanks as
  // `first` is wide before the others.
  void Wrap(absl::string_view first, absl::string_view text);
  // The same in one colour.
  void WrapInk(Ink ink, absl::string_view first, absl::string_view text);
  // `text` in `ink`, when the page has colour.
  std::string Paint(Ink ink, absl::string_view text) const;

  std::string Take() { return std::move(text_); }

 private:
  int width_;
  bool colour_;
  std::string text_;
};

// Bytes of control, which a manifest's text may hold, as '?': what is printed
// to a terminal is never an order to it.
std::string Plain(absl::string_view text);

// How many columns UTF-8 text takes, one a code point; colours take none.
int Columns(absl::string_view text);

std::string PadRight(absl::string_view text, int columns);
std::string PadLeft(absl::string_view text, int columns);

// `text`, or its first columns and ".." when it has more than `columns`.
std::string Cut(absl::string_view text, int columns);

// "1 flow", "24 flows", "no flows".
std::string Count(size_t number, absl::string_view one, absl::string_view many);

// "a, b and c"; beyond `most`: "a, b and 38 more".
std::string List(const std::vector<std::string>& words, size_t most = 1000);

// "1m24s", or "1m24s to 2m" when they differ.
std::string Range(absl::Duration low, absl::Duration high);

// "app-1, app-2 (1 of 2)": the hosts and how many of them are enough; no more
// names than `most`, none when that is less than two and does not do.
std::string HostsText(const PlannedStep& step, size_t most);

// The number of different flows that the step opens.
size_t CountFlows(const Plan& plan, const PlannedStep& step);

// "1 incident-commander, 2 system-owner".
std::string QuorumText(const GateRule& gate);

}  // namespace sluice::planning
