#include "orchestrator/rpc/agent_registry.h"

#include <utility>
#include <variant>

#include "orchestrator/rpc/agent_messages.h"
#include "orchestrator/rpc/agent_stream.h"
#include "sluice/v1/agent.pb.h"

namespace sluice::rpc {

AgentRegistry::AgentRegistry(RegistryOptions options)
    : options_(std::move(options)) {}

AgentRegistry::~AgentRegistry() = default;

runtime::StreamId AgentRegistry::Add(const HostId& host,
                                     std::shared_ptr<AgentStream> stream) {
  std::shared_ptr<AgentStream> before;
  runtime::StreamId id;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    Attached& attached = streams_[host];
    before = std::move(attached.stream);
    id = ++last_id_;
    attached = Attached{id, std::move(stream)};
  }
  if (before != nullptr) {
    before->Abort(grpc::Status(
        grpc::StatusCode::ABORTED,
        "another stream of this host was opened; only one agent may run on a "
        "host"));
  }
  return id;
}

void AgentRegistry::Remove(const HostId& host, runtime::StreamId id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = streams_.find(host);
  if (found != streams_.end() && found->second.id == id) streams_.erase(found);
}

void AgentRegistry::Close(const HostId& host, const std::string& why) {
  std::vector<std::shared_ptr<AgentStream>> streams;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [about, attached] : streams_) {
      if (attached.stream->speaker() == host)
        streams.push_back(attached.stream);
    }
  }
  for (const auto& stream : streams) {
    stream->Abort(grpc::Status(grpc::StatusCode::PERMISSION_DENIED, why));
  }
}

bool AgentRegistry::IsAttached(const HostId& host) {
  return Find(host) != nullptr;
}

void AgentRegistry::CloseAll(const std::string& why) {
  std::map<HostId, Attached> streams;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    streams = streams_;
  }
  for (const auto& [host, attached] : streams) {
    attached.stream->Abort(grpc::Status(grpc::StatusCode::UNAVAILABLE, why));
  }
}

std::shared_ptr<AgentStream> AgentRegistry::Find(const HostId& host) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = streams_.find(host);
  return found == streams_.end() ? nullptr : found->second.stream;
}

std::shared_ptr<AgentStream> AgentRegistry::Find(const HostId& host,
                                                 runtime::StreamId id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = streams_.find(host);
  if (found == streams_.end() || found->second.id != id) return nullptr;
  return found->second.stream;
}

void AgentRegistry::Welcome(const HostId& host, runtime::StreamId id,
                            uint64_t epoch) {
  const auto stream = Find(host, id);
  if (stream == nullptr) return;
  v1::OrchestratorMessage message;
  v1::Welcome* welcome = message.mutable_welcome();
  welcome->set_epoch(epoch);
  welcome->set_instance(options_.instance);
  welcome->set_heartbeat_ms(absl::ToInt64Milliseconds(options_.heartbeat));
  welcome->set_estate(options_.estate);
  welcome->set_renew(stream->should_renew());
  stream->Welcome(std::move(message));
}

void AgentRegistry::Send(uint64_t epoch, const engine::Order& order) {
  const auto stream = Find(order.host);
  if (stream == nullptr) return;
  v1::OrchestratorMessage message;
  FillOrder(epoch, order, message.mutable_order());
  // S5: an isolation overtakes what still waits in the stream's queue.
  stream->Send(std::move(message),
               std::holds_alternative<engine::IsolateHost>(order.what));
}

void AgentRegistry::Renew(const HostId& host, uint64_t epoch,
                          const std::vector<std::string>& releases) {
  const auto stream = Find(host);
  if (stream == nullptr) return;
  stream->Renew(epoch, releases);
}

void AgentRegistry::Refuse(const HostId& host, runtime::StreamId id,
                           const std::string& why) {
  const auto stream = Find(host, id);
  if (stream == nullptr) return;
  stream->Close(grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, why));
}

}  // namespace sluice::rpc
