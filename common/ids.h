// Strong names, so that arguments cannot be swapped.
//
// A name is what the manifest's author wrote ("billing-db"); ids are compared,
// sorted and shown by it. The empty name means "none".

#pragma once

#include <compare>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace sluice {

template <class Tag>
class Name {
 public:
  Name() = default;
  explicit Name(std::string text) : text_(std::move(text)) {}
  explicit Name(absl::string_view text) : text_(text) {}
  explicit Name(const char* text) : text_(text) {}

  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }

  friend bool operator==(const Name&, const Name&) = default;
  friend auto operator<=>(const Name&, const Name&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const Name& name) {
    return H::combine(std::move(h), name.text_);
  }

 private:
  std::string text_;
};

using EstateId = Name<struct EstateTag>;
using HostId = Name<struct HostTag>;
using SystemId = Name<struct SystemTag>;
using ExternalId = Name<struct ExternalTag>;
using PortId = Name<struct PortTag>;
// A stage and its one gate share a name: `sluice go data`.
using StageId = Name<struct StageTag>;
// What a stage reconnects, one at a time: a system ("billing-db"), or the
// entry of an external into a system ("citizens>customer-portal:https").
using StepId = Name<struct StepTag>;
// One need or external flow: "billing-engine>billing-db:postgres".
using GrantId = Name<struct GrantTag>;
// A task: "billing-db/service-passwords-rotated".
using TaskId = Name<struct TaskTag>;
// One check of a step: "billing-db/health-1".
using CheckId = Name<struct CheckTag>;
using OperatorId = Name<struct OperatorTag>;
using RoleId = Name<struct RoleTag>;
using RunId = Name<struct RunTag>;

}  // namespace sluice
