// Logging in: an operator's SSH key signs the orchestrator's challenge, and a
// session comes back, kept in a file of mode 0600 beside client.yaml.

#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "orchestrator/cli/client_config.h"

namespace grpc {
class Channel;
}

namespace sluice::cli {

// What stands in the session file; empty when there is none.
std::string StoredSession(const ClientConfig& config);
void ForgetSession(const ClientConfig& config);

// Logs in over this channel; the session's token. Before anything is signed
// the challenge is compared with what is known here: who asks, and which
// certificate the server showed. ssh-keygen asks for a passphrase or a touch
// itself.
absl::StatusOr<std::string> LogIn(const std::shared_ptr<grpc::Channel>& channel,
                                  const ClientConfig& config);

// "nobody is logged in": a call answered so changed nothing and can be asked
// again after LogIn().
bool NeedsLogin(int grpc_code);

// The metadata entry that carries a session.
inline constexpr char kSessionKey[] = "sluice-session";

}  // namespace sluice::cli
