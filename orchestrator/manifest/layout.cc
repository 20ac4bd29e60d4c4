#include "orchestrator/manifest/layout.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/manifest/canonical.h"
#include "orchestrator/manifest/scalar_text.h"

namespace sluice::manifest {
namespace {

constexpr int kIndent = 2;

// A comment or an empty line inside needs lines to stand on.
bool HasRemarks(const Element& element) {
  if (!element.below.empty()) return true;
  return std::any_of(element.children.begin(), element.children.end(),
                     [](const Element& child) {
                       return !child.above.empty() || !child.beside.empty() ||
                              HasRemarks(child);
                     });
}

// The value on one line, or false as soon as it takes more than `*room` columns
// (which it uses up).
bool OnOneLine(const Element& element, int* room, std::string* out) {
  const auto add = [&](absl::string_view text) {
    *room -= WidthOf(text);
    absl::StrAppend(out, text);
    return *room >= 0;
  };
  const Node& node = *element.value;
  if (node.kind == NodeKind::kNull) return add("~");
  if (node.kind == NodeKind::kScalar) {
    // Several lines are read better as lines.
    const bool lines =
        absl::StrContains(absl::StripTrailingAsciiWhitespace(node.text), '\n');
    return !lines && add(ScalarText(node, true));
  }
  if (element.always_block && !element.children.empty()) return false;
  const bool map = node.kind == NodeKind::kMap;
  if (!add(map ? "{" : "[")) return false;
  for (const Element& child : element.children) {
    if (&child != &element.children.front() && !add(", ")) return false;
    if (!child.is_item() &&
        (!add(ScalarText(*child.key, true)) || !add(": "))) {
      return false;
    }
    if (!OnOneLine(child, room, out)) return false;
  }
  return add(map ? "}" : "]");
}

// What stands before the value on its line: "    soak:" or "  -".
std::string Lead(const Element& element, int indent) {
  return absl::StrCat(std::string(static_cast<size_t>(indent), ' '),
                      element.is_item()
                          ? "-"
                          : absl::StrCat(ScalarText(*element.key, false), ":"));
}

bool FitsOnItsLine(const Element& element, int indent, std::string* text) {
  if (HasRemarks(element)) return false;
  // "- key: value" says as much as "- {key: value}".
  const bool one_field = element.is_item() && element.children.size() == 1 &&
                         !element.children.front().is_item();
  if (one_field) return false;
  int room = kManifestWidth - WidthOf(Lead(element, indent)) - 1;
  return OnOneLine(element, &room, text);
}

void Decide(Element& element, int indent) {
  if (!element.is_collection() || element.children.empty()) return;
  std::string text;
  element.block = !FitsOnItsLine(element, indent, &text);
  if (!element.block) return;
  for (Element& child : element.children) Decide(child, indent + kIndent);
}

class Writer {
 public:
  std::string Run(LayoutTree& tree) {
    AddLines(tree.header, 0);
    if (!tree.header.empty() && tree.set_off_header) out_ += '\n';
    for (Element& child : tree.root.children) Write(child, 0);
    AddLines(tree.root.below, 0);
    return std::move(out_);
  }

 private:
  void AddLines(const std::vector<std::string>& lines, int indent) {
    for (const std::string& line : lines) {
      if (!line.empty()) {
        absl::StrAppend(&out_, std::string(static_cast<size_t>(indent), ' '),
                        line);
      }
      out_ += '\n';
    }
  }

  void EndLine(const Element& element) {
    for (const std::string& comment : element.beside) {
      absl::StrAppend(&out_, "  ", comment);
    }
    out_ += '\n';
  }

  void Write(const Element& element, int indent) {
    AddLines(element.above, indent);
    const std::string lead = Lead(element, indent);
    if (element.block) {
      WriteBlock(element, lead, indent);
    } else if (element.value->kind == NodeKind::kScalar) {
      WriteScalar(element, lead, indent);
    } else {
      out_ += lead;
      if (element.is_item() || element.is_collection()) {
        std::string text;
        int room = 1 << 30;
        OnOneLine(element, &room, &text);
        absl::StrAppend(&out_, " ", text);
      }
      EndLine(element);
    }
  }

  void WriteScalar(const Element& element, const std::string& lead,
                   int indent) {
    Node node = *element.value;
    // A block text ends in a line's end that its reader does not want.
    if (element.folded) node.text = absl::StripAsciiWhitespace(node.text);
    const std::string text = ScalarText(node, false);
    out_ += lead;
    if (const auto lines = Lines(node.text); !lines.empty()) {
      out_ += " |-";
      EndLine(element);
      AddLines(lines, indent + kIndent);
      return;
    }
    const int width = WidthOf(lead) + 1 + WidthOf(text);
    if (element.folded && width > kManifestWidth) {
      const auto lines = Fold(node.text, kManifestWidth - indent - kIndent);
      if (!lines.empty()) {
        out_ += " >-";
        EndLine(element);
        AddLines(lines, indent + kIndent);
        return;
      }
    }
    absl::StrAppend(&out_, " ", text);
    EndLine(element);
  }

  void WriteBlock(const Element& element, const std::string& lead, int indent) {
    size_t dash = 0;
    if (element.is_item()) {
      dash = out_.size() + static_cast<size_t>(indent);
    } else {
      out_ += lead;
      EndLine(element);
    }
    for (const Element& child : element.children) {
      Write(child, indent + kIndent);
    }
    // The first child of an item stands behind its dash.
    if (element.is_item()) out_[dash] = '-';
    AddLines(element.below, indent + kIndent);
  }

  std::string out_;
};

}  // namespace

std::string WriteLayout(LayoutTree& tree) {
  for (Element& child : tree.root.children) Decide(child, 0);
  // Only now it is known which items have no line of their own.
  for (Element& child : tree.root.children) LiftComments(child);
  return Writer().Run(tree);
}

}  // namespace sluice::manifest
