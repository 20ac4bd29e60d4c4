#include "orchestrator/model/graph.h"

#include <algorithm>
#include <boost/graph/compressed_sparse_row_graph.hpp>
#include <boost/graph/strong_components.hpp>
#include <boost/range/iterator_range.hpp>
#include <queue>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/contract.h"

namespace sluice {
namespace {

using Csr =
    boost::compressed_sparse_row_graph<boost::directedS, boost::no_property,
                                       DependencyGraph::Edge>;

constexpr int64_t kCycleBudget = 50'000'000;

// The group of each system: a joint group, or the system alone. Groups are
// numbered by their first member, so that ties by group are ties by id.
struct Groups {
  std::vector<int> of;                    // by system
  std::vector<std::vector<int>> members;  // by group, sorted
  std::vector<bool> joint;                // by group
};

Groups MakeGroups(const Model& model) {
  const int n = static_cast<int>(model.systems.size());
  std::vector<int> leader(n);
  std::vector<bool> joint(n, false);
  for (int i = 0; i < n; ++i) leader[i] = i;
  const auto find = [&](int i) {
    while (leader[i] != i) i = leader[i] = leader[leader[i]];
    return i;
  };
  for (const JointGroup& group : model.joint) {
    int first = -1;
    for (const SystemId& id : group.systems) {
      const System* system = model.FindSystem(id);
      if (system == nullptr) continue;
      const int index = static_cast<int>(system - model.systems.data());
      joint[index] = true;
      if (first < 0) {
        first = index;
      } else {
        // The smaller index leads, so that a leader is the first member.
        const int a = find(first), b = find(index);
        leader[std::max(a, b)] = std::min(a, b);
      }
    }
  }
  Groups groups;
  groups.of.resize(n);
  for (int i = 0; i < n; ++i) {
    const int top = find(i);
    if (top == i) {
      groups.of[i] = static_cast<int>(groups.members.size());
      groups.members.push_back({i});
      groups.joint.push_back(joint[i]);
    } else {
      groups.of[i] = groups.of[top];
      groups.members[groups.of[i]].push_back(i);
    }
  }
  return groups;
}

// The edges that leave `group`.
auto Edges(const Csr& graph, int group) {
  const auto [begin, end] =
      boost::out_edges(static_cast<Csr::vertex_descriptor>(group), graph);
  return boost::make_iterator_range(begin, end);
}

int Target(const Csr& graph, const Csr::edge_descriptor& edge) {
  return static_cast<int>(boost::target(edge, graph));
}

Csr MakeCsr(const std::vector<std::pair<int, int>>& ends,
            const std::vector<DependencyGraph::Edge>& edges, int vertices) {
  return Csr(boost::edges_are_unsorted_multi_pass, ends.begin(), ends.end(),
             edges.begin(), vertices);
}

}  // namespace

struct DependencyGraph::Impl {
  Groups groups;
  std::vector<Priority> priority;  // by group: the highest of its members
  Csr needs;                       // group → group it needs
  Csr needed_by;                   // the same edges, turned round

  int group_count() const { return static_cast<int>(groups.members.size()); }

