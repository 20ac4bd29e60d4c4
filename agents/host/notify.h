// Telling the service manager that the fence is as it should be.

#pragma once

namespace sluice::agent {

// "READY=1" to $NOTIFY_SOCKET (sd_notify(3)); nothing without one.
void NotifyReady();

}  // namespace sluice::agent
