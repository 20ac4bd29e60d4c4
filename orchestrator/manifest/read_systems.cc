// Systems: where they run, what they offer, what they need.

#include <algorithm>
#include <string>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/manifest/reader.h"
#include "orchestrator/manifest/values.h"

namespace sluice::manifest {
namespace {

void ReadSystemHosts(const Context& context, const Fields& fields,
                     System* system) {
  absl::flat_hash_set<std::string> seen;
  fields.Each("hosts", [&](const Node& item) {
    absl::string_view text;
    std::vector<std::string> names;
    std::string why, name;
    if (!context.Scalar(item, fields.Path("hosts"), &text)) return;
    bool good = ExpandRange(text, &names, &why);
    for (const std::string& host : names) {
      good = good && ParseName(host, &name, &why);
    }
    if (!good) {
      context.Error(item, fields.Path("hosts"), why);
      return;
    }
    for (const std::string& host : names) {
      if (!seen.insert(host).second) {
        context.Error(
            item, fields.Path("hosts"),
            absl::StrCat("'", host, "' is here a second time; remove it"));
        continue;
      }
      context.Refer(Reference::Kind::kHost, host, item,
                    absl::StrCat(fields.who(), " runs on"));
      system->hosts.push_back(HostId(host));
    }
  });
  std::sort(system->hosts.begin(), system->hosts.end());
  if (fields.ReadCount("enough", 1, 1000, &system->enough) &&
      !system->hosts.empty() &&
      system->enough > static_cast<int>(system->hosts.size())) {
    fields.Error("enough",
                 absl::StrCat(system->enough,
                              " hosts can never be well: the "
                              "system has ",
                              system->hosts.size(),
                              "; write a smaller number, or leave it out for "
                              "all"));
  }
}

void ReadPorts(const Context& context, const Fields& fields, System* system) {
  const Node* ports = fields.Get("ports");
  if (ports == nullptr) return;
  const std::string path = fields.Path("ports");
  context.EachNamed(*ports, path, [&](const Node& key, const Node& value) {
    Port port;
    std::string name;
    if (!context.ReadName(key, path, &name)) return;
    if (std::all_of(name.begin(), name.end(), absl::ascii_isdigit)) {
      context.Error(key, path,
                    absl::StrCat("a port has a name and a number; write "
                                 "'https: ",
                                 name, "/tcp'"));
      return;
    }
    port.id = PortId(name);
    port.place = context.At(key);
    context.ReadRanges(value, absl::StrCat(path, ": ", name), &port.ranges);
    // Kept even when its numbers are wrong: what names it is right.
    system->ports.push_back(std::move(port));
  });
  std::sort(system->ports.begin(), system->ports.end(),
            [](const Port& a, const Port& b) { return a.id < b.id; });
}

bool ReadNeedName(const Context& context, const Node& node,
                  const std::string& who, Need* need) {
  absl::string_view text;
  if (!context.Scalar(node, who, &text)) return false;
  const size_t colon = text.find(':');
  std::string system, port, why;
  if (colon == absl::string_view::npos) {
    context.Error(node, who,
                  absl::StrCat("'", text.substr(0, 80),
                               "' names no port; "
                               "write system:port, as in billing-db:postgres"));
    return false;
  }
  if (!ParseName(text.substr(0, colon), &system, &why) ||
      !ParseName(text.substr(colon + 1), &port, &why)) {
    context.Error(node, who, why);
    return false;
  }
  need->system = SystemId(system);
  need->port = PortId(port);
  return true;
}

bool ReadStrength(const Context& context, const Node& node,
                  const std::string& who, Strength* strength) {
  absl::string_view text;
  if (!context.Scalar(node, who, &text)) return false;
  if (text == "hard" || text == "soft") {
    *strength = text == "soft" ? Strength::kSoft : Strength::kHard;
    return true;
  }
  context.Error(node, who,
                absl::StrCat("'", text.substr(0, 80), "' is no strength",
                             DidYouMean(text, {"hard", "soft"})));
  return false;
}

// "a:p", {a:p: soft}, or {external: e, port: 443/tcp, strength: soft}.
bool ReadNeed(const Context& context, const Node& item, const std::string& who,
              absl::string_view system, Need* need) {
  need->place = context.At(item);
  if (item.kind != NodeKind::kMap) {
    return ReadNeedName(context, item, who, need);
  }
  const bool plain =
      item.size == 1 &&
      absl::string_view(item.key(0).text).find(':') != absl::string_view::npos;
  if (plain) {
    need->place = context.At(item.key(0));
    return ReadNeedName(context, item.key(0), who, need) &&
           ReadStrength(context, item.value(0), who, &need->strength);
  }
  const Fields fields(context, item, FindShape("need-external"), who);
  const bool named = fields.ReadName("external", &need->external);
  if (named) {
    context.Refer(Reference::Kind::kExternal, need->external.str(),
                  *fields.Get("external"),
                  absl::StrCat("system '", system, "' needs"));
  }
  if (const Node* strength = fields.Get("strength")) {
    ReadStrength(context, *strength, fields.Path("strength"), &need->strength);
  }
  const Node* port = fields.Get("port");
  return port != nullptr &&
         context.ReadRanges(*port, fields.Path("port"), &need->ranges) && named;
}

void ReadNeeds(const Context& context, const Fields& fields, System* system) {
  absl::flat_hash_map<std::string, int> seen;
  fields.Each("needs", [&](const Node& item) {
    Need need;
    if (!ReadNeed(context, item, fields.Path("needs"), system->id.str(), &need))
      return;
    const std::string name =
        need.system.empty()
            ? absl::StrCat("external ", need.external.str())
            : absl::StrCat(need.system.str(), ":", need.port.str());
    const auto [first, fresh] = seen.emplace(name, need.place.line);
    if (!fresh) {
      context.Error(
          item, fields.Path("needs"),
          absl::StrCat("'", name,
                       "' is here a second time (first in "
                       "line ",
                       first->second, "); ",
                       need.system.empty() ? "put all its ports in one list"
                                           : "keep one of them"));
      return;
    }
    if (need.system == system->id) {
      context.Error(item, fields.who(),
                    absl::StrCat("it needs itself ('", name,
                                 "') and could "
                                 "never start; for ports among its own hosts "
                                 "write peers: [",
                                 need.port.str(), "]"));
      return;
    }
    system->needs.push_back(std::move(need));
  });
  std::sort(system->needs.begin(), system->needs.end(),
            [](const Need& a, const Need& b) {
              return std::tie(a.system, a.port, a.external) <
                     std::tie(b.system, b.port, b.external);
            });
}

// A port of the system's own; an error with did-you-mean otherwise.
bool OwnPort(const Context& context, const Node& node, const Fields& fields,
             absl::string_view field, const System& system,
             const PortId& port) {
  if (system.FindPort(port) != nullptr) return true;
  std::vector<std::string> names;
  for (const Port& own : system.ports) names.push_back(own.id.str());
  context.Error(node, fields.Path(field),
                absl::StrCat("the system has no port '", port.str(), "'",
                             names.empty() ? "; declare it under ports:"
                                           : DidYouMean(port.str(), names)));
  return false;
}

void ReadServes(const Context& context, const Fields& fields, System* system) {
  fields.Each("serves", [&](const Node& item) {
    const Fields service_fields(context, item, FindShape("service"),
                                fields.Path("serves"));
    Service service;
    service.place = context.At(item);
    const bool external =
        service_fields.ReadName("external", &service.external);
    const bool port = service_fields.ReadName("port", &service.port);
    if (external) {
      context.Refer(Reference::Kind::kExternal, service.external.str(),
                    *service_fields.Get("external"),
                    absl::StrCat(fields.who(), " serves"));
    }
    if (port) {
      OwnPort(context, *service_fields.Get("port"), fields, "serves", *system,
              service.port);
    }
    service_fields.ReadNames(
        "after", &service.after,
        [&](const Node& after, const std::string& name) {
          context.Refer(Reference::Kind::kExternal, name, after,
                        absl::StrCat(fields.who(), " serves '",
                                     service.external.str(), "' after"));
        });
    if (!external || !port) return;
    for (const Service& other : system->serves) {
      if (other.external != service.external || other.port != service.port) {
        continue;
      }
      context.Error(item, fields.Path("serves"),
                    absl::StrCat("'", service.external.str(), "' on port '",
                                 service.port.str(),
                                 "' is here a second time; "
                                 "keep one of them"));
      return;
    }
    system->serves.push_back(std::move(service));
  });
  std::sort(system->serves.begin(), system->serves.end(),
            [](const Service& a, const Service& b) {
              return std::tie(a.external, a.port) <
                     std::tie(b.external, b.port);
            });
}

void ReadUnit(const Context& context, const Fields& fields,
              absl::string_view field, std::string* out) {
  const Node* value = fields.Get(field);
  if (value == nullptr) return;
  const Fields unit(context, *value, FindShape("unit"), fields.Path(field));
  std::string name;
  if (!unit.ReadText("systemd", &name)) return;
  const size_t dot = name.rfind('.');
  static const auto& kinds = *new std::vector<std::string>{
      "service", "target", "socket", "timer", "mount", "path"};
  const bool characters = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) ||
           absl::string_view(":_.@-").find(c) != absl::string_view::npos;
  });
  if (!characters || dot == std::string::npos || dot == 0 ||
      name.size() > 255 ||
      std::find(kinds.begin(), kinds.end(), name.substr(dot + 1)) ==
          kinds.end()) {
    unit.Error("systemd", absl::StrCat("'", name,
                                       "' is no unit; write its "
                                       "whole name, as in nginx.service"));
    return;
  }
  *out = name;
}

