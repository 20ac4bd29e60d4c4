#include "tests/simulation/estate.h"

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/manifest/manifest.h"

namespace sluice::simulation {
namespace {

const char* const kNames[] = {"alpha", "bravo",   "charlie", "delta",
                              "echo",  "foxtrot", "golf",    "hotel",
                              "india", "juliett", "kilo",    "lima"};
constexpr int kMostNames = 12;

struct Drawn {
  std::string name;
  std::vector<std::string> hosts;
  int enough = 0;
  std::vector<std::string> ports;                   // names
  std::vector<std::pair<std::string, bool>> needs;  // "system:port", soft
  int level = 0;  // above the levels of what it needs
  bool serves = false;
  std::string on_failure;
};

class Estate {
 public:
  Estate(Random& random, Random& hands, int most_systems)
      : random_(random), hands_(hands) {
    const int systems =
        random_.Between(2, std::clamp(most_systems, 2, kMostNames));
    for (int i = 0; i < systems; ++i) AddSystem(i);
    if (systems >= 4 && random_.Percent(25)) JoinTwo();
    if (random_.Percent(60)) externals_ = random_.Between(1, 2);
    if (externals_ > 0) drawn_.back().serves = true;
    DrawByHand();
    DrawDriven();
  }

  std::string Text() {
    std::string text =
        "sluice: 1\nestate: drawn\n"
        "management: {orchestrators: [\"10.9.0.1:7443\"], operators: "
        "[10.9.0.1]}\n"
        "approvers:\n"
        "  first-commander: {roles: [incident-commander]}\n"
        "  second-commander: {roles: [incident-commander]}\n"
        "  technician: {roles: [technical-lead]}\n"
        "  deputy: {roles: [technical-lead, incident-commander]}\n"
        "  owner: {roles: [system-owner]}\n"
        "  second-owner: {roles: [system-owner]}\n"
        "hosts:\n";
    const bool six = random_.Percent(15);
    for (int i = 1; i <= hosts_; ++i) {
      absl::StrAppend(&text, "  h-", i, ": {address: [10.9.1.", i,
                      six ? absl::StrCat(", \"fd09::", i, "\"") : "", "]");
      if (vital_ && i == 1) {
        absl::StrAppend(&text,
                        ", vital: [{external: storage, port: 3260/tcp}]");
      }
      if (i == driven_) {
        absl::StrAppend(&text, ", enforcement: driven, through: h-", through_);
      }
      absl::StrAppend(&text, by_hand_.contains(i) ? ManualText() : "",
                      i == behind_ ? ", behind: [switch-1]" : "", "}\n");
    }
    if (behind_ > 0) {
      absl::StrAppend(&text, "  switch-1: {address: [10.9.2.1]", ManualText(),
                      "}\n");
    }
    if (externals_ > 0 || vital_) {
      absl::StrAppend(&text, "externals:\n");
      if (vital_) absl::StrAppend(&text, "  storage: {address: 10.8.0.9}\n");
      if (externals_ > 0) {
        absl::StrAppend(&text, "  pilot: {address: [10.90.3.0/24]}\n");
      }
      if (externals_ > 1) {
        absl::StrAppend(&text, "  public: {address: [0.0.0.0/0]}\n");
      }
    }
    absl::StrAppend(&text, "systems:\n");
    for (const Drawn& system : drawn_) text += SystemText(system);
    if (!joint_.empty()) {
      absl::StrAppend(&text, "joint:\n  - [", absl::StrJoin(joint_, ", "),
                      "]\n");
    }
    return absl::StrCat(text, StagesText());
  }

 private:
  // In one estate of ten people work a point or two: a host's, or a switch
  // before one that has an agent.
  void DrawByHand() {
    if (!hands_.Percent(12)) return;
    const int switched = hands_.Percent(40) ? hands_.Between(1, hosts_) : 0;
    if (!(switched == 1 && vital_)) behind_ = switched;
    const int points = hands_.Between(behind_ > 0 ? 0 : 1, 2);
    for (int i = 0; i < points; ++i) {
      const int host = hands_.Between(1, hosts_);
      if (host != behind_ && !(host == 1 && vital_)) by_hand_.insert(host);
    }
  }

  // In one of ten a host is an appliance that another's agent drives.
  void DrawDriven() {
    const int driven = hands_.Between(1, hosts_);
    const int through = hands_.Between(1, hosts_);
    if (!hands_.Percent(16) || driven == through) return;
    if (by_hand_.contains(driven) || by_hand_.contains(through)) return;
    if (driven == behind_ || (driven == 1 && vital_)) return;
    driven_ = driven;
    through_ = through;
  }

