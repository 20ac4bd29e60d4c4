// What a checker may see: what crosses the network, what kernels and disks do,
// what people are told and what they truly did. Never the engine's state, but
// for what it shows to people.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agents/core/message.h"
#include "agents/core/order.h"
#include "common/flow.h"
#include "orchestrator/engine/command.h"
#include "orchestrator/engine/event.h"
#include "orchestrator/engine/view.h"
#include "orchestrator/journal/journal.h"
#include "orchestrator/runtime/inbox.h"
#include "orchestrator/runtime/ports.h"
#include "tests/simulation/kernel.h"

namespace sluice::simulation {

class Host;
class Orchestrator;
class World;

// One app-level session between two hosts; see traffic.h.
struct Session {
  uint64_t number = 0;
  HostId client;
  HostId server;
  std::vector<HostId> through;
  Flow flow;
  absl::Time opened;
};

// How flows on one host changed while it took one event in.
struct Opening {
  std::string digest;  // the release order's; empty: it stands
  Flow flow;
};

class Watcher {
 public:
  virtual ~Watcher() = default;

  // ── orchestrators ─────────────────────────────────────────────────────────
  // Before anything of it happens: `from` is copied to `to`, or none.
  virtual void Began(const Orchestrator&) {}
  virtual void Copied(const Orchestrator& /*from*/, const Orchestrator& /*to*/,
                      uint64_t /*up_to*/) {}
  virtual void Died(const Orchestrator&) {}
  // Its disk had lied: records that were acknowledged are gone. Nobody can keep
  // S6 then; all that agents promise holds the same.
  virtual void LostTail(const Orchestrator&) {}
  // On disk.
  virtual void Recorded(const Orchestrator&, const journal::Record&,
                        const engine::Event&) {}
  virtual void OrderLeft(const Orchestrator&, uint64_t /*epoch*/,
                         const engine::Order&) {}
  // Its agent's hello came, and is not recorded yet.
  virtual void Greeted(const Orchestrator&, const HostId&) {}
  virtual void Welcomed(const Orchestrator&, const HostId&,
                        uint64_t /*epoch*/) {}
  virtual void TurnEnded(const Orchestrator&, const runtime::Glimpse&) {}
  // Where people work points: a body that they may decide on now, and then all
  // that they are asked to do by hand, at the end of each turn.
  virtual void Shown(const Orchestrator&, const std::string& /*digest*/,
                     const std::string& /*body*/) {}
  virtual void Asked(const Orchestrator&,
                     const std::vector<engine::PointTaskView>&) {}

  // ── people ────────────────────────────────────────────────────────────────
  // A person truly signed this, wherever it goes from here.
  virtual void Signed(const engine::DecisionMade&) {}
  // A request was taken up in the turn under way.
  virtual void Heard(const Orchestrator&, const engine::Event&) {}
  virtual void Answered(const Orchestrator&, const engine::Event&,
                        const runtime::Answer&) {}
  // Somebody looks: all that is said to people.
  virtual void Looked(const Orchestrator&, const runtime::Glimpse&,
                      const engine::View&) {}

  // ── hosts ─────────────────────────────────────────────────────────────────
  virtual void AgentStarted(const Host&) {}
  virtual void OrderArrived(const Host&, const agent::Order&) {}
  virtual void RenewalArrived(const Host&, uint64_t /*epoch*/,
                              const std::vector<std::string>&) {}
  virtual void WelcomeArrived(const Host&, uint64_t /*epoch*/) {}
  // Sent by its agent, before it is known whether it arrives.
  virtual void SaidBy(const Host&, const agent::Message&) {}
  // After an event was taken in: what is open now and was not before.
  virtual void Opened(const Host&, const std::vector<Opening>&) {}
  // A guard was set, renewed or found to end then (boot clock).
  virtual void Guarded(const Host&, const std::string& /*digest*/,
                       absl::Duration /*until*/) {}
  virtual void Rebooted(const Host&) {}

  // ── the network ───────────────────────────────────────────────────────────
  // A packet of `session` passed every fence on its way.
  virtual void Passed(const Session&, const Tuple&, bool /*from_client*/,
                      bool /*syn*/) {}
  // A fence refused one. What people work refuses without a word.
  virtual void Refused(const Session&, bool /*from_client*/) {}
};

}  // namespace sluice::simulation
