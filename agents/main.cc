// sluice-agent: wiring only.

#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <ctime>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agents/checks/reader.h"
#include "agents/checks/workers.h"
#include "agents/core/state.h"
#include "agents/host/acting.h"
#include "agents/host/baseline_command.h"
#include "agents/host/config.h"
#include "agents/host/doctor.h"
#include "agents/host/driver.h"
#include "agents/host/enrol_command.h"
#include "agents/host/evidence_key.h"
#include "agents/host/footprint.h"
#include "agents/host/isolate_command.h"
#include "agents/host/kept_config.h"
#include "agents/host/notify.h"
#include "agents/host/observer.h"
#include "agents/host/release_command.h"
#include "agents/host/root_command.h"
#include "agents/host/sensor_fence.h"
#include "agents/host/sightings.h"
#include "agents/host/state_store.h"
#include "agents/host/status_command.h"
#include "agents/isolation/command_fence.h"
#include "agents/isolation/nft.h"
#include "agents/isolation/nftables_fence.h"
#include "agents/isolation/observe_table.h"
#include "agents/isolation/other_tables.h"
#include "agents/isolation/packet_log.h"
#include "agents/isolation/table_watch.h"
#include "agents/link/agent_link.h"
#include "agents/link/quiet_engine.h"
#include "common/describe_command.h"
#include "common/help_format.h"
#include "common/private.h"
#include "common/service_manager.h"
#include "common/signature.h"
#include "common/status.h"
#include "common/tls13.h"

