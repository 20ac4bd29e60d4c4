// A manifest as a tree of located values: what YAML says, and nothing of what
// it means. yaml-cpp's events are read directly, because its own tree accepts
// what we refuse (duplicate keys, aliases, tags, further documents) and needs
// sixty times the memory.

#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "orchestrator/manifest/problems.h"
#include "orchestrator/manifest/source_text.h"

namespace sluice::manifest {

enum class NodeKind : uint8_t { kNull, kScalar, kSequence, kMap };

struct Node {
  NodeKind kind = NodeKind::kNull;
  bool quoted = false;
  // A mistake here was already reported: whoever reads it stays silent.
  bool bad = false;
  // The text broke off inside: something missing says nothing.
  bool broken_off = false;
  uint32_t size = 0;            // items of a sequence, entries of a map
  int line = 0;                 // 0-based, as YAML counts
  int column = 0;               // 0-based, in bytes
  absl::string_view text;       // of a scalar
  const Node* items = nullptr;  // a map has 2 * size: key, value, key, value

  const Node& item(uint32_t i) const { return items[i]; }
  const Node& key(uint32_t i) const { return items[2 * i]; }
  const Node& value(uint32_t i) const { return items[2 * i + 1]; }
};

// Owns the nodes and the texts of one file.
class Tree {
 public:
  Tree() = default;
  Tree(Tree&&) = default;
  Tree& operator=(Tree&&) = default;

  const Node& root() const { return root_; }

 private:
  friend class TreeBuilder;
  friend Tree ReadTree(const SourceText& source, Problems& problems);

  Node root_;
  std::deque<std::vector<Node>> nodes_;
  std::deque<std::string> texts_;  // blocks that scalars are views into
};

// The one document of `source`; every mistake in its form goes to `problems`.
// REQUIRES: source.readable().
Tree ReadTree(const SourceText& source, Problems& problems);

}  // namespace sluice::manifest
