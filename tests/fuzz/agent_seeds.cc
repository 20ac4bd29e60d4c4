// Gives inputs to fuzz-agent's own function without a fuzzer: what it found
// once stays found. With --seeds it writes inputs to begin with.
//
//   fuzz-agent-replay               what it begins with
//   fuzz-agent-replay FILE|FOLDER…  what was found
//   fuzz-agent-replay --seeds FOLDER

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/break_glass.h"
#include "common/delegation.h"
#include "sluice/v1/agent.pb.h"
#include "tests/unit/agent/core/bench_host.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace sluice::agent {
namespace {

namespace fs = std::filesystem;

std::string Chunk(const std::string& bytes) {
  return absl::StrCat(std::string(1, static_cast<char>(bytes.size() % 256)),
                      std::string(1, static_cast<char>(bytes.size() / 256)),
                      bytes);
}

std::string Message(const v1::OrchestratorMessage& message) {
  return absl::StrCat("\x03", Chunk(message.SerializeAsString()));
}

v1::OrchestratorMessage Ordered(const std::string& id) {
  v1::OrchestratorMessage message;
  message.mutable_order()->set_id(id);
  message.mutable_order()->set_epoch(1);
  message.mutable_order()->set_deadline_ms(1000);
  return message;
}

// One message of each kind, as an orchestrator sends it.
std::map<std::string, v1::OrchestratorMessage> Messages() {
  const ReleasedHost host;
  std::map<std::string, v1::OrchestratorMessage> all;
  const auto order = [&](const std::string& kind) {
    all[kind] = Ordered(absl::StrCat("r/8/", all.size()));
    return all[kind].mutable_order();
  };
  order("isolate")->mutable_isolate_host()->set_reason("drill");
  v1::Withdraw* withdraw = order("withdraw")->mutable_withdraw();
  withdraw->add_grants("portal>engine:web");
  v1::WithdrawPeers* peers = order("peers")->mutable_withdraw_peers();
  peers->add_peers("10.77.0.31");
  v1::FreezeEvidence* freeze = order("freeze")->mutable_freeze_evidence();
  freeze->set_round("apps/2");
  v1::CheckSpec* check = freeze->add_inspections();
  check->set_id("engine/inspect-1");
  check->set_kind("listeners");
  (*check->mutable_args())["ports"] = "8080/tcp";
  v1::Propose* propose = order("propose")->mutable_propose();
  propose->set_body(host.body);
  propose->set_round("apps/1");
  for (const GrantFlows& grant : host.Proposal("apps/1").grants) {
    v1::GrantFlows* to = propose->add_grants();
    to->set_grant(grant.grant.str());
    for (const Flow& flow : grant.flows) to->add_flows(flow.Line());
  }
  v1::OpenFlows* open = order("open")->mutable_open_flows();
  open->set_release_digest(host.digest);
  open->add_grants("portal>engine:web");
  v1::Decision* decision = open->add_decisions();
  decision->set_operator_name("duty-commander");
  decision->set_body_digest(host.digest);
  decision->set_signature("toy sha256:00");
  v1::Confirm* confirm = order("confirm")->mutable_confirm();
  confirm->set_release_digest(host.digest);
  confirm->add_grants("portal>engine:web");
  confirm->set_step("engine");
  order("try")->mutable_try_flows()->add_flows(kWebFlow);
  *order("check")->mutable_run_checks()->add_checks() = *check;
  order("start")->mutable_start_unit()->set_unit("engine.service");
  v1::Watch* watch = order("watch")->mutable_watch();
  watch->set_step("engine");
  watch->set_every_ms(1000);
  *watch->add_checks() = *check;
  order("read")->mutable_read_fence();
  order("noted")->mutable_glass_noted()->set_text_digest(Sha256("a"));
  v1::ChangeTrust* trust = order("trust")->mutable_change_trust();
  trust->set_text("sluice rotation 1\nestate city-utility\nserial 2\n");
  trust->add_signatures("x");
  v1::Renewal* renewal = all["renewal"].mutable_renewal();
  renewal->set_epoch(1);
  renewal->add_release_digests(host.digest);
  v1::Welcome* welcome = all["welcome"].mutable_welcome();
  welcome->set_epoch(2);
  welcome->set_instance("two");
  welcome->set_estate("city-utility");
  return all;
}

constexpr char kFile[] = R"(estate: city-utility
host: db-1
orchestrators: ["10.77.0.1:7443", "[fd77::1]:7443"]
certificate: agent.crt
key: agent.key
authority: ca.crt
management: ["tcp 10.77.0.11 10.77.0.1 7443"]
vital: ["tcp 10.77.0.11 10.77.0.3 3260"]
quorum: {}
quorum-at: {}
trust-serial: 2
units: {postgresql.service: {start: [systemctl, start, postgresql]}}
plugins: {check_pgsql: {command: [/check], timeout: 10s, user: nobody}}
yara: {webshells: {rules: webshells.yar, paths: [/var/www]}}
baselines: {setuid: {paths: [/usr], only: setuid}}
)";

