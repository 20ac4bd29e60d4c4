#include "orchestrator/model/model.h"

#include <algorithm>

namespace sluice {
namespace {

template <class T, class Id>
const T* FindSorted(const std::vector<T>& values, const Id& id) {
  const auto at = std::lower_bound(
      values.begin(), values.end(), id,
      [](const T& value, const Id& wanted) { return value.id < wanted; });
  return at != values.end() && at->id == id ? &*at : nullptr;
}

}  // namespace

const Port* System::FindPort(const PortId& wanted) const {
  const auto at = std::find_if(ports.begin(), ports.end(),
                               [&](const Port& p) { return p.id == wanted; });
  return at != ports.end() ? &*at : nullptr;
}

const Host* Model::FindHost(const HostId& id) const {
  return FindSorted(hosts, id);
}
const External* Model::FindExternal(const ExternalId& id) const {
  return FindSorted(externals, id);
}
const System* Model::FindSystem(const SystemId& id) const {
  return FindSorted(systems, id);
}
const Approver* Model::FindApprover(const OperatorId& id) const {
  return FindSorted(approvers, id);
}

}  // namespace sluice
