#include "orchestrator/manifest/layout_tree.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "orchestrator/manifest/comments.h"

namespace sluice::manifest {
namespace {

bool Before(int line, int column, int other_line, int other_column) {
  return line != other_line ? line < other_line : column < other_column;
}

// Elements that begin where indentation counts, in the order of the text.
struct BlockElement {
  Element* element = nullptr;
  int parent = -1;  // index of the element whose value it belongs to
  int line = 0;
  int column = 0;
  int indent = 0;  // of its key, or of its '-'
};

class Attacher {
 public:
  Attacher(const std::string& text, LayoutTree& tree)
      : text_(text), lines_(LineStarts(text)), tree_(tree) {}

  void Run(const Node& root) {
    tree_.root.value = &root;
    Build(tree_.root);
    Index(tree_.root, -1);
    for (const Remark& remark : FindRemarks(text_, root)) Attach(remark);
    Flush();
    TakeHeader();
  }

 private:
  void Build(Element& element) {
    const Node& node = *element.value;
    if (node.kind == NodeKind::kScalar) {
      const int line = std::max(node.line, 0);
      const size_t at = lines_[line] + static_cast<size_t>(node.column);
      element.folded = node.quoted && at < text_.size() &&
                       (text_[at] == '|' || text_[at] == '>');
      return;
    }
    if (!element.is_collection()) return;
    element.children.resize(node.size);
    for (uint32_t i = 0; i < node.size; ++i) {
      Element& child = element.children[i];
      if (node.kind == NodeKind::kMap) child.key = &node.key(i);
      child.value =
          node.kind == NodeKind::kMap ? &node.value(i) : &node.item(i);
      Build(child);
    }
    if (IsBracketed(text_, lines_, node)) bracketed_[&node] = &element;
  }

  void Index(Element& element, int self) {
    if (bracketed_.contains(element.value)) return;
    const int indent = element.value->column;
    for (Element& child : element.children) {
      const Node& start = child.is_item() ? *child.value : *child.key;
      elements_.push_back({&child, self, start.line, start.column,
                           child.is_item() ? indent : start.column});
      // An item and its own first child begin at one place.
      if (elements_.size() > 1) {
        const BlockElement& last = elements_[elements_.size() - 2];
        BlockElement& now = elements_.back();
        if (Before(now.line, now.column, last.line, last.column)) {
          now.line = last.line;
          now.column = last.column;
        }
      }
      Index(child, static_cast<int>(elements_.size()) - 1);
    }
  }

  void Attach(const Remark& remark) {
    if (remark.bracket != nullptr) {
      AttachInBrackets(remark);
    } else {
      AttachInBlock(remark);
    }
  }

  // Empty lines wait until it is known what the comment after them belongs to.
  void Wait(Element* next) {
    if (waiting_ && waiting_for_ != next) Flush();
    waiting_ = true;
    waiting_for_ = next;
  }
  void Flush() {
    if (waiting_ && waiting_for_ != nullptr) AddLine(waiting_for_->above, "");
    waiting_ = false;
  }
  static void AddLine(std::vector<std::string>& lines,
                      const std::string& line) {
    if (line.empty() && !lines.empty() && lines.back().empty()) return;
    lines.push_back(line);
  }
  // A comment on a line of its own; `next` is what comes after it.
  void Add(std::vector<std::string>& lines, const Element* next,
           const std::string& comment) {
    if (waiting_ && waiting_for_ != next) Flush();
    if (waiting_) AddLine(lines, "");
    waiting_ = false;
    lines.push_back(comment);
  }

  void AttachInBrackets(const Remark& remark) {
    Element& element = *bracketed_.at(remark.bracket);
    Element* last = nullptr;
    Element* next = nullptr;
    for (Element& child : element.children) {
      const Node& start = child.is_item() ? *child.value : *child.key;
      const bool begun =
          Before(start.line, start.column, remark.line, remark.column);
      const bool complete = Before(child.value->line, child.value->column,
                                   remark.line, remark.column);
      if (begun) last = &child;
      if (!begun || !complete) {
        next = &child;
        break;
      }
    }
    if (remark.text.empty()) {
      Wait(next);
    } else if (!remark.own_line) {
      (last != nullptr ? last : &element)->beside.push_back(remark.text);
    } else if (next != nullptr) {
      Add(next->above, next, remark.text);
    } else {
      Add(element.children.empty() ? element.above : element.below, nullptr,
          remark.text);
    }
  }

