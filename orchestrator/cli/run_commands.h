// Commands that move a run: start, retry, pause, resume, end, done.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/cli/session.h"

namespace sluice::cli {

ExitCode Start(const Terminal& terminal, const Common& common);
// Empty `steps`: all that failed or never started.
ExitCode Retry(const Terminal& terminal, const Common& common,
               const std::vector<std::string>& steps);
struct SkipOptions {
  std::string what;   // "billing", "billing:health-1", "billing/health-1"
  std::string until;  // "2h", or an RFC 3339 time
  std::string reason;
  std::string key;  // as SignTaskOptions'
};
ExitCode Skip(const Terminal& terminal, const Common& common,
              const SkipOptions& options);
ExitCode Pause(const Terminal& terminal, const Common& common);
ExitCode Resume(const Terminal& terminal, const Common& common);
ExitCode End(const Terminal& terminal, const Common& common,
             const std::string& reason);

struct SignTaskOptions {
  std::string task;
  std::string note;
  std::string attachment;   // a file; only its digest leaves this machine
  std::string relayed_for;  // who said so, when it is not the signer
  std::string key;          // the SSH key to sign with; empty: client.yaml's
};
ExitCode SignTask(const Terminal& terminal, const Common& common,
                  const SignTaskOptions& options);

}  // namespace sluice::cli
