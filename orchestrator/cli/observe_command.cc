#include "orchestrator/cli/observe_command.h"

#include <CLI/CLI.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/drafts.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/cli/loaded_manifest.h"
#include "orchestrator/importers/observed.h"
#include "orchestrator/report/layout.h"

namespace sluice::cli {
namespace {

using importers::SeenEstate;
using importers::SeenFlow;
using importers::SeenProcess;
using Json = nlohmann::json;

SeenProcess ProcessOf(const v1::ObservedProcess& from) {
  return {Printable(from.command()), Printable(from.unit()),
          Printable(from.user())};
}

bool ReadProtocol(const std::string& text, Protocol* protocol) {
  *protocol = text == "udp" ? Protocol::kUdp : Protocol::kTcp;
  return text == "udp" || text == "tcp";
}

bool ReadPort(uint32_t number, uint16_t* port) {
  *port = static_cast<uint16_t>(number);
  return number > 0 && number <= 65535;
}

// What cannot be read is left out: it comes from hosts that may be anybody's.
void AddHost(const v1::HostObservations& from, SeenEstate* seen) {
  if (!seen->hosts.contains(from.host())) return;
  const v1::Observations& said = from.observations();
  seen->heard.push_back(from.host());
  if (said.full()) seen->full.push_back(from.host());
  for (const v1::ObservedListener& one : said.listeners()) {
    importers::SeenListener listener;
    listener.host = from.host();
    if (!ReadProtocol(one.protocol(), &listener.protocol) ||
        !ReadPort(one.port(), &listener.port)) {
      continue;
    }
    listener.process = ProcessOf(one.process());
    seen->listeners.push_back(std::move(listener));
  }
  for (const v1::ObservedPeer& one : said.peers()) {
    importers::SeenPeer peer;
    const absl::StatusOr<Prefix> address = Prefix::Parse(one.address());
    if (!address.ok() || !ReadProtocol(one.protocol(), &peer.protocol) ||
        !ReadPort(one.port(), &peer.port)) {
      continue;
    }
    peer.host = from.host();
    peer.outbound = one.outbound();
    peer.peer = *address;
    peer.times = one.times();
    if (one.last_ms() > 0) peer.last = absl::FromUnixMillis(one.last_ms());
    peer.refused = one.refused();
    peer.process = ProcessOf(one.process());
    seen->peers.push_back(std::move(peer));
  }
}

// Hosts by the manifest in force: whoever has an agent stands in it.
absl::StatusOr<SeenEstate> AskForAll(const Common& common) {
  SLUICE_ASSIGN_OR_RETURN(const auto client, Connect(common));
  SLUICE_ASSIGN_OR_RETURN(const v1::Manifest texts, client->GetManifest(false));
  ManifestSources sources;
  for (const v1::ManifestFile& file : texts.files()) {
    sources.files.push_back({file.name(), file.text()});
  }
  const ManifestResult manifest = ParseManifest(sources);
  if (!manifest.ok()) {
    return absl::InternalError(
        "the orchestrator's own manifest cannot be read by this sluice; "
        "install the same version on both");
  }
  SeenEstate seen;
  seen.estate = manifest.model.estate.str();
  seen.orchestrators = manifest.model.management.orchestrators;
  for (const std::string& one : seen.orchestrators) {
    SLUICE_ASSIGN_OR_RETURN(const Endpoint endpoint, Endpoint::Parse(one));
    seen.apart.push_back(endpoint.address);
  }
  for (const Host& host : manifest.model.hosts) {
    seen.hosts[host.id.str()] = host.addresses;
  }
  SLUICE_ASSIGN_OR_RETURN(const auto hosts, client->GetObservations());
  for (const v1::HostObservations& host : hosts) AddHost(host, &seen);
  if (seen.heard.empty()) {
    return absl::FailedPreconditionError(
        "no agent has said yet what it saw; they do within a minute of being "
        "connected (`sluice status`)");
  }
  return seen;
}

std::string End(const std::string& host, const Prefix& address) {
  return host.empty() ? address.ToString() : host;
}

std::string PortText(const SeenFlow& flow) {
  return absl::StrCat(flow.port, "/", ProtocolName(flow.protocol));
}

std::string FlowText(const SeenFlow& flow) {
  const std::string who = flow.client_process.Text();
  return absl::StrCat(
      End(flow.client_host, flow.client), " → ",
      End(flow.server_host, flow.server), " ", PortText(flow), ": ",
      flow.refused ? "tried in quarantine " : "", importers::HowOften(flow),
      who.empty() ? "" : absl::StrCat(", by ", who));
}

Json FlowJson(const SeenFlow& flow) {
  return {{"client", End(flow.client_host, flow.client)},
          {"server", End(flow.server_host, flow.server)},
          {"port", PortText(flow)},
          {"times", flow.times},
          {"last_ms", flow.last == absl::InfinitePast()
                          ? 0
                          : absl::ToUnixMillis(flow.last)},
          {"refused", flow.refused},
          {"command", flow.client_process.command},
          {"unit", flow.client_process.unit},
          {"user", flow.client_process.user}};
}

}  // namespace

ExitCode ObserveDraft(const Terminal& terminal, const Common& common,
                      const ObserveOptions& options) {
  const absl::StatusOr<SeenEstate> seen = AskForAll(common);
  if (!seen.ok()) return terminal.Complain(seen.status());
  const importers::ObservedDraft draft = importers::DraftObserved(*seen);
  // As `validate` and `plan` will read it.
  ManifestSources sources;
  sources.files.push_back({"the draft", draft.manifest});
  const ManifestResult made = ParseManifest(sources);
  const absl::Status plan =
      made.ok() ? MakePlan(made.model).status()
                : absl::InternalError("it has the mistakes above");
  if (!plan.ok()) {
    PrintDiagnostics(terminal, made, /*warnings=*/false);
    return terminal.Complain(
        absl::StrCat("no manifest was written: ", plan.message(),
                     ". Please report this."),
        kMistakes);
  }
  if (common.json) {
    Json json = {{"manifest", draft.manifest},
                 {"systems", draft.systems},
                 {"needs", draft.needs},
                 {"heard", seen->heard},
                 {"full", seen->full},
                 {"flows", Json::array()}};
    for (const SeenFlow& flow : importers::SeenFlows(*seen)) {
      json["flows"].push_back(FlowJson(flow));
    }
    *terminal.out << json.dump(2, ' ', false,
                               Json::error_handler_t::replace)
                  << "\n";
    return kDone;
  }
  if (options.out.empty()) {
    *terminal.out << draft.manifest << std::flush;
    return kDone;
  }
  if (const absl::Status written = WriteNewFile(options.out, draft.manifest);
      !written.ok()) {
    return terminal.Complain(
        absl::StrCat(written.message(), "; name another file."), kMistakes);
  }
  *terminal.out << Hang(
      "",
      absl::StrCat(options.out, ": ",
                   CountText(static_cast<size_t>(draft.systems), "system"),
                   " and ", CountText(static_cast<size_t>(draft.needs), "need"),
                   " of ", CountText(seen->heard.size(), "host"),
                   ", as seen; read it line by line, then: sluice validate ",
                   options.out),
      terminal.width);
  return kDone;
}

ExitCode ObserveDiff(const Terminal& terminal, const Common& common,
                     const ObserveOptions& options) {
  const LoadedManifest loaded =
      LoadPlanOf(terminal, options.manifest, "nothing was compared");
  if (loaded.plan == nullptr) return kMistakes;
  const absl::StatusOr<SeenEstate> seen = AskForAll(common);
  if (!seen.ok()) return terminal.Complain(seen.status());
  std::vector<importers::DeclaredNeed> needs;
  for (const PlannedGrant& grant : loaded.plan->grants) {
    importers::DeclaredNeed need{grant.id.str(), {}};
    for (const HostFlow& flow : grant.flows) need.flows.push_back(flow.flow);
    needs.push_back(std::move(need));
  }
  std::vector<Flow> always;
  for (const PlannedHost& host : loaded.plan->hosts) {
    always.insert(always.end(), host.vital.begin(), host.vital.end());
  }
  const importers::ObservedDiff diff =
      importers::DiffObserved(*seen, needs, always);
  if (common.json) {
    Json json = {{"never_seen", diff.never_seen},
                 {"undeclared", Json::array()},
                 {"heard", seen->heard},
                 {"full", seen->full}};
    for (const SeenFlow& flow : diff.undeclared) {
      json["undeclared"].push_back(FlowJson(flow));
    }
    *terminal.out << json.dump(2, ' ', false,
                               Json::error_handler_t::replace)
                  << "\n";
    return kDone;
  }
  const Paint paint = terminal.paint();
  *terminal.out << paint.Bold("Flows that nobody declared") << "\n";
  for (const SeenFlow& flow : diff.undeclared) {
    *terminal.out << Hang("  ", FlowText(flow), terminal.width);
  }
  if (diff.undeclared.empty()) *terminal.out << "  none\n";
  *terminal.out << paint.Bold("Needs that were never seen") << "\n";
  for (const std::string& need : diff.never_seen) {
    *terminal.out << Hang("  ", need, terminal.width);
  }
  if (diff.never_seen.empty()) *terminal.out << "  none\n";
  *terminal.out << Hang(
      "",
      absl::StrCat("Heard from ", seen->heard.size(), " of ",
                   CountText(seen->hosts.size(), "host"),
                   seen->full.empty()
                       ? "."
                       : "; some saw more than could be kept."),
      terminal.width);
  return kDone;
}

void AddObserveCommands(
    CLI::App& app,
    const std::function<CLI::App*(CLI::App& to, const std::string& name,
                                  const std::string& text,
                                  std::function<ExitCode()> run)>& add,
    const Terminal& terminal, const Common& common, ObserveOptions& words) {
  CLI::App* observe = app.add_subcommand(
      "observe", "what agents saw of the estate, as a manifest or against one");
  observe->set_help_flag("-h,--help", "this help");
  observe->require_subcommand(1);
  add(*observe, "draft", "a manifest from it",
      [&] { return ObserveDraft(terminal, common, words); })
      ->add_option("--out", words.out, "a new file; else it is printed")
      ->type_name("FILE");
  add(*observe, "diff", "needs never seen, flows never declared",
      [&] { return ObserveDiff(terminal, common, words); })
      ->add_option("MANIFEST", words.manifest)
      ->required();
}

}  // namespace sluice::cli
