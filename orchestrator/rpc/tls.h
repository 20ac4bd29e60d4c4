// The server's end of TLS: who may shake hands, and the table of access.h
// asked for every call, before any service sees it.

#pragma once

#include <memory>
#include <string>

#include "orchestrator/rpc/gatekeeper.h"

namespace grpc {
class ServerContextBase;
class ServerCredentials;
}  // namespace grpc

namespace sluice::rpc {

// `certificate` and `key` are PEM; the gatekeeper outlives the server.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(
    const std::string& certificate, const std::string& key,
    Gatekeeper* gatekeeper);

// What came with a call.
Presented PresentedIn(const grpc::ServerContextBase& context);

// The metadata entry that carries a session.
inline constexpr char kSessionKey[] = "sluice-session";

// The metadata entry by which an agent says which point, that runs none, a
// call is about; empty without one.
inline constexpr char kActsForKey[] = "sluice-acts-for";
std::string ActsForIn(const grpc::ServerContextBase& context);

}  // namespace sluice::rpc
