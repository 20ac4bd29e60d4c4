// Services of a Compose project → hosts, systems and needs.

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/nearest.h"
#include "orchestrator/importers/compose_mentions.h"
#include "orchestrator/importers/compose_service.h"
#include "orchestrator/importers/draft.h"
#include "orchestrator/importers/estate.h"
#include "orchestrator/importers/importer.h"
#include "orchestrator/importers/names.h"
#include "orchestrator/importers/order.h"
#include "orchestrator/importers/text.h"

namespace sluice::importers {
namespace {

constexpr size_t kMaxMentions = 12;

class ComposeImport {
 public:
  ComposeImport(ComposeProject& project, const ComposeOptions& options,
                ManifestDraft* draft)
      : project_(project),
        options_(options),
        problems_(project.problems()),
        draft_(draft) {}

  void Build();

 private:
  bool CheckProfiles(const std::vector<ComposeService>& services);
  bool IsActive(const ComposeService& service) const;
  void Choose(std::vector<ComposeService> services);
  void NameThem();
  void AddHosts();
  void AddPorts(const ComposeService& service, SystemDraft* system);
  void AddHealth(const ComposeService& service, SystemDraft* system);
  void AddMentioned();
  void AddNeeds(const ComposeService& service, SystemDraft* system);
  void AddNeed(const ComposeService& service, const Dependency& dependency,
               SystemDraft* system);
  void AddMentions(const ComposeService& service, SystemDraft* system);
  void NoteNetworks();
  void AddStages();

  // The service whose network, and so whose host, it is on.
  const ComposeService& Root(const ComposeService& service) const;
  bool CanReach(const ComposeService& from, const ComposeService& to) const;
  const std::string& NameOf(const ComposeService& service) const {
    return name_.at(service.raw_name);
  }

