// A manifest from what was seen: see observed.h.

#include <algorithm>
#include <functional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "orchestrator/importers/draft.h"
#include "orchestrator/importers/names.h"
#include "orchestrator/importers/observed.h"

namespace sluice::importers {
namespace {

constexpr size_t kMaxCallers = 16;  // named one by one
constexpr size_t kMaxName = 40;

// "postgresql@15-main.service" → "postgresql-15-main"; empty when nothing of it
// can name anything.
std::string Slug(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (absl::ascii_isalnum(c)) {
      out += absl::ascii_tolower(c);
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
    if (out.size() == kMaxName) break;
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out;
}

std::string GroupOf(const SeenProcess& process) {
  absl::string_view unit = process.unit;
  absl::ConsumeSuffix(&unit, ".service");
  const std::string name = Slug(unit);
  return name.empty() ? Slug(process.command) : name;
}

// "web-12" → "web": hosts that are many of one kind.
std::string Stem(const std::string& host) {
  size_t end = host.size();
  while (end > 0 && absl::ascii_isdigit(host[end - 1])) --end;
  while (end > 0 && host[end - 1] == '-') --end;
  return host.substr(0, end);
}

using Ports = std::set<std::pair<Protocol, uint16_t>>;

// One service or program on one host.
struct Part {
  std::string host;
  std::string group;  // empty: nobody knows what
  std::set<std::string> processes;
  Ports ports;
  std::string system;  // its name, in the end
};

class Drafter {
 public:
  explicit Drafter(const SeenEstate& seen)
      : seen_(seen), flows_(SeenFlows(seen)) {}

  ObservedDraft Draft();

 private:
  Part& PartOf(const std::string& host, const std::string& group) {
    Part& part = parts_[{host, group}];
    part.host = host;
    part.group = group;
    return part;
  }
  const Part& Server(const SeenFlow& flow);
  Part& Unknown(const std::string& host);
  void FindParts();
  void NameSystems();
  void AddNeeds();
  void AddCallers();
  void JoinCycles();
  void Preface();
  std::string UniqueSystem(const std::string& wanted);
  std::string Caller(const std::vector<Prefix>& addresses);
  SystemDraft& SystemOf(const Part& part) { return out_.systems[part.system]; }

  const SeenEstate& seen_;
  const std::vector<SeenFlow> flows_;
  std::map<std::pair<std::string, std::string>, Part> parts_;
  std::vector<Part*> clients_;  // of each flow that has one in the estate
  ManifestDraft out_;
  int needs_ = 0;
};

// What listens on the port; made up when no agent told.
const Part& Drafter::Server(const SeenFlow& flow) {
  for (auto& [key, part] : parts_) {
    if (part.host == flow.server_host &&
        part.ports.contains({flow.protocol, flow.port})) {
      return part;
    }
  }
  Part& part = PartOf(flow.server_host, "");
  part.ports.insert({flow.protocol, flow.port});
  return part;
}

// The one part of its host, or one of its own, where nobody knows who called.
Part& Drafter::Unknown(const std::string& host) {
  Part* only = nullptr;
  for (auto& [key, part] : parts_) {
    if (part.host != host) continue;
    if (only != nullptr) return PartOf(host, "");
    only = &part;
  }
  return only == nullptr ? PartOf(host, "") : *only;
}

void Drafter::FindParts() {
  for (const SeenListener& one : seen_.listeners) {
    if (!seen_.hosts.contains(one.host)) continue;
    Part& part = PartOf(one.host, GroupOf(one.process));
    part.ports.insert({one.protocol, one.port});
    if (!one.process.Text().empty()) {
      part.processes.insert(one.process.Text());
    }
  }
  // What was only tried makes no system.
  clients_.resize(flows_.size());
  for (size_t i = 0; i < flows_.size(); ++i) {
    const SeenFlow& flow = flows_[i];
    if (flow.unanswered || flow.refused) continue;
    if (!flow.server_host.empty()) Server(flow);
    const std::string group = GroupOf(flow.client_process);
    if (flow.client_host.empty() || group.empty()) continue;
    clients_[i] = &PartOf(flow.client_host, group);
    clients_[i]->processes.insert(flow.client_process.Text());
  }
  for (size_t i = 0; i < flows_.size(); ++i) {
    const SeenFlow& flow = flows_[i];
    if (flow.unanswered || flow.refused || flow.client_host.empty() ||
        clients_[i] != nullptr) {
      continue;
    }
    clients_[i] = &Unknown(flow.client_host);
  }
}

std::string Drafter::UniqueSystem(const std::string& wanted) {
  std::string name = wanted;
  for (int i = 2; out_.systems.contains(name); ++i) {
    name = absl::StrCat(wanted, "-", i);
  }
  return name;
}

// The same service with the same ports on hosts of one kind is one system.
void Drafter::NameSystems() {
  std::map<std::string, std::set<std::pair<std::string, Ports>>> kinds;
  for (const auto& [key, part] : parts_) {
    kinds[part.group].insert({Stem(part.host), part.ports});
  }
  std::map<std::tuple<std::string, std::string, Ports>, std::string> names;
  for (auto& [key, part] : parts_) {
    const bool known = !part.group.empty();
    const auto kind = std::tuple(
        part.group, known ? Stem(part.host) : part.host, part.ports);
    std::string& name = names[kind];
    if (name.empty()) {
      name = UniqueSystem(!known ? part.host
                          : kinds[part.group].size() == 1
                              ? part.group
                              : absl::StrCat(part.group, "-", part.host));
      SystemDraft& system = out_.systems[name];
      system.name = name;
      system.category = "unsorted";
      for (const auto& [protocol, port] : part.ports) {
        const std::string port_name =
            system.AddPort(protocol, PortRange{port, port});
        if (protocol == Protocol::kTcp && system.health.empty()) {
          system.health.push_back({absl::StrCat("tcp: ", port_name)});
        }
      }
    }
    part.system = name;
    SystemDraft& system = out_.systems[name];
    system.hosts.push_back(part.host);
    system.remarks.push_back(absl::StrCat(
        part.host, ": ",
        part.processes.empty() ? "what program it is was not seen"
                               : absl::StrJoin(part.processes, "; ")));
  }
}

// "outside-203-0-113-9".
std::string Drafter::Caller(const std::vector<Prefix>& addresses) {
  std::vector<std::string> texts;
  std::set<Family> families;
  for (const Prefix& one : addresses) {
    families.insert(one.family());
    texts.push_back(one.ToString());
  }
  std::string name;
  ExternalDraft external;
  if (addresses.size() > kMaxCallers) {
    external.remark = absl::StrCat(
        addresses.size(), " addresses came in; name the ranges they are of");
    texts.clear();
    for (const Family family : families) {
      texts.push_back(family == Family::kIpv4 ? "0.0.0.0/0" : "::/0");
    }
    name = families.size() == 2                     ? "everyone"
           : families.contains(Family::kIpv4) ? "everyone-ipv4"
                                                    : "everyone-ipv6";
  } else {
    name = absl::StrCat("outside-", Slug(texts.front()));
    if (texts.size() > 1) absl::StrAppend(&name, "-and-others");
  }
  external.addresses = std::move(texts);
  const std::string wanted = name;
  for (int i = 2; out_.externals.contains(name); ++i) {
    if (out_.externals[name].addresses == external.addresses) return name;
    name = absl::StrCat(wanted, "-", i);
  }
  out_.externals[name] = std::move(external);
  return name;
}

void Drafter::AddNeeds() {
  struct Sum {
    SeenFlow flow;
    std::set<std::string> processes;
  };
  std::map<std::tuple<std::string, std::string, std::string>, Sum> sums;
  const auto add = [&](const std::string& client, const std::string& server,
                       const std::string& port, const SeenFlow& flow) {
    auto [at, fresh] = sums.try_emplace({client, server, port}, Sum{flow, {}});
    Sum& sum = at->second;
    if (!fresh) {
      const bool counts = sum.flow.refused || !flow.refused;
      if (counts) {
        sum.flow.times =
            (sum.flow.refused && !flow.refused ? 0 : sum.flow.times) +
            flow.times;
      }
      sum.flow.refused = sum.flow.refused && flow.refused;
      sum.flow.last = std::max(sum.flow.last, flow.last);
    }
    const std::string who = flow.client_process.Text();
    if (!who.empty()) sum.processes.insert(who);
  };
  for (size_t i = 0; i < flows_.size(); ++i) {
    const SeenFlow& flow = flows_[i];
    if (flow.client_host.empty() || flow.unanswered) continue;
    const std::string port =
        absl::StrCat(flow.port, "/", ProtocolName(flow.protocol));
    if (flow.refused) {
      // Never declared by itself: it may be what the incident is about.
      const std::string who = flow.client_process.Text();
      const std::string to = flow.server_host.empty()
                                 ? flow.server.Address()
                                 : flow.server_host;
      out_.hosts[flow.client_host].remarks.push_back(absl::StrCat(
          "tried in quarantine and not declared below: ", to, " ", port, ", ",
          HowOften(flow), who.empty() ? "" : absl::StrCat(", by ", who)));
      continue;
    }
    const Part& client = *clients_[i];
    if (flow.server_host.empty()) {
      add(client.system, absl::StrCat("@", Caller({flow.server})), port, flow);
      continue;
    }
    const Part& server = Server(flow);
    const std::string name =
        SystemOf(server)
            .FindPort(flow.protocol, PortRange{flow.port, flow.port})
            ->name;
    if (server.system == client.system) {
      std::vector<std::string>& peers = SystemOf(server).peers;
      if (std::find(peers.begin(), peers.end(), name) == peers.end()) {
        peers.push_back(name);
      }
      continue;
    }
    add(client.system, server.system, name, flow);
  }
  for (const auto& [key, sum] : sums) {
    const auto& [client, server, port] = key;
    NeedDraft need;
    need.port = port;
    absl::string_view external = server;
    if (absl::ConsumePrefix(&external, "@")) {
      need.external = std::string(external);
    } else {
      need.system = server;
    }
    need.remark = HowOften(sum.flow);
    if (!sum.processes.empty()) {
      absl::StrAppend(&need.remark, ", by ",
                      absl::StrJoin(sum.processes, "; "));
    }
    out_.systems[client].AddNeed(need);
    ++needs_;
  }
}

// Who came in from outside, by system and port.
void Drafter::AddCallers() {
  struct Callers {
    std::set<Prefix> addresses;
    SeenFlow sum;
  };
  std::map<std::pair<std::string, std::string>, Callers> callers;
  for (const SeenFlow& flow : flows_) {
    if (!flow.client_host.empty() || flow.unanswered || flow.refused) continue;
    const Part& server = Server(flow);
    const std::string name =
        SystemOf(server)
            .FindPort(flow.protocol, PortRange{flow.port, flow.port})
            ->name;
    Callers& one = callers[{server.system, name}];
    one.addresses.insert(flow.client);
    one.sum.times += flow.times;
    one.sum.last = std::max(one.sum.last, flow.last);
  }
  for (const auto& [key, one] : callers) {
    out_.systems[key.first].let_in.push_back(
        {Caller({one.addresses.begin(), one.addresses.end()}), key.second,
         HowOften(one.sum)});
    ++needs_;
  }
}

// Systems that need each other come back together: Tarjan's components, without
// recursion, for a chain may be as long as the estate is large.
void Drafter::JoinCycles() {
  std::vector<std::string> names;
  std::map<std::string, size_t> numbers;
  for (const auto& [name, system] : out_.systems) {
    numbers[name] = names.size();
    names.push_back(name);
  }
  std::vector<std::vector<size_t>> out(names.size());
  for (const auto& [name, system] : out_.systems) {
    for (const NeedDraft& need : system.needs) {
      if (need.external.empty()) {
        out[numbers[name]].push_back(numbers[need.system]);
      }
    }
  }
  constexpr size_t kNone = static_cast<size_t>(-1);
  std::vector<size_t> index(names.size(), kNone);
  std::vector<size_t> low(names.size(), 0);
  std::vector<bool> open(names.size(), false);
  std::vector<size_t> stack;
  size_t next = 0;
  for (size_t root = 0; root < names.size(); ++root) {
    if (index[root] != kNone) continue;
    std::vector<std::pair<size_t, size_t>> path{{root, 0}};
    while (!path.empty()) {
      const size_t at = path.back().first;
      if (path.back().second == 0) {
        index[at] = low[at] = next++;
        stack.push_back(at);
        open[at] = true;
      }
      if (path.back().second < out[at].size()) {
        const size_t to = out[at][path.back().second++];
        if (index[to] == kNone) {
          path.emplace_back(to, 0);
        } else if (open[to]) {
          low[at] = std::min(low[at], index[to]);
        }
        continue;
      }
      path.pop_back();
      if (!path.empty()) {
        low[path.back().first] = std::min(low[path.back().first], low[at]);
      }
      if (low[at] != index[at]) continue;
      std::vector<std::string> group;
      size_t member = kNone;
      while (member != at) {
        member = stack.back();
        stack.pop_back();
        open[member] = false;
        group.push_back(names[member]);
      }
      std::sort(group.begin(), group.end());
      if (group.size() > 1) out_.joint.push_back(std::move(group));
    }
  }
  std::sort(out_.joint.begin(), out_.joint.end());
}

void Drafter::Preface() {
  out_.preface.push_back(
      "Drafted from what agents saw. It says what happened, not what should: "
      "read every line, name what you know better, and take out what does not "
      "belong. What did not talk while it was watched is not in it.");
  std::vector<std::string> silent;
  for (const auto& [name, addresses] : seen_.hosts) {
    if (std::find(seen_.heard.begin(), seen_.heard.end(), name) ==
        seen_.heard.end()) {
      silent.push_back(name);
    }
  }
  if (!silent.empty()) {
    out_.preface.push_back(
        absl::StrCat("Nothing was heard from the agents of: ",
                     absl::StrJoin(silent, ", "), "."));
  }
  if (!seen_.full.empty()) {
    out_.preface.push_back(absl::StrCat(
        "More was seen than could be kept, so something is missing, on: ",
        absl::StrJoin(seen_.full, ", "), "."));
  }
  std::vector<std::string> unanswered;
  for (const SeenFlow& flow : flows_) {
    if (!flow.unanswered || flow.refused) continue;
    unanswered.push_back(
        absl::StrCat(flow.client_host.empty() ? flow.client.Address()
                                              : flow.client_host,
                     " to ", flow.server_host, " ", flow.port, "/",
                     ProtocolName(flow.protocol)));
  }
  if (unanswered.size() > kMaxCallers) {
    unanswered.resize(kMaxCallers);
    unanswered.push_back("and more");
  }
  if (!unanswered.empty()) {
    out_.preface.push_back(
        absl::StrCat("Left out, for nothing listens there: ",
                     absl::StrJoin(unanswered, ", "), "."));
  }
}

ObservedDraft Drafter::Draft() {
  out_.estate = seen_.estate;
  if (!seen_.orchestrators.empty()) {
    out_.orchestrator = seen_.orchestrators.front();
    out_.more_orchestrators.assign(seen_.orchestrators.begin() + 1,
                                   seen_.orchestrators.end());
  }
  for (const auto& [name, addresses] : seen_.hosts) {
    HostDraft& host = out_.hosts[name];
    host.name = name;
    for (const Prefix& address : addresses) {
      host.addresses.push_back(address.Address());
    }
  }
  Preface();
  FindParts();
  NameSystems();
  AddNeeds();
  AddCallers();
  JoinCycles();
  return {out_.Text(), static_cast<int>(out_.systems.size()), needs_};
}

}  // namespace

ObservedDraft DraftObserved(const SeenEstate& seen) {
  return Drafter(seen).Draft();
}

}  // namespace sluice::importers
