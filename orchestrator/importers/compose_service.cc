#include "orchestrator/importers/compose_service.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/importers/compose_merge.h"
#include "orchestrator/importers/compose_ports.h"

namespace sluice::importers {
namespace {

std::string Shown(absl::string_view text) {
  return absl::StrCat("'", manifest::Printable(text.substr(0, 60)), "'");
}

class ServiceReader {
 public:
  ServiceReader(const std::string& name, const Value& value,
                ComposeProject& project)
      : value_(value), project_(project) {
    service_.raw_name = name;
    service_.place = value.place;
    service_.names.insert(name);
  }

  ComposeService Read() {
    ReadNames();
    ReadNetworks();
    ReadPorts();
    ReadDependencies();
    ReadEnvironment();
    ReadHealth();
    ReadRest();
    if (!unset_.empty()) {
      Note(absl::StrCat("the variable", unset_.size() == 1 ? " " : "s ",
                        absl::StrJoin(unset_, ", "),
                        ", not set and so empty; give a file with --env-file"));
    }
    return std::move(service_);
  }

 private:
  void Note(std::string text) {
    auto& notes = service_.not_translated;
    if (std::find(notes.begin(), notes.end(), text) == notes.end()) {
      notes.push_back(std::move(text));
    }
  }
  // The text of a scalar below `map`, "" when there is none.
  std::string Text(const ValuePtr& value) {
    if (value == nullptr || !value->is_scalar()) return "";
    return project_.Text(*value, &unset_);
  }
  std::vector<ValuePtr> Items(const ValuePtr& value) {
    if (value == nullptr || value->kind == Value::Kind::kNull) return {};
    if (value->is_list()) return value->items;
    return {value};
  }

  void ReadNames();
  void ReadNetworks();
  void ReadPorts();
  void ReadLongPort(const Value& item);
  void AddPort(const ComposePort& port);
  void ReadDependencies();
  void ReadEnvironment();
  void ReadHealth();
  Probe ReadTest(const ValuePtr& test);
  absl::Duration ReadTime(const ValuePtr& map, absl::string_view key);
  void ReadRest();

