#include "orchestrator/cli/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/describe_command.h"
#include "common/help_format.h"
#include "common/nearest.h"
#include "orchestrator/cli/audit.h"
#include "orchestrator/cli/audit_verify.h"
#include "orchestrator/cli/command_names.h"
#include "orchestrator/cli/decide.h"
#include "orchestrator/cli/durations_command.h"
#include "orchestrator/cli/format_command.h"
#include "orchestrator/cli/gate_files.h"
#include "orchestrator/cli/head_sign.h"
#include "orchestrator/cli/identity_commands.h"
#include "orchestrator/cli/import.h"
#include "orchestrator/cli/isolate.h"
#include "orchestrator/cli/look.h"
#include "orchestrator/cli/manifest_commands.h"
#include "orchestrator/cli/observe_command.h"
#include "orchestrator/cli/point_commands.h"
#include "orchestrator/cli/replan.h"
#include "orchestrator/cli/run_commands.h"
#include "orchestrator/cli/session.h"
#include "orchestrator/cli/trust_commands.h"
#include "orchestrator/cli/watch.h"

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "unknown"
#endif

namespace sluice::cli {
namespace {

// Everything a command line can say; lives as long as the parser.
struct Words {
  Common common;
  ValidateOptions validate;
  PlanOptions plan;
  DiffOptions diff;
  ExplainOptions explain;
  ForecastOptions forecast;
  ImportOptions import;
  ObserveOptions observe;
  FormatOptions format;
  std::string init_manifest;
  InitOptions init;
  AgentConfigOptions agent_config;
  IsolateOptions isolate;
  int isolate_wait = 30;
  bool watch = false;
  std::string name;
  DecideOptions decide;
  AuditOptions audit;
  GateFileOptions gate_file;
  SignTaskOptions task;
  PointOptions point;
  SkipOptions skip;
  std::vector<std::string> steps;
  std::string reason;
  std::string language = "en";
  HistoryOptions history;
  ReplanOptions replan;
  EnrolOptions enrol;
  int enrol_minutes = 60;
  RevokeOptions revoke;
  AuditVerifyOptions audit_verify;
  SignHeadOptions sign_head;
  TrustWords trust;
};

class CommandLine {
 public:
  explicit CommandLine(const Terminal& terminal)
      : terminal_(terminal), app_("", "sluice") {
    FitHelp(app_);
    app_.set_help_flag("");
    app_.require_subcommand(0, 1);
    app_.fallthrough();
    app_.add_option("--client", words_.common.client_file,
                    "the client.yaml that says whom to ask, and as whom")
        ->type_name("FILE");
    AddManifestCommands();
    AddImport();
    const auto add = [this](CLI::App& to, auto& name, auto& text, auto run) {
      return Json(Add(to, name, text, std::move(run)));
    };
    AddObserveCommands(app_, add, terminal_, words_.common, words_.observe);
    AddPointCommands(app_, add, terminal_, words_.common, words_.point);
    AddIsolate();
    AddLooks();
    AddDecisions();
    AddOffline();
    AddRunCommands();
    AddIdentities();
    AddTrustCommands(
        [&](auto& name, auto& text, auto run) {
          return add(app_, name, text, std::move(run));
        },
        terminal_, words_.common, words_.trust);
  }

  // Every command and option, as JSON.
  std::string Describe() {
    app_.add_subcommand("help", "the commands by purpose, or one's options")
        ->add_option("COMMAND", words_.name);
    return DescribeCommand(app_);
  }

  int Run(std::vector<std::string> arguments) {
    // CLI11 takes them from the back.
    std::reverse(arguments.begin(), arguments.end());
    try {
      app_.parse(arguments);
    } catch (const CLI::CallForHelp&) {
      return PrintHelp();
    } catch (const CLI::ParseError& e) {
      return Misused(e.what());
    }
    if (!command_) {
      *terminal_.out << HelpText(terminal_.paint());
      return kDone;
    }
    return command_();
  }

