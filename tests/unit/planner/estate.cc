#include "tests/unit/planner/estate.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace sluice::testing {
namespace {

template <class Id>
std::vector<Id> Ids(const std::vector<std::string>& names) {
  std::vector<Id> ids;
  for (const std::string& name : names) ids.emplace_back(name);
  return ids;
}

template <class T>
void SortById(std::vector<T>& values) {
  std::sort(values.begin(), values.end(),
            [](const T& a, const T& b) { return a.id < b.id; });
}

}  // namespace

Prefix Range(absl::string_view text) { return *Prefix::Parse(text); }

std::vector<Port::Range> Ranges(absl::string_view text) {
  std::vector<Port::Range> ranges;
  for (const absl::string_view word : absl::StrSplit(text, ',')) {
    const std::vector<std::string> parts = absl::StrSplit(word, '/');
    const std::vector<std::string> ends = absl::StrSplit(parts[0], '-');
    int first = 0;
    int last = 0;
    EXPECT_TRUE(absl::SimpleAtoi(ends.front(), &first));
    EXPECT_TRUE(absl::SimpleAtoi(ends.back(), &last));
    ranges.push_back(
        {parts[1] == "udp" ? Protocol::kUdp : Protocol::kTcp,
         {static_cast<uint16_t>(first), static_cast<uint16_t>(last)}});
  }
  return ranges;
}

Check Probe(const std::string& id, const std::string& kind,
            const std::map<std::string, std::string>& args) {
  Check check;
  check.id = CheckId(id);
  CheckSpec spec;
  spec.kind = kind;
  spec.args = args;
  check.what = spec;
  return check;
}

Check Signed(const std::string& id, const std::string& what,
             const std::string& owner) {
  Check check;
  check.id = CheckId(id);
  check.what = Task{TaskId(id), what, RoleId(owner), {}};
  return check;
}

Host& Estate::AddHost(const std::string& id,
                      const std::vector<std::string>& addresses) {
  Host host;
  host.id = HostId(id);
  for (const std::string& address : addresses) {
    host.addresses.push_back(Range(address));
  }
  model.hosts.push_back(host);
  return model.hosts.back();
}

External& Estate::AddExternal(const std::string& id,
                              const std::vector<std::string>& addresses) {
  External external;
  external.id = ExternalId(id);
  for (const std::string& address : addresses) {
    external.addresses.push_back(Range(address));
  }
  model.externals.push_back(external);
  return model.externals.back();
}

System& Estate::AddSystem(const std::string& id,
                          const std::vector<std::string>& hosts,
                          const std::vector<std::string>& ports) {
  System system;
  system.id = SystemId(id);
  system.category = "billing";
  system.hosts = Ids<HostId>(hosts);
  system.soak = absl::Seconds(10);
  for (const std::string& text : ports) {
    const std::vector<std::string> parts = absl::StrSplit(text, '=');
    system.ports.push_back({PortId(parts[0]), Ranges(parts[1]), {}});
  }
  if (!system.ports.empty()) {
    system.health.push_back(Probe(id + "/health-1", "tcp",
                                  {{"port", system.ports.front().id.str()}}));
  }
  model.systems.push_back(system);
  return model.systems.back();
}

System& Estate::Get(const std::string& id) {
  for (System& system : model.systems) {
    if (system.id.str() == id) return system;
  }
  ADD_FAILURE() << "no system " << id;
  return model.systems.front();
}

void Estate::Needs(const std::string& system, const std::string& target,
                   Strength strength) {
  const std::vector<std::string> parts = absl::StrSplit(target, ':');
  Need need;
  need.system = SystemId(parts[0]);
  need.port = PortId(parts[1]);
  need.strength = strength;
  Get(system).needs.push_back(need);
}

void Estate::NeedsExternal(const std::string& system,
                           const std::string& external,
                           const std::string& ranges) {
  Need need;
  need.external = ExternalId(external);
  need.ranges = Ranges(ranges);
  Get(system).needs.push_back(need);
}

void Estate::Serves(const std::string& system, const std::string& external,
                    const std::string& port,
                    const std::vector<std::string>& after) {
  Service service;
  service.external = ExternalId(external);
  service.port = PortId(port);
  service.after = Ids<ExternalId>(after);
  Get(system).serves.push_back(service);
}