  void AttachInBlock(const Remark& remark) {
    const auto after = std::partition_point(
        elements_.begin(), elements_.end(), [&](const BlockElement& e) {
          return Before(e.line, e.column, remark.line, remark.column);
        });
    Element* next = after != elements_.end() ? after->element : nullptr;
    const int last = static_cast<int>(after - elements_.begin()) - 1;
    if (!remark.own_line) {
      if (last >= 0) {
        elements_[last].element->beside.push_back(remark.text);
      } else {
        Add(next != nullptr ? next->above : tree_.root.below, next,
            remark.text);
      }
      return;
    }
    // "key:" and its value, with a comment between them.
    if (last >= 0) {
      Element& begun = *elements_[last].element;
      const bool below_its_key =
          !begun.is_item() && begun.value->kind != NodeKind::kNull &&
          Before(remark.line, remark.column, begun.value->line,
                 begun.value->column) &&
          (begun.children.empty() || bracketed_.contains(begun.value));
      if (below_its_key) {
        if (!remark.text.empty()) begun.above.push_back(remark.text);
        return;
      }
    }
    if (remark.text.empty()) {
      Wait(next);
      return;
    }
    Add(remark.after_dash && next != nullptr
            ? next->above
            : LinesFor(remark, last, next != nullptr ? last + 1 : -1),
        next, remark.text);
  }

  // Below what ends here when it is indented as that, else above what follows.
  std::vector<std::string>& LinesFor(const Remark& remark, int last, int next) {
    const int next_indent = next >= 0 ? elements_[next].indent : -1;
    const int next_parent = next >= 0 ? elements_[next].parent : -2;
    const bool inside_last = next >= 0 && next_parent == last;
    if (remark.column > next_indent && !inside_last) {
      for (int at = last; at >= 0; at = elements_[at].parent) {
        if (elements_[at].parent == next_parent) break;
        if (remark.column >= elements_[at].indent) {
          const int parent = elements_[at].parent;
          return parent >= 0 ? elements_[parent].element->below
                             : tree_.root.below;
        }
      }
    }
    return next >= 0 ? elements_[next].element->above : tree_.root.below;
  }

  // A file's first comment speaks of the file, whatever comes first in it.
  void TakeHeader() {
    if (tree_.root.children.empty()) return;
    std::vector<std::string>& above = tree_.root.children.front().above;
    if (!above.empty() && above.front().empty()) above.erase(above.begin());
    const auto end = std::find(above.begin(), above.end(), "");
    tree_.set_off_header = end != above.end();
    tree_.header.assign(std::make_move_iterator(above.begin()),
                        std::make_move_iterator(end));
    above.erase(above.begin(), end == above.end() ? end : end + 1);
  }

