// Reading located values by the table of fields. What is wrong goes to
// Problems with its place, and reading goes on.

#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "orchestrator/manifest/fields.h"
#include "orchestrator/manifest/problems.h"
#include "orchestrator/manifest/source_text.h"
#include "orchestrator/manifest/tree.h"
#include "orchestrator/model/model.h"

namespace sluice::manifest {

// A name that has to exist once everything is read.
struct Reference {
  enum class Kind : uint8_t { kHost, kExternal, kSystem, kRole };
  Kind kind = Kind::kHost;
  std::string name;
  Place place;
  std::string who;  // "system 'billing-db' runs on"
};

struct CheckDefaults {
  absl::Duration timeout = absl::Seconds(5);
  int attempts = 1;
  absl::Duration between = absl::Seconds(1);
};

// The model on its way, and what only checking needs to remember.
struct Draft {
  Model model;
  std::vector<Reference> references;
  // First place of each name, for "here a second time"; keys are
  // "host app-1", "system billing-db", …
  absl::flat_hash_map<std::string, Place> seen;
  System system_defaults;
  CheckDefaults inspect, health, watch;
  bool has_default_gate = false;
  Place default_gate;
  Place management;
  absl::flat_hash_map<std::string, Place> gates;  // of stages that have one
  int file_of_stages = -1;
};

// One file being read.
struct Context {
  const SourceText& source;
  Problems& problems;
  Draft& draft;

  Place At(const Node& node) const { return source.At(node.line, node.column); }
  // "who: message" at the node, unless its mistake is reported already.
  void Error(const Node& node, absl::string_view who,
             absl::string_view message) const;
  // The place of `name` is remembered; false, and an error, when it has one.
  // `twice` says what is wrong then; by default "host 'a' is here a second
  // time".
  bool FirstTime(const Node& node, absl::string_view kind,
                 absl::string_view name, absl::string_view twice = "") const;
  void Refer(Reference::Kind kind, absl::string_view name, const Node& node,
             std::string who) const;

  // The node as one plain text; false after an error.
  bool Scalar(const Node& node, absl::string_view who,
              absl::string_view* text) const;
  bool ReadName(const Node& node, absl::string_view who,
                std::string* out) const;
  bool ReadText(const Node& node, absl::string_view who,
                std::string* out) const;
  bool ReadLines(const Node& node, absl::string_view who,
                 std::string* out) const;
  // One port with its ranges: a scalar or a list of them.
  bool ReadRanges(const Node& node, absl::string_view who,
                  std::vector<Port::Range>* out) const;
  // A list, or one value that stands for a list of one. An empty list is fine.
  void Each(const Node& node, absl::string_view who,
            absl::FunctionRef<void(const Node&)> read) const;
  // A map from names to anything: each key that is a name.
  void EachNamed(
      const Node& node, absl::string_view who,
      absl::FunctionRef<void(const Node& key, const Node& value)> read) const;
};

// A map read by its shape. Unknown fields are errors as soon as it is made,
// missing required ones too.
class Fields {
 public:
  Fields(const Context& context, const Node& node, const Shape& shape,
         std::string who);

  bool valid() const { return valid_; }
  const Node& node() const { return node_; }
  const std::string& who() const { return who_; }

  // REQUIRES: the shape has this field.
  const Node* Get(absl::string_view field) const;
  bool Has(absl::string_view field) const { return Get(field) != nullptr; }
  // True when a mistyped field most likely meant this one: its absence needs no
  // message of its own.
  bool Mistyped(absl::string_view field) const;
  // "system 'x': soak", for messages about a field.
  std::string Path(absl::string_view field) const;
  void Error(absl::string_view field, absl::string_view message) const;

  // Each sets `*out` when the field is there and right, and returns whether.
  bool ReadName(absl::string_view field, std::string* out) const;
  template <class Tag>
  bool ReadName(absl::string_view field, Name<Tag>* out) const {
    std::string text;
    if (!ReadName(field, &text)) return false;
    *out = Name<Tag>(std::move(text));
    return true;
  }
  bool ReadText(absl::string_view field, std::string* out) const;
  bool ReadLines(absl::string_view field, std::string* out) const;
  bool ReadCount(absl::string_view field, int min, int max, int* out) const;
  bool ReadDuration(absl::string_view field, absl::Duration min,
                    absl::Duration max, absl::Duration* out) const;
  bool ReadBool(absl::string_view field, bool* out) const;
  // The index of the value in `choices`.
  bool ReadChoice(absl::string_view field,
                  const std::vector<std::string>& choices, int* out) const;
  void Each(absl::string_view field,
            absl::FunctionRef<void(const Node&)> read) const;
  // A list of names, sorted, each once.
  template <class Tag>
  void ReadNames(
      absl::string_view field, std::vector<Name<Tag>>* out,
      absl::FunctionRef<void(const Node&, const std::string&)> also) const {
    absl::flat_hash_set<std::string> seen;
    Each(field, [&](const Node& item) {
      std::string name;
      if (!context_.ReadName(item, Path(field), &name)) return;
      if (!seen.insert(name).second) {
        context_.Error(item, Path(field), TwiceMessage(name));
        return;
      }
      also(item, name);
      out->push_back(Name<Tag>(name));
    });
    std::sort(out->begin(), out->end());
  }

 private:
  static std::string TwiceMessage(absl::string_view name);
  void CheckUnknown();

  const Context& context_;
  const Node& node_;
  const Shape& shape_;
  std::string who_;
  bool valid_ = false;
  std::vector<std::string> mistyped_;
};

// What the other files of this room read, each for its part of the manifest.
void ReadDefaults(const Context& context, const Node& node);
void ReadManagement(const Context& context, const Node& node);
void ReadApprovers(const Context& context, const Node& node);
void ReadHosts(const Context& context, const Node& node);
void ReadExternals(const Context& context, const Node& node);
void ReadSystems(const Context& context, const Node& node);
void ReadStages(const Context& context, const Node& node);
void ReadJoint(const Context& context, const Node& node);
void ReadGate(const Context& context, const Node& node, absl::string_view who,
              GateRule* gate);
void ReadCheckDefaults(const Context& context, const Node& node,
                       absl::string_view who, CheckDefaults* out);

// A system's list of checks. `list` is "inspect", "health", "watch", "accept".
void ReadChecks(const Context& context, const Node& node,
                absl::string_view list, const System& system,
                const CheckDefaults& defaults, std::vector<Check>* out);

// Once everything is read: what the parts say of each other. Sorts the model.
void CheckReferences(Draft& draft, Problems& problems);
void CheckActing(const Draft& draft, Problems& problems);
void CheckAddresses(const Draft& draft, Problems& problems);
void CheckNeeds(const Draft& draft, Problems& problems);
void CheckStages(const Draft& draft, Problems& problems);
void CheckPeople(Draft& draft, Problems& problems);

// "line 12", or "other.yaml:12" when that is another file.
std::string LineText(const Model& model, Place from, Place to);

}  // namespace sluice::manifest
