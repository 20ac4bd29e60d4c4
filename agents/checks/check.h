// The kinds of checks this agent knows. Each runs once, in the thread that
// calls it, within the check's own time, and never throws.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agents/checks/stop.h"
#include "common/prefix.h"
#include "common/verdict.h"

namespace sluice::agent {

struct Plugin {
  std::vector<std::string> command;
  absl::Duration timeout = absl::Seconds(10);
};

// What this host's own file lets checks use.
struct CheckContext {
  std::vector<Prefix> addresses;  // of this host, as others reach it
  std::map<std::string, Plugin> plugins;
  std::string proc = "/proc";
};

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

// ── for them ────────────────────────────────────────────────────────────────

CheckResult Pass(std::string reason);
CheckResult Fail(std::string reason);
CheckResult Inconclusive(std::string reason);

// The argument, or `otherwise`.
std::string Arg(const CheckSpec& spec, const std::string& name,
                std::string otherwise = "");

// The port argument; 0 when it is none.
uint16_t PortArg(const CheckSpec& spec);

// Where to look for a service of this host: the addresses that others use
// first, then loopback. An `address` argument, when there is one, alone.
std::vector<Prefix> Places(const CheckSpec& spec, const CheckContext& context);

}  // namespace sluice::agent
