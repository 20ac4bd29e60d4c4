#include "orchestrator/planner/graph_format.h"

#include <algorithm>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/planner/text.h"

namespace sluice {
namespace {

using planning::Plain;

// Above this, reachability takes too much memory (a bit for each pair), and a
// picture is of no use anyway.
constexpr size_t kMostReduced = 5000;

// Which steps each step stands on, as rows of bits.
class Reach {
 public:
  explicit Reach(size_t count)
      : words_((count + 63) / 64), bits_(words_ * count) {}
  void Add(int row, int column) {
    bits_[row * words_ + column / 64] |= uint64_t{1} << (column % 64);
  }
  void AddAll(int row, int other) {
    for (size_t i = 0; i < words_; ++i) {
      bits_[row * words_ + i] |= bits_[other * words_ + i];
    }
  }
  bool Has(int row, int column) const {
    return bits_[row * words_ + column / 64] >> (column % 64) & 1;
  }

 private:
  size_t words_;
  std::vector<uint64_t> bits_;
};

// Leaves out each edge that another need of the same step already implies.
// Soft needs may run in circles; only those that go along the plan's order
// count as implying anything.
void Reduce(const std::vector<int>& order, size_t count,
            std::vector<std::vector<GraphEdge>>& needs) {
  std::vector<int> position(count);
  for (size_t i = 0; i < order.size(); ++i) {
    position[order[i]] = static_cast<int>(i);
  }
  Reach reach(count);
  for (const int step : order) {
    const auto forward = [&](const GraphEdge& edge) {
      return position[edge.from] < position[step];
    };
    std::vector<GraphEdge> kept;
    for (const GraphEdge& edge : needs[step]) {
      const bool implied = std::any_of(
          needs[step].begin(), needs[step].end(), [&](const GraphEdge& other) {
            return other.from != edge.from && forward(other) &&
                   (edge.soft || !other.soft) &&
                   reach.Has(other.from, edge.from);
          });
      if (!implied) kept.push_back(edge);
    }
    // A hard need is implied by hard ones alone, so soft reach stays out.
    for (const GraphEdge& edge : needs[step]) {
      if (edge.soft || !forward(edge)) continue;
      reach.Add(step, edge.from);
      reach.AddAll(step, edge.from);
    }
    needs[step] = std::move(kept);
  }
}

// Ids of DOT and Mermaid nodes: "n" and the step's number.
std::string Node(int i) { return absl::StrCat("n", i); }

std::string DotText(absl::string_view text) {
  std::string out;
  for (const char c : Plain(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// Mermaid reads HTML entities, and little else, safely inside quotes.
std::string MermaidText(absl::string_view text) {
  std::string out;
  for (const char c : Plain(text)) {
    switch (c) {
      case '"':
        out += "#quot;";
        break;
      case '#':
        out += "#35;";
        break;
      case '<':
        out += "#lt;";
        break;
      case '>':
        out += "#gt;";
        break;
      case '&':
        out += "#amp;";
        break;
      case '`':
        out += "#96;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::vector<std::vector<int>> StepsByStage(const Plan& plan) {
  std::vector<std::vector<int>> stages;
  for (const PlannedStage& stage : plan.stages) {
    std::vector<int> steps;
    for (const StepId& id : stage.steps) {
      steps.push_back(static_cast<int>(plan.FindStep(id) - plan.steps.data()));
    }
    stages.push_back(std::move(steps));
  }
  return stages;
}

}  // namespace

std::vector<GraphEdge> GraphEdges(const Plan& plan,
                                  const GraphOptions& options) {
  const auto index = [&](const StepId& id) {
    return static_cast<int>(plan.FindStep(id) - plan.steps.data());
  };
  std::vector<std::vector<GraphEdge>> needs(plan.steps.size());
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    for (const StepNeed& need : plan.steps[i].needs) {
      needs[i].push_back({index(need.step), static_cast<int>(i),
                          need.strength == Strength::kSoft, need.soaked});
    }
  }
  if (!options.all_needs && plan.steps.size() <= kMostReduced) {
    std::vector<int> order;
    for (const StepId& id : plan.order) order.push_back(index(id));
    Reduce(order, plan.steps.size(), needs);
  }
  std::vector<GraphEdge> edges;
  for (const std::vector<GraphEdge>& list : needs) {
    edges.insert(edges.end(), list.begin(), list.end());
  }
  return edges;
}

CategoryColour ColourOf(absl::string_view category) {
  // Told apart by people who see colours differently, and light enough for
  // black text.
  if (category == "foundation") return {"#d6e6f7", "#1f5f9e"};
  if (category == "outside") return {"#f3dcea", "#9b3773"};
  if (category == "billing") return {"#dcefdc", "#2f7d4a"};
  if (category == "commercial") return {"#fdeacb", "#b4690e"};
  if (category == "information") return {"#d9f0f2", "#1d7c86"};
  constexpr CategoryColour kOthers[] = {{"#e8e0f4", "#6a4aa3"},
                                        {"#f8ddd6", "#b0442a"},
                                        {"#eeeec8", "#77771a"},
                                        {"#e4e4e4", "#555555"}};
  unsigned sum = 0;
  for (const char c : category) sum = sum * 31 + static_cast<unsigned char>(c);
  return kOthers[sum % 4];
}

std::string PlanDot(const Plan& plan, const GraphOptions& options) {
  std::string dot = absl::StrCat(
      "digraph plan {\n"
      "  rankdir=LR;\n"
      "  graph [fontname=\"sans-serif\", label=\"",
      DotText(plan.title.empty() ? plan.estate.str() : plan.title),
      "\", labelloc=t];\n"
      "  node [shape=box, style=\"rounded,filled\", "
      "fontname=\"sans-serif\"];\n");
  const std::vector<std::vector<int>> stages = StepsByStage(plan);
  for (size_t s = 0; s < stages.size(); ++s) {
    const PlannedStage& stage = plan.stages[s];
    absl::StrAppend(&dot, "  subgraph cluster_", s, " {\n    label=\"", s + 1,
                    " ", DotText(stage.id.str()), "\\n",
                    DotText(planning::QuorumText(stage.gate)), "\";\n");
    for (const int i : stages[s]) {
      const PlannedStep& step = plan.steps[i];
      const CategoryColour colour = ColourOf(step.category);
      absl::StrAppend(&dot, "    ", Node(i), " [label=\"", DotText(step.title),
                      "\\n", DotText(planning::HostsText(step, 3)),
                      "\", fillcolor=\"", colour.fill, "\", color=\"",
                      colour.line, "\"];\n");
    }
    absl::StrAppend(&dot, "  }\n");
  }
  for (const GraphEdge& edge : GraphEdges(plan, options)) {
    absl::StrAppend(&dot, "  ", Node(edge.from), " -> ", Node(edge.to),
                    edge.soft     ? " [style=dashed]"
                    : edge.soaked ? " [arrowhead=empty]"
                                  : "",
                    ";\n");
  }
  return dot + "}\n";
}

std::string PlanMermaid(const Plan& plan, const GraphOptions& options) {
  std::string text = "flowchart LR\n";
  const std::vector<std::vector<int>> stages = StepsByStage(plan);
  std::vector<std::string> categories;
  for (const PlannedStep& step : plan.steps) {
    categories.push_back(step.category);
  }
  std::sort(categories.begin(), categories.end());
  categories.erase(std::unique(categories.begin(), categories.end()),
                   categories.end());
  const auto number = [&](const std::string& category) {
    return std::lower_bound(categories.begin(), categories.end(), category) -
           categories.begin();
  };
  for (size_t s = 0; s < stages.size(); ++s) {
    absl::StrAppend(&text, "  subgraph stage", s + 1, "[\"", s + 1, " ",
                    MermaidText(plan.stages[s].id.str()), "<br/>",
                    MermaidText(planning::QuorumText(plan.stages[s].gate)),
                    "\"]\n");
    for (const int i : stages[s]) {
      const PlannedStep& step = plan.steps[i];
      const bool entry = !step.external.empty();
      absl::StrAppend(&text, "    ", Node(i), entry ? "([\"" : "[\"",
                      MermaidText(step.title), "<br/>",
                      MermaidText(planning::HostsText(step, 3)),
                      entry ? "\"])" : "\"]", ":::c", number(step.category),
                      "\n");
    }
    absl::StrAppend(&text, "  end\n");
  }
  for (const GraphEdge& edge : GraphEdges(plan, options)) {
    absl::StrAppend(&text, "  ", Node(edge.from),
                    edge.soft     ? " -.-> "
                    : edge.soaked ? " ==> "
                                  : " --> ",
                    Node(edge.to), "\n");
  }
  for (size_t i = 0; i < categories.size(); ++i) {
    const CategoryColour colour = ColourOf(categories[i]);
    absl::StrAppend(&text, "  classDef c", i, " fill:", colour.fill,
                    ",stroke:", colour.line, ",color:#000\n");
  }
  return text;
}

}  // namespace sluice
