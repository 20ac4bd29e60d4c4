// libnftables, thinly: text in, what it says out. One transaction a call.

#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct nft_ctx;

namespace sluice::agent {

class Nft {
 public:
  Nft() = default;
  ~Nft();
  Nft(const Nft&) = delete;
  Nft& operator=(const Nft&) = delete;

  // NotFound when the kernel has not got what `text` names, PermissionDenied
  // without CAP_NET_ADMIN, Internal for anything else the kernel refuses.
  absl::StatusOr<std::string> Run(const std::string& text) {
    return Run(text, false);
  }
  // The same, for listing commands, as JSON.
  absl::StatusOr<std::string> List(const std::string& text) {
    return Run(text, true);
  }

  // Gives back what the library keeps between two calls: of every table that it
  // has listed half a megabyte. Its socket stays open.
  void Rest();

 private:
  absl::StatusOr<std::string> Run(const std::string& text, bool json);

  nft_ctx* context_ = nullptr;
};

}  // namespace sluice::agent
