// What the estate is, as its people wrote it down: plain values.
//
// Owned by whoever holds it, never changed after the manifest room made it.
// Nothing here is resolved or ordered; that is the planner's. Every value that
// a message may point at knows where it was written.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/flow.h"
#include "common/ids.h"
#include "common/prefix.h"
#include "common/release_order.h"
#include "common/verdict.h"

namespace sluice {

// A place in a manifest: 1-based line and column, file by index in
// Model::files. Line 0: nowhere (a default, a made model).
struct Place {
  int file = 0;
  int line = 0;
  int column = 0;

  friend bool operator==(const Place&, const Place&) = default;
  friend auto operator<=>(const Place&, const Place&) = default;
};

// What an enforcement point can keep (DESIGN §3).
enum class Grade : uint8_t { kKernel, kDriven, kManual };

enum class Strength : uint8_t { kHard, kSoft };

enum class Priority : uint8_t { kHigh, kNormal, kLow };

// What a failure does: to the system alone, to it and all that depends on it,
// or nothing until a person says so.
enum class OnFailure : uint8_t { kIsolate, kIsolateDependents, kHold };

struct Port {
  struct Range {
    Protocol protocol = Protocol::kTcp;
    PortRange ports;
  };
  PortId id;
  std::vector<Range> ranges;
  Place place;
};

// `system` and `port`, or `external` and `ranges`.
struct Need {
  SystemId system;
  PortId port;
  ExternalId external;
  std::vector<Port::Range> ranges;
  Strength strength = Strength::kHard;
  Place place;
};

// A system lets an external in to one of its ports, and only once the externals
// in `after` have come in to the same system and passed their soak.
struct Service {
  ExternalId external;
  PortId port;
  std::vector<ExternalId> after;
  Place place;
};

// A check that a person does and signs.
struct Task {
  TaskId id;  // "billing-db/service-passwords-rotated"
  std::string what;
  RoleId owner;
  Place place;
};

// Port names inside `spec.args` are as written; the planner resolves them.
struct Check {
  CheckId id;  // "billing-db/health-1"
  std::variant<CheckSpec, Task> what;
  Place place;
};

// Flows that quarantine keeps, because cutting them destroys data: to an
// external, or to a peer host.
struct Vital {
  ExternalId external;
  HostId host;
  Port::Range range;
  Place place;
};

// What a person does at a point that nobody's program drives.
struct Instructions {
  std::string close;  // several lines; may be empty
  std::string open;
  RoleId owner;  // who does it and signs; empty: any approver

  friend bool operator==(const Instructions&, const Instructions&) = default;
};

struct Host {
  HostId id;
  std::vector<Prefix> addresses;  // each one address, IPv4 or IPv6
  // Those of `addresses` that other hosts may have too: a service address that
  // moves between the hosts of a cluster.
  std::vector<Prefix> shared;
  std::vector<Vital> vital;
  Grade grade = Grade::kKernel;
  HostId acting;  // whose agent acts for this host; empty: its own
  Instructions instructions;  // of a manual point
  // Hosts that stand on the path of every flow to and from this one, unless
  // the other end is behind the same: firewalls, routers.
  std::vector<HostId> behind;
  Place place;
};

struct External {
  ExternalId id;
  std::vector<Prefix> addresses;
  std::vector<HostId> behind;  // as a host's
  Place place;
};

struct System {
  SystemId id;
  std::string category;  // "foundation", "commercial", "billing", …
  std::string title;     // for people; empty: the id
  RoleId owner;          // role of the business owner, may be empty
  Priority priority = Priority::kNormal;
  std::vector<HostId> hosts;  // at least one
  int enough = 0;             // of the hosts; 0: all
  std::vector<Port> ports;
  std::vector<Need> needs;
  std::vector<Service> serves;
  std::vector<PortId> peers;  // ports open among the system's own hosts
  std::vector<Check> inspect;
  std::vector<Check> health;
  std::vector<Check> watch;  // empty: the health checks
  std::vector<Check> accept;
  std::string start_unit;  // name in the host's own file; empty: none
  std::string stop_unit;
  absl::Duration soak = absl::Minutes(5);
  absl::Duration lease = absl::Seconds(60);
  absl::Duration watch_every = absl::Seconds(5);
  // How long connecting and probing take as a rule, without the soak; zero:
  // nobody said.
  absl::Duration expected = absl::ZeroDuration();
  // When the business wants it back, from the run's start; zero: nobody said.
  absl::Duration wanted_by = absl::ZeroDuration();
  OnFailure on_failure = OnFailure::kIsolateDependents;
  bool is_protected = false;
  Place place;

  const Port* FindPort(const PortId& id) const;
};

struct GateRule {
  std::map<RoleId, int> approvals;  // role → how many; never empty
  absl::Duration timeout = absl::Minutes(30);  // then it holds, never opens
  absl::Duration evidence_max_age = absl::Minutes(60);
  bool no_self_approval = false;
  ConfirmRule confirm = ConfirmRule::kAutomatic;
};

struct Stage {
  StageId id;
  std::vector<SystemId> systems;
  std::vector<ExternalId> flows;  // externals let in at this stage
  GateRule gate;
  Place place;
};

// Systems that need each other and come back together.
struct JointGroup {
  std::vector<SystemId> systems;
  Place place;
};

struct Approver {
  OperatorId id;
  std::vector<RoleId> roles;  // those of `deputy_for` among them
  std::vector<RoleId> deputy_for;
  std::string key;  // OpenSSH public key line, may be empty
  Place place;
};

struct Management {
  std::vector<std::string> orchestrators;  // "10.77.0.1:7443", "[fd77::1]:7443"
  std::vector<Prefix> operators;
};

// Every vector is sorted by id.
struct Model {
  EstateId estate;
  std::string title;
  Management management;
  std::vector<Approver> approvers;
  std::vector<Host> hosts;
  std::vector<External> externals;
  std::vector<System> systems;
  std::vector<Stage> stages;  // in the order written, not sorted
  std::vector<JointGroup> joint;
  // The gate of a stage that names none, and of every stage where the manifest
  // has no stages. Without approvers (hosts alone) its approvals are empty.
  GateRule default_gate;
  absl::Duration wanted_by = absl::ZeroDuration();  // the whole estate
  std::vector<std::string> files;  // names, for Place

  const Host* FindHost(const HostId& id) const;
  const External* FindExternal(const ExternalId& id) const;
  const System* FindSystem(const SystemId& id) const;
  const Approver* FindApprover(const OperatorId& id) const;
};

}  // namespace sluice
