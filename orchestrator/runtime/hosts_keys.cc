#include "orchestrator/runtime/hosts_keys.h"

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace sluice::runtime {

std::string HostsKeysText(const engine::Identities& identities) {
  std::string text;
  for (const auto& [host, identity] : identities.hosts()) {
    if (identity.evidence_key.empty()) continue;
    absl::StrAppend(&text, host.str(), " ", identity.evidence_key, "\n");
  }
  return text;
}

absl::Status WriteHostsKeys(const std::string& path,
                            const engine::Identities& identities) {
  const std::string text = HostsKeysText(identities);
  {
    std::ifstream present(path, std::ios::binary);
    if (std::string((std::istreambuf_iterator<char>(present)), {}) == text) {
      return absl::OkStatus();
    }
  }
  const std::string draft = path + ".new";
  {
    std::ofstream file(draft, std::ios::binary | std::ios::trunc);
    file << text;
    file.flush();
    if (!file) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", draft));
    }
  }
  if (std::rename(draft.c_str(), path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot replace ", path));
  }
  return absl::OkStatus();
}

}  // namespace sluice::runtime
