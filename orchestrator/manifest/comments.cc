#include "orchestrator/manifest/comments.h"

#include <algorithm>
#include <utility>

#include "absl/strings/string_view.h"

namespace sluice::manifest {
namespace {

// A node whose extent has to be known to tell a comment from a text with '#'.
struct Start {
  size_t offset = 0;
  const Node* node = nullptr;
  size_t parent_indent = 0;  // of a block text: it is indented deeper
};

size_t OffsetOf(const std::vector<size_t>& lines, const Node& node) {
  const size_t line = static_cast<size_t>(std::max(node.line, 0));
  if (line >= lines.size()) return std::string::npos;
  return lines[line] + static_cast<size_t>(std::max(node.column, 0));
}

class Scanner {
 public:
  Scanner(const std::string& text, const Node& root)
      : text_(text), lines_(LineStarts(text)) {
    Collect(root, 0);
    std::stable_sort(
        starts_.begin(), starts_.end(),
        [](const Start& a, const Start& b) { return a.offset < b.offset; });
  }

  std::vector<Remark> Run() {
    while (at_ < text_.size()) Next();
    return std::move(remarks_);
  }

 private:
  char Char(size_t at) const { return at < text_.size() ? text_[at] : '\n'; }
  bool IsBlankAt(size_t at) const {
    const char c = Char(at);
    return c == ' ' || c == '\n' || c == '\r';
  }
  size_t EndOfLine(size_t at) const {
    return std::min(text_.find('\n', at), text_.size());
  }

  void Collect(const Node& node, size_t parent_indent) {
    const size_t offset = OffsetOf(lines_, node);
    const char c = offset < text_.size() ? text_[offset] : '\0';
    const bool wanted =
        node.kind == NodeKind::kScalar
            ? node.quoted && (c == '"' || c == '\'' || c == '|' || c == '>')
            : node.kind != NodeKind::kNull && (c == '[' || c == '{');
    if (wanted) starts_.push_back({offset, &node, parent_indent});
    if (node.kind == NodeKind::kMap) {
      for (uint32_t i = 0; i < node.size; ++i) {
        Collect(node.key(i), parent_indent);
        Collect(node.value(i), static_cast<size_t>(node.key(i).column));
      }
    } else if (node.kind == NodeKind::kSequence) {
      for (uint32_t i = 0; i < node.size; ++i) {
        Collect(node.item(i), static_cast<size_t>(node.column));
      }
    }
  }

  void Next() {
    while (next_ < starts_.size() && starts_[next_].offset < at_) ++next_;
    const char c = text_[at_];
    if (c == '\n') {
      if (empty_line_) AddEmpty();
      NewLine();
      ++at_;
    } else if (c == ' ' || c == '\r') {
      ++at_;
    } else if (c == '#' && (after_token_ || at_ == 0 || IsBlankAt(at_ - 1))) {
      AddComment();
    } else if (next_ < starts_.size() && starts_[next_].offset == at_) {
      Enter(starts_[next_++]);
    } else if (open_.empty() && !content_ && IsMarker()) {
      // Dashes and "---" alone on their line say what follows, not what a
      // comment behind them is about.
      at_ += text_.compare(at_, 3, "---") == 0 ? 3 : 1;
      empty_line_ = false;
      lone_dash_ = true;
    } else {
      if (!open_.empty() && (c == ']' || c == '}')) {
        open_.pop_back();
        after_token_ = true;
      } else {
        after_token_ = !open_.empty() && c == ',';
      }
      AddContent();
      ++at_;
    }
  }

  bool IsMarker() const {
    if (text_[at_] != '-') return false;
    if (IsBlankAt(at_ + 1)) return true;
    return (at_ == 0 || text_[at_ - 1] == '\n') &&
           text_.compare(at_, 3, "---") == 0 && IsBlankAt(at_ + 3);
  }

  void AddContent() {
    content_ = true;
    empty_line_ = false;
    lone_dash_ = false;
  }