 private:
  CLI::App* Add(const std::string& name, const std::string& text,
                std::function<ExitCode()> command) {
    return Add(app_, name, text, std::move(command));
  }
  CLI::App* Add(CLI::App& to, const std::string& name, const std::string& text,
                std::function<ExitCode()> command) {
    CLI::App* sub = to.add_subcommand(name, text);
    sub->set_help_flag("-h,--help", "this help");
    sub->callback([this, run = std::move(command)] { command_ = run; });
    return sub;
  }
  static void SigningKey(CLI::App* sub, std::string* key) {
    sub->add_option("--key", *key, "the SSH key to sign with")
        ->type_name("FILE");
  }
  CLI::App* Json(CLI::App* sub) {
    sub->add_flag("--json", words_.common.json, "for programs");
    return sub;
  }

  void AddManifestCommands();
  void AddImport();
  void AddEstateOptions(CLI::App* sub);
  void AddIsolate();
  void AddLooks();
  void AddDecisions();
  void AddOffline();
  void AddRunCommands();
  void AddIdentities();

  // The command asked for and the words before it: of `import csv`, the one
  // for CSV and "sluice import". nullptr: none.
  const CLI::App* Asked(std::string* before) const {
    const CLI::App* asked = nullptr;
    *before = "sluice";
    for (auto subs = app_.get_subcommands(); !subs.empty();
         subs = asked->get_subcommands()) {
      if (asked != nullptr) absl::StrAppend(before, " ", asked->get_name());
      asked = subs.front();
    }
    return asked;
  }

  int PrintHelp() {
    std::string before;
    const CLI::App* asked = Asked(&before);
    *terminal_.out << (asked == nullptr ? HelpText(terminal_.paint())
                                        : asked->help(before));
    return kDone;
  }

  int Misused(std::string text) {
    while (!text.empty() && (text.back() == '.' || text.back() == '\n')) {
      text.pop_back();
    }
    std::string before;
    const CLI::App* asked = Asked(&before);
    const std::string help =
        asked == nullptr
            ? "sluice help"
            : absl::StrCat(before, " ", asked->get_name(), " --help");
    return terminal_.Complain(
        absl::StrCat(text, ". `", help, "` says how it is used."), kUsage);
  }

