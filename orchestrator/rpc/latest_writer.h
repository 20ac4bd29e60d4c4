// A stream to one operator that carries states: only the newest counts, so
// what a slow reader has not taken yet is replaced, never queued.

#pragma once

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace sluice::rpc {

template <class Message>
class LatestWriter
    : public grpc::ServerWriteReactor<Message>,
      public std::enable_shared_from_this<LatestWriter<Message>> {
 public:
  // Keeps itself alive until gRPC is done.
  static std::shared_ptr<LatestWriter> Make() {
    auto writer = std::make_shared<LatestWriter>();
    writer->self_ = writer;
    return writer;
  }

  // Any thread.
  void Put(std::shared_ptr<const Message> message) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (end_.has_value()) return;
    waiting_ = std::move(message);
    Next();
  }
  // After what was put last has been written.
  void End(grpc::Status status) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (end_.has_value()) return;
    end_ = std::move(status);
    Next();
  }
  // Nothing more is wanted.
  bool ended() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return end_.has_value();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    writing_.reset();
    if (!ok) Drop();
    Next();
  }
  void OnCancel() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    Drop();
    Next();
  }
  void OnDone() override { self_.reset(); }

 private:
  // REQUIRES of both: mutex_ is held.
  void Drop() {
    waiting_.reset();
    if (!end_.has_value()) end_ = grpc::Status::CANCELLED;
  }
  void Next() {
    if (writing_ != nullptr || finished_) return;
    if (waiting_ != nullptr) {
      writing_ = std::exchange(waiting_, nullptr);
      this->StartWrite(writing_.get());
    } else if (end_.has_value()) {
      finished_ = true;
      this->Finish(*end_);
    }
  }

  std::shared_ptr<LatestWriter> self_;
  std::mutex mutex_;
  // Below: guarded by mutex_.
  std::shared_ptr<const Message> waiting_;
  std::shared_ptr<const Message> writing_;
  std::optional<grpc::Status> end_;
  bool finished_ = false;
};

}  // namespace sluice::rpc
