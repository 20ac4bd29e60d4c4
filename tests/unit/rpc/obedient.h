// An agent that does whatever it is told until its gate is released, and says
// so; orders after that it takes and does not answer.

#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <thread>

#include "common/digest.h"
#include "sluice/v1/agent.grpc.pb.h"

namespace sluice::rpc {

class Obedient {
 public:
  struct Manners {
    std::string boot = "boot";
    std::string evidence = "nothing seen\n";
    v1::Verdict inspections = v1::VERDICT_PASS;
  };
  explicit Obedient(const std::shared_ptr<grpc::Channel>& channel)
      : Obedient(channel, Manners()) {}
  Obedient(const std::shared_ptr<grpc::Channel>& channel, Manners manners)
      : manners_(std::move(manners)), stub_(v1::AgentLink::NewStub(channel)) {
    stream_ = stub_->Attach(&context_);
    v1::AgentMessage message;
    message.mutable_hello()->set_protocol(1);
    message.mutable_hello()->set_boot_id(manners_.boot);
    *message.mutable_hello()->mutable_fence() = Fence();
    stream_->Write(message);
    thread_ = std::thread([this] { Obey(); });
  }
  ~Obedient() {
    context_.TryCancel();
    thread_.join();
  }

 private:
  static v1::FenceState Fence() {
    v1::FenceState fence;
    fence.set_mode(v1::FENCE_MODE_QUARANTINED);
    fence.set_quarantine_number(1);
    return fence;
  }
  void Obey() {
    v1::OrchestratorMessage message;
    while (stream_->Read(&message)) {
      const v1::Order& order = message.order();
      if (!order.has_isolate_host() && !order.has_freeze_evidence() &&
          !order.has_propose() && !order.has_read_fence()) {
        continue;
      }
      v1::AgentMessage answer;
      v1::Report* report = answer.mutable_report();
      report->set_order_id(order.id());
      report->set_outcome(v1::OUTCOME_DONE);
      *report->mutable_fence() = Fence();
      if (order.has_freeze_evidence()) {
        v1::EvidenceFrozen* evidence = report->mutable_evidence();
        evidence->set_text(manners_.evidence);
        evidence->set_digest(Sha256(manners_.evidence));
        for (const v1::CheckSpec& check :
             order.freeze_evidence().inspections()) {
          v1::CheckResult* result = evidence->add_results();
          result->set_id(check.id());
          result->set_verdict(manners_.inspections);
          result->set_reason("as told");
        }
      } else if (order.has_propose()) {
        report->mutable_release()->set_accepts(true);
      }
      stream_->Write(answer);
    }
  }

  const Manners manners_;
  std::unique_ptr<v1::AgentLink::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientReaderWriter<v1::AgentMessage, v1::OrchestratorMessage>>
      stream_;
  std::thread thread_;
};

}  // namespace sluice::rpc
