// TLS on the host's side: which orchestrator a host talks to.
//
// The one that the estate's authority itself signed a certificate for, whatever
// address was dialled and whatever year the host's clock says: quarantine has
// no time server. No issuer's signature counts here, so whoever takes the
// orchestrator's issuer cannot make themselves an orchestrator with it.

#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"

namespace grpc {
class ChannelArguments;
class ChannelCredentials;
}  // namespace grpc

namespace sluice::agent {

// Mutual TLS from PEM texts. `estate` may be empty: then any estate's of this
// authority.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> HostCredentials(
    const std::string& certificate, const std::string& key,
    const std::string& authority, const EstateId& estate);

// For a host that has nothing but a token: no certificate of its own; the
// server shows its authority, whose digest ("sha256:…") must be this one.
std::shared_ptr<grpc::ChannelCredentials> TokenCredentials(
    const std::string& authority_digest, const EstateId& estate);

// What every channel of an agent has in common. `patience`: how long
// connecting may take, TLS included.
grpc::ChannelArguments LinkArguments(absl::Duration patience);

}  // namespace sluice::agent
