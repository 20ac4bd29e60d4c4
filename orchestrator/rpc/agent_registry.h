// The agents' streams: one a host, the newest. The real twin of
// runtime::AgentLink.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/rpc/observations.h"
#include "orchestrator/runtime/ports.h"

namespace sluice::rpc {

class AgentStream;

struct RegistryOptions {
  std::string estate;
  std::string instance;
  absl::Duration heartbeat = absl::Seconds(1);
};

class AgentRegistry : public runtime::AgentLink {
 public:
  explicit AgentRegistry(RegistryOptions options);
  ~AgentRegistry() override;

  const RegistryOptions& options() const { return options_; }

  // What agents saw, for whoever drafts a manifest; not part of any run.
  ObservationStore& observations() { return observations_; }

  // Any thread. The stream that the host had before is ended.
  runtime::StreamId Add(const HostId& host,
                        std::shared_ptr<AgentStream> stream);
  void Remove(const HostId& host, runtime::StreamId id);

  // Ends the streams that this host's agent has, its own and those of points
  // that it acts for: it may not speak any more.
  void Close(const HostId& host, const std::string& why);
  bool IsAttached(const HostId& host);

  // Ends every stream: the orchestrator stops.
  void CloseAll(const std::string& why);

  // runtime::AgentLink
  void Welcome(const HostId& host, runtime::StreamId stream,
               uint64_t epoch) override;
  void Send(uint64_t epoch, const engine::Order& order) override;
  void Renew(const HostId& host, uint64_t epoch,
             const std::vector<std::string>& releases) override;
  void Refuse(const HostId& host, runtime::StreamId stream,
              const std::string& why) override;

 private:
  struct Attached {
    runtime::StreamId id = 0;
    std::shared_ptr<AgentStream> stream;
  };
  std::shared_ptr<AgentStream> Find(const HostId& host);
  std::shared_ptr<AgentStream> Find(const HostId& host, runtime::StreamId id);

  const RegistryOptions options_;
  ObservationStore observations_;
  std::mutex mutex_;
  // Below: guarded by mutex_.
  runtime::StreamId last_id_ = 0;
  std::map<HostId, Attached> streams_;
};

}  // namespace sluice::rpc
