// `sluice-agent status`: whether this host is isolated, for people and for the
// package that is to be removed. Reads, and changes nothing.

#pragma once

#include <string>

#include "agents/isolation/fence.h"

namespace sluice::agent {

struct HostStatus {
  // Neither the state on disk nor the kernel says that it is isolated, nor is
  // any point that its agent acts for, and all could be read.
  bool open = false;
  std::string text;  // lines for people
};

// `witness`: a file that says that there was a state (StateWitness()).
HostStatus StatusOfHost(const std::string& state_directory,
                        const std::string& witness, Fence& fence);

}  // namespace sluice::agent
