#include "orchestrator/manifest/reader.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/contract.h"
#include "common/nearest.h"
#include "orchestrator/manifest/values.h"

namespace sluice::manifest {
namespace {

absl::string_view KindText(NodeKind kind) {
  switch (kind) {
    case NodeKind::kNull:
      return "nothing";
    case NodeKind::kScalar:
      return "a single value";
    case NodeKind::kSequence:
      return "a list";
    case NodeKind::kMap:
      return "a group of 'name: value'";
  }
  return "";
}

// Fields people expect, and must not have: everybody who votes reads this.
bool NamesASecret(absl::string_view field) {
  const std::string lower = absl::AsciiStrToLower(field);
  for (const char* word :
       {"password", "passwd", "passphrase", "secret", "token", "credential",
        "api-key", "apikey", "private-key"}) {
    if (absl::StrContains(lower, word)) return true;
  }
  return false;
}

}  // namespace

void Context::Error(const Node& node, absl::string_view who,
                    absl::string_view message) const {
  if (node.bad) return;
  problems.Error(At(node), who.empty() ? std::string(message)
                                       : absl::StrCat(who, ": ", message));
}

bool Context::FirstTime(const Node& node, absl::string_view kind,
                        absl::string_view name, absl::string_view twice) const {
  const auto [first, fresh] =
      draft.seen.emplace(absl::StrCat(kind, " ", name), At(node));
  if (fresh) return true;
  const std::string line = LineText(draft.model, At(node), first->second);
  problems.Error(
      At(node),
      twice.empty()
          ? absl::StrCat(kind, " '", name, "' is here a second time (first in ",
                         line, "); keep one of them, or rename it")
          : absl::StrCat(twice, " (first in ", line, "); keep one of them"));
  return false;
}

void Context::Refer(Reference::Kind kind, absl::string_view name,
                    const Node& node, std::string who) const {
  draft.references.push_back(
      {kind, std::string(name), At(node), std::move(who)});
}

bool Context::Scalar(const Node& node, absl::string_view who,
                     absl::string_view* text) const {
  if (node.bad) return false;
  if (node.kind == NodeKind::kNull) {
    if (!node.broken_off) {
      Error(node, who, "there is no value; write one, or remove the line");
    }
    return false;
  }
  if (node.kind != NodeKind::kScalar) {
    Error(
        node, who,
        absl::StrCat("one value was expected, here is ", KindText(node.kind)));
    return false;
  }
  if (LooksSecret(node.text)) {
    Error(node, who,
          "this looks like a secret, and everybody who votes reads a manifest; "
          "keep it in the host's own file");
    return false;
  }
  *text = node.text;
  return true;
}

bool Context::ReadName(const Node& node, absl::string_view who,
                       std::string* out) const {
  absl::string_view text;
  if (!Scalar(node, who, &text)) return false;
  std::string why;
  if (ParseName(text, out, &why)) return true;
  Error(node, who, why);
  return false;
}

bool Context::ReadText(const Node& node, absl::string_view who,
                       std::string* out) const {
  absl::string_view text;
  if (!Scalar(node, who, &text)) return false;
  std::string why;
  if (ParseText(text, out, &why)) return true;
  Error(node, who, why);
  return false;
}

bool Context::ReadLines(const Node& node, absl::string_view who,
                        std::string* out) const {
  absl::string_view text;
  if (!Scalar(node, who, &text)) return false;
  std::string why;
  if (ParseLines(text, out, &why)) return true;
  Error(node, who, why);
  return false;
}

bool Context::ReadRanges(const Node& node, absl::string_view who,
                         std::vector<Port::Range>* out) const {
  bool good = true;
  if (node.kind == NodeKind::kSequence && node.size == 0) {
    Error(node, who, "no port is listed; write one, as in 5432/tcp");
    return false;
  }
  Each(node, who, [&](const Node& item) {
    absl::string_view text;
    std::string why;
    std::vector<Port::Range> ranges;
    if (!Scalar(item, who, &text)) {
      good = false;
    } else if (!ParsePortRanges(text, &ranges, &why)) {
      Error(item, who, why);
      good = false;
    }
    for (const Port::Range& range : ranges) {
      const auto clash =
          std::find_if(out->begin(), out->end(), [&](const Port::Range& other) {
            return other.protocol == range.protocol &&
                   other.ports.first <= range.ports.last &&
                   range.ports.first <= other.ports.last;
          });
      if (clash != out->end()) {
        Error(item, who,
              absl::StrCat("'", text, "' overlaps '", RangeText(*clash),
                           "' in the same list; keep the larger one"));
        good = false;
        break;
      }
      out->push_back(range);
    }
  });
  std::sort(out->begin(), out->end(), [](const auto& a, const auto& b) {
    return std::tie(a.protocol, a.ports) < std::tie(b.protocol, b.ports);
  });
  return good && !out->empty();
}

void Context::Each(const Node& node, absl::string_view who,
                   absl::FunctionRef<void(const Node&)> read) const {
  if (node.bad) return;
  if (node.kind == NodeKind::kNull) {
    if (!node.broken_off) {
      Error(node, who, "there is no value; write a list, or remove the line");
    }
    return;
  }
  if (node.kind != NodeKind::kSequence) {
    read(node);
    return;
  }
  for (uint32_t i = 0; i < node.size; ++i) read(node.item(i));
}

void Context::EachNamed(
    const Node& node, absl::string_view who,
    absl::FunctionRef<void(const Node&, const Node&)> read) const {
  if (node.bad || (node.kind == NodeKind::kNull && node.broken_off)) return;
  if (node.kind != NodeKind::kMap) {
    Error(node, who,
          absl::StrCat("lines of 'name: …' were expected, here is ",
                       KindText(node.kind)));
    return;
  }
  for (uint32_t i = 0; i < node.size; ++i) read(node.key(i), node.value(i));
}

Fields::Fields(const Context& context, const Node& node, const Shape& shape,
               std::string who)
    : context_(context), node_(node), shape_(shape), who_(std::move(who)) {
  if (node.bad) return;
  if (node.kind != NodeKind::kMap) {
    if (node.broken_off) return;
    std::string fields;
    for (const Field& field : shape.fields) {
      if (!field.required) continue;
      absl::StrAppend(&fields, fields.empty() ? "" : ", ", field.name, ": …");
    }
    context.Error(
        node, who_,
        absl::StrCat("fields were expected", fields.empty() ? "" : " (", fields,
                     fields.empty() ? "" : ")", ", here is ",
                     KindText(node.kind)));
    return;
  }
  valid_ = true;
  CheckUnknown();
  for (const Field& field : shape.fields) {
    if (field.required && !node.broken_off && !Has(field.name) &&
        !Mistyped(field.name)) {
      context.Error(
          node, who_,
          absl::StrCat("'", field.name, "' is missing: ", field.help));
    }
    const Node* value = field.required ? Get(field.name) : nullptr;
    if (value != nullptr && value->kind == NodeKind::kSequence &&
        value->size == 0 && !value->broken_off) {
      Error(field.name,
            absl::StrCat("the list is empty; at least one is needed: ",
                         field.help));
    }
  }
}

void Fields::CheckUnknown() {
  for (uint32_t i = 0; i < node_.size; ++i) {
    const Node& key = node_.key(i);
    if (shape_.Find(key.text) != nullptr) continue;
    if (key.text == "<<") {
      context_.Error(key, who_,
                     "a merge ('<<'); write the fields out, or use 'defaults'");
    } else if (NamesASecret(key.text)) {
      context_.Error(key, who_,
                     absl::StrCat("'", key.text.substr(0, 80),
                                  "': a manifest holds no secrets, everybody "
                                  "who votes reads it; keep it in the host's "
                                  "own file"));
    } else {
      if (context_.problems.full()) {
        context_.Error(key, who_, "unknown field");
        continue;
      }
      mistyped_.push_back(Nearest(key.text, shape_.Names()));
      context_.Error(key, who_,
                     absl::StrCat("unknown field '", key.text.substr(0, 80),
                                  "'", DidYouMean(key.text, shape_.Names())));
    }
  }
}

const Node* Fields::Get(absl::string_view field) const {
  SLUICE_CHECK(shape_.Find(field) != nullptr);
  if (!valid_) return nullptr;
  for (uint32_t i = 0; i < node_.size; ++i) {
    if (node_.key(i).text == field) return &node_.value(i);
  }
  return nullptr;
}

bool Fields::Mistyped(absl::string_view field) const {
  return std::find(mistyped_.begin(), mistyped_.end(), field) !=
         mistyped_.end();
}

std::string Fields::Path(absl::string_view field) const {
  return who_.empty() ? std::string(field) : absl::StrCat(who_, ": ", field);
}

void Fields::Error(absl::string_view field, absl::string_view message) const {
  const Node* value = Get(field);
  context_.Error(value != nullptr ? *value : node_, Path(field), message);
}

bool Fields::ReadName(absl::string_view field, std::string* out) const {
  const Node* value = Get(field);
  return value != nullptr && context_.ReadName(*value, Path(field), out);
}

bool Fields::ReadText(absl::string_view field, std::string* out) const {
  const Node* value = Get(field);
  return value != nullptr && context_.ReadText(*value, Path(field), out);
}

bool Fields::ReadLines(absl::string_view field, std::string* out) const {
  const Node* value = Get(field);
  return value != nullptr && context_.ReadLines(*value, Path(field), out);
}

bool Fields::ReadCount(absl::string_view field, int min, int max,
                       int* out) const {
  const Node* value = Get(field);
  absl::string_view text;
  std::string why;
  if (value == nullptr || !context_.Scalar(*value, Path(field), &text)) {
    return false;
  }
  if (ParseCount(text, min, max, out, &why)) return true;
  Error(field, why);
  return false;
}

bool Fields::ReadDuration(absl::string_view field, absl::Duration min,
                          absl::Duration max, absl::Duration* out) const {
  const Node* value = Get(field);
  absl::string_view text;
  std::string why;
  if (value == nullptr || !context_.Scalar(*value, Path(field), &text)) {
    return false;
  }
  if (ParseDuration(text, min, max, out, &why)) return true;
  Error(field, why);
  return false;
}

bool Fields::ReadBool(absl::string_view field, bool* out) const {
  const Node* value = Get(field);
  absl::string_view text;
  std::string why;
  if (value == nullptr || !context_.Scalar(*value, Path(field), &text)) {
    return false;
  }
  if (ParseBool(text, out, &why)) return true;
  Error(field, why);
  return false;
}

bool Fields::ReadChoice(absl::string_view field,
                        const std::vector<std::string>& choices,
                        int* out) const {
  const Node* value = Get(field);
  absl::string_view text;
  if (value == nullptr || !context_.Scalar(*value, Path(field), &text)) {
    return false;
  }
  const auto at = std::find(choices.begin(), choices.end(), text);
  if (at != choices.end()) {
    *out = static_cast<int>(at - choices.begin());
    return true;
  }
  Error(field, absl::StrCat("'", text.substr(0, 80), "' is not known here",
                            DidYouMean(text, choices)));
  return false;
}

void Fields::Each(absl::string_view field,
                  absl::FunctionRef<void(const Node&)> read) const {
  const Node* value = Get(field);
  if (value != nullptr) context_.Each(*value, Path(field), read);
}

std::string Fields::TwiceMessage(absl::string_view name) {
  return absl::StrCat("'", name, "' is here a second time; remove it");
}

std::string LineText(const Model& model, Place from, Place to) {
  if (to.file == from.file || to.file >= static_cast<int>(model.files.size())) {
    return absl::StrCat("line ", to.line);
  }
  return absl::StrCat(model.files[to.file], ":", to.line);
}

}  // namespace sluice::manifest
