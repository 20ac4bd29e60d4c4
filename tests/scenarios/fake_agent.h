// An agent made of a few rules: it keeps a fence as a table of grants, answers
// orders as it is told to, and forgets leases that nobody renews.

#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/engine/command.h"
#include "orchestrator/engine/event.h"

namespace sluice::testing {

// The signature of a person of these tests over a release order's body.
std::string ToyDecision(const OperatorId& by, absl::string_view body);

class FakeAgent {
 public:
  explicit FakeAgent(HostId host) : host_(std::move(host)) {}

  // What goes wrong here, until healed. `times` 0: always.
  struct Verdicts {
    Verdict verdict = Verdict::kPass;
    std::string reason;
    int times = 0;
  };

  // ── how it behaves ─────────────────────────────────────────────────────
  std::map<CheckId, Verdicts> checks;
  bool silent = false;  // takes orders and answers none
  bool refuses_releases = false;
  bool refuses_opening = false;
  std::string lacks;          // of what will be asked: "unit NAME"
  bool deaf_tries = false;    // nothing it tries passes
  bool cannot_close = false;  // but by an isolation
  std::string broken_unit;    // does not start
  std::vector<std::string> broken_glass;
  bool keeps_its_sensor = false;  // it is too old to begin it anew

  bool connected = false;
  // The answer to an order; the same again for a repeat. Nothing when silent.
  std::optional<engine::OrderReported> Obey(const engine::Order& order,
                                            absl::Time now);
  // Renewals of these releases; closes the others' leases as they run out.
  void Renew(const std::vector<std::string>& live, absl::Time now);
  void RunOutLeases(absl::Time now);

  void Reboot();
  void LoseStanding();
  void RollBack();
  // Somebody with other means opened a flow here.
  void OpenStrangeFlow();
  void Open();

  engine::AgentConnected Hello(absl::Time now);
  engine::FenceSeen Fence(absl::Time now) const;
  const HostId& host() const { return host_; }
  // Open now, leased or standing.
  bool IsOpen(const GrantId& grant, absl::Time now) const;
  std::vector<std::string> OpenGrants(absl::Time now) const;
  // By release order.
  std::map<std::string, std::vector<Flow>> OpenFlows(absl::Time now) const;
  uint64_t quarantine_number() const { return quarantine_number_; }
  bool quarantined() const {
    return mode_ == engine::FenceSeen::Mode::kQuarantined;
  }

 private:
  enum class State { kProposed, kLeased, kStanding, kWithdrawn };
  struct Grant {
    State state = State::kProposed;
    std::vector<Flow> flows;
    size_t proposed = 0;  // of them, before any was withdrawn
  };
  struct Release {
    std::string body;
    std::map<GrantId, Grant> grants;
    absl::Duration lease = absl::Seconds(10);
    absl::Time closes_at = absl::InfinitePast();
  };

  static bool IsOpen(const Release& release, const Grant& grant,
                     absl::Time now);
  void Do(const engine::Order& order, absl::Time now,
          engine::OrderReported* report);
  void Close(const engine::Withdraw& withdraw);
  std::vector<engine::CheckReport> Run(const std::vector<PlannedCheck>& asked);

  HostId host_;
  engine::FenceSeen::Mode mode_ = engine::FenceSeen::Mode::kOpen;
  uint64_t quarantine_number_ = 0;
  uint64_t serial_ = 1;
  int boot_ = 1;
  std::string sensor_anew_;  // the last act
  std::map<std::string, Release> releases_;
  std::map<engine::OrderId, engine::OrderReported> answered_;
  std::set<std::string> evidence_;
};

}  // namespace sluice::testing
