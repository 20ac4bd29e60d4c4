#include "common/tls13.h"

#include <cstdlib>

namespace sluice {

void AllowOnlyTls13() {
  setenv("GRPC_SSL_CIPHER_SUITES", "PSK-AES128-GCM-SHA256", 1);
}

}  // namespace sluice