std::map<std::string, std::string> Seeds() {
  std::map<std::string, std::string> seeds;
  std::string all = "l";
  for (const auto& [kind, message] : Messages()) {
    seeds[absl::StrCat("link-", kind)] = absl::StrCat("l", Message(message));
    absl::StrAppend(&all, Message(message), std::string("\0\x02", 2));
  }
  seeds["link-all"] = absl::StrCat(all, "\x01", all.substr(1));
  seeds["file"] = absl::StrCat("f", kFile);
  BreakGlass glass;
  glass.estate = EstateId("city-utility");
  glass.host = HostId("app-1");
  glass.quarantine_number = 1;
  glass.boot = "boot-1";
  glass.drafted_seconds = 100;
  glass.reason = "the orchestrator burnt";
  seeds["text-everything"] = absl::StrCat("t", glass.Body());
  glass.flows = {F(kWebFlow)};
  seeds["text-flow"] = absl::StrCat("t", glass.Body());
  Delegation delegation;
  delegation.estate = EstateId("city-utility");
  delegation.delegator = OperatorId("billing-owner");
  delegation.deputy = OperatorId("duty-commander");
  delegation.roles = {RoleId("system-owner")};
  delegation.from = absl::FromUnixSeconds(1'795'000'000);
  delegation.until = absl::FromUnixSeconds(1'795'003'600);
  seeds["text-delegation"] = absl::StrCat("t", delegation.Body());
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  std::string state = host.state().Encode();
  state.resize(state.rfind("digest "));
  seeds["state-released"] = absl::StrCat("s", state);
  return seeds;
}

int WriteSeeds(const fs::path& folder) {
  fs::create_directories(folder);
  const std::map<std::string, std::string> seeds = Seeds();
  for (const auto& [name, bytes] : seeds) {
    std::ofstream(folder / name, std::ios::binary) << bytes;
  }
  std::printf("%zu seeds\n", seeds.size());
  return 0;
}

int ReplaySeeds() {
  const std::map<std::string, std::string> seeds = Seeds();
  for (const auto& [name, bytes] : seeds) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()),
                           bytes.size());
  }
  std::printf("%zu seeds\n", seeds.size());
  return 0;
}

int Replay(const std::vector<fs::path>& paths) {
  size_t count = 0;
  const auto one = [&](const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()),
                           bytes.size());
    ++count;
  };
  for (const fs::path& path : paths) {
    if (!fs::is_directory(path)) {
      one(path);
      continue;
    }
    for (const auto& entry : fs::directory_iterator(path)) one(entry.path());
  }
  std::printf("%zu inputs\n", count);
  return count > 0 ? 0 : 1;
}

}  // namespace
}  // namespace sluice::agent

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--seeds") {
    return sluice::agent::WriteSeeds(argv[2]);
  }
  if (argc == 1) return sluice::agent::ReplaySeeds();
  return sluice::agent::Replay({argv + 1, argv + argc});
}
