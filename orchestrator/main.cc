// sluice-orchestrator: wiring only.

#include <absl/synchronization/mutex.h>
#include <grpc/support/log.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/describe_command.h"
#include "common/help_format.h"
#include "common/private.h"
#include "common/service_manager.h"
#include "common/status.h"
#include "common/tls13.h"
#include "orchestrator/journal/codec.h"
#include "orchestrator/journal/sqlite_journal.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/planner/plan.h"
#include "orchestrator/rpc/agent_registry.h"
#include "orchestrator/rpc/operator_hub.h"
#include "orchestrator/rpc/server.h"
#include "orchestrator/runtime/config.h"
#include "orchestrator/runtime/driver.h"
#include "orchestrator/runtime/hosts_keys.h"
#include "orchestrator/runtime/loop.h"
#include "orchestrator/runtime/notifier.h"
#include "orchestrator/runtime/replay.h"
#include "orchestrator/runtime/system_clock.h"
#include "orchestrator/runtime/writer.h"

namespace sluice {
namespace {

constexpr char kProgram[] = "sluice-orchestrator";

void Say(const std::string& text) {
  std::fprintf(stderr, "%s: %s\n", kProgram, text.c_str());
}

// ── plans ───────────────────────────────────────────────────────────────────

std::vector<journal::SourceFile> FilesOf(const ManifestSources& sources) {
  std::vector<journal::SourceFile> files;
  for (const ManifestSources::File& file : sources.files) {
    files.push_back({file.name, file.text});
  }
  return files;
}

absl::StatusOr<std::shared_ptr<const Plan>> PlanOf(
    const ManifestResult& manifest) {
  if (manifest.ok()) return MakePlan(manifest.model);
  std::string errors;
  for (const Diagnostic& diagnostic : manifest.diagnostics) {
    if (diagnostic.severity != Diagnostic::Severity::kError) continue;
    absl::StrAppend(&errors,
                    FormatDiagnostic(manifest, diagnostic, true,
                                     isatty(STDERR_FILENO) != 0 &&
                                         getenv("NO_COLOR") == nullptr));
  }
  return absl::InvalidArgumentError(errors);
}

absl::StatusOr<std::shared_ptr<const Plan>> LoadPlan(
    const std::vector<journal::SourceFile>& files) {
  ManifestSources sources;
  for (const journal::SourceFile& file : files) {
    sources.files.push_back({file.name, file.text});
  }
  return PlanOf(ParseManifest(sources));
}

// The manifest's plan. A manifest that is broken stops a first start; later
// the estate goes on under the plan in the journal: isolating must be possible
// whatever somebody did to a file.
absl::StatusOr<std::optional<engine::PlanAdopted>> ManifestPlan(
    const std::string& path, const engine::Engine& engine) {
  const ManifestResult manifest = LoadManifest(path);
  absl::StatusOr<std::shared_ptr<const Plan>> plan = PlanOf(manifest);
  const std::shared_ptr<const Plan> in_force = engine.plan();
  if (!plan.ok()) {
    if (in_force == nullptr) return plan.status();
    std::fprintf(stderr, "%s\n", std::string(plan.status().message()).c_str());
    Say("the manifest has errors; going on with the plan in the journal. "
        "Correct it and restart to use it.");
    return std::nullopt;
  }
  if (in_force != nullptr && in_force->estate != (*plan)->estate) {
    return absl::FailedPreconditionError(
        absl::StrCat("the journal is of estate '", in_force->estate.str(),
                     "' and the manifest of '", (*plan)->estate.str(),
                     "'; give this estate a journal of its own"));
  }
  return engine::PlanAdopted{
      0, *plan, journal::EncodeSources(FilesOf(manifest.sources)), {}};
}

// ── the process ─────────────────────────────────────────────────────────────

// One descriptor an agent's stream, and then some.
void RaiseOpenFiles() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void LogToStderr() {
  auto logger = spdlog::stderr_logger_mt(kProgram);
  logger->set_pattern("%Y-%m-%d %H:%M:%S %l: %v");
  spdlog::set_default_logger(std::move(logger));
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  gpr_set_log_function([](gpr_log_func_args* args) {
    if (args->severity == GPR_LOG_SEVERITY_ERROR) {
      spdlog::warn("gRPC: {}", args->message);
    }
  });
}

// Of this process alone: agents tell by it one reign from its twin.
std::string RandomInstance() {
  std::random_device device;
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(device()));
  return absl::BytesToHexString(bytes);
}

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

void WaitForEnd() {
  const sigset_t signals = EndSignals();
  int signal = 0;
  sigwait(&signals, &signal);
  // A second one ends the process at once.
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

absl::StatusOr<rpc::ServerOptions> ReadCertificates(
    const runtime::Config& config) {
  rpc::ServerOptions options;
  options.listen = config.listen;
  SLUICE_ASSIGN_OR_RETURN(
      options.certificate,
      runtime::ReadSmallFile(config.certificate, "certificate"));
  SLUICE_ASSIGN_OR_RETURN(options.key,
                          runtime::ReadSmallFile(config.key, "key"));
  SLUICE_ASSIGN_OR_RETURN(
      options.authority, runtime::ReadSmallFile(config.authority, "authority"));
  SLUICE_RETURN_IF_ERROR(CheckPrivate(config.key));
  if (config.issuer.empty()) return options;
  SLUICE_RETURN_IF_ERROR(CheckPrivate(config.issuer_key));
  Credential issuer;
  SLUICE_ASSIGN_OR_RETURN(issuer.certificate_pem,
                          runtime::ReadSmallFile(config.issuer, "issuer"));
  SLUICE_ASSIGN_OR_RETURN(
      issuer.key_pem, runtime::ReadSmallFile(config.issuer_key, "issuer-key"));
  options.issuer = std::move(issuer);
  return options;
}

// "serving city-utility on 10.77.0.1:7443, epoch 3, 120 records".
std::string WhatIsServed(const runtime::Glimpse& glimpse,
                         const runtime::Config& config,
                         absl::Time last_record) {
  std::string text = absl::StrCat(
      "serving ", glimpse.engine.plan()->estate.str(), " on ",
      absl::StrJoin(config.listen, ", "), ", epoch ", glimpse.engine.epoch(),
      ", ", glimpse.sequence, glimpse.sequence == 1 ? " record" : " records");
  const absl::Duration age = glimpse.now - last_record;
  if (last_record != absl::InfinitePast() && age > absl::Minutes(10)) {
    absl::StrAppend(&text, "\n", kProgram,
                    ": before this start the journal ended ",
                    absl::FormatDuration(absl::Trunc(age, absl::Minutes(1))),
                    " ago; if it is a copy, what happened since is not in it");
  }
  return text;
}

std::string HostsKeysBeside(const std::string& manifest) {
  return (std::filesystem::path(manifest).parent_path() / "hosts.keys")
      .string();
}

absl::Status Serve(const std::string& config_path) {
  SLUICE_ASSIGN_OR_RETURN(const runtime::Config config,
                          runtime::ReadConfig(config_path));
  SLUICE_ASSIGN_OR_RETURN(rpc::ServerOptions server_options,
                          ReadCertificates(config));
  SLUICE_ASSIGN_OR_RETURN(const auto journal,
                          journal::SqliteJournal::Open(config.journal));
  SLUICE_ASSIGN_OR_RETURN(runtime::Memory memory,
                          runtime::Replay(*journal, LoadPlan));
  SLUICE_ASSIGN_OR_RETURN(std::optional<engine::PlanAdopted> plan,
                          ManifestPlan(config.manifest, memory.engine));
  const std::shared_ptr<const Plan> first =
      plan.has_value() ? plan->plan : memory.engine.plan();
  const std::string estate = first->estate.str();
  const absl::Time last_record = memory.head.at;
  server_options.estate = estate;
  server_options.load_plan = LoadPlan;

  const std::string instance = RandomInstance();
  runtime::SystemClock clock;
  runtime::Notifier notifier(estate, config.notify);
  rpc::AgentRegistry agents({estate, instance, config.heartbeat});
  rpc::OperatorHub operators(
      [&notifier](const runtime::HistoryLine& line) { notifier.Tell(line); },
      [&notifier] { return notifier.problem(); });
  runtime::ThreadWriter writer(journal.get());
  runtime::Loop loop(std::move(memory), &writer, &agents, &operators,
                     {instance, config.heartbeat});
  SLUICE_ASSIGN_OR_RETURN(const bool in_force,
                          loop.Begin(std::move(plan), clock.Now()));
  if (!in_force) {
    Say("the manifest gives another plan, but a run is active: it goes on "
        "under the plan in force. `sluice replan` puts another in force now; a "
        "restart does after the run has ended.");
  }
  if (!loop.Look().journal_problem.empty()) {
    Say(
        absl::StrCat("nothing can be recorded, so only isolating works until "
                     "it can: ",
                     loop.Look().journal_problem));
  }
  server_options.identities = loop.Look().engine.identities();
  server_options.on_identities =
      [file = HostsKeysBeside(config.manifest)](const auto& identities) {
        const absl::Status status = runtime::WriteHostsKeys(file, identities);
        if (!status.ok()) spdlog::warn("{}", std::string(status.message()));
      };
  server_options.on_identities(server_options.identities);
  const std::string served = WhatIsServed(loop.Look(), config, last_record);
  // The loop turns until every call has ended, which the server waits for.
  const runtime::Driver driver(&clock, &loop);
  SLUICE_ASSIGN_OR_RETURN(
      const auto server,
      rpc::Server::Start(server_options, &agents, &operators, &loop.inbox()));
  Say(served);
  NotifyServiceManager(absl::StrCat(
      "READY=1\nSTATUS=", served.substr(0, served.find('\n')), "\n"));
  WaitForEnd();
  NotifyServiceManager("STOPPING=1\n");
  Say("stopping; leased flows close by themselves unless it is started again");
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Sluice's orchestrator: reconnects systems in order, one flow "
      "at a time.",
      kProgram);
  FitHelp(app);
  std::string config;
  app.add_option("--config", config, "Its configuration (orchestrator.yaml)")
      ->required()
      ->type_name("FILE");
  app.set_version_flag("--version",
                       absl::StrCat(kProgram, " ", rpc::Version()));
  AddDescribeFlag(app);
  app.footer(
      "Exit codes: 0 stopped by a signal; 1 it could not start or go "
      "on;\n2 wrong usage.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const sigset_t signals = EndSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  RaiseOpenFiles();
  KeepOutOfCores();
  LogToStderr();
  const absl::Status status = Serve(config);
  if (!status.ok()) {
    Say(std::string(status.message()));
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  // Debian's detector halves the throughput of many streams.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  sluice::AllowOnlyTls13();
  return sluice::Main(argc, argv);
}
