// Estates made by hand, so that a test shows the few facts it is about.

#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "orchestrator/model/model.h"
#include "orchestrator/planner/plan.h"

namespace sluice::testing {

// Adds to a Model; names that were not declared stay undeclared.
class Estate {
 public:
  Model model;

  Host& AddHost(const std::string& id,
                const std::vector<std::string>& addresses);
  External& AddExternal(const std::string& id,
                        const std::vector<std::string>& addresses);
  // With one health check on `ports`' first, if any; soak 10s.
  // Ports as "http=8080/tcp" or "dns=53/tcp,53/udp".
  System& AddSystem(const std::string& id,
                    const std::vector<std::string>& hosts,
                    const std::vector<std::string>& ports = {});
  System& Get(const std::string& id);

  // `target` as "billing-db:postgres".
  void Needs(const std::string& system, const std::string& target,
             Strength strength = Strength::kHard);
  void NeedsExternal(const std::string& system, const std::string& external,
                     const std::string& ranges);
  void Serves(const std::string& system, const std::string& external,
              const std::string& port,
              const std::vector<std::string>& after = {});
  Stage& AddStage(const std::string& id,
                  const std::vector<std::string>& systems,
                  const std::vector<std::string>& externals = {});
  void Joint(const std::vector<std::string>& systems);

  // Sorted as a Model has to be, then planned; the test fails if that fails.
  std::shared_ptr<const Plan> Planned();
  // The message with which planning is refused; "" when it is not.
  std::string Refusal();

 private:
  void Sort();
};

Prefix Range(absl::string_view text);
std::vector<Port::Range> Ranges(absl::string_view text);
Check Probe(const std::string& id, const std::string& kind,
            const std::map<std::string, std::string>& args);
Check Signed(const std::string& id, const std::string& what,
             const std::string& owner);

// A small utility: name-service and directory, billing-db, billing-engine on
// two hosts, a portal that banks and citizens are joined to.
Estate SmallUtility();

// The same estate with everything that may stand in any order in another one.
Model Shuffled(const Model& model, std::mt19937& random);

// Flows as "client>server: line", for EXPECT_THAT.
std::vector<std::string> Lines(const PlannedGrant& grant);

template <class Tag>
std::vector<std::string> Strings(const std::vector<Name<Tag>>& names) {
  std::vector<std::string> strings;
  for (const Name<Tag>& name : names) strings.push_back(name.str());
  return strings;
}

}  // namespace sluice::testing
