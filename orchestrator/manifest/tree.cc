#include "orchestrator/manifest/tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <streambuf>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sluice::manifest {
namespace {

constexpr size_t kTextBlock = 64 << 10;

// Reads a string without copying it.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(const std::string& text) {
    char* begin = const_cast<char*>(text.data());
    setg(begin, begin, begin + text.size());
  }
};

// Thrown through yaml-cpp at the first event of a second document.
struct SecondDocument {
  YAML::Mark mark;
};

// What yaml-cpp says, in words for somebody who never read the standard.
std::string Sentence(absl::string_view said) {
  struct Pair {
    const char* theirs;
    const char* ours;
  };
  static constexpr Pair kPairs[] = {
      {"end of map not found",
       "this line is indented neither as the one above nor as any before it; "
       "align it with its neighbours"},
      {"end of sequence not found",
       "a list ends here without a reason; align the '-' with its neighbours"},
      {"end of map flow not found",
       "a '{' before this is not closed; add the '}'"},
      {"end of sequence flow not found",
       "a '[' before this is not closed; add the ']'"},
      {"illegal map value",
       "a ':' where no name can stand; put the text in quotes, or check the "
       "indentation of this line"},
      {"illegal map key", "a '?' where no name can stand; remove it"},
      {"illegal block entry",
       "a '-' where no list can begin; put it on a line of its own"},
      {"illegal flow end", "a ']' or '}' that closes nothing; remove it"},
      {"illegal EOF in scalar", "the file ends inside a quoted text"},
      {"illegal document indicator in scalar",
       "'---' or '...' inside a quoted text; close the quote before it"},
      {"unknown escape character: ",
       "an escape that YAML does not know; write \\\\ for one backslash"},
      {"unknown token",
       "a character that cannot begin a value (one of % @ `); put the value in "
       "quotes"},
      {"unexpected character in block scalar",
       "after '|' or '>' the text begins on the next line"},
  };
  for (const Pair& pair : kPairs) {
    if (absl::StartsWith(said, pair.theirs)) return pair.ours;
  }
  return absl::StrCat("YAML cannot read this: ", said);
}

}  // namespace

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const SourceText& source, Problems& problems, Tree& tree)
      : source_(source), problems_(problems), tree_(tree) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) throw SecondDocument{mark};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node = At(mark, NodeKind::kNull);
    CheckAnchor(mark, anchor);
    Add(node);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Node node = At(mark, NodeKind::kNull);
    node.bad = true;
    problems_.Error(Place(mark),
                    "an alias ('*'); write the value out where it is used");
    Add(node);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag,
                YAML::anchor_t anchor, const std::string& value) override {
    Node node = At(mark, NodeKind::kScalar);
    CheckAnchor(mark, anchor);
    node.quoted = tag == "!";
    node.bad = CheckTag(mark, tag);
    if (skipping_ == 0) node.text = Keep(value);
    Add(node);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, NodeKind::kSequence);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag,
                  YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, NodeKind::kMap);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

  // After an exception: what is open ends here.
  void BreakOff() {
    skipping_ = 0;
    while (!levels_.empty()) {
      Level& level = levels_.back();
      level.node.broken_off = true;
      // What came last may have run into what follows.
      if (!level.items.empty() &&
          level.items.back().kind == NodeKind::kScalar) {
        level.items.back().bad = true;
      }
      Close();
    }
    tree_.root_.broken_off = true;
  }

 private:
  struct Level {
    Node node;
    std::vector<Node> items;
  };

  sluice::Place Place(const YAML::Mark& mark) const {
    return source_.At(mark.line, mark.column);
  }

  static Node At(const YAML::Mark& mark, NodeKind kind) {
    Node node;
    node.kind = kind;
    node.line = mark.line;
    node.column = mark.column;
    return node;
  }

  void CheckAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor == 0) return;
    problems_.Error(Place(mark),
                    "an anchor ('&'); write values out where they are used, "
                    "or use 'defaults'");
  }

  bool CheckTag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return false;
    problems_.Error(Place(mark),
                    "a tag ('!'); values need none here, remove it");
    return true;
  }

  void Open(const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor, NodeKind kind) {
    if (skipping_ > 0 ||
        levels_.size() >= static_cast<size_t>(SourceText::kMaxDepth)) {
      if (skipping_++ == 0) {
        problems_.Error(
            Place(mark),
            absl::StrCat("nested deeper than ", SourceText::kMaxDepth,
                         " levels; no manifest needs that"));
      }
      return;
    }
    CheckAnchor(mark, anchor);
    Level level{At(mark, kind), {}};
    level.node.bad = CheckTag(mark, tag);
    levels_.push_back(std::move(level));
  }

  void Close() {
    if (skipping_ > 0) {
      if (--skipping_ == 0) {
        Node node;
        node.bad = true;
        Add(node);
      }
      return;
    }
    Level level = std::move(levels_.back());
    levels_.pop_back();
    Node& node = level.node;
    if (node.kind == NodeKind::kMap) {
      if (level.items.size() % 2 == 1) level.items.pop_back();
      DropBadKeys(level.items);
    }
    node.size = static_cast<uint32_t>(node.kind == NodeKind::kMap
                                          ? level.items.size() / 2
                                          : level.items.size());
    level.items.shrink_to_fit();
    tree_.nodes_.push_back(std::move(level.items));
    node.items = tree_.nodes_.back().data();
    Add(node);
  }

  // A key stands once and is a plain text: YAML would let the last one win.
  void DropBadKeys(std::vector<Node>& items) {
    absl::flat_hash_map<absl::string_view, int> seen;
    size_t kept = 0;
    for (size_t i = 0; i < items.size(); i += 2) {
      const Node& key = items[i];
      if (key.bad) continue;
      const sluice::Place place = source_.At(key.line, key.column);
      if (key.kind != NodeKind::kScalar) {
        problems_.Error(place, "a name was expected before the ':'");
        continue;
      }
      const auto [first, fresh] = seen.emplace(key.text, key.line + 1);
      if (!fresh) {
        problems_.Error(place,
                        absl::StrCat("'", key.text.substr(0, 80),
                                     "' is here a second time (first in line ",
                                     first->second, "); keep one of them"));
        continue;
      }
      items[kept] = items[i];
      items[kept + 1] = items[i + 1];
      kept += 2;
    }
    items.resize(kept);
  }

  void Add(const Node& node) {
    if (skipping_ > 0) return;
    if (levels_.empty()) {
      tree_.root_ = node;
      return;
    }
    Level& level = levels_.back();
    level.items.push_back(node);
    // Nothing stands nowhere: YAML marks where the next thing begins, people
    // look at the name.
    if (node.kind == NodeKind::kNull && level.node.kind == NodeKind::kMap &&
        level.items.size() % 2 == 0) {
      const Node& key = level.items[level.items.size() - 2];
      level.items.back().line = key.line;
      level.items.back().column = key.column;
    }
  }

  absl::string_view Keep(const std::string& value) {
    std::deque<std::string>& blocks = tree_.texts_;
    if (blocks.empty() ||
        blocks.back().size() + value.size() > blocks.back().capacity()) {
      blocks.emplace_back();
      blocks.back().reserve(std::max(value.size(), next_block_));
      next_block_ = std::min(kTextBlock, next_block_ * 2);
    }
    const size_t begin = blocks.back().size();
    blocks.back() += value;
    return absl::string_view(blocks.back()).substr(begin, value.size());
  }

  const SourceText& source_;
  Problems& problems_;
  Tree& tree_;
  std::vector<Level> levels_;
  int skipping_ = 0;  // open containers below the deepest level
  int documents_ = 0;
  size_t next_block_ = 1 << 10;
};

Tree ReadTree(const SourceText& source, Problems& problems) {
  Tree tree;
  TreeBuilder builder(source, problems, tree);
  ViewBuffer buffer(source.mended());
  std::istream stream(&buffer);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const SecondDocument& second) {
    problems.Error(source.At(second.mark.line, second.mark.column),
                   "a second document begins here; a file holds one manifest, "
                   "further files are named with 'include'");
  } catch (const YAML::ParserException& e) {
    builder.BreakOff();
    const Place place = source.At(e.mark.line, e.mark.column);
    const Place bracket = source.UnclosedBefore(e.mark.line);
    if (bracket.line > 0) {
      problems.Error(bracket,
                     absl::StrCat("this bracket is not closed (YAML noticed "
                                  "in line ",
                                  place.line, "); close it"));
    } else if (!source.closed_a_quote()) {
      problems.Error(place, Sentence(e.msg));
    }
    // Where we closed a quote ourselves, that mistake is already reported, and
    // what YAML stumbled over is most likely its consequence.
  }
  return tree;
}

}  // namespace sluice::manifest