  const Terminal& terminal_;
  Words words_;
  CLI::App app_;
  std::function<ExitCode()> command_;
};

void CommandLine::AddManifestCommands() {
  CLI::App* sub =
      Add("validate", "every mistake in a manifest, at its place", [this] {
        words_.validate.json = words_.common.json;
        return Validate(terminal_, words_.validate);
      });
  sub->add_option("MANIFEST", words_.validate.manifest)->required();
  sub->add_flag("--strict", words_.validate.strict,
                "warnings are mistakes too");
  sub->add_option("--agent", words_.validate.agents,
                  "a host's agent.yaml, to compare its approvers and quorum")
      ->type_name("FILE")
      ->expected(1)
      ->take_all();
  Json(sub);

  sub = Add("plan", "what would come back, in which order, through which gates",
            [this] {
              if (words_.common.json) words_.plan.format = "json";
              return ShowPlan(terminal_, words_.plan);
            });
  sub->add_option("MANIFEST", words_.plan.manifest)->required();
  sub->add_flag("--flows", words_.plan.flows, "every flow, not their number");
  sub->add_option("--format", words_.plan.format,
                  "text, json, dot, svg or mermaid")
      ->check(CLI::IsMember({"text", "json", "dot", "svg", "mermaid"})
                  .description(""));
  sub->add_option("--width", words_.plan.width, "columns")
      ->type_name("N")
      ->check(CLI::Range(40, 400).description(""));
  Json(sub);

  sub = Add("diff", "what a new manifest changes, and whose decisions it voids",
            [this] {
              words_.diff.json = words_.common.json;
              return Diff(terminal_, words_.diff);
            });
  sub->add_option("OLD", words_.diff.before)->required();
  sub->add_option("NEW", words_.diff.after)->required();
  Json(sub);

  sub = Add("explain", "why a system comes when it comes, and what it gets",
            [this] {
              words_.explain.json = words_.common.json;
              return Explain(terminal_, words_.explain);
            });
  sub->add_option("MANIFEST", words_.explain.manifest)->required();
  sub->add_option("SYSTEM", words_.explain.system)->required();
  sub->add_flag("--flows", words_.explain.flows, "every flow");
  Json(sub);

  sub = Add("forecast", "when everything is back, and what if", [this] {
    words_.forecast.json = words_.common.json;
    return ShowForecast(terminal_, words_.common, words_.forecast);
  });
  sub->add_option("MANIFEST", words_.forecast.manifest)->required();
  sub->add_option("--without", words_.forecast.without,
                  "as if this host never came back; several may be named")
      ->type_name("HOST")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  sub->add_option("--slow", words_.forecast.slow,
                  "as if this system took so long; as in billing-db=20m")
      ->type_name("SYSTEM=TIME")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  CLI::Option* const file =
      sub->add_option("--measured", words_.forecast.measured,
                      "what past runs took, JSON; then with p50 and p90")
          ->type_name("FILE");
  sub->add_flag("--from-orchestrator", words_.forecast.from_orchestrator,
                "the same, as the orchestrator's journal has it")
      ->excludes(file);
  sub->add_option("--seed", words_.forecast.seed, "of the trials (1)")
      ->type_name("N");
  sub->add_option("--trials,--samples", words_.forecast.trials,
                  "how many (1000)")
      ->type_name("N")
      ->check(CLI::Range(10, 100000).description(""));
  Json(sub);

  sub = Add("fmt", "a manifest's one layout; keeps every comment",
            [this] { return Format(terminal_, words_.format); });
  sub->add_option("FILE", words_.format.files)->required();
  auto* check = sub->add_flag("--check", words_.format.check,
                              "name what would change; change nothing");
  sub->add_flag("--stdout", words_.format.print,
                "print the layout; change nothing")
      ->excludes(check);

  AgentConfigOptions& draft = words_.agent_config;
  sub = Add("agent-config", "what may be asked of a host, as a draft", [this] {
    return DraftAgentConfig(terminal_, words_.agent_config);
  });
  sub->add_option("MANIFEST", draft.manifest)->required();
  sub->add_option("--host", draft.host, "its name")->required();

  sub =
      Add("init", "an authority, certificates and configuration for an estate",
          [this] {
            return InitEstate(terminal_, words_.init_manifest, words_.init);
          });
  sub->add_option("MANIFEST", words_.init_manifest)->required();
  sub->add_option("--out", words_.init.out, "where to write")
      ->required()
      ->type_name("DIR");
  sub->add_option("--days", words_.init.days,
                  "how long certificates are good (365)")
      ->type_name("N")
      ->check(CLI::Range(1, 3650).description(""));
  sub->add_flag("--add", words_.init.add,
                "what is missing, to an authority that is there");
  sub->add_flag("--agent-keys", words_.init.agent_keys,
                "keys for agents too, made here: for hosts that cannot enrol");
}

void CommandLine::AddEstateOptions(CLI::App* sub) {
  ImportOptions& options = words_.import;
  sub->add_option("--estate", options.estate.estate, "the estate's name")
      ->type_name("NAME");
  sub->add_option("--orchestrator", options.estate.orchestrator,
                  "where agents will find it")
      ->type_name("ADDRESS:PORT");
  sub->add_option("--out", options.out, "a new file; else standard output")
      ->type_name("FILE");
}

void CommandLine::AddImport() {
  ImportOptions& options = words_.import;
  CLI::App* import = app_.add_subcommand(
      "import", "a manifest from a list of machines that is there already");
  import->set_help_flag("-h,--help", "this help");
  import->require_subcommand(1);

  CLI::App* sub =
      Add(*import, "csv", "from a table with separators; names its columns",
          [this] { return ImportCsvFile(terminal_, words_.import); });
  sub->add_option("FILE", options.csv.file)->required();
  const auto column = [&](const char* flag, std::string* out,
                          const char* what) {
    return sub->add_option(flag, *out, what)->type_name("COLUMN");
  };
  column("--host", &options.csv.host, "hosts' names")->required();
  column("--address", &options.csv.address, "their addresses")->required();
  column("--system", &options.csv.system, "what runs there (the host's name)");
  column("--category", &options.csv.category, "billing, information, …");
  column("--port", &options.csv.port, "as in 443, 53/udp, web:8080/tcp");
  column("--needs", &options.csv.needs, "as in billing-db:postgres");
  column("--owner", &options.csv.owner, "the business owner's role");
  column("--priority", &options.csv.priority, "high, normal or low");
  sub->add_option("--separator", options.separator, "between fields (,)")
      ->type_name("CHARACTER");
  sub->add_flag("--keep-going", options.csv.keep_going,
                "leave out what is wrong, and write the rest");
  AddEstateOptions(sub);

  sub = Add(*import, "compose", "from Compose files, merged in this order",
            [this] { return ImportComposeFiles(terminal_, words_.import); });
  sub->add_option("FILE", options.compose.files)->required();
  sub->add_option("--profile", options.compose.profiles,
                  "a profile whose services are wanted; '*' is all")
      ->type_name("NAME")
      ->expected(1)
      ->take_all();
  sub->add_option("--env-file", options.compose.env_files,
                  "NAME=value lines (.env beside the first file)")
      ->type_name("FILE")
      ->expected(1)
      ->take_all();
  sub->add_option("--addresses", options.compose.addresses,
                  "a range to make hosts' addresses of (10.99.0.0/16)")
      ->type_name("RANGE");
  AddEstateOptions(sub);
}

void CommandLine::AddIsolate() {
  IsolateOptions& options = words_.isolate;
  CLI::App* sub =
      Add("isolate", "into quarantine, and wait until kernels say so", [this] {
        words_.isolate.wait = absl::Seconds(words_.isolate_wait);
        return Isolate(terminal_, words_.common, words_.isolate);
      });
  sub->add_option("SYSTEM", options.system, "one system");
  sub->add_flag("--all", options.all, "every host of the estate");
  sub->add_flag("--run", options.run, "the systems of the run");
  sub->add_option("--host", options.host, "one host")->type_name("HOST");
  sub->add_flag("--sensor-anew", options.sensor_anew,
                "of a host that was cleaned: watch it from now on");
  sub->add_option("--reason", options.reason, "for the record")
      ->type_name("TEXT");
  sub->add_option("--confirm,--yes", options.confirmation,
                  "what is protected, typed once more")
      ->type_name("NAME");
  sub->add_option("--wait", words_.isolate_wait, "for the last host (30)")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 3600).description(""));
  Json(sub);
}

