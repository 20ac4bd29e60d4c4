#include "orchestrator/importers/compose_merge.h"

#include <algorithm>

namespace sluice::importers {
namespace {

bool OneOf(absl::string_view key,
           std::initializer_list<absl::string_view> keys) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

ValuePtr Merge(absl::string_view key, const ValuePtr& base,
               const ValuePtr& over);

ValuePtr MergeMaps(const ValuePtr& base, const ValuePtr& over) {
  Value merged = *base;
  for (const Value::Entry& entry : over->entries) {
    const auto mine =
        std::find_if(merged.entries.begin(), merged.entries.end(),
                     [&](const Value::Entry& e) { return e.key == entry.key; });
    if (entry.value->tag == "!reset") {
      if (mine != merged.entries.end()) merged.entries.erase(mine);
    } else if (mine == merged.entries.end()) {
      merged.entries.push_back(entry);
    } else {
      mine->value = Merge(entry.key, mine->value, entry.value);
      mine->place = entry.place;
    }
  }
  return std::make_shared<const Value>(std::move(merged));
}

ValuePtr MergeLists(const ValuePtr& base, const ValuePtr& over) {
  Value merged = *base;
  for (const ValuePtr& item : over->items) {
    const bool there = std::any_of(
        base->items.begin(), base->items.end(), [&](const ValuePtr& other) {
          return item->is_scalar() && other->is_scalar() &&
                 item->text == other->text;
        });
    if (!there) merged.items.push_back(item);
  }
  return std::make_shared<const Value>(std::move(merged));
}

// A single value where a list may stand.
ValuePtr AsList(const ValuePtr& value) {
  if (value->is_list()) return value;
  Value list;
  list.kind = Value::Kind::kList;
  list.place = value->place;
  if (value->kind != Value::Kind::kNull) list.items.push_back(value);
  return std::make_shared<const Value>(std::move(list));
}

ValuePtr Merge(absl::string_view key, const ValuePtr& base,
               const ValuePtr& over) {
  if (over->tag == "!override") return over;
  if (OneOf(key, {"command", "entrypoint", "test", "profiles"})) return over;
  if (OneOf(key, {"depends_on", "networks", "environment"})) {
    const ValuePtr one = AsMap(base), other = AsMap(over);
    if (!one->is_map() || !other->is_map()) return over;
    return MergeMaps(one, other);
  }
  if (OneOf(key, {"env_file", "ports", "expose", "links"})) {
    return MergeLists(AsList(base), AsList(over));
  }
  if (over->kind == Value::Kind::kNull) return base;
  if (base->is_map() && over->is_map()) return MergeMaps(base, over);
  if (base->is_list() && over->is_list()) return MergeLists(base, over);
  return over;
}

}  // namespace

ValuePtr AsMap(const ValuePtr& value) {
  if (value->is_map()) return value;
  Value map;
  map.kind = Value::Kind::kMap;
  map.place = value->place;
  for (const ValuePtr& item : value->items) {
    Value of;
    of.place = item->place;
    const size_t equals = item->text.find('=');
    if (equals != std::string::npos) {
      of.kind = Value::Kind::kScalar;
      of.text = item->text.substr(equals + 1);
    }
    const std::string key = item->text.substr(0, equals);
    const auto same = [&](const Value::Entry& e) { return e.key == key; };
    map.entries.erase(
        std::remove_if(map.entries.begin(), map.entries.end(), same),
        map.entries.end());
    map.entries.push_back(
        {key, item->place, std::make_shared<const Value>(std::move(of))});
  }
  return std::make_shared<const Value>(std::move(map));
}

ValuePtr Without(const ValuePtr& map, absl::string_view key) {
  Value copy = *map;
  copy.entries.erase(
      std::remove_if(copy.entries.begin(), copy.entries.end(),
                     [&](const Value::Entry& e) { return e.key == key; }),
      copy.entries.end());
  return std::make_shared<const Value>(std::move(copy));
}

ValuePtr MergeService(const ValuePtr& base, const ValuePtr& over) {
  if (over->tag == "!override") return over;
  if (!base->is_map() || !over->is_map()) return over;
  return MergeMaps(base, over);
}

}  // namespace sluice::importers
