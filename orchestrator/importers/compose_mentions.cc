#include "orchestrator/importers/compose_mentions.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace sluice::importers {

Mentions FindMentions(const std::map<std::string, ComposeService>& services) {
  Mentions mentions;
  std::map<std::string, std::string> owner;  // a service's name → raw name
  for (const auto& [raw, service] : services) {
    for (const std::string& name : service.names) owner.emplace(name, raw);
  }
  const auto in_name = [](char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
  };
  for (const auto& [raw, service] : services) {
    for (const auto& [variable, text] : service.environment) {
      for (size_t colon = text.find(':'); colon != std::string::npos;
           colon = text.find(':', colon + 1)) {
        size_t begin = colon, end = colon + 1;
        while (begin > 0 && in_name(text[begin - 1])) --begin;
        while (end < text.size() && absl::ascii_isdigit(text[end])) ++end;
        const auto at = owner.find(text.substr(begin, colon - begin));
        int port = 0;
        if (at == owner.end() || at->second == raw ||
            !absl::SimpleAtoi(text.substr(colon + 1, end - colon - 1), &port) ||
            port < 1 || port > 65535 ||
            (end < text.size() && in_name(text[end]) && text[end] != '.')) {
          continue;
        }
        std::vector<Mention>& all = mentions[raw];
        const bool there =
            std::any_of(all.begin(), all.end(), [&](const Mention& one) {
              return one.target == at->second && one.port == port;
            });
        if (!there) {
          all.push_back({variable, at->second, static_cast<uint16_t>(port)});
        }
      }
    }
  }
  return mentions;
}

}  // namespace sluice::importers