  const Value& value_;
  ComposeProject& project_;
  ComposeService service_;
  std::set<std::string> unset_;
};

void ServiceReader::ReadNames() {
  for (const absl::string_view key : {"hostname", "container_name"}) {
    const std::string name = Text(value_.Get(key));
    if (!name.empty()) service_.names.insert(name);
  }
  for (const ValuePtr& item : Items(value_.Get("profiles"))) {
    service_.profiles.push_back(Text(item));
  }
}

void ServiceReader::ReadNetworks() {
  const std::string mode = Text(value_.Get("network_mode"));
  if (absl::StartsWith(mode, "service:")) {
    service_.shares = mode.substr(8);
    return;
  }
  if (mode == "none") {
    Note("network_mode: none; nothing reaches it");
    return;
  }
  if (mode == "host" || absl::StartsWith(mode, "container:")) {
    Note(absl::StrCat("network_mode: ", manifest::Printable(mode),
                      "; give its host the address it really has"));
    service_.networks.insert("host");
    return;
  }
  const ValuePtr networks = value_.Get("networks");
  if (networks != nullptr && networks->kind != Value::Kind::kNull) {
    const ValuePtr map = AsMap(networks);
    for (const Value::Entry& entry : map->entries) {
      service_.networks.insert(entry.key);
      for (const ValuePtr& alias : Items(entry.value->Get("aliases"))) {
        service_.names.insert(Text(alias));
      }
    }
  }
  if (service_.networks.empty()) service_.networks.insert("default");
}

void ServiceReader::AddPort(const ComposePort& port) {
  for (ComposePort& other : service_.ports) {
    if (other.protocol != port.protocol || other.ports != port.ports) continue;
    if (other.name.empty()) other.name = port.name;
    if (port.from_outside && !other.from_outside) {
      other.from_outside = true;
      other.published = port.published;
    }
    return;
  }
  service_.ports.push_back(port);
}

void ServiceReader::ReadLongPort(const Value& item) {
  ComposePort port;
  const std::string target = Text(item.Get("target"));
  const std::string protocol = Text(item.Get("protocol"));
  const std::string whole =
      protocol.empty() ? target : absl::StrCat(target, "/", protocol);
  if (!ParseContainerPort(whole, &port)) {
    Note(absl::StrCat("the port ", Shown(whole), ", which is none"));
    return;
  }
  port.name = Text(item.Get("name"));
  port.published = Text(item.Get("published"));
  port.from_outside =
      !port.published.empty() && !IsLoopback(Text(item.Get("host_ip")));
  AddPort(port);
}

void ServiceReader::ReadPorts() {
  for (const ValuePtr& item : Items(value_.Get("ports"))) {
    ComposePort port;
    if (item->is_map()) {
      ReadLongPort(*item);
      continue;
    }
    const std::string text = Text(item);
    if (ParseShortPort(text, &port)) {
      AddPort(port);
    } else {
      Note(absl::StrCat("the port ", Shown(text), ", which is none"));
    }
  }
  for (const ValuePtr& item : Items(value_.Get("expose"))) {
    ComposePort port;
    const std::string text = Text(item);
    if (ParseContainerPort(text, &port)) {
      AddPort(port);
    } else {
      Note(absl::StrCat("the exposed port ", Shown(text), ", which is none"));
    }
  }
  for (const ComposePort& port : service_.ports) {
    if (port.published.empty() || port.from_outside) continue;
    Note(absl::StrCat(port.ports.ToString(), "/", ProtocolName(port.protocol),
                      " is published to its own machine alone"));
  }
}

void ServiceReader::ReadDependencies() {
  const ValuePtr depends = value_.Get("depends_on");
  if (depends != nullptr && depends->kind != Value::Kind::kNull) {
    const ValuePtr map = AsMap(depends);
    for (const Value::Entry& entry : map->entries) {
      Dependency one{entry.key, entry.place};
      const std::string condition = Text(entry.value->Get("condition"));
      one.once = condition == "service_completed_successfully";
      one.soft = Text(entry.value->Get("required")) == "false";
      if (!condition.empty() && !one.once && condition != "service_started" &&
          condition != "service_healthy") {
        project_.problems().Error(
            entry.place,
            absl::StrCat(Shown(condition), " is no condition",
                         manifest::DidYouMean(
                             condition, {"service_started", "service_healthy",
                                         "service_completed_successfully"})));
      }
      service_.needs.push_back(std::move(one));
    }
  }
  for (const ValuePtr& link : Items(value_.Get("links"))) {
    const std::string text = Text(link);
    const std::string target = text.substr(0, text.find(':'));
    const bool there = std::any_of(
        service_.needs.begin(), service_.needs.end(),
        [&](const Dependency& one) { return one.target == target; });
    if (!there) service_.needs.push_back({target, link->place});
  }
  std::sort(service_.needs.begin(), service_.needs.end(),
            [](const Dependency& a, const Dependency& b) {
              return a.target < b.target;
            });
}

// Only names and the ports beside them are looked for; no value of it is ever
// shown, because passwords are among them.
void ServiceReader::ReadEnvironment() {
  for (const ValuePtr& item : Items(value_.Get("env_file"))) {
    const ValuePtr path = item->is_map() ? item->Get("path") : item;
    if (path == nullptr || !path->is_scalar()) continue;
    for (const auto& [name, text] : project_.EnvFile(*path)) {
      service_.environment[name] = text;
    }
  }
  const ValuePtr environment = value_.Get("environment");
  if (environment == nullptr || environment->kind == Value::Kind::kNull) {
    return;
  }
  const ValuePtr map = AsMap(environment);
  for (const Value::Entry& entry : map->entries) {
    if (!entry.value->is_scalar()) {
      const auto at = project_.environment().find(entry.key);
      if (at != project_.environment().end()) {
        service_.environment[entry.key] = at->second;
      }
      continue;
    }
    // What is wrong or not set in these is nothing to a manifest.
    std::string out, why;
    std::set<std::string> unset;
    if (Interpolate(entry.value->text, project_.environment(), &out, &unset,
                    &why)) {
      service_.environment[entry.key] = out;
    }
  }
}

// "1m30s", "1.5s", "500ms"; zero, and a note, for what is none.
absl::Duration ServiceReader::ReadTime(const ValuePtr& map,
                                       absl::string_view key) {
  const std::string text = Text(map->Get(key));
  absl::Duration time = absl::ZeroDuration();
  if (text.empty()) return time;
  if (!absl::ParseDuration(text, &time) || time < absl::ZeroDuration()) {
    Note(absl::StrCat("healthcheck ", key, " ", Shown(text),
                      ", which is no duration"));
    return absl::ZeroDuration();
  }
  return time;
}

Probe ServiceReader::ReadTest(const ValuePtr& test) {
  std::vector<std::string> words;
  for (const ValuePtr& item : Items(test)) words.push_back(Text(item));
  if (words.empty()) return {};
  if (test->is_scalar() || words[0] == "CMD-SHELL") {
    const std::string line = test->is_scalar()  ? words[0]
                             : words.size() > 1 ? words[1]
                                                : "";
    service_.health.program = line.substr(0, line.find_first_of(" \n\t"));
    return TranslateShell(line, service_.names);
  }
  if (words[0] == "CMD") words.erase(words.begin());
  if (words.empty()) return {};
  service_.health.program = words[0];
  return TranslateCommand(words, service_.names);
}

void ServiceReader::ReadHealth() {
  const ValuePtr health = value_.Get("healthcheck");
  if (health == nullptr || !health->is_map()) return;
  if (Text(health->Get("disable")) == "true") return;
  const ValuePtr test = health->Get("test");
  if (test == nullptr) {
    Note("its healthcheck, which the image defines");
    return;
  }
  if (test->is_list() && !test->items.empty() &&
      Text(test->items[0]) == "NONE") {
    return;
  }
  HealthCheck& check = service_.health;
  check.is_there = true;
  check.probe = ReadTest(test);
  for (const std::string& lost : check.probe.lost) {
    Note(absl::StrCat("of its healthcheck: ", lost));
  }
  // Compose's own defaults are 30 s, 30 s and 3; ours hold where it is silent.
  check.timeout = ReadTime(health, "timeout");
  check.between = ReadTime(health, "interval");
  const std::string retries = Text(health->Get("retries"));
  if (!retries.empty() &&
      (!absl::SimpleAtoi(retries, &check.attempts) || check.attempts < 0)) {
    Note(absl::StrCat("healthcheck retries ", Shown(retries),
                      ", which is no number"));
    check.attempts = 0;
  }
  // While it starts, failures do not count: as many tries more.
  const absl::Duration start = ReadTime(health, "start_period");
  if (start > absl::ZeroDuration() && check.between > absl::ZeroDuration()) {
    const double more = std::ceil(absl::FDivDuration(start, check.between));
    check.attempts =
        std::max(check.attempts, 1) + static_cast<int>(std::min(more, 1000.0));
  }
  check.attempts = std::min(check.attempts, 1000);
  const auto within = [](absl::Duration* time, absl::Duration least,
                         absl::Duration most) {
    *time = absl::Trunc(*time, absl::Milliseconds(1));
    if (*time > absl::ZeroDuration()) {
      *time = std::clamp(*time, least, most);
    }
  };
  within(&check.timeout, absl::Milliseconds(100), absl::Minutes(30));
  within(&check.between, absl::Milliseconds(1), absl::Hours(1));
}

void ServiceReader::ReadRest() {
  std::string replicas = Text(value_.Get("scale"));
  if (const ValuePtr deploy = value_.Get("deploy")) {
    const std::string deployed = Text(deploy->Get("replicas"));
    if (!deployed.empty()) replicas = deployed;
    if (Text(deploy->Get("mode")) == "global") {
      Note("deploy mode global: one on every machine; write their hosts");
    }
  }
  if (!replicas.empty() && replicas != "1") {
    Note(absl::StrCat(manifest::Printable(replicas.substr(0, 20)),
                      " replicas; write their hosts, and enough:"));
  }
  for (const absl::string_view key : {"external_links", "volumes_from"}) {
    std::vector<std::string> names;
    for (const ValuePtr& item : Items(value_.Get(key))) {
      names.push_back(manifest::Printable(Text(item).substr(0, 60)));
    }
    if (!names.empty()) {
      Note(absl::StrCat(key, " ", absl::StrJoin(names, ", ")));
    }
  }
}

}  // namespace

ComposeService ReadService(const std::string& name, const Value& value,
                           ComposeProject& project) {
  return ServiceReader(name, value, project).Read();
}

}  // namespace sluice::importers
