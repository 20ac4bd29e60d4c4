// The plan as a drawing for people who sign it: one sheet, black on white,
// categories told apart by colour and by word.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/digest.h"
#include "orchestrator/planner/forecast.h"
#include "orchestrator/planner/graph_format.h"
#include "orchestrator/planner/graph_layout.h"
#include "orchestrator/planner/phrase.h"
#include "orchestrator/planner/text.h"

namespace sluice {
namespace {

using planning::Columns;
using planning::Cut;
using planning::GraphLayout;

constexpr double kMargin = 24;
constexpr double kBoxWidth = 192;
constexpr double kBoxHeight = 58;
constexpr double kColumn = 244;  // a box and the lines after it
constexpr double kGap = 18;
constexpr double kBandPadding = 18;
constexpr double kTop = 176;  // title and stage headings

std::string Escape(absl::string_view text) {
  std::string out;
  for (const char c : planning::Plain(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// One decimal is finer than any printer, and the same on every machine.
std::string N(double value) {
  const double rounded = std::round(value * 10) / 10;
  return absl::StrFormat("%g", rounded == 0 ? 0.0 : rounded);
}

class Drawing {
 public:
  Drawing(const Plan& plan, const GraphOptions& options)
      : plan_(plan),
        options_(options),
        layout_(planning::LayOutGraph(plan, GraphEdges(plan, options),
                                      kBoxHeight, kGap)) {}

  std::string Draw() {
    width_ = std::max(760.0, 2 * kMargin + layout_.columns * kColumn);
    bottom_ = kTop + layout_.height + 2 * kBandPadding;
    height_ = bottom_ + 70;
    Heading();
    for (size_t i = 0; i < plan_.stages.size(); ++i) Band(i);
    for (const GraphLayout::Line& line : layout_.lines) Line(line);
    for (const GraphLayout::Box& box : layout_.boxes) {
      if (box.step >= 0) Box(box);
    }
    Legend();
    return Wrap();
  }

 private:
  double Left(int column) const {
    return kMargin + column * kColumn + (kColumn - kBoxWidth) / 2;
  }
  double Middle(const GraphLayout::Box& box) const {
    return kTop + kBandPadding + box.y;
  }

  void Text(double x, double y, absl::string_view style,
            absl::string_view text) {
    absl::StrAppend(&body_, "<text x=\"", N(x), "\" y=\"", N(y), "\" class=\"",
                    style, "\">", Escape(text), "</text>\n");
  }

  void Heading() {
    Text(kMargin, 36, "title",
         Cut(plan_.title.empty() ? plan_.estate.str() : plan_.title, 60));
    const ForecastResult forecast = Forecast(plan_, WholeDuration);
    Text(kMargin, 59, "note",
         absl::StrCat("Reconnection plan ", ShortDigest(plan_.digest), ", ",
                      DigestPhrase(plan_.digest)));
    Text(kMargin, 78, "note",
         absl::StrCat(
             planning::Count(plan_.steps.size(), "step", "steps"), " on ",
             planning::Count(plan_.hosts.size(), "host", "hosts"),
             "; machines need ",
             planning::Range(forecast.estate.low, forecast.estate.high),
             "; what people take at the gates comes on top"));
  }

  // A stage's ground, from gate to gate, and who opens it.
  void Band(size_t number) {
    const GraphLayout::StageColumns& columns = layout_.stages[number];
    const double left = kMargin + columns.first * kColumn;
    const double wide = (columns.last - columns.first + 1) * kColumn;
    const PlannedStage& stage = plan_.stages[number];
    absl::StrAppend(&body_, "<rect x=\"", N(left + 4), "\" y=\"92\" width=\"",
                    N(wide - 8), "\" height=\"", N(bottom_ - 92),
                    "\" rx=\"10\" class=\"band\"/>\n");
    const int room = static_cast<int>(wide / 10.5);
    Text(left + 16, 117, "stage",
         Cut(absl::StrCat(number + 1, "  ", stage.id.str()), room));
    double y = 138;
    for (const std::string& line :
         Roles(stage.gate, static_cast<size_t>(wide / 7.6))) {
      Text(left + 16, y, "note", line);
      y += 16;
    }
    Text(left + 16, y, "small",
         Cut(DigestPhrase(stage.digest), static_cast<int>(wide / 6.8)));
  }

  // Who opens a gate, in two lines at most.
  static std::vector<std::string> Roles(const GateRule& gate, size_t room) {
    std::vector<std::string> lines = {"gate:"};
    size_t left = gate.approvals.size();
    for (const auto& [role, count] : gate.approvals) {
      const std::string word =
          absl::StrCat(count, " ", role.str(), --left > 0 ? "," : "");
      if (lines.back().size() + 1 + word.size() > room && lines.size() < 2) {
        lines.emplace_back("     ");
      }
      absl::StrAppend(&lines.back(), " ", word);
    }
    for (std::string& line : lines) line = Cut(line, static_cast<int>(room));
    return lines;
  }

  void Line(const GraphLayout::Line& line) {
    std::string path;
    const GraphLayout::Box& from = layout_.boxes[line.boxes.front()];
    const GraphLayout::Box& to = layout_.boxes[line.boxes.back()];
    if (from.column >= to.column) {
      // A soft need of something later, or beside: an arc over the top.
      const double x1 = Left(from.column) + kBoxWidth / 2;
      const double x2 = Left(to.column) + kBoxWidth / 2;
      const double y1 = Middle(from) - kBoxHeight / 2;
      const double y2 = Middle(to) - kBoxHeight / 2;
      const double top = std::min(y1, y2) - 30;
      path = absl::StrCat("M", N(x1), " ", N(y1), " C", N(x1), " ", N(top), " ",
                          N(x2), " ", N(top), " ", N(x2), " ", N(y2 - 7));
    } else {
      double x = Left(from.column) + kBoxWidth;
      double y = Middle(from);
      path = absl::StrCat("M", N(x), " ", N(y));
      for (size_t i = 1; i < line.boxes.size(); ++i) {
        const GraphLayout::Box& box = layout_.boxes[line.boxes[i]];
        const bool last = i + 1 == line.boxes.size();
        const double next_x = Left(box.column) - (last ? 7 : 0);
        const double next_y = Middle(box);
        const double bend = (next_x - x) / 2;
        absl::StrAppend(&path, " C", N(x + bend), " ", N(y), " ",
                        N(next_x - bend), " ", N(next_y), " ", N(next_x), " ",
                        N(next_y));
        x = next_x;
        y = next_y;
        if (last) continue;
        x += kBoxWidth;  // straight past the boxes of this column
        absl::StrAppend(&path, " L", N(x), " ", N(y));
      }
    }
    absl::StrAppend(&body_, "<path d=\"", path, "\" class=\"line",
                    line.edge.soft ? " soft" : "",
                    "\" marker-end=\"url(#arrow)\"/>\n");
  }

  void Box(const GraphLayout::Box& box) {
    const PlannedStep& step = plan_.steps[box.step];
    const CategoryColour colour = ColourOf(step.category);
    const bool entry = !step.external.empty();
    const double x = Left(box.column);
    const double y = Middle(box) - kBoxHeight / 2;
    absl::StrAppend(&body_, "<g><title>", Escape(Tip(step)),
                    "</title>\n<rect x=\"", N(x), "\" y=\"", N(y),
                    "\" width=\"", N(kBoxWidth), "\" height=\"", N(kBoxHeight),
                    "\" rx=\"", entry ? "29" : "6", "\" fill=\"", colour.fill,
                    "\" stroke=\"", colour.line, "\"",
                    step.is_protected ? " stroke-width=\"3\"" : "", "/>\n");
    const double text = x + (entry ? 18 : 10);
    const int room = entry ? 18 : 20;
    const std::string name = entry                ? step.external.str()
                             : step.title.empty() ? step.id.str()
                                                  : step.title;
    Text(text, y + 20, "name", Cut(name, room));
    Text(text, y + 36, "small",
         Cut(entry ? absl::StrCat("into ", step.system.str())
                   : absl::StrCat(step.category, ", ",
                                  planning::HostsText(step, 2)),
             room + 10));
    Text(text, y + 50, "small", Cut(Marks(step), room + 10));
    absl::StrAppend(&body_, "</g>\n");
  }

  static std::string Marks(const PlannedStep& step) {
    const size_t tasks = step.inspect_tasks.size() + step.accept_tasks.size();
    std::string text = absl::StrCat("soak ", absl::FormatDuration(step.soak));
    if (tasks > 0) {
      absl::StrAppend(&text, ", ", planning::Count(tasks, "task", "tasks"),
                      " for people");
    }
    return text;
  }

  std::string Tip(const PlannedStep& step) const {
    return absl::StrCat(
        step.id.str(), " on ", planning::HostsText(step, 20), "; ",
        planning::Count(planning::CountFlows(plan_, step), "flow", "flows"));
  }

  void Legend() {
    std::set<std::string> categories;
    bool soft = false;
    for (const PlannedStep& step : plan_.steps) {
      categories.insert(step.category);
    }
    for (const GraphLayout::Line& line : layout_.lines) {
      soft = soft || line.edge.soft;
    }
    double x = kMargin;
    const double y = bottom_ + 26;
    for (const std::string& category : categories) {
      const CategoryColour colour = ColourOf(category);
      const std::string name = Cut(category, 20);
      if (x + 24 + 7.7 * Columns(name) > width_ - kMargin) break;
      absl::StrAppend(&body_, "<rect x=\"", N(x), "\" y=\"", N(y - 11),
                      "\" width=\"18\" height=\"13\" rx=\"3\" fill=\"",
                      colour.fill, "\" stroke=\"", colour.line, "\"/>\n");
      Text(x + 24, y, "note", name);
      x += 48 + 7.7 * Columns(name);
    }
    std::string words =
        "An arrow leads from what is needed to what waits for "
        "it";
    if (soft) absl::StrAppend(&words, " (dashed: used, not waited for)");
    if (!options_.all_needs) {
      absl::StrAppend(&words, "; needs that follow from others are left out");
    }
    Text(kMargin, y + 24, "note", words + ".");
  }

  std::string Wrap() const {
    return absl::StrCat(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", N(width_),
        " ", N(height_), "\" width=\"", N(width_), "\" height=\"", N(height_),
        "\" font-family=\"DejaVu Sans, Arial, sans-serif\">\n"
        "<style>"
        ".title{font-size:26px;font-weight:bold}"
        ".stage{font-size:18px;font-weight:bold}"
        ".name{font-size:13px;font-weight:bold}"
        ".note{font-size:13px;fill:#333}"
        ".small{font-size:11.5px;fill:#333}"
        ".band{fill:#f6f6f4;stroke:#c8c8c4}"
        ".line{fill:none;stroke:#5a5a5a;stroke-width:1.3}"
        ".soft{stroke-dasharray:4 4;stroke:#8a8a8a}"
        "</style>\n"
        "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"1\" refY=\"4\" "
        "markerWidth=\"6\" markerHeight=\"6\" orient=\"auto\">"
        "<path d=\"M0 0 L8 4 L0 8 z\" fill=\"#5a5a5a\"/></marker></defs>\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        body_, "</svg>\n");
  }

  const Plan& plan_;
  const GraphOptions& options_;
  const GraphLayout layout_;
  double width_ = 0;
  double bottom_ = 0;  // of the stages' grounds
  double height_ = 0;
  std::string body_;
};

}  // namespace

std::string PlanSvg(const Plan& plan, const GraphOptions& options) {
  return Drawing(plan, options).Draw();
}

}  // namespace sluice