void CommandLine::AddLooks() {
  CLI::App* sub =
      Add("status", "what is back, what waits, for whom and why", [this] {
        return words_.watch ? WatchStatus(terminal_, words_.common)
                            : ShowStatus(terminal_, words_.common);
      });
  sub->add_flag("--watch", words_.watch, "keep it up to date until Ctrl-C");
  Json(sub);

  Json(Add("gates", "every gate, and who it waits for",
           [this] { return ShowGates(terminal_, words_.common); }));

  sub = Add("show", "a gate, a step or a host in full",
            [this] { return Show(terminal_, words_.common, words_.name); });
  sub->add_option("NAME", words_.name)->required();
  Json(sub);

  sub = Add("brief", "one page: where things stand", [this] {
    return ShowBrief(terminal_, words_.common, words_.language);
  });
  sub->add_option("--lang", words_.language, "en or es")
      ->check(CLI::IsMember({"en", "es"}).description(""));
  Json(sub);

  Json(Add("durations", "what past runs took, for a forecast",
           [this] { return ShowDurations(terminal_, words_.common); }));

  sub = Add("history", "everything that was done, by whom, when", [this] {
    return ShowHistory(terminal_, words_.common, words_.history);
  });
  sub->add_option("--from", words_.history.from, "from this record on")
      ->type_name("N");
  sub->add_option("--limit", words_.history.limit, "at most so many")
      ->type_name("N")
      ->check(CLI::Range(1, 10000000).description(""));
  Json(sub);
}

