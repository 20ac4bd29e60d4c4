// The dependency graph of an estate: vertices are systems (by their index in
// Model::systems), edges are needs. Boost.Graph stays in the .cc.
//
// A joint group counts as one vertex wherever order is concerned: its members
// wait for what any of them needs outside the group, never for each other.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "orchestrator/model/model.h"

namespace sluice {

class DependencyGraph {
 public:
  // Needs that name no system of `model` are left out, so that cycles are found
  // in a model that has other mistakes too. REQUIRES: systems sorted by id.
  explicit DependencyGraph(const Model& model);
  ~DependencyGraph();
  DependencyGraph(DependencyGraph&&) noexcept;
  DependencyGraph& operator=(DependencyGraph&&) noexcept;

  // The shortest cycle of hard needs outside joint groups, as the needs on it
  // in order (each the index of the system and of the need in it); empty when
  // there is none. Of several as short, the one that begins at the first id.
  // (In a hostile graph the search gives up after 50 million steps and returns
  // the shortest found by then.)
  struct Edge {
    int system = 0;
    int need = 0;
  };
  std::vector<Edge> ShortestCycle() const;

  // What must come first, first; ties by priority, then by id.
  // REQUIRES: no cycle.
  std::vector<int> Order() const;

  // The systems that depend on `system` by hard needs, directly or not, sorted
  // by index, itself not among them. The others of a joint group count: they
  // come back together and wait for what any of them needs.
  std::vector<int> BlastRadius(int system) const;

  // The systems that `system` depends on by hard needs, directly or not; the
  // same rules.
  std::vector<int> Foundations(int system) const;

  // The systems that every chain of hard needs from `system` down to a system
  // that needs nothing runs through, nearest first, itself not among them: its
  // single points of waiting. REQUIRES: no cycle.
  std::vector<int> Dominators(int system) const;

  // The chain of hard needs with the greatest sum of `weight` (one for each
  // system), what comes first first; of a joint group its heaviest member. Ties
  // go to the first id. REQUIRES: no cycle; weight.size() is the systems'
  // number.
  std::vector<int> CriticalPath(const std::vector<int64_t>& weight) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
