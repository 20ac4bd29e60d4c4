// Who lives in the small estate.

#pragma once

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/authority.h"
#include "common/sshsig.h"
#include "tests/unit/runtime/fakes.h"

namespace sluice::rpc {

// People's keys and the estate's authority; made once.
struct People {
  std::map<std::string, SshSigner> keys;
  sluice::Authority authority = *sluice::Authority::Make("small");
  sluice::Authority issuer = *authority.MakeIssuer("small");
  sluice::Authority foreign = *sluice::Authority::Make("small");
  Credential server = *authority.Issue({.name = "orchestrator",
                                        .uri = "sluice://small/orchestrator",
                                        .dns = {"orchestrator.sluice"},
                                        .server = true},
                                       30);

  People() {
    for (const char* name :
         {"duty-commander", "it-lead", "security-officer", "stranger"}) {
      keys.emplace(name, SshSigner::Make());
    }
  }
  std::string Manifest() const {
    std::string text = runtime::kManifest;
    const std::string before =
        "  duty-commander: {roles: [incident-commander]}\n";
    std::string people;
    for (const auto& [name, role] :
         {std::pair("duty-commander", "incident-commander"),
          std::pair("it-lead", "technical-lead"),
          std::pair("security-officer", "security")}) {
      absl::StrAppend(&people, "  ", name, ": {roles: [", role, "], key: \"",
                      keys.at(name).public_key().Line(), "\"}\n");
    }
    text.replace(text.find(before), before.size(), people);
    return text;
  }
};
inline const People& ThePeople() {
  static const People people;
  return people;
}

}  // namespace sluice::rpc
