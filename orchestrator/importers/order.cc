#include "orchestrator/importers/order.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/contract.h"
#include "orchestrator/importers/text.h"
#include "orchestrator/model/graph.h"

namespace sluice::importers {
namespace {

// A model of nothing but systems and needs. REQUIRES: `systems` is sorted.
// Needs keep the order of `edges`.
Model Skeleton(const std::vector<std::string>& systems,
               const std::vector<OrderEdge>& edges,
               std::map<std::string, std::vector<const OrderEdge*>>* by_from) {
  Model model;
  for (const OrderEdge& edge : edges) (*by_from)[edge.from].push_back(&edge);
  for (const std::string& name : systems) {
    System system;
    system.id = SystemId(name);
    for (const OrderEdge* edge : (*by_from)[name]) {
      Need need;
      need.system = SystemId(edge->to);
      system.needs.push_back(need);
    }
    model.systems.push_back(std::move(system));
  }
  return model;
}

}  // namespace

std::vector<OrderEdge> FindCircle(const std::vector<std::string>& systems,
                                  const std::vector<OrderEdge>& edges) {
  std::map<std::string, std::vector<const OrderEdge*>> by_from;
  const Model model = Skeleton(systems, edges, &by_from);
  std::vector<OrderEdge> circle;
  for (const DependencyGraph::Edge& edge :
       DependencyGraph(model).ShortestCycle()) {
    circle.push_back(*by_from[systems[edge.system]][edge.need]);
  }
  return circle;
}

std::string CircleText(const std::vector<OrderEdge>& circle,
                       const ManifestSources& sources) {
  SLUICE_CHECK(!circle.empty());
  std::vector<std::string> names;
  for (const OrderEdge& edge : circle) {
    // A line is of the file that the message begins with, unless it says so.
    const bool elsewhere = edge.place.file != circle.front().place.file;
    names.push_back(absl::StrCat(
        "'", edge.from, "' (",
        elsewhere ? BaseName(sources.files[edge.place.file].name) + ":"
                  : "line ",
        edge.place.line, ")"));
  }
  return absl::StrCat("a circle, in which none can come first: ",
                      absl::StrJoin(names, " needs "), " needs '",
                      circle.front().from, "'; remove one of these needs");
}

std::vector<StageDraft> MakeStages(const std::vector<std::string>& systems,
                                   const std::vector<OrderEdge>& edges,
                                   const std::string& stem) {
  std::map<std::string, std::vector<const OrderEdge*>> by_from;
  const Model model = Skeleton(systems, edges, &by_from);
  // What must come first comes first: one pass over the order is enough.
  std::map<std::string, int> rank;
  int highest = 0;
  for (const int index : DependencyGraph(model).Order()) {
    int& mine = rank[systems[index]];
    for (const OrderEdge* edge : by_from[systems[index]]) {
      mine = std::max(mine, rank[edge->to] + (edge->has_flow ? 0 : 1));
    }
    highest = std::max(highest, mine);
  }
  std::vector<StageDraft> stages(highest + 1);
  for (int i = 0; i <= highest; ++i) {
    stages[i].name = highest == 0 ? stem : absl::StrCat(stem, "-", i + 1);
  }
  for (const std::string& name : systems) {
    stages[rank[name]].systems.push_back(name);
  }
  return stages;
}

}  // namespace sluice::importers
