// `sluice rotate`, `delegate`, `sign` and `send`: whom hosts believe, changed
// by the signatures of the people whom they believe now.
//
// A rotation is drafted from a manifest, signed by a quorum of the old keys,
// here or with plain ssh-keygen on other machines, and sent once. A delegation
// is signed and sent by one person in one go.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "orchestrator/cli/session.h"
#include "orchestrator/cli/terminal.h"

namespace CLI {
class App;
}  // namespace CLI

namespace sluice::cli {

struct RotateOptions {
  std::string manifest;
  uint64_t serial = 0;
  std::vector<std::string> hosts;      // none: all with an agent
  std::vector<std::string> quorum;     // "ROLE=N"; none: what every gate asks
  std::vector<std::string> quorum_at;  // "STAGE:ROLE=N"
  std::string out;
};
// Writes the text to sign. Opens no connection.
ExitCode DraftRotation(const Terminal& terminal, const RotateOptions& options);

struct DelegateOptions {
  std::string deputy;
  std::vector<std::string> roles;  // none: all of one's own
  bool tasks = false;              // tasks of these roles, too
  std::string span;                // "8h"
  bool back = false;               // nobody stands in any more
  std::string as;                  // who delegates; empty: client.yaml's user
  std::string manifest;
  std::string key;
  std::string out;  // only the text, to be signed elsewhere
};
ExitCode Delegate(const Terminal& terminal, const Common& common,
                  const DelegateOptions& options);

struct SignFileOptions {
  std::string file;
  std::string key;
  std::string out;  // empty: FILE.sig
};
// Signs a rotation or a delegation, shown in full first, for its own purpose.
ExitCode SignFile(const Terminal& terminal, const Common& common,
                  const SignFileOptions& options);

struct SendOptions {
  std::string file;
  std::vector<std::string> signatures;  // none: FILE.sig
};
ExitCode SendSigned(const Terminal& terminal, const Common& common,
                    const SendOptions& options);

// Where the four stand on the command line.
struct TrustWords {
  RotateOptions rotate;
  DelegateOptions delegate;
  SignFileOptions sign;
  SendOptions send;
};
using AddCommand =
    std::function<CLI::App*(const std::string& name, const std::string& text,
                            std::function<ExitCode()>)>;
void AddTrustCommands(const AddCommand& add, const Terminal& terminal,
                      const Common& common, TrustWords& words);

}  // namespace sluice::cli