Stage& Estate::AddStage(const std::string& id,
                        const std::vector<std::string>& systems,
                        const std::vector<std::string>& externals) {
  Stage stage;
  stage.id = StageId(id);
  stage.systems = Ids<SystemId>(systems);
  stage.flows = Ids<ExternalId>(externals);
  stage.gate.approvals[RoleId("incident-commander")] = 1;
  model.stages.push_back(stage);
  return model.stages.back();
}

void Estate::Joint(const std::vector<std::string>& systems) {
  model.joint.push_back({Ids<SystemId>(systems), {}});
}

void Estate::Sort() {
  SortById(model.hosts);
  SortById(model.externals);
  SortById(model.systems);
  SortById(model.approvers);
}

std::shared_ptr<const Plan> Estate::Planned() {
  Sort();
  auto plan = MakePlan(model);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? *plan : std::make_shared<const Plan>();
}

std::string Estate::Refusal() {
  Sort();
  const auto plan = MakePlan(model);
  return plan.ok() ? "" : std::string(plan.status().message());
}

Estate SmallUtility() {
  Estate estate;
  estate.model.estate = EstateId("small-utility");
  estate.model.title = "The small utility";
  estate.model.management.orchestrators = {"10.77.0.1:7443"};
  estate.AddHost("dns-1", {"10.77.0.12", "fd77::12"});
  estate.AddHost("dir-1", {"10.77.0.11", "fd77::11"});
  estate.AddHost("db-1", {"10.77.0.21", "fd77::21"});
  estate.AddHost("app-1", {"10.77.0.31", "fd77::31"});
  estate.AddHost("app-2", {"10.77.0.32", "fd77::32"});
  estate.AddHost("web-1", {"10.77.0.42", "fd77::42"});
  estate.AddExternal("banks", {"203.0.113.0/24"});
  estate.AddExternal("citizens", {"0.0.0.0/0", "::/0"});
  estate.AddExternal("pilot-office", {"10.90.3.0/24"});
  estate.AddSystem("name-service", {"dns-1"}, {"dns=53/tcp,53/udp"}).category =
      "foundation";
  estate.AddSystem("directory", {"dir-1"}, {"ldap=389/tcp"}).category =
      "foundation";
  estate.Needs("directory", "name-service:dns");
  estate.AddSystem("billing-db", {"db-1"}, {"postgres=5432/tcp"});
  estate.Needs("billing-db", "name-service:dns");
  estate.Needs("billing-db", "directory:ldap", Strength::kSoft);
  estate.AddSystem("billing-engine", {"app-1", "app-2"}, {"http=8080/tcp"})
      .enough = 1;
  estate.Needs("billing-engine", "billing-db:postgres");
  estate.Needs("billing-engine", "directory:ldap");
  estate.NeedsExternal("billing-engine", "banks", "443/tcp");
  estate.AddSystem("portal", {"web-1"}, {"https=443/tcp"});
  estate.Needs("portal", "billing-engine:http");
  estate.Serves("portal", "pilot-office", "https");
  estate.Serves("portal", "citizens", "https", {"pilot-office"});
  return estate;
}

Model Shuffled(const Model& model, std::mt19937& random) {
  Model copy = model;
  const auto shuffle = [&](auto& values) {
    std::shuffle(values.begin(), values.end(), random);
  };
  for (Host& host : copy.hosts) {
    shuffle(host.addresses);
    shuffle(host.vital);
  }
  for (External& external : copy.externals) shuffle(external.addresses);
  for (System& system : copy.systems) {
    shuffle(system.hosts);
    shuffle(system.ports);
    shuffle(system.needs);
    shuffle(system.serves);
    shuffle(system.peers);
    system.place.line += 7;
  }
  for (Stage& stage : copy.stages) {
    shuffle(stage.systems);
    shuffle(stage.flows);
  }
  for (JointGroup& group : copy.joint) shuffle(group.systems);
  for (Approver& approver : copy.approvers) shuffle(approver.roles);
  shuffle(copy.joint);
  shuffle(copy.management.operators);
  // A Model is sorted by id; the planner must not depend on it all the same.
  shuffle(copy.hosts);
  shuffle(copy.externals);
  shuffle(copy.systems);
  shuffle(copy.approvers);
  return copy;
}

std::vector<std::string> Lines(const PlannedGrant& grant) {
  std::vector<std::string> lines;
  for (const HostFlow& flow : grant.flows) {
    lines.push_back(absl::StrCat(flow.client.str(), ">", flow.server.str(),
                                 ": ", flow.flow.Line()));
  }
  return lines;
}

}  // namespace sluice::testing
