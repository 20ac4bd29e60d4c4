// A manifest as a tree that knows what people wrote beside its values: what
// `sluice fmt` rearranges before it is written out.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/manifest/fields.h"
#include "orchestrator/manifest/tree.h"

namespace sluice::manifest {

// An entry of a map or an item of a list. Lines of comments may be "": an empty
// line.
struct Element {
  const Node* key = nullptr;  // nullptr: an item
  const Node* value = nullptr;
  std::vector<std::string> above;   // lines before it; a leading "" sets it off
  std::vector<std::string> beside;  // comments on its line
  std::vector<Element> children;    // of its value
  std::vector<std::string> below;   // lines after the last child
  bool always_block = false;        // a line for each child, however short
  bool block = false;
  bool folded = false;  // a text that was written over several lines

  bool is_item() const { return key == nullptr; }
  bool is_collection() const {
    return value->kind == NodeKind::kMap || value->kind == NodeKind::kSequence;
  }
};

struct LayoutTree {
  Element root;
  std::vector<std::string> header;  // the file's own first comment
  bool set_off_header = false;      // an empty line follows it
};

// The tree with every comment at what it speaks of. REQUIRES: `root` was read
// from `text`, without a mistake in its form, and is a map.
LayoutTree MakeLayoutTree(const std::string& text, const Node& root);

// The fields of each map in the order of the table of fields; names that the
// manifest's author chose keep the author's.
void PutInOrder(LayoutTree& tree);

// Comments that have no place of their own in a layout move to the nearest
// place above: before the first child of an item there is only its '-'.
void LiftComments(Element& element);

}  // namespace sluice::manifest
