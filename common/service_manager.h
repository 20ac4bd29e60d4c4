// Telling the service manager when a service is ready, and how it is.

#pragma once

#include <string>

namespace sluice {

// Lines of sd_notify(3), as "READY=1\nSTATUS=…\n", to $NOTIFY_SOCKET; nothing
// without one, or when nobody listens there. systemd's own library is linked
// nowhere: it is one datagram.
void NotifyServiceManager(const std::string& lines);

}  // namespace sluice
