// `sluice-agent release`: the documented way out of quarantine when the
// orchestrator is lost, by the break-glass key that agent.yaml pins
// (docs/operations.md, "Break glass").

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/core/agent_core.h"
#include "agents/host/config.h"
#include "agents/host/root_command.h"
#include "agents/isolation/fence.h"

namespace sluice::agent {

struct ReleaseWish {
  std::string reason;
  bool everything = false;
  std::vector<std::string> flows;  // canonical lines
  std::string valid = "30m";       // how long the text may be used
};

// The text to be signed, about what is to open as its state on disk says it is;
// `boot_id` counts while no agent runs here.
absl::StatusOr<std::string> DraftRelease(const AgentConfig& config,
                                         const RootTarget& of,
                                         const ReleaseWish& wish,
                                         const std::string& boot_id,
                                         absl::Duration now);

// The armoured signature over the text, made by `ssh-keygen -Y sign` with the
// key file (its .pub when an ssh-agent holds it), which talks to whoever is at
// the terminal itself.
absl::StatusOr<std::string> SignRelease(const AgentConfig& config,
                                        const std::string& key,
                                        const std::string& text);

// Asks the agent that is running, or does it itself when none is. Returns a
// sentence about what the kernel, or the driven point, lets pass now. `options`
// and `fence` are of what is to open.
absl::StatusOr<std::string> ReleaseNow(
    const CoreOptions& options, const RootTarget& of, const std::string& text,
    const std::string& signature, Fence& fence,
    const std::function<void(const std::string&)>& log);

// ── for the running agent ───────────────────────────────────────────────────

// Posts what ReleaseNow() has left for it in the state directory, if it has;
// what cannot be read is logged.
void TakeReleaseRequest(const std::string& state_directory,
                        const std::function<void(ReleasedLocally)>& post,
                        const std::function<void(const std::string&)>& log);
// For ReleaseNow() to read; what cannot be written is logged.
void AnswerRelease(const std::string& state_directory, const TellRoot& answer,
                   const std::function<void(const std::string&)>& log);

// A text and its signature as they stand in FILE and FILE.sig.
absl::StatusOr<ReleasedLocally> ReadSignedRelease(const std::string& file);

}  // namespace sluice::agent
