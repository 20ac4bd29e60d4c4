// The kernel's fence: one nftables table, replaced or changed in one
// transaction each time, and the connections the kernel remembers.
//
// Needs CAP_NET_ADMIN in the network namespace it was made in. Owns the table
// it is told to own and nothing else: other tables stay as they are. Keeps no
// state of its own, no thread, no timer: leases run out in the kernel (S3).
// Not for use from two threads at once.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agents/isolation/fence.h"
#include "agents/isolation/ruleset.h"

namespace sluice::agent {

class Nft;
struct Listing;

class NftablesFence : public Fence {
 public:
  explicit NftablesFence(RulesetOptions options = {});
  ~NftablesFence() override;

  absl::StatusOr<FenceReading> Replace(const FenceRules& rules) override;
  absl::StatusOr<FenceReading> Open(const std::string& digest,
                                    absl::Duration lease,
                                    const std::vector<Flow>& flows) override;
  absl::StatusOr<FenceReading> Remove(const std::string& digest,
                                      const std::vector<Flow>& flows) override;
  absl::Status Renew(
      const std::map<std::string, absl::Duration>& leases) override;
  absl::StatusOr<FenceReading> Confirm(const std::string& digest,
                                       const std::vector<Flow>& flows) override;
  absl::StatusOr<FenceReading> Read() override;

 private:
  absl::StatusOr<Listing> List();
  // What a fence made anew must know of the one before: all of it where leases
  // go on, else only the sensor. Isolating does not depend on it (S5).
  Listing ListBefore(const FenceRules& rules);
  // As List(), but no fence at all is an error that says what `act` needs.
  absl::StatusOr<Listing> ListFence(absl::string_view act);
  absl::Status ForgetUnlessAdmittedBy(const Listing& listing);
  absl::Status ForgetForReplace(const Listing& before, const FenceRules& rules);

  const RulesetOptions options_;
  const std::unique_ptr<Nft> nft_;
  // Only to spare work: the table (by handle) since whose last sweep no
  // connection can have come to be that its rules do not admit, unless a guard
  // ran out. 0: none, as after a start.
  uint64_t swept_table_ = 0;
};

}  // namespace sluice::agent
