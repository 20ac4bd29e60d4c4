#include "orchestrator/planner/graph_layout.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace sluice::planning {
namespace {

constexpr double kWayPointHeight = 10;
// Beyond this a picture has no reader; lines then go straight.
constexpr size_t kMostWayPoints = 20000;
constexpr int kSweeps = 12;

class Maker {
 public:
  Maker(const Plan& plan, const std::vector<GraphEdge>& edges,
        double box_height, double gap)
      : plan_(plan), edges_(edges), box_height_(box_height), gap_(gap) {}

  GraphLayout Make() {
    PlaceInColumns();
    AddLines();
    ListColumns();
    for (int sweep = 0; sweep < kSweeps; ++sweep) Sort(sweep % 2 == 0);
    Stack();
    for (int sweep = 0; sweep < kSweeps; ++sweep) Straighten(sweep % 2 == 0);
    Settle();
    return std::move(layout_);
  }

 private:
  void PlaceInColumns() {
    const size_t count = plan_.steps.size();
    layout_.boxes.resize(count);
    std::vector<std::vector<int>> needs(count);
    for (const GraphEdge& edge : edges_) {
      if (!edge.soft) needs[edge.to].push_back(edge.from);
    }
    for (const PlannedStage& stage : plan_.stages) {
      const int first = layout_.columns;
      int last = first;
      for (const StepId& id : stage.steps) {  // what is needed comes first
        const int step =
            static_cast<int>(plan_.FindStep(id) - plan_.steps.data());
        int column = first;
        for (const int need : needs[step]) {
          if (plan_.steps[need].stage != stage.id) continue;
          column = std::max(column, layout_.boxes[need].column + 1);
        }
        layout_.boxes[step] = {step, column, 0, box_height_};
        last = std::max(last, column);
      }
      layout_.stages.push_back({first, last});
      layout_.columns = last + 1;
    }
  }

  void AddLines() {
    size_t way_points = 0;
    for (const GraphEdge& edge : edges_) {
      GraphLayout::Line line{edge, {edge.from}};
      const int from = layout_.boxes[edge.from].column;
      const int to = layout_.boxes[edge.to].column;
      for (int column = from + 1; column < to; ++column) {
        if (++way_points > kMostWayPoints) break;
        line.boxes.push_back(static_cast<int>(layout_.boxes.size()));
        layout_.boxes.push_back({-1, column, 0, kWayPointHeight});
      }
      line.boxes.push_back(edge.to);
      layout_.lines.push_back(std::move(line));
    }
    left_.resize(layout_.boxes.size());
    right_.resize(layout_.boxes.size());
    for (const GraphLayout::Line& line : layout_.lines) {
      for (size_t i = 0; i + 1 < line.boxes.size(); ++i) {
        const int a = line.boxes[i];
        const int b = line.boxes[i + 1];
        if (layout_.boxes[a].column >= layout_.boxes[b].column) continue;
        right_[a].push_back(b);
        left_[b].push_back(a);
      }
    }
  }

  void ListColumns() {
    columns_.resize(layout_.columns);
    for (size_t i = 0; i < layout_.boxes.size(); ++i) {
      columns_[layout_.boxes[i].column].push_back(static_cast<int>(i));
    }
    rank_.resize(layout_.boxes.size());
    for (const std::vector<int>& column : columns_) Rank(column);
  }

  void Rank(const std::vector<int>& column) {
    for (size_t i = 0; i < column.size(); ++i) {
      rank_[column[i]] =
          static_cast<double>(i) - static_cast<double>(column.size()) / 2;
    }
  }