  std::vector<int> Reachable(const Csr& graph, int system) const {
    std::vector<bool> seen(group_count(), false);
    std::vector<int> stack = {groups.of[system]};
    seen[groups.of[system]] = true;
    std::vector<int> found;
    while (!stack.empty()) {
      const int group = stack.back();
      stack.pop_back();
      for (const int member : groups.members[group]) {
        if (member != system) found.push_back(member);
      }
      for (const auto& edge : Edges(graph, group)) {
        const int next = Target(graph, edge);
        if (seen[next]) continue;
        seen[next] = true;
        stack.push_back(next);
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  // Groups, what is needed first; ties by priority, then by id.
  std::vector<int> GroupOrder() const {
    using Key = std::pair<Priority, int>;
    std::priority_queue<Key, std::vector<Key>, std::greater<Key>> ready;
    std::vector<int> open(group_count());
    for (int g = 0; g < group_count(); ++g) {
      open[g] = static_cast<int>(Edges(needs, g).size());
      if (open[g] == 0) ready.push({priority[g], g});
    }
    std::vector<int> order;
    order.reserve(group_count());
    while (!ready.empty()) {
      const int group = ready.top().second;
      ready.pop();
      order.push_back(group);
      for (const auto& edge : Edges(needed_by, group)) {
        const int next = Target(needed_by, edge);
        if (--open[next] == 0) ready.push({priority[next], next});
      }
    }
    SLUICE_CHECK(static_cast<int>(order.size()) == group_count());
    return order;
  }
};

DependencyGraph::DependencyGraph(const Model& model)
    : impl_(std::make_unique<Impl>()) {
  impl_->groups = MakeGroups(model);
  const Groups& groups = impl_->groups;
  const int count = impl_->group_count();

  impl_->priority.assign(count, Priority::kLow);
  std::vector<std::pair<int, int>> ends, turned;
  std::vector<Edge> edges;
  absl::flat_hash_map<absl::string_view, int> index;
  index.reserve(model.systems.size());
  for (size_t i = 0; i < model.systems.size(); ++i) {
    index.emplace(model.systems[i].id.str(), static_cast<int>(i));
  }
  for (size_t i = 0; i < model.systems.size(); ++i) {
    const System& system = model.systems[i];
    const int group = groups.of[i];
    impl_->priority[group] = std::min(impl_->priority[group], system.priority);
    for (size_t n = 0; n < system.needs.size(); ++n) {
      const Need& need = system.needs[n];
      if (need.system.empty() || need.strength != Strength::kHard) continue;
      const auto target = index.find(need.system.str());
      if (target == index.end()) continue;
      const int wanted = groups.of[target->second];
      if (wanted == group && groups.joint[group]) continue;
      ends.push_back({group, wanted});
      turned.push_back({wanted, group});
      edges.push_back({static_cast<int>(i), static_cast<int>(n)});
    }
  }
  impl_->needs = MakeCsr(ends, edges, count);
  impl_->needed_by = MakeCsr(turned, edges, count);
}

DependencyGraph::~DependencyGraph() = default;
DependencyGraph::DependencyGraph(DependencyGraph&&) noexcept = default;
DependencyGraph& DependencyGraph::operator=(DependencyGraph&&) noexcept =
    default;

std::vector<DependencyGraph::Edge> DependencyGraph::ShortestCycle() const {
  const Csr& graph = impl_->needs;
  const int count = impl_->group_count();
  std::vector<int> component(count);
  const int components = boost::strong_components(
      graph, boost::make_iterator_property_map(
                 component.begin(), boost::get(boost::vertex_index, graph)));
  std::vector<int> size(components, 0);
  for (const int c : component) ++size[c];

  // From each group that may be on a cycle, breadth first inside its component
  // until an edge comes back to it; never deeper than the best cycle so far.
  std::vector<Edge> best;
  struct Came {
    int round = -1;  // of the search that saw this group
    int from = -1;
    int depth = 0;
    Edge edge;
  };
  std::vector<Came> came(count);
  int64_t budget = kCycleBudget;
  for (int start = 0; start < count && budget > 0; ++start) {
    std::queue<int> queue;
    queue.push(start);
    came[start] = {start, -1, 0, {}};
    bool closed = false;
    while (!queue.empty() && !closed && budget > 0) {
      const int at = queue.front();
      queue.pop();
      const int length = came[at].depth + 1;
      if (!best.empty() && length >= static_cast<int>(best.size())) break;
      for (const auto& edge : Edges(graph, at)) {
        --budget;
        const int next = Target(graph, edge);
        if (next == start) {
          best = {graph[edge]};
          for (int back = at; back != start; back = came[back].from) {
            best.push_back(came[back].edge);
          }
          std::reverse(best.begin(), best.end());
          closed = true;
          break;
        }
        if (component[next] != component[start] || came[next].round == start) {
          continue;
        }
        came[next] = {start, at, length, graph[edge]};
        queue.push(next);
      }
      if (size[component[start]] == 1) break;  // only a need of itself counts
    }
    if (best.size() == 1) break;
  }
  return best;
}

std::vector<int> DependencyGraph::Order() const {
  std::vector<int> order;
  for (const int group : impl_->GroupOrder()) {
    const std::vector<int>& members = impl_->groups.members[group];
    order.insert(order.end(), members.begin(), members.end());
  }
  return order;
}

std::vector<int> DependencyGraph::BlastRadius(int system) const {
  return impl_->Reachable(impl_->needed_by, system);
}

std::vector<int> DependencyGraph::Foundations(int system) const {
  return impl_->Reachable(impl_->needs, system);
}

std::vector<int> DependencyGraph::Dominators(int system) const {
  // In a graph without cycles the immediate dominator is the nearest common
  // one of all that is needed; -1 is the ground that everything stands on.
  const std::vector<int> order = impl_->GroupOrder();
  std::vector<int> above(order.size(), -1), depth(order.size(), 1);
  for (const int group : order) {
    int common = -2;
    for (const auto& edge : Edges(impl_->needs, group)) {
      int other = Target(impl_->needs, edge);
      if (common == -2) {
        common = other;
        continue;
      }
      while (common != other) {
        const int a = common < 0 ? 0 : depth[common];
        const int b = other < 0 ? 0 : depth[other];
        if (a >= b) common = above[common];
        if (b >= a) other = above[other];
      }
    }
    above[group] = common == -2 ? -1 : common;
    depth[group] = above[group] < 0 ? 1 : depth[above[group]] + 1;
  }
  std::vector<int> found;
  for (int at = above[impl_->groups.of[system]]; at >= 0; at = above[at]) {
    const std::vector<int>& members = impl_->groups.members[at];
    found.insert(found.end(), members.begin(), members.end());
  }
  return found;
}

std::vector<int> DependencyGraph::CriticalPath(
    const std::vector<int64_t>& weight) const {
  SLUICE_CHECK(weight.size() == impl_->groups.of.size());
  const int count = impl_->group_count();
  std::vector<int64_t> total(count, 0);
  std::vector<int> through(count, -1);
  int last = -1;
  const auto heaviest = [&](int group) {
    const std::vector<int>& members = impl_->groups.members[group];
    return *std::max_element(members.begin(), members.end(), [&](int a, int b) {
      return weight[a] < weight[b];
    });
  };
  for (const int group : impl_->GroupOrder()) {
    for (const auto& edge : Edges(impl_->needs, group)) {
      const int need = Target(impl_->needs, edge);
      if (through[group] < 0 || total[need] > total[through[group]] ||
          (total[need] == total[through[group]] && need < through[group])) {
        through[group] = need;
      }
    }
    total[group] = weight[heaviest(group)] +
                   (through[group] < 0 ? 0 : total[through[group]]);
    if (last < 0 || total[group] > total[last] ||
        (total[group] == total[last] && group < last)) {
      last = group;
    }
  }
  std::vector<int> path;
  for (int at = last; at >= 0; at = through[at]) path.push_back(heaviest(at));
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace sluice