  ComposeProject& project_;
  const ComposeOptions& options_;
  manifest::Problems& problems_;
  ManifestDraft* draft_;
  std::map<std::string, ComposeService> services_;  // active, by raw name
  std::set<std::string> inactive_;
  std::map<std::string, std::string> name_;  // raw name → name
  Mentions mentions_;
  std::vector<OrderEdge> edges_;
};

bool ComposeImport::IsActive(const ComposeService& service) const {
  if (service.profiles.empty()) return true;
  return std::any_of(options_.profiles.begin(), options_.profiles.end(),
                     [&](const std::string& profile) {
                       return profile == "*" ||
                              std::find(service.profiles.begin(),
                                        service.profiles.end(),
                                        profile) != service.profiles.end();
                     });
}

bool ComposeImport::CheckProfiles(const std::vector<ComposeService>& services) {
  std::set<std::string> known;
  for (const ComposeService& service : services) {
    known.insert(service.profiles.begin(), service.profiles.end());
  }
  bool good = true;
  for (const std::string& profile : options_.profiles) {
    if (profile == "*" || known.count(profile) > 0) continue;
    problems_.Error({0, 0, 0},
                    absl::StrCat("no service has the profile '", profile, "'",
                                 manifest::DidYouMean(
                                     profile, {known.begin(), known.end()})));
    good = false;
  }
  return good;
}

void ComposeImport::Choose(std::vector<ComposeService> services) {
  for (ComposeService& service : services) {
    if (IsActive(service)) {
      services_.emplace(service.raw_name, std::move(service));
    } else {
      inactive_.insert(service.raw_name);
    }
  }
  if (!inactive_.empty()) {
    draft_->not_translated.push_back(absl::StrCat(
        "services of profiles that were not asked for (--profile): ",
        absl::StrJoin(inactive_, ", ")));
  }
}

void ComposeImport::NameThem() {
  Namer namer("services");
  for (const auto& [raw, service] : services_) {
    std::string name, why;
    if (namer.Make(raw, &name, &why)) {
      name_[raw] = name;
    } else {
      problems_.Error(service.place, why);
      name_[raw] = "";
    }
  }
}

const ComposeService& ComposeImport::Root(const ComposeService& service) const {
  const ComposeService* at = &service;
  for (size_t steps = 0; !at->shares.empty() && steps <= services_.size();
       ++steps) {
    const auto next = services_.find(at->shares);
    if (next == services_.end()) break;
    at = &next->second;
  }
  return *at;
}

bool ComposeImport::CanReach(const ComposeService& from,
                             const ComposeService& to) const {
  const ComposeService& a = Root(from);
  const ComposeService& b = Root(to);
  if (&a == &b) return true;
  return std::any_of(a.networks.begin(), a.networks.end(),
                     [&](const std::string& network) {
                       return b.networks.count(network) > 0;
                     });
}

// The n-th address after the range's own.
std::string AddressAt(const Prefix& range, size_t n) {
  std::array<uint8_t, 16> bytes = range.bytes();
  const size_t size = range.family() == Family::kIpv4 ? 4 : 16;
  uint64_t carry = n;
  for (size_t i = size; i-- > 0 && carry > 0;) {
    carry += bytes[i];
    bytes[i] = static_cast<uint8_t>(carry & 0xff);
    carry >>= 8;
  }
  std::vector<std::string> parts;
  if (size == 4) {
    for (size_t i = 0; i < size; ++i) parts.push_back(absl::StrCat(bytes[i]));
    return absl::StrJoin(parts, ".");
  }
  for (size_t i = 0; i < size; i += 2) {
    parts.push_back(absl::StrCat(absl::Hex(bytes[i] * 256 + bytes[i + 1])));
  }
  const absl::StatusOr<Prefix> address =
      Prefix::Parse(absl::StrJoin(parts, ":"));
  return address.ok() ? address->Address() : absl::StrJoin(parts, ":");
}

void ComposeImport::AddHosts() {
  const absl::StatusOr<Prefix> range = Prefix::Parse(options_.addresses);
  if (!range.ok()) {
    problems_.Error({0, 0, 0},
                    absl::StrCat("--addresses: ", range.status().message()));
    return;
  }
  const int bits =
      (range->family() == Family::kIpv4 ? 32 : 128) - range->length();
  std::set<std::string> hosts;
  for (const auto& [raw, service] : services_) {
    hosts.insert(NameOf(Root(service)));
  }
  // The first and the last address of a range are no host's.
  if (bits < 32 && hosts.size() + 2 > (uint64_t{1} << bits)) {
    problems_.Error({0, 0, 0}, absl::StrCat("--addresses: ", options_.addresses,
                                            " is too small for ", hosts.size(),
                                            " hosts; give a larger range"));
    return;
  }
  size_t n = 0;
  for (const std::string& name : hosts) {
    draft_->hosts[name] = {name, {AddressAt(*range, ++n)}, {}, {}};
  }
  draft_->everyone = range->family() == Family::kIpv4 ? "0.0.0.0/0" : "::/0";
}

void ComposeImport::AddPorts(const ComposeService& service,
                             SystemDraft* system) {
  for (const ComposePort& port : service.ports) {
    const std::string name = system->AddPort(port.protocol, port.ports,
                                             absl::AsciiStrToLower(port.name));
    if (!port.from_outside) continue;
    if (std::find(system->serves.begin(), system->serves.end(), name) ==
        system->serves.end()) {
      system->serves.push_back(name);
    }
    if (port.published != port.ports.ToString()) {
      system->remarks.push_back(
          absl::StrCat(port.ports.ToString(), "/", ProtocolName(port.protocol),
                       " is published as ", port.published));
    }
  }
  std::sort(system->serves.begin(), system->serves.end());
}

void ComposeImport::AddHealth(const ComposeService& service,
                              SystemDraft* system) {
  const HealthCheck& health = service.health;
  const Probe& probe = health.probe;
  CheckDraft check;
  if (!probe.kind.empty()) {
    std::string port;
    if (probe.port > 0) {
      const auto number = static_cast<uint16_t>(probe.port);
      const PortRange range{number, number};
      if (system->FindPort(Protocol::kTcp, range) == nullptr) {
        system->remarks.push_back(
            absl::StrCat(number, "/tcp is known from its healthcheck"));
      }
      port = Scalar(system->AddPort(Protocol::kTcp, range));
    }
    if (probe.kind == "process") {
      check.text = absl::StrCat("process: ", Scalar(probe.process));
    } else if (!probe.service.empty()) {
      check.text = absl::StrCat("grpc: {port: ", port,
                                ", service: ", Scalar(probe.service), "}");
    } else if (probe.path.empty() || probe.path == "/") {
      check.text = absl::StrCat(probe.kind, ": ", port);
    } else {
      check.text = absl::StrCat(probe.kind, ": {port: ", port,
                                ", path: ", Scalar(probe.path), "}");
    }
  } else if (health.is_there) {
    system->not_translated.push_back(absl::StrCat(
        "its healthcheck, which runs ",
        manifest::Printable(BaseName(health.program).substr(0, 40)),
        "; the host's own file could run it as a plugin"));
  }
  if (check.text.empty()) {
    // The least that a port says. Its times are those of the healthcheck.
    for (const PortDraft& port : system->ports) {
      if (port.protocol != Protocol::kTcp) continue;
      if (port.ports.first != port.ports.last) continue;
      check.text = absl::StrCat("tcp: ", Scalar(port.name));
      break;
    }
  }
  if (check.text.empty()) return;
  if (health.is_there) {
    check.timeout = health.timeout;
    check.between = health.between;
    check.attempts = health.attempts;
  }
  system->health.push_back(check);
}

// A port that only others' environments know, of a service that they need: it
// is written down by those who use it, so it is no guess.
void ComposeImport::AddMentioned() {
  for (const auto& [raw, service] : services_) {
    for (const Mention& mention : mentions_[raw]) {
      SystemDraft& target = draft_->systems[name_.at(mention.target)];
      const bool needed = std::any_of(
          service.needs.begin(), service.needs.end(),
          [&](const Dependency& one) { return one.target == mention.target; });
      const PortRange range{mention.port, mention.port};
      // Whoever declares ports declares all of them.
      const bool declared = !services_.at(mention.target).ports.empty();
      if (!needed || declared) continue;
      if (target.FindPort(Protocol::kTcp, range) != nullptr) continue;
      target.AddPort(Protocol::kTcp, range);
      target.remarks.push_back(absl::StrCat(mention.port, "/tcp is known from ",
                                            mention.variable, " of ", raw));
    }
  }
}

void ComposeImport::AddNeed(const ComposeService& service,
                            const Dependency& dependency, SystemDraft* system) {
  const auto note = [&](std::string text) {
    system->not_translated.push_back(std::move(text));
  };
  if (dependency.target == service.raw_name) {
    problems_.Error(dependency.place,
                    absl::StrCat("service '", service.raw_name,
                                 "' depends on itself; remove that"));
    return;
  }
  const auto at = services_.find(dependency.target);
  if (at == services_.end()) {
    if (inactive_.count(dependency.target) > 0 || dependency.soft) {
      note(absl::StrCat("it depends on '",
                        manifest::Printable(dependency.target),
                        "', which was not imported"));
      return;
    }
    std::vector<std::string> names;
    for (const auto& [raw, other] : services_) names.push_back(raw);
    const std::string near = Nearest(dependency.target, names);
    problems_.Error(
        dependency.place,
        absl::StrCat("service '", service.raw_name, "' depends on '",
                     dependency.target, "', but there is no such service; ",
                     near.empty()
                         ? "name the file that has it, too"
                         : absl::StrCat("did you mean '", near, "'?")));
    return;
  }
  const ComposeService& target = at->second;
  const std::string& name = NameOf(target);
  const SystemDraft& server = draft_->systems[name];
  OrderEdge edge{system->name, name, false, dependency.place};
  if (dependency.once) {
    note(absl::StrCat("it waits until '", name,
                      "' has run and ended; only the stages keep that order"));
  } else if (&Root(service) == &Root(target)) {
    note(absl::StrCat("it needs '", name,
                      "' on its own host; only the stages keep that order"));
  } else if (!CanReach(service, target)) {
    note(absl::StrCat("it depends on '", name,
                      "', but they share no network; only the stages keep "
                      "that order"));
  } else if (server.ports.empty()) {
    note(absl::StrCat("it needs '", name,
                      "', of which no port is known; only the stages keep "
                      "that order. Add its port, then needs: [{",
                      name, ":PORT: soft}], or hard"));
  } else {
    edge.has_flow = true;
    for (const PortDraft& port : server.ports) {
      system->AddNeed({name, port.name, dependency.soft});
    }
  }
  if (!dependency.soft) edges_.push_back(edge);
}

void ComposeImport::AddMentions(const ComposeService& service,
                                SystemDraft* system) {
  std::vector<std::string> texts;
  for (const Mention& mention : mentions_[service.raw_name]) {
    const std::string& name = name_.at(mention.target);
    const SystemDraft& server = draft_->systems[name];
    const PortDraft* port =
        server.FindPort(Protocol::kTcp, {mention.port, mention.port});
    const bool needed =
        port != nullptr &&
        std::any_of(system->needs.begin(), system->needs.end(),
                    [&](const NeedDraft& need) {
                      return need.system == name && need.port == port->name;
                    });
    if (needed) continue;
    texts.push_back(absl::StrCat(
        mention.variable, " names ", name, ":",
        port == nullptr ? absl::StrCat(mention.port) : port->name));
  }
  if (texts.empty()) return;
  std::sort(texts.begin(), texts.end());
  const size_t more = texts.size() - std::min(texts.size(), kMaxMentions);
  if (more > 0) texts.resize(kMaxMentions);
  system->not_translated.push_back(
      absl::StrCat("its environment: ", absl::StrJoin(texts, ", "),
                   more > 0 ? absl::StrCat(" and ", more, " more") : "",
                   "; add needs: for what it calls"));
}

void ComposeImport::AddNeeds(const ComposeService& service,
                             SystemDraft* system) {
  for (const Dependency& dependency : service.needs) {
    AddNeed(service, dependency, system);
  }
  if (!service.shares.empty()) {
    const auto at = services_.find(service.shares);
    if (at == services_.end() || &Root(service) == &service) {
      problems_.Error(service.place,
                      absl::StrCat("service '", service.raw_name,
                                   "' uses the network of '", service.shares,
                                   "', which is no service here; correct "
                                   "network_mode:"));
    } else {
      edges_.push_back(
          {system->name, NameOf(at->second), false, service.place});
    }
  }
  AddMentions(service, system);
  system->not_translated.insert(system->not_translated.end(),
                                service.not_translated.begin(),
                                service.not_translated.end());
}

// Who can reach whom is worth a word only where not everybody can.
void ComposeImport::NoteNetworks() {
  std::set<std::set<std::string>> kinds;
  for (const auto& [raw, service] : services_) {
    kinds.insert(Root(service).networks);
  }
  if (kinds.size() < 2) return;
  for (const auto& [raw, service] : services_) {
    draft_->systems[NameOf(service)].remarks.push_back(absl::StrCat(
        "networks: ",
        !service.shares.empty()    ? absl::StrCat("those of ", service.shares)
        : service.networks.empty() ? "none"
                                   : absl::StrJoin(service.networks, ", ")));
  }
}

void ComposeImport::AddStages() {
  std::vector<std::string> names;
  bool served = false;
  for (const auto& [name, system] : draft_->systems) {
    names.push_back(name);
    served = served || !system.serves.empty();
  }
  if (const auto circle = FindCircle(names, edges_); !circle.empty()) {
    problems_.Error(circle.front().place,
                    CircleText(circle, project_.sources()));
    return;
  }
  draft_->stages = MakeStages(names, edges_, "services");
  if (served) {
    draft_->stages.push_back({"outside", {}, true});
  } else {
    draft_->everyone.clear();
  }
}

void ComposeImport::Build() {
  std::vector<ComposeService> services;
  for (const auto& [name, value] : project_.services()) {
    services.push_back(ReadService(name, *value, project_));
  }
  if (!CheckProfiles(services)) return;
  Choose(std::move(services));
  if (services_.empty()) {
    problems_.Error({0, 0, 0},
                    "every service has a profile, and none was asked for; "
                    "give --profile NAME");
    return;
  }
  NameThem();
  AddHosts();
  for (const auto& [raw, service] : services_) {
    const std::string& name = NameOf(service);
    SystemDraft& system = draft_->systems[name];
    system.name = name;
    system.hosts = {NameOf(Root(service))};
    if (Renamed(raw, name)) {
      system.remarks.push_back(
          absl::StrCat("was '", manifest::Printable(raw), "'"));
    }
    AddPorts(service, &system);
    AddHealth(service, &system);
  }
  mentions_ = FindMentions(services_);
  AddMentioned();
  for (const auto& [raw, service] : services_) {
    AddNeeds(service, &draft_->systems[NameOf(service)]);
  }
  NoteNetworks();
  AddStages();
}

// "shop/compose.yaml" → "shop", as Compose names a project.
std::string Folder(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return "compose";
  const std::string name = BaseName(path.substr(0, slash));
  return name == "." || name == ".." ? "compose" : name;
}

}  // namespace

ImportResult ImportCompose(const ComposeOptions& options,
                           const FileReader& read) {
  ImportResult result;
  manifest::Problems problems;
  ComposeProject project(read, problems);
  ManifestDraft draft;
  if (project.Load(options)) {
    ComposeImport(project, options, &draft).Build();
  }
  std::vector<std::string> files;
  for (const std::string& file : options.files) {
    files.push_back(BaseName(file));
  }
  draft.preface = {
      absl::StrCat("Made by `sluice import compose` from ",
                   absl::StrJoin(files, ", "),
                   ". Read it through before it is used: it is a draft."),
      absl::StrCat(
          "Compose knows no addresses: each service has a host of its own name "
          "with one of ",
          options.addresses, ", made up. Write down where it really runs."),
      "What depends_on or links name is a hard need, whether started or "
      "healthy is asked for (a client started before its server would not "
      "work either); with `required: false` it is soft. It gets all known "
      "ports of what it needs.",
      "Ports published under a fixed number let everyone in, in the last "
      "stage; narrow everyone to who really comes. Those published under a "
      "random number let nobody in.",
      "Replace the approvers by the people who decide, and add inspect: where "
      "there is something to look for.",
  };
  FinishEstate(
      options.estate,
      project.name().empty() ? Folder(options.files[0]) : project.name(),
      &draft, problems);
  result.said.sources = project.sources();
  const bool good = problems.errors() == 0;
  result.said.diagnostics = problems.Take();
  if (good) {
    result.manifest = draft.Text();
    result.hosts = static_cast<int>(draft.hosts.size());
    result.systems = static_cast<int>(draft.systems.size());
    result.not_translated = draft.not_translated_count();
  }
  return result;
}

}  // namespace sluice::importers
