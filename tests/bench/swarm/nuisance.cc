#include "tests/bench/swarm/nuisance.h"

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>
#include <string>

#include "absl/strings/str_cat.h"
#include "sluice/v1/agent.grpc.pb.h"

namespace sluice::swarm {
namespace {

std::shared_ptr<grpc::Channel> Open(
    const agent::AgentConfig& config,
    const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, "orchestrator.sluice");
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(config.orchestrators[0], credentials,
                                   arguments);
}

}  // namespace

class Nuisance::Stream
    : public grpc::ClientBidiReactor<v1::AgentMessage,
                                     v1::OrchestratorMessage> {
 public:
  Stream(Kind kind, const agent::AgentConfig& config,
         const std::shared_ptr<grpc::ChannelCredentials>& credentials,
         std::atomic<uint64_t>* said)
      : kind_(kind),
        said_(said),
        channel_(Open(config, credentials)),
        stub_(v1::AgentLink::NewStub(channel_)) {
    v1::Hello* hello = outgoing_.mutable_hello();
    hello->set_agent_version("nuisance");
    hello->set_boot_id("boot");
    hello->set_protocol(1);
    hello->mutable_fence()->set_mode(v1::FENCE_MODE_OPEN);
    hello->mutable_fence()->set_state_serial(1);
    stub_->async()->Attach(&context_, this);
    AddHold();
    StartWrite(&outgoing_);
    if (kind_ == Kind::kFlooding) StartRead(&incoming_);
    StartCall();
  }

  void End() {
    context_.TryCancel();
    RemoveHold();
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return done_; });
  }

  void OnReadDone(bool ok) override {
    if (ok) StartRead(&incoming_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok || kind_ == Kind::kDead) return;
    ++*said_;
    outgoing_.Clear();
    v1::WatchChanged* changed = outgoing_.mutable_watch_changed();
    changed->set_step("nobody-asked");
    changed->mutable_result()->set_id("nobody-asked/1");
    // Never the same twice.
    changed->mutable_result()->set_verdict(
        ++count_ % 2 == 0 ? v1::VERDICT_PASS : v1::VERDICT_FAIL);
    changed->mutable_result()->set_reason(
        absl::StrCat(std::string(1500, 'x'), count_));
    StartWrite(&outgoing_);
  }
  void OnDone(const grpc::Status&) override {
    const std::lock_guard lock(mutex_);
    done_ = true;
    wake_.notify_all();
  }

 private:
  const Kind kind_;
  std::atomic<uint64_t>* const said_;
  uint64_t count_ = 0;
  grpc::ClientContext context_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AgentLink::Stub> stub_;
  v1::AgentMessage outgoing_;
  v1::OrchestratorMessage incoming_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;  // guarded by mutex_
};

Nuisance::Nuisance(Kind kind, const agent::AgentConfig& config,
                   std::shared_ptr<grpc::ChannelCredentials> credentials,
                   std::atomic<uint64_t>* said)
    : stream_(std::make_unique<Stream>(kind, config, credentials, said)) {}

Nuisance::~Nuisance() { stream_->End(); }

}  // namespace sluice::swarm
