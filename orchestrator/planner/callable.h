// What a system's hosts are declared to call, and where the estate is: what
// the `attempts` inspection is compared with, as texts for its arguments.

#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/ids.h"
#include "orchestrator/model/model.h"
#include "orchestrator/planner/plan.h"

namespace sluice::planning {

class Callable {
 public:
  Callable(const Model& model, const std::vector<PlannedGrant>& grants);

  // "5432/tcp@10.77.0.11,443/tcp@203.0.113.0/24": what one of these hosts is
  // the client of; sorted.
  std::string Declared(const std::vector<HostId>& hosts) const;

  // The hosts' addresses in as few ranges as hold exactly them; empty when
  // even those are more than kMaxRanges.
  const std::string& estate() const { return estate_; }

  static constexpr size_t kMaxRanges = 256;

 private:
  std::map<HostId, std::set<std::string>> declared_;
  std::string estate_;
};

// Ranges joined pairwise as long as two halves make a whole.
std::vector<Prefix> JoinRanges(std::vector<Prefix> ranges);

}  // namespace sluice::planning