void ReadTimes(const Fields& fields, System* system) {
  fields.ReadDuration("soak", absl::ZeroDuration(), kMaxDuration,
                      &system->soak);
  // S3: a flow closes by itself within one lease; the agent renews it several
  // times in that, so it cannot be shorter than this, and nobody waits an hour.
  fields.ReadDuration("lease", absl::Seconds(2), absl::Hours(1),
                      &system->lease);
  fields.ReadDuration("watch-every", absl::Seconds(1), absl::Hours(1),
                      &system->watch_every);
  fields.ReadDuration("expected", absl::ZeroDuration(), kMaxDuration,
                      &system->expected);
  fields.ReadDuration("wanted-by", absl::ZeroDuration(), kMaxDuration,
                      &system->wanted_by);
}

void ReadSystem(const Context& context, const Node& key, const Node& value) {
  Draft& draft = context.draft;
  System system = draft.system_defaults;
  if (!context.ReadName(key, "systems", &system.title) ||
      !context.FirstTime(key, "system", system.title)) {
    return;
  }
  system.id = SystemId(system.title);
  system.title.clear();
  system.place = context.At(key);
  const Fields fields(context, value, FindShape("system"),
                      absl::StrCat("system '", system.id.str(), "'"));
  fields.ReadText("title", &system.title);
  fields.ReadName("category", &system.category);
  if (fields.ReadName("owner", &system.owner)) {
    context.Refer(Reference::Kind::kRole, system.owner.str(),
                  *fields.Get("owner"),
                  absl::StrCat(fields.who(), " is owned by"));
  }
  int choice = 0;
  if (fields.ReadChoice("priority", {"high", "normal", "low"}, &choice)) {
    system.priority = static_cast<Priority>(choice);
  }
  if (fields.ReadChoice("on-failure", {"isolate", "isolate-dependents", "hold"},
                        &choice)) {
    system.on_failure = static_cast<OnFailure>(choice);
  }
  fields.ReadBool("protected", &system.is_protected);
  ReadSystemHosts(context, fields, &system);
  ReadPorts(context, fields, &system);
  ReadNeeds(context, fields, &system);
  ReadServes(context, fields, &system);
  fields.ReadNames(
      "peers", &system.peers, [&](const Node& item, const std::string& name) {
        OwnPort(context, item, fields, "peers", system, PortId(name));
      });
  ReadUnit(context, fields, "start", &system.start_unit);
  ReadUnit(context, fields, "stop", &system.stop_unit);
  ReadTimes(fields, &system);
  for (const auto& [list, defaults, out] :
       {std::tuple{"inspect", &draft.inspect, &system.inspect},
        std::tuple{"health", &draft.health, &system.health},
        std::tuple{"watch", &draft.watch, &system.watch},
        std::tuple{"accept", &draft.inspect, &system.accept}}) {
    if (const Node* checks = fields.Get(list)) {
      ReadChecks(context, *checks, list, system, *defaults, out);
    }
  }
  draft.model.systems.push_back(std::move(system));
}

}  // namespace

void ReadSystems(const Context& context, const Node& node) {
  context.EachNamed(node, "systems", [&](const Node& key, const Node& value) {
    ReadSystem(context, key, value);
  });
}

}  // namespace sluice::manifest
