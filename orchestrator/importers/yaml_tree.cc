#include "orchestrator/importers/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <set>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sluice::importers {
namespace {

// Thrown through yaml-cpp to stop it; the message is already reported.
struct Stop {};

class Builder : public YAML::EventHandler {
 public:
  Builder(const Lines& lines, manifest::Problems& problems)
      : lines_(lines), problems_(problems) {}

  ValuePtr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    problems_.Error(At(mark),
                    "a second document begins here; put it in a file of its "
                    "own and name both files");
    throw Stop{};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(Made(mark, Value::Kind::kNull), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto at = anchors_.find(anchor);
    if (at == anchors_.end()) {
      problems_.Error(At(mark),
                      "an alias inside of what it names; write it out");
      throw Stop{};
    }
    AddValue(at->second);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag,
                YAML::anchor_t anchor, const std::string& value) override {
    Value scalar = Made(mark, Value::Kind::kScalar);
    scalar.text = value;
    SetTag(tag, &scalar);
    Add(std::move(scalar), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, Value::Kind::kList);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag,
                  YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, Value::Kind::kMap);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  struct Level {
    Value value;
    YAML::anchor_t anchor = 0;
    std::vector<ValuePtr> items;
  };

  Place At(const YAML::Mark& mark) const {
    return lines_.At(mark.line, mark.column);
  }
  Value Made(const YAML::Mark& mark, Value::Kind kind) const {
    Value value;
    value.kind = kind;
    value.place = At(mark);
    return value;
  }
  static void SetTag(const std::string& tag, Value* value) {
    if (tag == "!reset" || tag == "!override") value->tag = tag;
  }

  void Open(const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor, Value::Kind kind) {
    Level level{Made(mark, kind), anchor, {}};
    if (levels_.size() >= static_cast<size_t>(kMaxDepth)) {
      problems_.Error(level.value.place,
                      absl::StrCat("nested deeper than ", kMaxDepth,
                                   " levels; no Compose file needs that"));
      throw Stop{};
    }
    SetTag(tag, &level.value);
    levels_.push_back(std::move(level));
  }

  void Close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    for (const ValuePtr& item : level.items) {
      level.value.nodes += item->nodes;
      if (level.value.nodes <= kMaxNodes) continue;
      problems_.Error(level.value.place,
                      absl::StrCat("written out, this is more than ", kMaxNodes,
                                   " values: its aliases multiply it; write "
                                   "out what is needed"));
      throw Stop{};
    }
    if (level.value.is_map()) {
      FillMap(level.items, &level.value);
    } else {
      level.value.items = std::move(level.items);
    }
    Add(std::move(level.value), level.anchor);
  }

  // Keys stand once; "<<" brings in what is not there already.
  void FillMap(const std::vector<ValuePtr>& items, Value* map) {
    std::set<std::string> seen;
    std::vector<ValuePtr> merged;
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      const Value& key = *items[i];
      if (key.kind == Value::Kind::kList || key.is_map()) {
        problems_.Error(key.place, "a name was expected before the ':'");
        continue;
      }
      if (key.text == "<<") {
        merged.push_back(items[i + 1]);
        continue;
      }
      if (!seen.insert(key.text).second) {
        problems_.Error(key.place,
                        absl::StrCat("'", key.text.substr(0, 80),
                                     "' is here a second time; keep one of "
                                     "them"));
        continue;
      }
      map->entries.push_back({key.text, key.place, items[i + 1]});
    }
    for (const ValuePtr& value : merged) MergeIn(value, &seen, map);
  }

  void MergeIn(const ValuePtr& from, std::set<std::string>* seen, Value* map) {
    if (from->is_list()) {
      for (const ValuePtr& item : from->items) MergeIn(item, seen, map);
    } else if (from->is_map()) {
      for (const Value::Entry& entry : from->entries) {
        if (seen->insert(entry.key).second) map->entries.push_back(entry);
      }
    } else {
      problems_.Error(
          from->place,
          "'<<' merges a map, or a list of maps; name one with '*'");
    }
  }

  void Add(Value value, YAML::anchor_t anchor) {
    const ValuePtr made = std::make_shared<const Value>(std::move(value));
    if (anchor != 0) anchors_[anchor] = made;
    AddValue(made);
  }
  void AddValue(const ValuePtr& value) {
    if (levels_.empty()) {
      root_ = value;
    } else {
      levels_.back().items.push_back(value);
    }
  }

  const Lines& lines_;
  manifest::Problems& problems_;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, ValuePtr> anchors_;
  ValuePtr root_;
  int documents_ = 0;
};

}  // namespace

const Value::Entry* Value::Find(absl::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

ValuePtr Value::Get(absl::string_view key) const {
  const Entry* entry = Find(key);
  return entry == nullptr ? nullptr : entry->value;
}

ValuePtr ReadYaml(const std::string& text, const Lines& lines,
                  manifest::Problems& problems) {
  Builder builder(lines, problems);
  // yaml-cpp takes the end of a file for the end of an open quote, and so would
  // lose what follows the quote without a word; the end of a document it does
  // not.
  std::istringstream stream(absl::StrCat(text, "\n...\n"));
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop&) {
    return nullptr;
  } catch (const YAML::Exception& e) {
    const int last = lines.count() - 1;
    const bool in_quote =
        e.mark.line > last && absl::StrContains(e.msg, "indicator in scalar");
    problems.Error(e.mark.line > last ? lines.At(last, 0)
                                      : lines.At(e.mark.line, e.mark.column),
                   in_quote
                       ? "the file ends inside a quoted text; close the quote"
                       : absl::StrCat("YAML cannot read this: ", e.msg,
                                      "; `docker compose config` tells more"));
    return nullptr;
  }
  return builder.root();
}

}  // namespace sluice::importers