  // Each column by the mean rank of its neighbours on one side: few crossings.
  void Sort(bool rightward) {
    for (int n = 0; n < layout_.columns; ++n) {
      std::vector<int>& column =
          columns_[rightward ? n : layout_.columns - 1 - n];
      const auto& neighbours = rightward ? left_ : right_;
      std::vector<std::pair<double, int>> keyed;
      for (const int box : column) {
        double sum = 0;
        for (const int other : neighbours[box]) sum += rank_[other];
        keyed.emplace_back(
            neighbours[box].empty() ? rank_[box] : sum / neighbours[box].size(),
            box);
      }
      std::stable_sort(
          keyed.begin(), keyed.end(),
          [](const auto& a, const auto& b) { return a.first < b.first; });
      for (size_t i = 0; i < column.size(); ++i) column[i] = keyed[i].second;
      Rank(column);
    }
  }

  double Apart(int above, int below) const {
    const GraphLayout::Box& a = layout_.boxes[above];
    const GraphLayout::Box& b = layout_.boxes[below];
    const double gap = a.step >= 0 && b.step >= 0 ? gap_ : gap_ / 2;
    return (a.height + b.height) / 2 + gap;
  }

  void Stack() {
    for (const std::vector<int>& column : columns_) {
      double total = 0;
      for (size_t i = 1; i < column.size(); ++i) {
        total += Apart(column[i - 1], column[i]);
      }
      double y = -total / 2;
      for (size_t i = 0; i < column.size(); ++i) {
        if (i > 0) y += Apart(column[i - 1], column[i]);
        layout_.boxes[column[i]].y = y;
      }
    }
  }

  // Moves each box towards its neighbours as far as the others of its column
  // let it.
  void Straighten(bool rightward) {
    for (int n = 0; n < layout_.columns; ++n) {
      const std::vector<int>& column =
          columns_[rightward ? n : layout_.columns - 1 - n];
      std::vector<double> wanted(column.size());
      for (size_t i = 0; i < column.size(); ++i) {
        double sum = 0;
        size_t count = 0;
        for (const auto* list : {&left_[column[i]], &right_[column[i]]}) {
          for (const int other : *list) {
            sum += layout_.boxes[other].y;
            ++count;
          }
        }
        wanted[i] = count > 0 ? sum / count : layout_.boxes[column[i]].y;
      }
      Fit(column, wanted);
    }
  }

  // The positions nearest to `wanted`, in the mean, that keep boxes apart:
  // pushed down, pushed up, and the middle of both.
  void Fit(const std::vector<int>& column, const std::vector<double>& wanted) {
    std::vector<double> down = wanted;
    for (size_t i = 1; i < column.size(); ++i) {
      down[i] =
          std::max(down[i], down[i - 1] + Apart(column[i - 1], column[i]));
    }
    std::vector<double> up = wanted;
    for (size_t i = column.size(); i-- > 1;) {
      up[i - 1] = std::min(up[i - 1], up[i] - Apart(column[i - 1], column[i]));
    }
    for (size_t i = 0; i < column.size(); ++i) {
      layout_.boxes[column[i]].y = (down[i] + up[i]) / 2;
    }
  }

  void Settle() {
    double top = 0;
    double bottom = 0;
    bool first = true;
    for (const GraphLayout::Box& box : layout_.boxes) {
      const double above = box.y - box.height / 2;
      const double below = box.y + box.height / 2;
      top = first ? above : std::min(top, above);
      bottom = first ? below : std::max(bottom, below);
      first = false;
    }
    for (GraphLayout::Box& box : layout_.boxes) box.y -= top;
    layout_.height = bottom - top;
  }

  const Plan& plan_;
  const std::vector<GraphEdge>& edges_;
  const double box_height_;
  const double gap_;
  GraphLayout layout_;
  std::vector<std::vector<int>> columns_;  // boxes, from top to bottom
  std::vector<std::vector<int>> left_;     // neighbours one column left
  std::vector<std::vector<int>> right_;
  std::vector<double> rank_;
};

}  // namespace

GraphLayout LayOutGraph(const Plan& plan, const std::vector<GraphEdge>& edges,
                        double box_height, double gap) {
  return Maker(plan, edges, box_height, gap).Make();
}

}  // namespace sluice::planning
