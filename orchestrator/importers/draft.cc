#include "orchestrator/importers/draft.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "orchestrator/importers/names.h"
#include "orchestrator/manifest/problems.h"
#include "orchestrator/manifest/values.h"

namespace sluice::importers {
namespace {

constexpr size_t kWidth = 80;

size_t Characters(absl::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string NotTranslated(const std::vector<std::string>& notes, int indent) {
  std::string out;
  for (const std::string& note : notes) {
    out += Comment(absl::StrCat("not translated: ", note), indent);
  }
  return out;
}

// "key: [a, b]", or one to a line where that is too wide.
std::string List(absl::string_view key, const std::vector<std::string>& items,
                 int indent) {
  const std::string blanks(indent, ' ');
  std::string one =
      absl::StrCat(blanks, key, ": [", absl::StrJoin(items, ", "), "]\n");
  if (Characters(one) <= kWidth + 1) return one;
  std::string out = absl::StrCat(blanks, key, ":\n");
  for (const std::string& item : items) {
    absl::StrAppend(&out, blanks, "  - ", item, "\n");
  }
  return out;
}

// The same for "key: {a: b}".
std::string Map(absl::string_view key, const std::vector<std::string>& items,
                int indent) {
  const std::string blanks(indent, ' ');
  std::string one =
      absl::StrCat(blanks, key, ": {", absl::StrJoin(items, ", "), "}\n");
  if (Characters(one) <= kWidth + 1) return one;
  std::string out = absl::StrCat(blanks, key, ":\n");
  for (const std::string& item : items) {
    absl::StrAppend(&out, blanks, "  ", item, "\n");
  }
  return out;
}

// Items and what is said of each.
using Remarked = std::vector<std::pair<std::string, std::string>>;

std::string RemarkedList(absl::string_view key, const Remarked& items) {
  if (items.empty()) return "";
  std::vector<std::string> plain;
  std::string out = absl::StrCat("    ", key, ":\n");
  bool remarks = false;
  for (const auto& [item, remark] : items) {
    plain.push_back(item);
    if (!remark.empty()) out += Comment(remark, 6);
    absl::StrAppend(&out, "      - ", item, "\n");
    remarks = remarks || !remark.empty();
  }
  return remarks ? out : List(key, plain, 4);
}

std::string HealthText(const std::vector<CheckDraft>& checks) {
  std::vector<std::string> plain;
  for (const CheckDraft& check : checks) {
    const bool options = check.attempts > 0 ||
                         check.between > absl::ZeroDuration() ||
                         check.timeout > absl::ZeroDuration();
    if (!options) plain.push_back(absl::StrCat("{", check.text, "}"));
  }
  if (plain.size() == checks.size()) return List("health", plain, 4);
  std::string out = "    health:\n";
  for (const CheckDraft& check : checks) {
    absl::StrAppend(&out, "      - ", check.text, "\n");
    const auto time = [&](absl::string_view key, absl::Duration value) {
      if (value <= absl::ZeroDuration()) return;
      absl::StrAppend(&out, "        ", key, ": ",
                      manifest::DurationText(value), "\n");
    };
    time("timeout", check.timeout);
    if (check.attempts > 0) {
      absl::StrAppend(&out, "        attempts: ", check.attempts, "\n");
    }
    time("between", check.between);
  }
  return out;
}

std::string SystemText(const SystemDraft& system) {
  std::string out;
  for (const std::string& remark : system.remarks) out += Comment(remark, 2);
  absl::StrAppend(&out, "  ", Scalar(system.name), ":\n");
  const auto field = [&](absl::string_view key, const std::string& value) {
    if (value.empty()) return;
    absl::StrAppend(&out, "    ", key, ": ", Scalar(value), "\n");
  };
  field("category", system.category);
  field("owner", system.owner);
  field("priority", system.priority);
  std::vector<std::string> items;
  for (const std::string& host : system.hosts) items.push_back(Scalar(host));
  out += List("hosts", items, 4);
  if (!system.ports.empty()) {
    items.clear();
    for (const PortDraft& port : system.ports) {
      items.push_back(absl::StrCat(Scalar(port.name), ": ",
                                   port.ports.ToString(), "/",
                                   ProtocolName(port.protocol)));
    }
    out += Map("ports", items, 4);
  }
  Remarked needs;
  for (const NeedDraft& need : system.needs) {
    const std::string name = absl::StrCat(need.system, ":", need.port);
    needs.emplace_back(
        !need.external.empty()
            ? absl::StrCat("{external: ", need.external, ", port: ", need.port,
                           "}")
        : need.soft ? absl::StrCat("{", name, ": soft}")
                    : name,
        need.remark);
  }
  out += RemarkedList("needs", needs);
  Remarked serves;
  for (const std::string& port : system.serves) {
    serves.emplace_back(
        absl::StrCat("{external: everyone, port: ", Scalar(port), "}"), "");
  }
  for (const ServeDraft& serve : system.let_in) {
    serves.emplace_back(absl::StrCat("{external: ", serve.external,
                                     ", port: ", Scalar(serve.port), "}"),
                        serve.remark);
  }
  out += RemarkedList("serves", serves);
  if (!system.peers.empty()) out += List("peers", system.peers, 4);
  if (!system.health.empty()) out += HealthText(system.health);
  return out + NotTranslated(system.not_translated, 4);
}

std::string HostText(const HostDraft& host) {
  std::string out;
  for (const std::string& remark : host.remarks) out += Comment(remark, 2);
  std::vector<std::string> addresses;
  for (const std::string& address : host.addresses) {
    addresses.push_back(Scalar(address));
  }
  const std::string value =
      addresses.size() == 1
          ? addresses[0]
          : absl::StrCat("[", absl::StrJoin(addresses, ", "), "]");
  absl::StrAppend(&out, "  ", Scalar(host.name), ": {address: ", value, "}\n");
  return out + NotTranslated(host.not_translated, 4);
}

std::string StageText(const StageDraft& stage) {
  std::string out = absl::StrCat("  - name: ", Scalar(stage.name), "\n");
  if (!stage.systems.empty()) {
    std::vector<std::string> names;
    for (const std::string& name : stage.systems) names.push_back(Scalar(name));
    out += List("systems", names, 4);
  }
  if (stage.everyone) out += "    flows: [everyone]\n";
  return out;
}

}  // namespace

const PortDraft* SystemDraft::FindPort(Protocol protocol,
                                       PortRange range) const {
  for (const PortDraft& port : ports) {
    if (port.protocol == protocol && port.ports == range) return &port;
  }
  return nullptr;
}

std::string SystemDraft::AddPort(Protocol protocol, PortRange range,
                                 const std::string& name) {
  if (const PortDraft* port = FindPort(protocol, range)) return port->name;
  const auto taken = [&](const std::string& wanted) {
    return std::any_of(ports.begin(), ports.end(), [&](const PortDraft& port) {
      return port.name == wanted;
    });
  };
  PortDraft port{name, protocol, range};
  // A port's name has a letter, so that nobody takes it for the number.
  const bool usable =
      std::any_of(name.begin(), name.end(), absl::ascii_isalpha) &&
      !taken(name);
  if (!usable) port.name = PortName(protocol, range);
  if (taken(port.name)) {
    port.name = absl::StrCat(ProtocolName(protocol), "-", range.ToString());
  }
  ports.push_back(port);
  std::sort(
      ports.begin(), ports.end(), [](const PortDraft& a, const PortDraft& b) {
        return std::tie(a.ports, a.protocol) < std::tie(b.ports, b.protocol);
      });
  return port.name;
}

void SystemDraft::AddNeed(const NeedDraft& need) {
  for (NeedDraft& other : needs) {
    if (other.system != need.system || other.port != need.port ||
        other.external != need.external) {
      continue;
    }
    other.soft = other.soft && need.soft;  // the stronger of the two
    return;
  }
  needs.push_back(need);
  std::sort(needs.begin(), needs.end(),
            [](const NeedDraft& a, const NeedDraft& b) {
              return std::tie(a.system, a.external, a.port) <
                     std::tie(b.system, b.external, b.port);
            });
}

int ManifestDraft::not_translated_count() const {
  size_t count = not_translated.size();
  for (const auto& [name, host] : hosts) count += host.not_translated.size();
  for (const auto& [name, system] : systems) {
    count += system.not_translated.size();
  }
  return static_cast<int>(count);
}

std::string ManifestDraft::Text() const {
  std::string out;
  for (const std::string& paragraph : preface) {
    if (!out.empty()) out += "#\n";
    out += Comment(paragraph, 0, /*hang=*/0);
  }
  if (!not_translated.empty()) {
    out += "#\n";
    out += NotTranslated(not_translated, 0);
  }
  absl::StrAppend(&out, "\nsluice: 1\nestate: ", Scalar(estate), "\n\n",
                  "management:\n  orchestrators: [", Scalar(orchestrator));
  for (const std::string& more : more_orchestrators) {
    absl::StrAppend(&out, ", ", Scalar(more));
  }
  out += "]\n";
  if (!systems.empty()) {
    out += "\napprovers:\n  duty-commander: {roles: [incident-commander]}\n";
    for (const std::string& owner : owners) {
      absl::StrAppend(&out, "  ", Scalar(owner), ": {roles: [", Scalar(owner),
                      "]}\n");
    }
  }
  out += "\nhosts:\n";
  for (const auto& [name, host] : hosts) out += HostText(host);
  if (!everyone.empty() || !externals.empty()) out += "\nexternals:\n";
  if (!everyone.empty()) {
    absl::StrAppend(&out, "  everyone: {address: ", Scalar(everyone), "}\n");
  }
  for (const auto& [name, external] : externals) {
    if (!external.remark.empty()) out += Comment(external.remark, 2);
    std::vector<std::string> addresses;
    for (const std::string& address : external.addresses) {
      addresses.push_back(Scalar(address));
    }
    absl::StrAppend(&out, "  ", Scalar(name), ":\n",
                    List("address", addresses, 4));
  }
  if (!systems.empty()) out += "\nsystems:\n";
  bool first = true;
  for (const auto& [name, system] : systems) {
    if (!first) out += "\n";
    first = false;
    out += SystemText(system);
  }
  if (!joint.empty()) out += "\njoint:\n";
  for (const std::vector<std::string>& group : joint) {
    absl::StrAppend(&out, "  - [", absl::StrJoin(group, ", "), "]\n");
  }
  if (!stages.empty()) out += "\nstages:\n";
  for (const StageDraft& stage : stages) out += StageText(stage);
  return out;
}

std::string Comment(const std::string& text, int indent, int hang) {
  const std::string head = absl::StrCat(std::string(indent, ' '), "#");
  std::string out, line = head;
  bool begun = false;
  for (const absl::string_view word :
       absl::StrSplit(manifest::Printable(text), ' ', absl::SkipEmpty())) {
    if (begun && Characters(line) + 1 + Characters(word) > kWidth) {
      absl::StrAppend(&out, line, "\n");
      line = absl::StrCat(head, std::string(hang, ' '));
    }
    absl::StrAppend(&line, " ", word);
    begun = true;
  }
  return absl::StrCat(out, line, "\n");
}

std::string Scalar(const std::string& text) {
  static constexpr absl::string_view kWords[] = {
      "null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  const std::string lower = absl::AsciiStrToLower(text);
  const bool word = std::find(std::begin(kWords), std::end(kWords), lower) !=
                    std::end(kWords);
  // An editor that knows the schema would take 007 and 1e3 for numbers.
  double number = 0;
  bool plain = !word && !text.empty() && !absl::SimpleAtod(text, &number) &&
               (absl::ascii_isalnum(text[0]) || text[0] == '/');
  for (const char c : text) {
    plain =
        plain && (absl::ascii_isalnum(c) ||
                  absl::string_view("-./_").find(c) != absl::string_view::npos);
  }
  if (plain) return text;
  std::string out = "\"";
  for (const char c : manifest::Printable(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace sluice::importers
