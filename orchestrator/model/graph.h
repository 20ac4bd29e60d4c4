// The dependency graph of an estate: vertices are systems (by their index in
// Model::systems), edges are needs. Boost.Graph stays in the .cc.
//
// A joint group counts as one vertex wherever order is concerned: its members
// wait for what any of them needs outside the group, never for each other.

#pragma once

#include <memory>
#include <vector>

#include "orchestrator/model/model.h"

namespace sluice {

class DependencyGraph {
 public:
  // REQUIRES: every need of `model` names a system that exists.
  explicit DependencyGraph(const Model& model);
  ~DependencyGraph();
  DependencyGraph(DependencyGraph&&) noexcept;
  DependencyGraph& operator=(DependencyGraph&&) noexcept;

  // The shortest cycle of hard needs outside joint groups, as the needs on it
  // in order (each the index of the system and of the need in it); empty when
  // there is none.
  struct Edge {
    int system = 0;
    int need = 0;
  };
  std::vector<Edge> ShortestCycle() const;

  // What must come first, first; ties by priority, then by id.
  // REQUIRES: no cycle.
  std::vector<int> Order() const;

  // The systems that depend on `system` by hard needs, directly or not, sorted
  // by index, itself not among them.
  std::vector<int> BlastRadius(int system) const;

  // The systems that `system` depends on by hard needs, directly or not.
  std::vector<int> Foundations(int system) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