  const std::string& text_;
  const std::vector<size_t> lines_;
  LayoutTree& tree_;
  absl::flat_hash_map<const Node*, Element*> bracketed_;
  std::vector<BlockElement> elements_;
  bool waiting_ = false;
  Element* waiting_for_ = nullptr;
};

size_t RankIn(const std::vector<Field>& fields, const Element& element) {
  const auto at = std::find_if(
      fields.begin(), fields.end(),
      [&](const Field& field) { return element.key->text == field.name; });
  return static_cast<size_t>(at - fields.begin());
}

// Sorts the entries by `fields`; the empty line before the first goes to who
// was first.
void SortBy(const std::vector<Field>& fields, Element& element) {
  std::vector<Element>& children = element.children;
  if (children.empty()) return;
  const Node* first = children.front().key;
  std::stable_sort(children.begin(), children.end(),
                   [&](const Element& a, const Element& b) {
                     return RankIn(fields, a) < RankIn(fields, b);
                   });
  if (children.front().key == first) return;
  std::vector<std::string>& above = children.front().above;
  if (above.empty() || !above.front().empty()) return;
  above.erase(above.begin());
  for (Element& child : children) {
    if (child.key != first) continue;
    if (child.above.empty() || !child.above.front().empty()) {
      child.above.insert(child.above.begin(), "");
    }
  }
}

bool AlwaysBlock(absl::string_view type) {
  return type == "{host}" || type == "{external}" || type == "{approver}" ||
         type == "{system}" || type == "system" || type == "stage[]" ||
         type == "stage" || type == "management" || type == "defaults" ||
         type == "manifest";
}

void Order(Element& element, absl::string_view type);

void OrderFields(Element& element, const std::vector<Field>& fields) {
  SortBy(fields, element);
  for (Element& child : element.children) {
    const size_t rank = RankIn(fields, child);
    if (rank < fields.size()) Order(child, fields[rank].type);
  }
}

// The check itself, then how it is tried.
void OrderCheck(Element& element) {
  static const auto& fields = *new std::vector<Field>([] {
    std::vector<Field> all;
    for (const CheckKind& kind : CheckKinds()) {
      all.push_back({kind.name, "", false, "", ""});
    }
    all.push_back({"task", "task", false, "", ""});
    const std::vector<Field>& how = FindShape("check-defaults").fields;
    all.insert(all.end(), how.begin(), how.end());
    return all;
  }());
  OrderFields(element, fields);
  for (Element& child : element.children) {
    const CheckKind* kind = FindCheckKind(child.key->text);
    if (kind != nullptr && child.value->kind == NodeKind::kMap) {
      OrderFields(child, kind->args);
    }
  }
}

void Order(Element& element, absl::string_view type) {
  if (AlwaysBlock(type)) element.always_block = true;
  const NodeKind kind = element.value->kind;
  if (absl::EndsWith(type, "[]")) {
    const absl::string_view one = type.substr(0, type.size() - 2);
    if (kind != NodeKind::kSequence) return Order(element, one);
    for (Element& child : element.children) Order(child, one);
    return;
  }
  if (kind != NodeKind::kMap) return;
  if (absl::StartsWith(type, "{")) {
    const absl::string_view one = type.substr(1, type.size() - 2);
    for (Element& child : element.children) Order(child, one);
    return;
  }
  if (type == "check") return OrderCheck(element);
  if (type == "need") {
    const bool external = std::any_of(
        element.children.begin(), element.children.end(),
        [](const Element& child) { return child.key->text == "external"; });
    if (!external) return;  // {system:port: soft}
    type = "need-external";
  }
  for (const Shape& shape : Shapes()) {
    if (type == shape.name) return OrderFields(element, shape.fields);
  }
}

void DropLeadingEmpty(std::vector<std::string>& lines) {
  if (!lines.empty() && lines.front().empty()) lines.erase(lines.begin());
}

}  // namespace

LayoutTree MakeLayoutTree(const std::string& text, const Node& root) {
  LayoutTree tree;
  Attacher(text, tree).Run(root);
  return tree;
}

void PutInOrder(LayoutTree& tree) {
  if (tree.root.children.empty()) return;
  const Node* first = tree.root.children.front().key;
  Order(tree.root, "manifest");
  if (!tree.header.empty() && tree.root.children.front().key != first) {
    tree.set_off_header = true;
  }
}

void LiftComments(Element& element) {
  for (Element& child : element.children) LiftComments(child);
  // One comment fits beside; those before it go above.
  while (element.beside.size() > 1) {
    element.above.push_back(std::move(element.beside.front()));
    element.beside.erase(element.beside.begin());
  }
  if (element.is_item() && element.block && !element.beside.empty()) {
    // "- key: value" has one place beside it, whoever's it is.
    Element& first = element.children.front();
    const bool one_line = element.children.size() == 1 && !first.is_item() &&
                          first.beside.empty();
    (one_line ? first.beside : element.above)
        .push_back(std::move(element.beside.front()));
    element.beside.clear();
  }
  if (element.children.empty()) return;
  std::vector<std::string>& lines = element.children.front().above;
  DropLeadingEmpty(lines);
  if (element.value != nullptr && element.is_item() && !lines.empty()) {
    std::move(lines.begin(), lines.end(), std::back_inserter(element.above));
    lines.clear();
  }
}

}  // namespace sluice::manifest
