// Checks and tasks, each kind by its own table of arguments.

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/manifest/reader.h"
#include "orchestrator/manifest/values.h"

namespace sluice::manifest {
namespace {

constexpr size_t kMaxChecks = 100;

// What every check may say besides its kind.
const char* const kOptions[] = {"timeout", "attempts", "between"};

bool IsOptionName(absl::string_view key) {
  for (const char* option : kOptions) {
    if (key == option) return true;
  }
  return false;
}

// "attempts" is an option beside another kind, and a kind where it is alone.
bool IsOption(const Node& item, uint32_t i) {
  if (!IsOptionName(item.key(i).text)) return false;
  if (item.key(i).text != "attempts") return true;
  for (uint32_t other = 0; other < item.size; ++other) {
    if (!IsOptionName(item.key(other).text)) return true;
  }
  return false;
}

class CheckReader {
 public:
  CheckReader(const Context& context, const System& system, std::string who)
      : context_(context), system_(system), who_(std::move(who)) {}

  bool ReadTask(const Node& node, Task* task) const;
  bool ReadSpec(const CheckKind& kind, const Node& node, CheckSpec* spec) const;

 private:
  bool ReadArgument(const Field& field, const std::string& who,
                    const Node& node, std::string* out) const;
  bool CheckPort(absl::string_view kind, const Node& node,
                 const std::string& name) const;

