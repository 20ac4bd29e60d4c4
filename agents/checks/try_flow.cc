#include "agents/checks/try_flow.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "agents/checks/connect.h"

namespace sluice::agent {

FlowTried TryFlow(const Flow& flow, absl::Duration timeout, const Stop& stop) {
  FlowTried tried{.flow = flow};
  if (flow.protocol == Protocol::kUdp) {
    tried.reason = "udp: cannot be tried";
    return tried;
  }
  if (!flow.client.is_host() || !flow.server.is_host()) {
    tried.reason = "an address range, not one host: cannot be tried";
    return tried;
  }
  const int error =
      TryConnect(flow.client, flow.server, flow.ports.first, timeout, stop);
  const std::string endpoint = Endpoint(flow.server, flow.ports.first);
  if (error == 0) {
    tried.verdict = Verdict::kPass;
    tried.reason = absl::StrCat(endpoint, " accepts connections");
  } else if (error == EADDRNOTAVAIL || error == ECANCELED || error == EMFILE ||
             error == ENFILE || error == ENOMEM) {
    tried.reason = absl::StrCat(endpoint, ": ", ConnectError(error));
  } else {
    tried.verdict = Verdict::kFail;
    tried.reason = absl::StrCat(endpoint, ": ", ConnectError(error));
  }
  return tried;
}

}  // namespace sluice::agent