  void NewLine() {
    ++line_;
    content_ = false;
    empty_line_ = true;
    after_token_ = false;
  }

  const Node* Bracket() const { return open_.empty() ? nullptr : open_.back(); }

  void AddEmpty() {
    if (!remarks_.empty() && remarks_.back().text.empty() &&
        remarks_.back().line == line_ - 1) {
      remarks_.back().line = line_;
      return;
    }
    remarks_.push_back({line_, 0, "", true, lone_dash_, Bracket()});
  }

  void AddComment() {
    const size_t end = EndOfLine(at_);
    std::string comment = text_.substr(at_, end - at_);
    while (comment.back() == ' ' || comment.back() == '\r') comment.pop_back();
    remarks_.push_back({line_, static_cast<int>(at_ - lines_[line_]),
                        std::move(comment), !content_, lone_dash_, Bracket()});
    empty_line_ = false;
    at_ = end;
  }

  void Enter(const Start& start) {
    AddContent();
    after_token_ = true;
    const char c = text_[at_];
    if (c == '[' || c == '{') {
      open_.push_back(start.node);
      ++at_;
    } else if (c == '|' || c == '>') {
      SkipBlockText(start.parent_indent);
    } else {
      SkipQuoted(c);
    }
  }

  void SkipQuoted(char quote) {
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\n') ++line_;
      if (quote == '"' && c == '\\') {
        ++at_;
        if (Char(at_) == '\n') ++line_;
      } else if (c == quote) {
        if (quote == '"' || Char(at_ + 1) != '\'') {
          ++at_;
          return;
        }
        ++at_;
      }
    }
  }

  // From the '|' or '>' to the end of its last line that is not empty.
  void SkipBlockText(size_t parent_indent) {
    size_t fixed = 0;
    const size_t header_end = EndOfLine(at_);
    for (++at_; at_ < header_end && text_[at_] != '#'; ++at_) {
      if (text_[at_] >= '1' && text_[at_] <= '9') {
        fixed = parent_indent + static_cast<size_t>(text_[at_] - '0');
      }
    }
    if (at_ < header_end) AddComment();
    size_t end = header_end;  // of the last line that belongs to the text
    int end_line = line_;
    int line = line_;
    size_t indent = fixed;
    for (size_t from = header_end; from < text_.size();) {
      ++from;
      ++line;
      const size_t stop = EndOfLine(from);
      size_t first = from;
      while (first < stop && text_[first] == ' ') ++first;
      if (first < stop && text_[first] != '\r') {
        const size_t depth = first - from;
        if (indent == 0) {
          if (depth <= parent_indent) break;
          indent = depth;
        }
        if (depth < indent) break;
        end = stop;
        end_line = line;
      }
      from = stop;
    }
    at_ = end;
    line_ = end_line;
  }

  const std::string& text_;
  const std::vector<size_t> lines_;
  std::vector<Start> starts_;
  std::vector<Remark> remarks_;
  std::vector<const Node*> open_;
  size_t next_ = 0;
  size_t at_ = 0;
  int line_ = 0;
  bool content_ = false;      // something to remark on stands on this line
  bool empty_line_ = true;    // nothing at all does
  bool lone_dash_ = false;    // and what it announces is still to come
  bool after_token_ = false;  // YAML needs no blank before a '#' here
};

}  // namespace

std::vector<size_t> LineStarts(const std::string& text) {
  std::vector<size_t> lines = {0};
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') lines.push_back(i + 1);
  }
  return lines;
}

bool IsBracketed(const std::string& text, const std::vector<size_t>& lines,
                 const Node& node) {
  if (node.kind != NodeKind::kMap && node.kind != NodeKind::kSequence) {
    return false;
  }
  const size_t offset = OffsetOf(lines, node);
  return offset < text.size() && (text[offset] == '[' || text[offset] == '{');
}

std::vector<Remark> FindRemarks(const std::string& text, const Node& root) {
  return Scanner(text, root).Run();
}

}  // namespace sluice::manifest