  std::string ManualText() {
    static const std::vector<std::string> kOwners = {
        "", ", owner: technical-lead", ", owner: system-owner"};
    return absl::StrCat(
        ", enforcement: manual, instructions: {close: pull the cable, open: "
        "plug the cable in",
        hands_.Pick(kOwners), "}");
  }

  std::string NewHost() { return absl::StrCat("h-", ++hosts_); }

  void AddSystem(int number) {
    Drawn system;
    system.name = kNames[number];
    const int hosts = random_.Percent(65) ? 1 : random_.Between(2, 3);
    for (int i = 0; i < hosts; ++i) {
      // Now and then two systems share a host.
      if (hosts_ > 0 && random_.Percent(15)) {
        const std::string shared =
            absl::StrCat("h-", random_.Between(1, hosts_));
        if (std::find(system.hosts.begin(), system.hosts.end(), shared) ==
            system.hosts.end()) {
          system.hosts.push_back(shared);
          continue;
        }
      }
      system.hosts.push_back(NewHost());
    }
    if (system.hosts.size() > 1 && random_.Percent(60)) {
      system.enough =
          random_.Between(1, static_cast<int>(system.hosts.size()) - 1);
    }
    const int ports = random_.Between(1, 2);
    for (int i = 0; i < ports; ++i) {
      system.ports.push_back(i == 0 ? "main" : "side");
    }
    const int needs = number == 0 ? 0 : random_.Between(0, 2);
    std::set<std::string> needed;
    for (int i = 0; i < needs; ++i) {
      const Drawn& other = drawn_[random_.Below(drawn_.size())];
      // Two systems on one host need no flow between them.
      const bool shares = std::any_of(
          other.hosts.begin(), other.hosts.end(), [&](const auto& host) {
            return std::find(system.hosts.begin(), system.hosts.end(), host) !=
                   system.hosts.end();
          });
      if (shares || !needed.insert(other.name).second) continue;
      const bool soft = random_.Percent(25);
      system.needs.emplace_back(
          absl::StrCat(other.name, ":", random_.Pick(other.ports)), soft);
      system.level = std::max(system.level, other.level + (soft ? 0 : 1));
    }
    static const std::vector<std::string> kPolicies = {
        "", "isolate", "isolate-dependents", "hold"};
    system.on_failure = random_.Pick(kPolicies);
    vital_ = vital_ || random_.Percent(8);
    drawn_.push_back(std::move(system));
  }

  // The last two need each other.
  void JoinTwo() {
    Drawn& a = drawn_[drawn_.size() - 2];
    Drawn& b = drawn_[drawn_.size() - 1];
    for (const std::string& host : a.hosts) {
      if (std::find(b.hosts.begin(), b.hosts.end(), host) != b.hosts.end()) {
        return;
      }
    }
    const auto needs = [](Drawn& from, const Drawn& to) {
      for (auto& [need, soft] : from.needs) {
        if (need.substr(0, need.find(':')) != to.name) continue;
        soft = false;
        return;
      }
      from.needs.emplace_back(absl::StrCat(to.name, ":main"), false);
    };
    needs(a, b);
    needs(b, a);
    a.level = b.level = std::max(a.level, b.level);
    joint_ = {a.name, b.name};
  }

  std::string SystemText(const Drawn& system) {
    static const std::vector<std::string> kCategories = {
        "foundation", "billing", "information", "commercial"};
    std::string text = absl::StrCat(
        "  ", system.name, ":\n    category: ", random_.Pick(kCategories),
        "\n    hosts: [", absl::StrJoin(system.hosts, ", "), "]\n");
    if (system.enough > 0) {
      absl::StrAppend(&text, "    enough: ", system.enough, "\n");
    }
    absl::StrAppend(&text, "    ports: {");
    for (size_t i = 0; i < system.ports.size(); ++i) {
      absl::StrAppend(&text, i == 0 ? "" : ", ", system.ports[i], ": ",
                      5000 + 100 * (system.name[0] - 'a') + i,
                      i == 1 && random_.Percent(40) ? "/udp" : "/tcp");
    }
    absl::StrAppend(&text, "}\n");
    if (!system.needs.empty()) {
      std::vector<std::string> needs;
      for (const auto& [need, soft] : system.needs) {
        needs.push_back(soft ? absl::StrCat("{", need, ": soft}") : need);
      }
      absl::StrAppend(&text, "    needs: [", absl::StrJoin(needs, ", "), "]\n");
    }
    if (random_.Percent(70)) {
      absl::StrAppend(&text,
                      "    inspect:\n      - listeners: declared-only\n");
      if (random_.Percent(20)) {
        absl::StrAppend(&text,
                        "      - task: {id: rotated, what: passwords rotated, "
                        "owner: incident-commander}\n");
      }
    }
    if (random_.Percent(20)) {
      absl::StrAppend(&text, "    start: {systemd: ", system.name,
                      ".service}\n");
    }
    absl::StrAppend(&text, "    health: [{tcp: main}]\n");
    if (random_.Percent(20)) {
      absl::StrAppend(&text,
                      "    accept: [{task: {id: agreed, what: it works, owner: "
                      "system-owner}}]\n");
    }
    absl::StrAppend(&text, "    soak: ", random_.Between(3, 20),
                    "s\n    lease: ", random_.Between(5, 20),
                    "s\n    watch-every: ", random_.Between(1, 5), "s\n");
    if (!system.on_failure.empty()) {
      absl::StrAppend(&text, "    on-failure: ", system.on_failure, "\n");
    }
    if (random_.Percent(10)) absl::StrAppend(&text, "    protected: true\n");
    if (system.serves) {
      absl::StrAppend(&text,
                      "    serves:\n      - {external: pilot, port: main}\n");
      if (externals_ > 1) {
        absl::StrAppend(&text, "      - {external: public, port: main",
                        random_.Percent(50) ? ", after: [pilot]" : "", "}\n");
      }
    }
    return text;
  }