void CommandLine::AddDecisions() {
  CLI::App* sub = Add("go", "open what the gate shows", [this] {
    words_.decide.go = true;
    return Decide(terminal_, words_.common, words_.decide);
  });
  sub->add_option("GATE", words_.decide.gate)->required();
  sub->add_option("--reason", words_.decide.reason, "for the record");
  sub->add_flag("--yes", words_.decide.yes, "do not ask again");
  sub->add_option("--manifest", words_.decide.manifest,
                  "your own copy, to compare with")
      ->type_name("FILE");
  SigningKey(sub, &words_.decide.key);
  Json(sub);

  sub = Add("no-go", "do not open it", [this] {
    words_.decide.go = false;
    return Decide(terminal_, words_.common, words_.decide);
  });
  sub->add_option("GATE", words_.decide.gate)->required();
  sub->add_option("--reason", words_.decide.reason, "why not")->required();
  sub->add_flag("--yes", words_.decide.yes, "do not ask again");
  SigningKey(sub, &words_.decide.key);
  Json(sub);

  sub = Add("done", "sign a task you have done",
            [this] { return SignTask(terminal_, words_.common, words_.task); });
  sub->add_option("TASK", words_.task.task)->required();
  sub->add_option("--note", words_.task.note, "what you found");
  sub->add_option("--relayed-for", words_.task.relayed_for,
                  "whose word you pass on; recorded as relayed")
      ->type_name("NAME");
  sub->add_option("--attachment", words_.task.attachment,
                  "a file; only its digest is sent")
      ->type_name("FILE");
  SigningKey(sub, &words_.task.key);
  Json(sub);
}

void CommandLine::AddOffline() {
  CLI::App* gate = app_.add_subcommand(
      "gate", "decide with a key that is not on this machine");
  gate->set_help_flag("-h,--help", "this help");
  gate->require_subcommand(1);
  GateFileOptions& options = words_.gate_file;
  CLI::App* sub =
      Add(*gate, "export", "what to sign, checked, into a folder", [this] {
        return ExportGate(terminal_, words_.common, words_.gate_file);
      });
  sub->add_option("GATE", options.gate)->required();
  sub->add_option("--out", options.folder, "a new folder")
      ->required()
      ->type_name("DIR");
  sub->add_option("--manifest", options.manifest,
                  "your own copy, to compare with")
      ->type_name("FILE");
  sub->add_option("--no-go", options.no_go, "a no-go, and why")
      ->type_name("REASON");
  sub = Add(*gate, "import", "hand in what was signed elsewhere", [this] {
    return ImportGate(terminal_, words_.common, words_.gate_file);
  });
  sub->add_option("DIR", options.folder)->required();
  Json(sub);

  CLI::App* audit = app_.add_subcommand(
      "audit", "the record, for others to verify without Sluice");
  audit->set_help_flag("-h,--help", "this help");
  audit->require_subcommand(1);
  sub = Add(*audit, "verify", "is it whole, and the one seen?", [this] {
    return AuditVerify(terminal_, words_.common, words_.audit_verify);
  });
  sub->add_option("JOURNAL,--journal", words_.audit_verify.journal,
                  "in use, stopped, or a copy (journal.db)")
      ->type_name("FILE");
  sub->add_option("--seen", words_.audit_verify.seen,
                  "a head noted elsewhere, number:hash")
      ->type_name("HEAD");
  Json(sub);
  sub = Add(
      *audit, "sign", "its head, with your SSH key, to keep elsewhere",
      [this] { return SignHead(terminal_, words_.common, words_.sign_head); });
  sub->add_option("FILE", words_.sign_head.out, "new; FILE.sig beside it")
      ->required();
  SigningKey(sub, &words_.sign_head.key);
  sub = Add(*audit, "export", "records, texts, signatures, and how to verify",
            [this] { return AuditExport(terminal_, words_.audit); });
  sub->add_option("DIR", words_.audit.out)->required();
  sub->add_option("--journal", words_.audit.journal,
                  "in use, stopped, or a copy (journal.db)")
      ->type_name("FILE");
  sub->add_option("--manifest", words_.audit.manifest,
                  "whose approvers' keys count; hosts.keys beside it")
      ->required()
      ->type_name("FILE");
}

