// The gRPC server: TLS 1.3 on every address, the unix socket among them; who
// may call what is the gatekeeper's.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/authority.h"
#include "orchestrator/journal/codec.h"
#include "orchestrator/rpc/acceptor.h"
#include "orchestrator/rpc/attempts.h"
#include "orchestrator/rpc/identity_service.h"
#include "orchestrator/rpc/sessions.h"

namespace sluice::runtime {
class Inbox;
}

namespace sluice::rpc {

class AgentRegistry;
class OperatorHub;

struct ServerOptions {
  // "10.77.0.1:7443", "[fd77::1]:7443", "unix:/run/sluice/operator.sock".
  std::vector<std::string> listen;
  // PEM texts, not file names.
  std::string certificate;
  std::string key;
  std::string authority;
  std::string estate;
  // Makes the plan of a manifest's texts; without it no plan can be changed.
  journal::PlanLoader load_plan;
  // What signs hosts' certificates; without it nobody can enrol.
  std::optional<Credential> issuer;
  // What the journal knows, and who wants to hear when it changes.
  engine::Identities identities;
  OnIdentities on_identities;
  int certificate_days = 90;
  Sessions::Options sessions;
  Attempts::Options attempts;
  Acceptor::Options acceptor;
  std::function<absl::Time()> now;  // empty: the clock
};

const char* Version();

class Server {
 public:
  // Serves once it returns. An error names the address that cannot be had.
  // The others outlive the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const ServerOptions& options, AgentRegistry* registry, OperatorHub* hub,
      runtime::Inbox* inbox);

  // Ends all calls and waits for them.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Of each address of `listen`: its port, where one was chosen.
  const std::vector<int>& ports() const { return ports_; }

 private:
  struct Impl;
  Server();
  std::unique_ptr<Impl> impl_;
  std::vector<int> ports_;
};

}  // namespace sluice::rpc