  std::string GateText() {
    static const std::vector<std::string> kQuorums = {
        "{incident-commander: 1}", "{incident-commander: 2}",
        "{incident-commander: 1, technical-lead: 1}",
        "{incident-commander: 1, system-owner: 1}"};
    return absl::StrCat("{approvals: ", random_.Pick(kQuorums),
                        ", timeout: ", random_.Between(1, 10),
                        "m, evidence-max-age: ", random_.Between(2, 20), "m",
                        random_.Percent(25) ? ", no-self-approval: true" : "",
                        random_.Percent(20) ? ", confirm: by-decision" : "",
                        "}");
  }

  std::string StagesText() {
    if (random_.Percent(35)) {
      return absl::StrCat("defaults:\n  gate: ", GateText(), "\n");
    }
    int top = 0;
    for (const Drawn& system : drawn_) top = std::max(top, system.level);
    std::string text = "stages:\n";
    int number = 0;
    std::vector<std::string> waiting;
    for (int level = 0; level <= top; ++level) {
      for (const Drawn& system : drawn_) {
        if (system.level == level) waiting.push_back(system.name);
      }
      // Some levels share a gate.
      if (waiting.empty() || (level < top && random_.Percent(40))) continue;
      absl::StrAppend(&text, "  - name: stage-", ++number, "\n    systems: [",
                      absl::StrJoin(waiting, ", "), "]\n    gate: ", GateText(),
                      "\n");
      waiting.clear();
    }
    if (externals_ > 0) {
      absl::StrAppend(&text, "  - name: outside\n    flows: [{external: pilot}",
                      externals_ > 1 ? ", {external: public}" : "",
                      "]\n    gate: ", GateText(), "\n");
    }
    return text;
  }

  Random& random_;
  Random& hands_;
  std::vector<Drawn> drawn_;
  int hosts_ = 0;
  int externals_ = 0;
  bool vital_ = false;
  std::set<int> by_hand_;
  int behind_ = 0;  // the host that stands behind a switch
  int driven_ = 0;
  int through_ = 0;  // whose agent drives it
  std::vector<std::string> joint_;
};

}  // namespace

std::string DrawManifest(Random& random, Random& hands, int most_systems) {
  return Estate(random, hands, most_systems).Text();
}

absl::StatusOr<std::shared_ptr<const Plan>> LoadPlan(
    const std::vector<journal::SourceFile>& files) {
  constexpr size_t kRemembered = 8;
  thread_local std::deque<
      std::pair<std::vector<journal::SourceFile>, std::shared_ptr<const Plan>>>
      remembered;
  for (const auto& [sources, plan] : remembered) {
    if (sources == files) return plan;
  }
  ManifestSources sources;
  for (const journal::SourceFile& file : files) {
    sources.files.push_back({file.name, file.text});
  }
  const ManifestResult result = ParseManifest(sources);
  if (!result.ok()) {
    std::string text;
    for (const Diagnostic& diagnostic : result.diagnostics) {
      text += FormatDiagnostic(result, diagnostic, true, false);
    }
    return absl::InvalidArgumentError(text);
  }
  absl::StatusOr<std::shared_ptr<const Plan>> plan = MakePlan(result.model);
  if (!plan.ok()) return plan;
  remembered.emplace_back(files, *plan);
  if (remembered.size() > kRemembered) remembered.pop_front();
  return plan;
}

}  // namespace sluice::simulation
