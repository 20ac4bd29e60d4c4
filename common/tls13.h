// TLS 1.3 and nothing older, for gRPC in this process.

#pragma once

namespace sluice {

// REQUIRES: called before the first gRPC credentials are made.
//
// gRPC has no option for it: 1.51 always allows TLS 1.2, whatever OpenSSL's
// own configuration says. It has a list of the suites for TLS 1.2; with one
// that needs a key shared beforehand, which nobody here has, no TLS 1.2
// handshake can end well, on either side. TLS 1.3 has suites of its own.
void AllowOnlyTls13();

}  // namespace sluice