  const Context& context_;
  const System& system_;
  std::string who_;
};

bool CheckReader::ReadTask(const Node& node, Task* task) const {
  const std::string who = absl::StrCat(who_, ": task");
  task->place = context_.At(node);
  task->owner = system_.owner;
  std::string id;
  if (node.kind == NodeKind::kScalar) {
    if (!context_.ReadText(node, who, &task->what)) return false;
  } else {
    const Fields fields(context_, node, FindShape("task"), who);
    fields.ReadName("id", &id);
    if (fields.ReadName("owner", &task->owner)) {
      context_.Refer(Reference::Kind::kRole, task->owner.str(),
                     *fields.Get("owner"), absl::StrCat(who, " is signed by"));
    }
    if (!fields.ReadText("what", &task->what)) return false;
  }
  if (task->owner.empty()) {
    context_.Error(node, who,
                   "nobody signs it; add owner: and a role, here or for the "
                   "system");
    return false;
  }
  if (id.empty()) id = Slug(task->what);
  if (id.empty()) {
    context_.Error(node, who,
                   "no name can be made from these words; add id: and a name");
    return false;
  }
  task->id = TaskId(absl::StrCat(system_.id.str(), "/", id));
  return context_.FirstTime(
      node, "task", task->id.str(),
      absl::StrCat("task '", task->id.str(),
                   "' is here a second time, and tasks differ by their id"));
}

// The arguments' canonical form: what the agent gets.
bool CheckReader::ReadArgument(const Field& field, const std::string& who,
                               const Node& node, std::string* out) const {
  const absl::string_view type = field.type;
  absl::string_view text;
  std::string why;
  if (!context_.Scalar(node, who, &text)) return false;
  const auto wrong = [&](absl::string_view message) {
    context_.Error(node, who, message);
    return false;
  };
  int number = 0;
  if (type == "port-name" || type == "name") {
    if (!ParseName(text, out, &why)) return wrong(why);
    return true;
  }
  if (type == "duration") {
    absl::Duration duration;
    if (!ParseDuration(text, absl::Milliseconds(1), kMaxDuration, &duration,
                       &why)) {
      return wrong(why);
    }
    *out = DurationText(duration);
    return true;
  }
  if (type == "status" || type == "days" || type == "percent" ||
      type == "count") {
    const int min = type == "status" ? 100 : type == "days" ? 0 : 1;
    const int max = type == "status"  ? 599
                    : type == "days"  ? 3650
                    : type == "count" ? 1000
                                      : 99;
    if (!ParseCount(text, min, max, &number, &why)) return wrong(why);
    *out = absl::StrCat(number);
    return true;
  }
  if (!context_.ReadText(node, who, out)) return false;
  if (type == "true" && *out != "true") {
    return wrong(
        "only 'true' makes sense here; write true, or remove the "
        "check");
  }
  if (type == "declared-only" && *out != "declared-only") {
    return wrong("only 'declared-only' is known here; write that");
  }
  if (type == "path" && (*out)[0] != '/') {
    return wrong(absl::StrCat("'", *out,
                              "' does not begin with '/'; write the "
                              "whole path"));
  }
  if (type == "path" && absl::StrContains(absl::StrCat(*out, "/"), "/../")) {
    return wrong("'..' in a path; write where it leads");
  }
  if (type == "plugin-name" || type == "unit-name") {
    for (const char c : *out) {
      if (!absl::ascii_isalnum(c) &&
          !absl::StrContains("_.-@:", std::string(1, c))) {
        return wrong(absl::StrCat("'", *out,
                                  "' is a name on the host, not a "
                                  "command; the host's own file says what it "
                                  "runs"));
      }
    }
  }
  if (type == "record") {
    static const auto& records =
        *new std::vector<std::string>{"A", "AAAA", "CNAME", "MX", "SRV", "TXT"};
    for (const std::string& record : records) {
      if (*out == record) return true;
    }
    return wrong(absl::StrCat("'", *out, "' is no record type known here",
                              DidYouMean(*out, records)));
  }
  return true;
}

bool CheckReader::CheckPort(absl::string_view kind, const Node& node,
                            const std::string& name) const {
  const std::string who = absl::StrCat(who_, ": ", kind);
  const Port* port = system_.FindPort(PortId(name));
  if (port == nullptr) {
    std::vector<std::string> names;
    for (const Port& own : system_.ports) names.push_back(own.id.str());
    context_.Error(node, who,
                   absl::StrCat("the system has no port '", name, "'",
                                names.empty() ? "; declare it under ports:"
                                              : DidYouMean(name, names)));
    return false;
  }
  if (kind == "dns" || port->ranges.empty()) return true;
  const Protocol wanted = kind == "udp" ? Protocol::kUdp : Protocol::kTcp;
  for (const Port::Range& range : port->ranges) {
    if (range.protocol == wanted) return true;
  }
  context_.Error(node, who,
                 absl::StrCat("port '", name, "' has no ", ProtocolName(wanted),
                              "; check another port, or "
                              "add the protocol to its declaration"));
  return false;
}

bool CheckReader::ReadSpec(const CheckKind& kind, const Node& node,
                           CheckSpec* spec) const {
  const std::string who = absl::StrCat(who_, ": ", kind.name);
  spec->kind = kind.name;
  bool good = true;
  const auto take = [&](const Field& field, const Node& value) {
    const bool is_short = node.kind == NodeKind::kScalar;
    std::string text;
    if (!ReadArgument(field,
                      is_short ? who : absl::StrCat(who, ": ", field.name),
                      value, &text)) {
      good = false;
      return;
    }
    if (absl::string_view(field.type) == "port-name" &&
        !CheckPort(kind.name, value, text)) {
      good = false;
    }
    spec->args[field.name] = text;
  };
  if (node.kind == NodeKind::kMap) {
    const Shape shape = {kind.name, kind.help, kind.args};
    const Fields fields(context_, node, shape, who);
    for (const Field& field : kind.args) {
      if (const Node* value = fields.Get(field.name)) take(field, *value);
    }
    return good && fields.valid();
  }
  if (kind.short_form == nullptr) {
    std::string example;
    for (const Field& field : kind.args) {
      if (field.required) absl::StrAppend(&example, field.name, ": …");
    }
    context_.Error(node, who,
                   absl::StrCat("it wants fields; write ", kind.name, ": {",
                                example, "}"));
    return false;
  }
  for (const Field& field : kind.args) {
    if (absl::string_view(field.name) == kind.short_form) take(field, node);
  }
  return good;
}

std::vector<std::string> KindNames() {
  std::vector<std::string> names = {"task"};
  for (const CheckKind& kind : CheckKinds()) names.push_back(kind.name);
  return names;
}

// The one key of a check that names its kind; nullptr after an error.
const Node* FindKind(const Context& context, const Node& item,
                     const std::string& who, const Node** value) {
  if (item.kind != NodeKind::kMap) {
    context.Error(item, who,
                  "a check is written as 'kind: argument', as in tcp: "
                  "postgres or task: {what: …, owner: …}");
    return nullptr;
  }
  const Node* kind = nullptr;
  for (uint32_t i = 0; i < item.size; ++i) {
    if (IsOption(item, i)) continue;
    if (kind != nullptr) {
      context.Error(item.key(i), who,
                    absl::StrCat("'", kind->text.substr(0, 80), "' and '",
                                 item.key(i).text.substr(0, 80),
                                 "' in one check; begin each check with '- ', "
                                 "and put arguments in {}"));
      return nullptr;
    }
    kind = &item.key(i);
    *value = &item.value(i);
  }
  if (kind == nullptr) {
    context.Error(item, who,
                  "the check has no kind; write tcp:, http:, plugin:, task: or "
                  "another of manifests/README.md");
  }
  return kind;
}

void ReadOptions(const Context& context, const Node& item,
                 const std::string& who, CheckSpec* spec) {
  // A shape of the options alone: the kind's own key was read already.
  CheckDefaults options{spec->timeout, spec->attempts, spec->between};
  for (uint32_t i = 0; i < item.size; ++i) {
    if (!IsOption(item, i)) continue;
    const Node pair[] = {item.key(i), item.value(i)};
    Node one = item;
    one.size = 1;
    one.items = pair;
    ReadCheckDefaults(context, one, who, &options);
  }
  spec->timeout = options.timeout;
  spec->attempts = options.attempts;
  spec->between = options.between;
}

}  // namespace

void ReadChecks(const Context& context, const Node& node,
                absl::string_view list, const System& system,
                const CheckDefaults& defaults, std::vector<Check>* out) {
  const std::string who =
      absl::StrCat("system '", system.id.str(), "': ", list);
  const CheckReader reader(context, system, who);
  size_t number = 0;
  context.Each(node, who, [&](const Node& item) {
    if (++number > kMaxChecks) {
      if (number == kMaxChecks + 1) {
        context.Error(item, who,
                      absl::StrCat("more than ", kMaxChecks,
                                   " checks; put them in one plugin"));
      }
      return;
    }
    Check check;
    check.id = CheckId(absl::StrCat(system.id.str(), "/", list, "-", number));
    check.place = context.At(item);
    const Node* value = nullptr;
    const Node* kind = FindKind(context, item, who, &value);
    if (kind == nullptr) return;
    check.place = context.At(*kind);
    const bool people = list == "inspect" || list == "accept";
    if (kind->text == "task") {
      Task task;
      if (!people) {
        context.Error(*kind, who,
                      "a task is done once by a person; put it under inspect: "
                      "(before connecting) or accept: (after the soak)");
        return;
      }
      if (!reader.ReadTask(*value, &task)) return;
      check.what = std::move(task);
    } else if (const CheckKind* known = FindCheckKind(kind->text)) {
      if (list == "accept") {
        context.Error(*kind, who,
                      "here a person agrees, by a task; put other checks under "
                      "health:");
        return;
      }
      CheckSpec spec;
      spec.timeout = defaults.timeout;
      spec.attempts = defaults.attempts;
      spec.between = defaults.between;
      ReadOptions(context, item, who, &spec);
      if (!reader.ReadSpec(*known, *value, &spec)) return;
      check.what = std::move(spec);
    } else {
      context.Error(
          *kind, who,
          absl::StrCat("there is no check '", kind->text.substr(0, 80), "'",
                       DidYouMean(kind->text, KindNames())));
      return;
    }
    out->push_back(std::move(check));
  });
}

}  // namespace sluice::manifest