namespace sluice::agent {
namespace {

constexpr char kVersion[] = "0.1.0";
constexpr int kIsolated = 3;  // what `status` ends with
constexpr absl::Duration kEnrolPatience = absl::Seconds(20);
// Of the fence, without a reason, where the kernel tells of every change.
constexpr absl::Duration kAuditWhenWatched = absl::Minutes(10);

void Log(const std::string& line) { spdlog::info("{}", line); }

Workers::Options WorkerOptionsOf(const AgentConfig& config,
                                 const std::string& evidence_key,
                                 const Sightings* sightings) {
  Workers::Options options;
  options.context.addresses = config.addresses;
  for (const auto& [name, rule] : config.plugins) {
    options.context.plugins[name] = {rule.command, rule.timeout, rule.user};
  }
  for (const auto& [name, rule] : config.yara) {
    options.context.yara[name] = {rule.rules, rule.paths};
  }
  for (const auto& [name, rule] : config.baselines) {
    options.context.baselines[name] = {rule.paths, rule.setuid_only};
  }
  options.context.baseline_folder = BaselineFolder(config);
  options.context.evidence_key = evidence_key;
  options.context.tls_authorities = config.tls_authorities;
  for (const auto& [unit, rule] : config.units) {
    options.units[unit] = rule.start;
  }
  options.context.fence = [rules = RulesetOptionsOf(config)] {
    NftablesFence fence(rules);  // one is not for two threads
    return fence.Read();
  };
  options.context.sensor = [sightings] { return sightings->notes(); };
  options.context.now = TimeSinceBoot;
  // This very program, though an update may have put another in its place.
  options.context.reader = {"/proc/self/exe", kReaderCommand};
  return options;
}

// Those whose state directory cannot be had are said, and left as they are.
std::vector<std::unique_ptr<ActingPoint>> OpenPoints(
    const AgentConfig& config, const Signer* signer,
    const CheckContext& checks) {
  std::vector<std::unique_ptr<ActingPoint>> points;
  for (const auto& [point, rule] : config.drivers) {
    auto opened = ActingPoint::Open(config, {.point = point,
                                             .version = kVersion,
                                             .evidence_signer = signer,
                                             .checks = checks,
                                             .log = Log});
    if (!opened.ok()) {
      Log(absl::StrCat("nobody acts for ", point.str(), ": ",
                       opened.status().message()));
      continue;
    }
    points.push_back(*std::move(opened));
  }
  return points;
}

// SIGTERM and SIGINT end the loop, SIGUSR1 isolates (`sluice-agent isolate`),
// SIGUSR2 says that a request lies in the state directory, or a point's.
void WatchSignals(const sigset_t& signals, const std::string& state,
                  Driver& driver,
                  const std::vector<std::unique_ptr<ActingPoint>>& points) {
  timespec tidy_after = {.tv_sec = 5};  // the first time: it has started
  while (true) {
    const int number = sigtimedwait(&signals, nullptr, &tidy_after);
    if (number < 0) {
      if (errno == EAGAIN) GiveBackMemory();
      tidy_after.tv_sec = 300;
      continue;
    }
    if (number == SIGUSR1) {
      driver.Post(IsolatedLocally{IsolatedByRoot({})});
      continue;
    }
    if (number == SIGUSR2) {
      for (const auto& point : points) point->TakeRequests();
      TakeReleaseRequest(
          state,
          [&](ReleasedLocally release) { driver.Post(std::move(release)); },
          Log);
      continue;
    }
    driver.Stop();
    return;
  }
}

// Who reads the log after an isolation learns what else judges packets here.
void SayOtherTables(const std::string& own) {
  const auto tables = ReadOtherTables(own);
  if (!tables.ok()) {
    Log(absl::StrCat("other firewalls beside the fence cannot be listed: ",
                     tables.status().message()));
  } else if (!tables->empty()) {
    Log(absl::StrCat("beside the fence stand, and are left alone: ",
                     NameOtherTables(*tables),
                     "; they can refuse what is released, and open nothing"));
  }
}

// What was seen before this start. Nothing depends on it but what people are
// told: without it, it is recorded anew.
absl::StatusOr<FileStateStore> OpenSeen(const AgentConfig& config,
                                        Sightings& sightings) {
  absl::StatusOr<FileStateStore> store =
      FileStateStore::Open(absl::StrCat(config.state, "/seen"));
  const absl::StatusOr<std::string> text =
      store.ok() ? store->Load() : store.status();
  const absl::Status read = text.ok() ? sightings.Decode(*text) : text.status();
  if (!read.ok() && !absl::IsNotFound(read)) Log(std::string(read.message()));
  return store;
}

Observer::Ports ObserverPorts(absl::StatusOr<FileStateStore>& store,
                              std::unique_ptr<AgentLink>& link) {
  const auto reader = std::make_shared<ListeningReader>("/proc");
  return {.read =
              [] {
                Nft nft;
                return ReadObserved(nft, kLogGroup);
              },
          .stop =
              [] {
                Nft nft;
                return StopObserving(nft);
              },
          .listening = [reader] { return reader->Read(); },
          .save =
              [&store](const std::string& text) {
                return store.ok() ? store->Save(text) : store.status();
              },
          .send = [&link](const Observations& o) { return link->Send(o); },
          .log = Log,
          .clock = absl::Now};
}

absl::Status Serve(const AgentConfig& config,
                   const std::function<void()>& started) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) {
    sigaddset(&signals, number);
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread is made
  signal(SIGPIPE, SIG_IGN);

  absl::StatusOr<FileStateStore> store =
      FileStateStore::Open(config.state, StateWitness(config));
  if (!store.ok()) return store.status();
  // The fence goes up without it all the same; people are told at the gate that
  // this host's evidence is unsigned.
  const absl::StatusOr<SshSigner> signer =
      LoadOrMakeEvidenceKey(config.evidence_key);
  if (!signer.ok()) {
    Log(absl::StrCat("no evidence can be signed: ", signer.status().message()));
  }
  CoreOptions options = CoreOptionsOf(config, kVersion);
  if (signer.ok()) options.evidence_signer = &*signer;
  Sightings sightings;
  absl::StatusOr<FileStateStore> seen = OpenSeen(config, sightings);
  NftablesFence kernel(RulesetOptionsOf(config));
  SensorFence fence(&kernel, &sightings,
                    {.now = TimeSinceBoot,
                     .clock = absl::Now,
                     .nothing_sent = [] { return NothingSent("/proc"); }});
  std::unique_ptr<Observer> observer;
  std::optional<Mode> mode;  // as it was read back
  Readiness readiness(NotifyServiceManager);
  uint64_t said_in = 0;  // the quarantine whose neighbours were named
  std::shared_ptr<const SensorPast> past;
  std::unique_ptr<AgentLink> link;
  std::unique_ptr<Workers> workers;
  Driver driver(
      std::move(options),
      {.fence = &fence,
       .store = &*store,
       .now = TimeSinceBoot,
       .start_checks = [&](StartChecks c) { workers->Start(std::move(c)); },
       .start_tries = [&](StartTries c) { workers->Start(std::move(c)); },
       .start_unit = [&](StartUnitNow c) { workers->Start(std::move(c)); },
       .send =
           [&](const Message& m) {
             if (link) link->Send(m);
           },
       .hang_up =
           [&](const std::string& why) {
             if (link) link->HangUp(why);
           },
       .log = Log,
       .fence_judged =
           [&](const std::string& problem, const AgentState& state) {
             readiness.Judge(problem, state);
             if (observer && past != state.past) observer->Wake();
             past = state.past;
             if (!problem.empty()) return;
             mode = state.mode;
             if (observer) observer->Judged(state.mode);
             if (state.mode != Mode::kQuarantined ||
                 said_in == state.quarantine_number) {
               return;
             }
             said_in = state.quarantine_number;
             SayOtherTables(RulesetOptionsOf(config).table);
           },
       .notes =
           [&sightings] {
             SensorNotes notes = sightings.notes();
             notes.taken = absl::Now();
             return notes;
           },
       .tell_root =
           [&config](const TellRoot& tell) {
             AnswerRelease(config.state, tell, Log);
           }});
  const auto watch = TableWatch::Start(
      RulesetOptionsOf(config).table,
      [&driver](const std::string& hand) { driver.Post(TableTouched{hand}); });
  if (!watch.ok()) Log(std::string(watch.status().message()));
  const Workers::Options worker_options = WorkerOptionsOf(
      config, signer.ok() ? signer->public_key().Line() : "", &sightings);
  workers = std::make_unique<Workers>(worker_options, [&driver](Event event) {
    driver.Post(std::move(event));
  });
  // The fence first: credentials may be missing, the network may be down.
  const std::string boot = ReadBootId();
  const auto fresh_number = static_cast<uint64_t>(std::time(nullptr));
  driver.Start(boot, fresh_number,
               watch.ok() ? kAuditWhenWatched : Started().audit_every);
  fence.Settle();
  auto points = OpenPoints(config, signer.ok() ? &*signer : nullptr,
                           worker_options.context);
  for (const auto& point : points) point->Start(boot, fresh_number);
  started();

  const auto read = [&config] {
    return ReadCredentials(config.certificate, config.key, config.authority,
                           config.estate);
  };
  StartQuietly();
  const auto credentials = read();
  if (!credentials.ok()) return credentials.status();
  SLUICE_RETURN_IF_ERROR(CheckPrivate(config.key));
  link = std::make_unique<AgentLink>(
      LinkOptions{.orchestrators = config.orchestrators,
                  .reload = [&config, read](const std::string& certificate)
                      -> decltype(read()) {
                    SLUICE_RETURN_IF_ERROR(
                        CheckRenewed(config.certificate, certificate));
                    SLUICE_RETURN_IF_ERROR(
                        WriteSecretFile(config.certificate, certificate));
                    return read();
                  }},
      *credentials,
      [&driver, &observer](Event event) {
        const bool welcomed = std::holds_alternative<LinkWelcomed>(event);
        driver.Post(std::move(event));
        if (welcomed) observer->Wake(/*again=*/true);
      },
      Log);
  observer = std::make_unique<Observer>(&sightings, ObserverPorts(seen, link));
  if (mode.has_value()) observer->Judged(*mode);
  SenderLookup senders("/proc", absl::Now);
  auto packets = PacketLog::Start(kLogGroup, [&](const LoggedPacket& packet) {
    if (sightings.Saw(packet, senders.Find(packet), absl::Now())) {
      observer->Wake();
    }
  });
  if (!packets.ok()) Log(std::string(packets.status().message()));
  link->Start();
  for (const auto& point : points) point->Dial(config.orchestrators, read);
  std::thread watcher(
      [&] { WatchSignals(signals, config.state, driver, points); });
  driver.Run();
  Log("ending; the kernel's rules stay as they are");
  watcher.join();
  points.clear();
  packets = absl::CancelledError();
  (void)fence.Read();  // what it counted last, for the next start
  link->Stop();        // its events wake the observer, which sends by it
  observer.reset();
  link.reset();
  workers.reset();
  return absl::OkStatus();
}

absl::StatusOr<std::string> Enrol(const AgentConfig& config,
                                  const std::string& token_file) {
  if (token_file.empty() && isatty(STDIN_FILENO) != 0) {
    std::cerr << "The token, as `sluice enrol --host " << config.host.str()
              << "` printed it: ";
  }
  SLUICE_ASSIGN_OR_RETURN(const EnrolToken token,
                          ReadToken(token_file, std::cin));
  return EnrolHost(config, token,
                   [](const EnrolToken& with, const std::string& request,
                      const std::string& evidence) {
                     return agent::Enrol(with, request, evidence,
                                         kEnrolPatience);
                   });
}

// As nft reads it.
absl::StatusOr<std::string> QuarantineRules(const AgentConfig& config) {
  FenceRules rules;
  rules.management = config.management;
  rules.vital = config.vital;
  return ReplaceText(RulesetOptionsOf(config), rules,
                     {.since = TimeSinceBoot()});
}

struct ReleaseArguments {
  ReleaseWish wish;
  std::string point;        // that this host's agent acts for; else the host
  std::string draft;        // write the text here, and no more
  std::string signed_text;  // use this one, and the signature beside it
  std::string key;
};

void AddRelease(CLI::App& release, ReleaseArguments* to) {
  release
      .add_option("--reason", to->wish.reason,
                  "Why: it stands in the orchestrator's journal later")
      ->type_name("TEXT");
  release
      .add_option("--point", to->point,
                  "Open this point, that this host's agent acts for, and not "
                  "the host")
      ->type_name("POINT");
  release.add_flag("--everything", to->wish.everything,
                   "Take the whole fence down");
  release
      .add_option("--flow", to->wish.flows,
                  "Open this flow alone: \"tcp CLIENT SERVER PORT\"; may "
                  "stand several times")
      ->type_name("FLOW")
      ->expected(1)
      ->take_all();
  release
      .add_option("--valid", to->wish.valid, "How long the text may be used")
      ->type_name("TIME")
      ->capture_default_str();
  CLI::Option* key =
      release.add_option("--key", to->key,
                         "Sign here, with this key (its .pub when an "
                         "ssh-agent holds it)");
  CLI::Option* draft = release.add_option(
      "--draft", to->draft, "Write the text to FILE, to be signed elsewhere");
  CLI::Option* from = release.add_option(
      "--signed", to->signed_text, "Use FILE as it was signed, with FILE.sig");
  for (CLI::Option* one : {key, draft, from}) one->type_name("FILE");
  key->excludes(draft)->excludes(from);
  draft->excludes(from);
}

// Has `done` speak about the host, or the point that its agent acts for.
template <typename Done>
absl::StatusOr<std::string> WithTarget(const AgentConfig& config,
                                       const RootTarget& of, Done done) {
  if (!of.driven) {
    NftablesFence fence(RulesetOptionsOf(config));
    return done(CoreOptionsOf(config, kVersion), fence);
  }
  const DriverRule& rule = config.drivers.at(of.host);
  DriverProcess program(rule);
  CommandFence fence(
      {.point = of.host, .addresses = rule.addresses, .now = TimeSinceBoot},
      &program);
  return done(CoreOptionsFor(of.host, config, kVersion), fence);
}

absl::StatusOr<std::string> Isolate(const AgentConfig& config,
                                    const std::string& point) {
  SLUICE_ASSIGN_OR_RETURN(const RootTarget of, FindRootTarget(config, point));
  return WithTarget(config, of, [&](const CoreOptions& options, Fence& fence) {
    return IsolateNow(options, of, fence, Log);
  });
}

absl::StatusOr<std::string> Release(const AgentConfig& config,
                                    const ReleaseArguments& asked) {
  SLUICE_ASSIGN_OR_RETURN(const RootTarget of,
                          FindRootTarget(config, asked.point));
  const auto now = [&](const std::string& text, const std::string& signature) {
    return WithTarget(
        config, of, [&](const CoreOptions& options, Fence& fence) {
          return ReleaseNow(options, of, text, signature, fence, Log);
        });
  };
  if (!asked.signed_text.empty()) {
    SLUICE_ASSIGN_OR_RETURN(const ReleasedLocally release,
                            ReadSignedRelease(asked.signed_text));
    return now(release.text, release.signature);
  }
  if (asked.key.empty() == asked.draft.empty()) {
    return absl::InvalidArgumentError(
        "name the break-glass key with --key, or a file for the text with "
        "--draft and sign that elsewhere");
  }
  SLUICE_ASSIGN_OR_RETURN(
      const std::string text,
      DraftRelease(config, of, asked.wish, ReadBootId(), TimeSinceBoot()));
  if (!asked.draft.empty()) {
    SLUICE_RETURN_IF_ERROR(WriteSecretFile(asked.draft, text));
    return absl::StrCat(
        text, "\nSign it where the key is, then use it here:\n",
        "  ssh-keygen -Y sign -n ", signed_as::kBreakGlass, " -f KEY ",
        asked.draft, "\n  sluice-agent release ",
        of.driven ? absl::StrCat("--point ", asked.point, " ") : "",
        "--signed ", asked.draft);
  }
  std::cout << text << std::flush;
  SLUICE_ASSIGN_OR_RETURN(const std::string signature,
                          SignRelease(config, asked.key, text));
  return now(text, signature);
}

int Main(int argc, char** argv) {
  CLI::App app{
      "The agent of one host: keeps its fence, runs its checks, and "
      "opens\nnothing that people did not release.",
      "sluice-agent"};
  FitHelp(app);
  std::string config_path = "/etc/sluice/agent.yaml";
  app.add_option("--config", config_path, "The host's own file")
      ->type_name("FILE")
      ->capture_default_str();
  app.set_version_flag("--version", absl::StrCat("sluice-agent ", kVersion));
  const auto own_file = [&](CLI::App* command) {
    command->add_option("--config", config_path, "The host's own file")
        ->type_name("FILE");
  };
  std::string token_file;
  CLI::App* isolate = app.add_subcommand(
      "isolate", "Put this host in quarantine now, without an orchestrator");
  own_file(isolate);
  bool dry_run = false;
  isolate->add_flag("--dry-run", dry_run,
                    "Print the rules that it would put up, and change nothing");
  std::string isolate_point;
  isolate
      ->add_option("--point", isolate_point,
                   "Close this point, that this host's agent acts for, and not "
                   "the host")
      ->type_name("POINT")
      ->excludes("--dry-run");
  ReleaseArguments release_arguments;
  CLI::App* release = app.add_subcommand(
      "release",
      "Open this host with its break-glass key, without an orchestrator");
  own_file(release);
  AddRelease(*release, &release_arguments);
  CLI::App* doctor = app.add_subcommand(
      "doctor", "Find what quarantine would break here, and draft `vital`");
  own_file(doctor);
  CLI::App* host_status = app.add_subcommand(
      "status", "Whether this host is isolated; ends with 0 when it is open");
  own_file(host_status);
  host_status->footer("Exit codes: 0 open; 3 isolated, or nobody can tell.");
  CLI::App* evidence_key =
      app.add_subcommand("evidence-key",
                         "Print this host's line for hosts.keys; make the key "
                         "that it signs its evidence with if there is none");
  own_file(evidence_key);
  CLI::App* enrol = app.add_subcommand(
      "enrol", "Give this host its identity, by a token from `sluice enrol`");
  own_file(enrol);
  enrol->add_option("FILE", token_file,
                    "Where the token stands; without it, standard input");
  std::string baseline_name;
  CLI::App* baseline = app.add_subcommand(
      "baseline", "Take and sign what the check `files` compares with later");
  own_file(baseline);
  baseline->add_option("NAME", baseline_name, "One of agent.yaml's; else all");
  app.require_subcommand(0, 1);
  AddDescribeFlag(app);
  CLI11_PARSE(app, argc, argv);

  KeepOutOfCores();
  // Another `isolate` may take whoever holds the state for the agent, and tell
  // it so: it must not die of that.
  sigset_t told;
  sigemptyset(&told);
  sigaddset(&told, SIGUSR1);
  sigaddset(&told, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &told, nullptr);
  // To standard error, where systemd and people look.
  spdlog::set_default_logger(spdlog::stderr_logger_mt("agent"));
  spdlog::set_pattern("%Y-%m-%d %H:%M:%S.%e sluice-agent: %v");
  spdlog::flush_on(spdlog::level::info);

  // What closes, or only looks, goes on when the file cannot be read.
  const bool by_copy = app.get_subcommands().empty() || isolate->parsed() ||
                       host_status->parsed();
  const absl::StatusOr<StartConfig> start =
      by_copy ? ReadStartConfig(config_path) : ReadOwnConfig(config_path);
  absl::Status status = start.status();
  if (status.ok()) {
    const AgentConfig* config = &start->config;
    if (!config->suspended.empty() && !app.get_subcommands().empty()) {
      std::cerr << "sluice-agent: this host " << config->suspended << "\n";
    }
    if (isolate->parsed() && dry_run) {
      const absl::StatusOr<std::string> rules = QuarantineRules(*config);
      status = rules.status();
      if (rules.ok()) std::cout << *rules;
    } else if (doctor->parsed()) {
      const auto tables = ReadOtherTables(RulesetOptionsOf(*config).table);
      std::cout << Doctor(
          *config,
          {.tables = tables.ok() ? *tables : std::vector<OtherTable>()});
      if (!tables.ok()) status = tables.status();
    } else if (host_status->parsed()) {
      NftablesFence fence(RulesetOptionsOf(*config));
      const HostStatus found =
          StatusOfHost(config->state, StateWitness(*config), fence);
      std::cout << found.text;
      if (!found.open) return kIsolated;
    } else if (isolate->parsed()) {
      const absl::StatusOr<std::string> done = Isolate(*config, isolate_point);
      status = done.status();
      if (done.ok()) std::cout << *done << "\n";
    } else if (release->parsed()) {
      const absl::StatusOr<std::string> done =
          Release(*config, release_arguments);
      status = done.status();
      if (done.ok()) std::cout << *done << "\n";
    } else if (evidence_key->parsed()) {
      const auto signer = LoadOrMakeEvidenceKey(config->evidence_key);
      status = signer.status();
      if (signer.ok()) {
        std::cout << config->host.str() << " " << signer->public_key().Line()
                  << "\n";
        // It signs for the points that it acts for, too.
        for (const auto& [point, rule] : config->drivers) {
          std::cout << point.str() << " " << signer->public_key().Line()
                    << "\n";
        }
      }
    } else if (enrol->parsed()) {
      const absl::StatusOr<std::string> done = Enrol(*config, token_file);
      status = done.status();
      if (done.ok()) std::cout << *done << "\n";
    } else if (baseline->parsed()) {
      const absl::StatusOr<std::string> done =
          TakeBaselines(*config, baseline_name);
      status = done.status();
      if (done.ok()) std::cout << *done << "\n";
    } else {
      status = Serve(*config, [&] {
        if (!config->suspended.empty()) return;
        const absl::Status kept = KeepConfig(config_path, start->text);
        if (!kept.ok()) {
          Log(
              absl::StrCat("without a copy of agent.yaml this host comes up "
                           "unfenced when that file is damaged: ",
                           kept.message()));
        }
      });
    }
  }
  if (status.ok()) return 0;
  std::cerr << "sluice-agent: " << status.message() << "\n";
  return 1;
}

}  // namespace
}  // namespace sluice::agent

int main(int argc, char** argv) {
  // For the agent itself, which reads files by it; people have no use for it.
  if (argc == 2 &&
      absl::string_view(argv[1]) == sluice::agent::kReaderCommand) {
    return sluice::agent::ReaderMain();
  }
  sluice::agent::KeepHeapSmall();
  // Debian's Abseil looks for deadlocks at every lock: twice the time, and
  // thousands of streams do not come up with it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  sluice::AllowOnlyTls13();
  sluice::agent::UseQuietEngine();
  return sluice::agent::Main(argc, argv);
}
