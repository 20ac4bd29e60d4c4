// Agents that do harm: one that attaches and then neither reads nor answers,
// and one that says something it was not asked for, as fast as it is let.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "agents/host/config.h"

namespace grpc {
class ChannelCredentials;
}

namespace sluice::swarm {

class Nuisance {
 public:
  enum class Kind : uint8_t { kDead, kFlooding };
  Nuisance(Kind kind, const agent::AgentConfig& config,
           std::shared_ptr<grpc::ChannelCredentials> credentials,
           std::atomic<uint64_t>* said);
  ~Nuisance();

 private:
  class Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace sluice::swarm
