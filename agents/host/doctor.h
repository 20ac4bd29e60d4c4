// `sluice-agent doctor`: what quarantine would break on this host, before it is
// isolated for the first time.

#pragma once

#include <string>
#include <vector>

#include "agents/host/config.h"
#include "agents/isolation/other_tables.h"

namespace sluice::agent {

struct HostView {
  std::string proc = "/proc";
  std::string links = "/sys/class/net";
  std::vector<OtherTable> tables;
};

// A page for people: what is connected now and agent.yaml does not keep
// (storage, cluster peers, remote logins, others, by flow and process), network
// mounts, guests that the fence cuts or does not see, the other firewalls, and
// a draft of `vital` from storage and cluster peers. What is idle now is not
// seen.
std::string Doctor(const AgentConfig& config, const HostView& host);

}  // namespace sluice::agent
