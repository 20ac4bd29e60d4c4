// From a tree with comments to lines.

#pragma once

#include <string>

#include "orchestrator/manifest/layout_tree.h"

namespace sluice::manifest {

// Decides what stands in brackets on one line and what has a line for each
// child, and writes it. REQUIRES: PutInOrder and LiftComments were called.
std::string WriteLayout(LayoutTree& tree);

}  // namespace sluice::manifest
