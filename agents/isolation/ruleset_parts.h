// The words the fence's nftables text is made of, shared by what writes it and
// what reads it back.

#pragma once

#include <string>
#include <vector>

#include "agents/isolation/fence.h"
#include "agents/isolation/flow_sets.h"
#include "agents/isolation/ruleset.h"

namespace sluice::agent {

inline constexpr char kManagement[] = "management";
inline constexpr char kVital[] = "vital";
inline constexpr char kStanding[] = "standing";
inline constexpr char kGuardSuffix[] = "_guard";
inline constexpr char kDropped[] = "dropped";
// The sensor's sets: "tried_in4", "tried_out6", …
inline constexpr char kTriedIn[] = "tried_in";
inline constexpr char kTriedOut[] = "tried_out";
inline constexpr char kTriedAsk[] = "tried_ask";  // this minute
inline constexpr char kSincePrefix[] = "since ";  // and "5310022ms"
inline constexpr int kMaxAttempts = 1024;         // a set

std::string SetName(const std::string& group, const SetKey& key);
std::string GuardName(const std::string& group);
std::string GuestChain(const std::string& group);

// What stands between the braces of `add set`.
std::string SetType(const SetKey& key);
std::string GuardType(const std::string& digest);

// "{ 10.77.0.21 . 10.77.0.11 . 5432, … }"
std::string ElementsText(const std::vector<Flow>& flows);

// The rules that accept what lies in a set: its packets, and ICMP errors about
// them. For guests: as the connection looks outside, after source NAT.
std::vector<std::string> FlowRules(const std::string& group, const SetKey& key,
                                   bool guests);
std::string GuardedJump(const std::string& group, const std::string& chain);

// The sensor's sets, `sensor` put back.
std::string SensorSets(const Sensor& sensor);

// An opening SYN.
inline constexpr char kOpeningSyn[] =
    "tcp flags & (fin | syn | rst | ack) == syn";

// The table without its groups' flows.
std::string FrameText(const RulesetOptions& options, const FlowSets& management,
                      const Sensor& sensor);

}  // namespace sluice::agent
