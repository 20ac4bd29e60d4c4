#include "orchestrator/manifest/canonical.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "orchestrator/manifest/comments.h"
#include "orchestrator/manifest/layout.h"
#include "orchestrator/manifest/layout_tree.h"
#include "orchestrator/manifest/problems.h"
#include "orchestrator/manifest/source_text.h"
#include "orchestrator/manifest/tree.h"

namespace sluice {
namespace manifest {
namespace {

// One text, read; the tree's places are places in `source.mended()`.
struct Read {
  explicit Read(absl::string_view text) : source(text, 0, problems) {
    if (source.readable()) tree = ReadTree(source, problems);
  }
  bool good() const { return source.readable() && problems.errors() == 0; }

  Problems problems;
  SourceText source;
  Tree tree;
};

// A text's meaning is what its reader makes of it: blanks around it are none.
bool SameText(const Node& a, const Node& b) {
  return a.text == b.text || absl::StripAsciiWhitespace(a.text) ==
                                 absl::StripAsciiWhitespace(b.text);
}

bool SameValue(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.size != b.size) return false;
  if (a.kind == NodeKind::kScalar) return SameText(a, b);
  if (a.kind == NodeKind::kSequence) {
    for (uint32_t i = 0; i < a.size; ++i) {
      if (!SameValue(a.item(i), b.item(i))) return false;
    }
  }
  if (a.kind == NodeKind::kMap) {
    absl::flat_hash_map<absl::string_view, const Node*> values;
    for (uint32_t i = 0; i < a.size; ++i) {
      values[a.key(i).text] = &a.value(i);
    }
    for (uint32_t i = 0; i < b.size; ++i) {
      const auto at = values.find(b.key(i).text);
      if (at == values.end() || !SameValue(*at->second, b.value(i))) {
        return false;
      }
    }
  }
  return true;
}

std::vector<std::string> Comments(const Read& read) {
  std::vector<std::string> comments;
  for (Remark& remark : FindRemarks(read.source.mended(), read.tree.root())) {
    if (!remark.text.empty()) comments.push_back(std::move(remark.text));
  }
  std::sort(comments.begin(), comments.end());
  return comments;
}

bool IsPart(const Read& read) {
  const Node& root = read.tree.root();
  if (!read.good() || root.kind != NodeKind::kMap) return false;
  for (uint32_t i = 0; i < root.size; ++i) {
    if (root.key(i).text == "sluice" || root.key(i).text == "estate") {
      return false;
    }
  }
  return true;
}

absl::StatusOr<std::string> LayOut(const Read& read) {
  if (!read.good() || read.tree.root().kind != NodeKind::kMap) {
    return absl::InvalidArgumentError(
        "this is no manifest that can be laid out; `sluice validate` says what "
        "is wrong with it");
  }
  LayoutTree tree = MakeLayoutTree(read.source.mended(), read.tree.root());
  PutInOrder(tree);
  for (Element& child : tree.root.children) LiftComments(child);
  std::string out = WriteLayout(tree);
  // Nobody compares a thousand lines by eye: what was made is read again.
  const Read again(out);
  if (!again.good() || !SameValue(read.tree.root(), again.tree.root()) ||
      Comments(read) != Comments(again)) {
    return absl::InternalError(
        "this cannot be laid out without losing something; it stays as it is");
  }
  return out;
}

}  // namespace
}  // namespace manifest

absl::StatusOr<std::string> CanonicalText(absl::string_view text) {
  return manifest::LayOut(manifest::Read(text));
}

CanonicalFile FormatManifestFile(const std::string& path) {
  CanonicalFile file;
  file.checked = LoadManifest(path);
  if (file.checked.sources.files.empty()) return file;
  file.before = file.checked.sources.files[0].text;
  const manifest::Read read(file.before);
  if (manifest::IsPart(read)) file.checked = LoadManifestPart(path);
  if (file.checked.ok()) file.after = manifest::LayOut(read);
  return file;
}

}  // namespace sluice
