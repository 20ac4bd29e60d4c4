// The kinds of checks this agent knows. Each runs once, in the thread that
// calls it, within the check's own time, and never throws.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agents/checks/baseline.h"
#include "agents/checks/stop.h"
#include "agents/core/observed.h"
#include "agents/isolation/fence.h"
#include "common/prefix.h"
#include "common/verdict.h"

namespace sluice::agent {

struct Plugin {
  std::vector<std::string> command;
  absl::Duration timeout = absl::Seconds(10);
  std::string user;  // it runs as; empty: the agent's own
};

struct YaraRules {
  std::string rules;               // a file
  std::vector<std::string> paths;  // where these rules may look
};

// What this host's own file lets checks use.
struct CheckContext {
  std::vector<Prefix> addresses;  // of this host, as others reach it
  // The host is not this machine but a point without an agent, of this name,
  // that is looked at over the network; empty: it is.
  std::string elsewhere;
  std::map<std::string, Plugin> plugins;
  std::map<std::string, YaraRules> yara;
  std::map<std::string, BaselineRule> baselines;
  std::string baseline_folder;
  std::string evidence_key;     // this host's, public: it signs its baselines
  std::string tls_authorities;  // a PEM file; empty: the system's own
  std::string proc = "/proc";
  std::string systemctl = "/usr/bin/systemctl";
  std::string dpkg = "/usr/bin/dpkg";
  std::string rpm = "/usr/bin/rpm";
  std::string yara_program = "/usr/bin/yara";
  // The command that reads files in a process of its own (reader.h); empty:
  // this process reads them itself, as a reader does.
  std::vector<std::string> reader;
  // Called with each path before it is looked at, by what reads files.
  std::function<void(const std::string&)> looking_at = nullptr;
  // What the kernel holds now, from any thread; and the boot-time clock.
  std::function<absl::StatusOr<FenceReading>()> fence = nullptr;
  // When, by whom and under which names, as far as it was seen.
  std::function<SensorNotes()> sensor = nullptr;
  std::function<absl::Duration()> now = nullptr;
  // What the sensor held before it was begun anew; none: it never was.
  std::shared_ptr<const SensorPast> past = nullptr;
};

// Whether a check of this kind waits for another process, which may hang for
// all of the check's time where a file system does not answer.
bool RunsApart(absl::string_view kind);

// Runs the check once. A kind that is not known is inconclusive.
CheckResult RunCheck(const CheckSpec& spec, const CheckContext& context,
                     const Stop& stop);

// As RunCheck(), up to `attempts` times until it passes.
CheckResult RunCheckWithRetries(const CheckSpec& spec,
                                const CheckContext& context, const Stop& stop);

// ── one kind each ───────────────────────────────────────────────────────────

CheckResult CheckTcp(const CheckSpec& spec, const CheckContext& context,
                     const Stop& stop);
// http and https.
CheckResult CheckHttp(const CheckSpec& spec, const CheckContext& context,
                      const Stop& stop);
CheckResult CheckPlugin(const CheckSpec& spec, const CheckContext& context,
                        const Stop& stop);
CheckResult CheckListeners(const CheckSpec& spec, const CheckContext& context,
                           const Stop& stop);
CheckResult CheckDns(const CheckSpec& spec, const CheckContext& context,
                     const Stop& stop);

CheckResult CheckUdp(const CheckSpec& spec, const CheckContext& context,
                     const Stop& stop);
CheckResult CheckTls(const CheckSpec& spec, const CheckContext& context,
                     const Stop& stop);
CheckResult CheckGrpc(const CheckSpec& spec, const CheckContext& context,
                      const Stop& stop);
CheckResult CheckSystemd(const CheckSpec& spec, const CheckContext& context,
                         const Stop& stop);
CheckResult CheckProcess(const CheckSpec& spec, const CheckContext& context,
                         const Stop& stop);
CheckResult CheckMount(const CheckSpec& spec, const CheckContext& context,
                       const Stop& stop);
CheckResult CheckClock(const CheckSpec& spec, const CheckContext& context,
                       const Stop& stop);
CheckResult CheckPackages(const CheckSpec& spec, const CheckContext& context,
                          const Stop& stop);
CheckResult CheckYara(const CheckSpec& spec, const CheckContext& context,
                      const Stop& stop);
CheckResult CheckFiles(const CheckSpec& spec, const CheckContext& context,
                       const Stop& stop);
CheckResult CheckAttempts(const CheckSpec& spec, const CheckContext& context,
                          const Stop& stop);

// ── for them ────────────────────────────────────────────────────────────────

CheckResult Pass(std::string reason);
CheckResult Fail(std::string reason);
CheckResult Inconclusive(std::string reason);

// `kept`: a time service told the kernel. `uncertain`: its own estimate.
CheckResult JudgeClock(bool kept, absl::Duration offset,
                       absl::Duration uncertain, absl::Duration allowed);

// The argument, or `otherwise`.
std::string Arg(const CheckSpec& spec, const std::string& name,
                std::string otherwise = "");

// The port argument; 0 when it is none.
uint16_t PortArg(const CheckSpec& spec);

// The argument as a manifest's durations are written in specs ("1d2h", "60m",
// "500ms"); none when it is no duration.
std::optional<absl::Duration> SpanArg(const CheckSpec& spec,
                                      const std::string& name,
                                      const std::string& otherwise);

// Where to look for a service of this host: the addresses that others use
// first, then loopback. An `address` argument, when there is one, alone.
std::vector<Prefix> Places(const CheckSpec& spec, const CheckContext& context);

}  // namespace sluice::agent