void CommandLine::AddIdentities() {
  Add("login", "with your SSH key; other commands do it by themselves",
      [this] { return Login(terminal_, words_.common); });
  Add("logout", "end the session",
      [this] { return Logout(terminal_, words_.common); });
  Json(Add("identities", "which hosts are enrolled, with which keys",
           [this] { return ShowIdentities(terminal_, words_.common); }));

  CLI::App* sub =
      Add("enrol", "a token by which a host gets its identity", [this] {
        words_.enrol.good_for = absl::Minutes(words_.enrol_minutes);
        return Enrol(terminal_, words_.common, words_.enrol);
      });
  sub->add_option("--host", words_.enrol.host, "for this host alone")
      ->required()
      ->type_name("HOST");
  sub->add_option("--minutes", words_.enrol_minutes, "it is good for (60)")
      ->type_name("N")
      ->check(CLI::Range(1, 1440).description(""));

  sub = Add("revoke", "a host's key, or an operator's: it never speaks again",
            [this] { return Revoke(terminal_, words_.common, words_.revoke); });
  sub->add_option("--host", words_.revoke.host, "its key and its tokens")
      ->type_name("HOST");
  sub->add_option("--key", words_.revoke.key,
                  "as `sluice identities` or `ssh-keygen -l` shows it")
      ->type_name("KEY");
  sub->add_option("--reason", words_.revoke.reason, "for the record")
      ->type_name("TEXT");
  Json(sub);
}

void CommandLine::AddRunCommands() {
  Json(Add("start", "begin a run of the orchestrator's plan",
           [this] { return Start(terminal_, words_.common); }));
  CLI::App* sub = Add("replan", "go on under another manifest's plan", [this] {
    return Replan(terminal_, words_.common, words_.replan);
  });
  sub->add_option("MANIFEST", words_.replan.manifest)->required();
  sub->add_flag("--yes", words_.replan.yes, "do not ask again");
  sub->add_flag("--dry-run", words_.replan.dry_run,
                "show what it would do; change nothing");
  Json(sub);
  sub = Add("retry", "try again what failed or was refused",
            [this] { return Retry(terminal_, words_.common, words_.steps); });
  sub->add_option("STEP", words_.steps, "none: all that failed");
  Json(sub);
  sub = Add("skip", "go on without a check that does not pass",
            [this] { return Skip(terminal_, words_.common, words_.skip); });
  sub->add_option("SYSTEM[:CHECK]", words_.skip.what,
                  "without CHECK: all that do not pass")
      ->required();
  sub->add_option("--reason", words_.skip.reason, "why; everybody reads it")
      ->required();
  sub->add_option("--until", words_.skip.until, "2h, or a time; a week at most")
      ->required();
  SigningKey(sub, &words_.skip.key);
  Json(sub);
  Json(Add("pause", "begin nothing new",
           [this] { return Pause(terminal_, words_.common); }));
  Json(Add("resume", "go on",
           [this] { return Resume(terminal_, words_.common); }));
  sub = Add("end", "end the run",
            [this] { return End(terminal_, words_.common, words_.reason); });
  sub->add_option("--reason", words_.reason,
                  "needed when not everything is back");
  Json(sub);
}

}  // namespace

int RunSluice(const std::vector<std::string>& arguments,
              const Terminal& terminal) {
  const std::string first = arguments.empty() ? "" : arguments.front();
  if (first == "--version" || first == "version") {
    *terminal.out << "sluice " SLUICE_VERSION "\n";
    return kDone;
  }
  if (first.empty() || first == "--help" || first == "-h" ||
      (first == "help" && arguments.size() == 1)) {
    *terminal.out << HelpText(terminal.paint());
    return kDone;
  }
  if (first == "help") {
    return CommandLine(terminal).Run({arguments[1], "--help"});
  }
  if (first == "--help-json") {
    *terminal.out << CommandLine(terminal).Describe();
    return kDone;
  }
  // A mistyped command is more often meant than a stray word.
  const std::vector<std::string> known(std::begin(kCommands),
                                       std::end(kCommands));
  if (first.front() != '-' &&
      std::find(known.begin(), known.end(), first) == known.end()) {
    const std::string near = Nearest(first, known);
    return terminal.Complain(
        absl::StrCat(
            "there is no command '", first, "'",
            near.empty() ? "" : absl::StrCat("; did you mean '", near, "'?"),
            near.empty() ? ". `sluice help` lists them."
                         : " `sluice help` lists them all."),
        kUsage);
  }
  return CommandLine(terminal).Run(arguments);
}

}  // namespace sluice::cli
