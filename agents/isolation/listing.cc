#include "agents/isolation/listing.h"

#include <netinet/in.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agents/isolation/ruleset_parts.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

using Json = nlohmann::json;

constexpr int kSensorSets = 4;  // in and out, IPv4 and IPv6

absl::Status Unreadable(absl::string_view what) {
  return absl::DataLossError(absl::StrCat(
      "the kernel's listing of the fence cannot be understood (", what,
      "); look with `nft list table inet sluice`, then isolate again"));
}

std::string StringAt(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

absl::StatusOr<Prefix> ToPrefix(const Json& value) {
  if (value.is_string()) return Prefix::Parse(value.get<std::string>());
  const auto prefix = value.find("prefix");
  if (prefix == value.end()) return Unreadable("an address");
  return Prefix::Parse(
      absl::StrCat(StringAt(*prefix, "addr"), "/", prefix->value("len", -1)));
}

absl::StatusOr<PortRange> ToPorts(const Json& value) {
  const auto port = [](const Json& number) -> uint16_t {
    const int64_t n = number.is_number_integer() ? number.get<int64_t>() : 0;
    return n >= 1 && n <= 65535 ? static_cast<uint16_t>(n) : 0;
  };
  PortRange range{port(value), port(value)};
  if (const auto ends = value.find("range");
      ends != value.end() && ends->is_array() && ends->size() == 2) {
    range = {port((*ends)[0]), port((*ends)[1])};
  }
  if (range.first == 0 || range.last < range.first) {
    return Unreadable("a port");
  }
  return range;
}

// The parts of a concatenation, whether the element carries more or not.
const Json* Concat(const Json& element, size_t parts) {
  const Json* value = &element;
  if (value->contains("elem")) value = &(*value)["elem"]["val"];
  const auto concat = value->find("concat");
  return concat != value->end() && concat->size() == parts ? &*concat : nullptr;
}

absl::StatusOr<Flow> ToFlow(const SetKey& key, const Json& element) {
  const Json* parts = Concat(element, 3);
  if (parts == nullptr) return Unreadable("an element");
  Flow flow;
  flow.protocol = key.protocol;
  SLUICE_ASSIGN_OR_RETURN(flow.client, ToPrefix((*parts)[0]));
  SLUICE_ASSIGN_OR_RETURN(flow.server, ToPrefix((*parts)[1]));
  SLUICE_ASSIGN_OR_RETURN(flow.ports, ToPorts((*parts)[2]));
  return flow;
}

// "standing_udp6_wide2" is the group "standing" and a key; other sets are not
// ours to read.
bool ParseSetName(absl::string_view name, std::string* group, SetKey* key) {
  key->layer = 0;
  if (const size_t wide = name.rfind("_wide"); wide != name.npos) {
    if (!absl::SimpleAtoi(name.substr(wide + 5), &key->layer) ||
        key->layer < 1 || key->layer > kMaxLayers) {
      return false;
    }
    name = name.substr(0, wide);
  }
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      key->protocol = protocol;
      key->family = family;
      const std::string suffix =
          absl::StrCat("_", SetKey{protocol, family, 0}.Suffix());
      if (absl::EndsWith(name, suffix)) {
        *group = std::string(absl::StripSuffix(name, suffix));
        return *group == kManagement || *group == kVital ||
               *group == kStanding || absl::StartsWith(*group, "r_");
      }
    }
  }
  return false;
}

void ReadSince(absl::string_view comment, Listing& listing) {
  absl::Duration since;
  if (!absl::ConsumePrefix(&comment, kSincePrefix) ||
      !absl::ParseDuration(comment, &since)) {
    return;
  }
  ++listing.dated_sensors;
  listing.sensor_since = std::max(listing.sensor_since, since);
}

absl::Status ReadAttempts(const std::string& name, const Json& elements,
                          Listing& listing) {
  for (const Json& element : elements) {
    const Json* parts = Concat(element, 3);
    if (parts == nullptr) return Unreadable("a refused packet");
    Attempt attempt;
    attempt.outbound = absl::StartsWith(name, kTriedOut);
    SLUICE_ASSIGN_OR_RETURN(attempt.peer, ToPrefix((*parts)[0]));
    // By name or by number, as the lister was asked to write.
    const bool udp = (*parts)[1] == "udp" || (*parts)[1] == IPPROTO_UDP;
    attempt.protocol = udp ? Protocol::kUdp : Protocol::kTcp;
    if ((*parts)[2].is_number_integer()) {
      attempt.port = (*parts)[2].get<uint16_t>();
    }
    if (element.contains("elem") && element["elem"].contains("counter")) {
      attempt.packets =
          element["elem"]["counter"].value("packets", uint64_t{0});
    }
    listing.attempts.push_back(attempt);
  }
  return absl::OkStatus();
}

absl::Status ReadSet(const Json& set, Listing& listing) {
  const std::string name = StringAt(set, "name");
  const auto found = set.find("elem");
  const Json none = Json::array();
  const Json& elements = found != set.end() ? *found : none;
  if (absl::StartsWith(name, kTriedIn) || absl::StartsWith(name, kTriedOut)) {
    ReadSince(StringAt(set, "comment"), listing);
    if (absl::StartsWith(name, kTriedOut) && elements.size() >= kMaxAttempts) {
      listing.sensor_full = true;
    }
    return ReadAttempts(name, elements, listing);
  }
  if (absl::EndsWith(name, kGuardSuffix)) {
    Listing::Guard guard;
    guard.digest = StringAt(set, "comment");
    // Both families stand or fall together; the kernel lists no expired one.
    guard.live = elements.size() == 2;
    guard.remaining =
        guard.live ? absl::InfiniteDuration() : absl::ZeroDuration();
    for (const Json& element : elements) {
      if (!element.contains("elem")) return Unreadable("a guard");
      const absl::Duration left =
          absl::Seconds(element["elem"].value("expires", int64_t{0}));
      guard.remaining =
          std::min(guard.remaining, std::max(left, absl::Milliseconds(1)));
    }
    listing.guards[std::string(absl::StripSuffix(name, kGuardSuffix))] = guard;
    return absl::OkStatus();
  }
  std::string group;
  SetKey key;
  if (!ParseSetName(name, &group, &key)) return absl::OkStatus();
  std::vector<Flow>& flows = listing.groups[group][key];
  for (const Json& element : elements) {
    SLUICE_ASSIGN_OR_RETURN(Flow flow, ToFlow(key, element));
    flows.push_back(flow);
  }
  return absl::OkStatus();
}

void ReadRule(const Json& rule, Listing& listing) {
  const auto exprs = rule.find("expr");
  if (exprs == rule.end()) return;
  for (const Json& expr : *exprs) {
    if (!expr.contains("jump")) continue;
    listing.jumps.push_back({StringAt(rule, "chain"),
                             StringAt(expr["jump"], "target"),
                             rule.value("handle", uint64_t{0})});
  }
}

// Takes out of an object what changes by itself or by leases alone.
Json Lasting(const std::string& kind, Json object) {
  object.erase("handle");
  const std::string name = StringAt(object, "name");
  if (kind == "counter") {
    object.erase("packets");
    object.erase("bytes");
  }
  if (kind == "set" && absl::StartsWith(name, "tried_")) {
    object.erase("comment");  // since when it watches
  }
  if (kind == "set" && object.contains("elem")) {
    if (absl::StartsWith(name, "r_") || absl::StartsWith(name, "tried_")) {
      object.erase("elem");
    } else {
      std::sort(object["elem"].begin(), object["elem"].end());
    }
  }
  return object;
}

bool DropsOnHook(const Json& chain, absl::string_view hook) {
  return StringAt(chain, "hook") == hook && StringAt(chain, "policy") == "drop";
}

absl::StatusOr<Listing> Read(const Json& root) {
  const auto objects = root.find("nftables");
  if (objects == root.end() || !objects->is_array()) {
    return Unreadable("no objects");
  }
  Listing listing;
  bool in = false;
  bool out = false;
  bool forward = false;
  std::string lasting;
  for (const Json& object : *objects) {
    if (!object.is_object() || object.empty()) return Unreadable("an object");
    const std::string kind = object.begin().key();
    const Json& value = object.begin().value();
    if (kind == "metainfo") continue;
    absl::StrAppend(&lasting, kind, " ", Lasting(kind, value).dump(), "\n");
    if (kind == "table") {
      listing.exists = true;
      listing.table_handle = value.value("handle", uint64_t{0});
    } else if (kind == "counter" && StringAt(value, "name") == kDropped) {
      listing.dropped_packets = value.value("packets", uint64_t{0});
    } else if (kind == "chain") {
      in = in || DropsOnHook(value, "input");
      out = out || DropsOnHook(value, "output");
      forward = forward || DropsOnHook(value, "forward");
    } else if (kind == "rule") {
      ReadRule(value, listing);
    } else if (kind == "set") {
      SLUICE_RETURN_IF_ERROR(ReadSet(value, listing));
    }
  }
  listing.upright = in && out && forward;
  std::sort(listing.attempts.begin(), listing.attempts.end());
  listing.rules_digest = Sha256(lasting);
  return listing;
}

}  // namespace

const FlowSets& Listing::Group(const std::string& name) const {
  static const FlowSets* const none = new FlowSets;
  const auto found = groups.find(name);
  return found == groups.end() ? *none : found->second;
}

std::vector<Flow> Listing::Live() const {
  std::vector<Flow> live = AllFlows(Group(kVital));
  const auto add = [&](const std::string& group) {
    const std::vector<Flow> flows = AllFlows(Group(group));
    live.insert(live.end(), flows.begin(), flows.end());
  };
  add(kStanding);
  for (const auto& [group, guard] : guards) {
    if (guard.live) add(group);
  }
  return live;
}

bool Listing::HasDeadGuard() const {
  return std::any_of(guards.begin(), guards.end(),
                     [](const auto& it) { return !it.second.live; });
}

FenceReading Listing::Reading() const {
  FenceReading reading;
  reading.mode = exists && upright ? Mode::kQuarantined : Mode::kOpen;
  reading.management = AllFlows(Group(kManagement));
  reading.vital = AllFlows(Group(kVital));
  reading.standing = AllFlows(Group(kStanding));
  for (const auto& [group, guard] : guards) {
    reading.releases.push_back(
        {guard.digest, guard.remaining, AllFlows(Group(group))});
  }
  reading.dropped_packets = dropped_packets;
  reading.attempts = attempts;
  if (dated_sensors == kSensorSets) reading.watching_since = sensor_since;
  reading.sensor_full = sensor_full;
  reading.rules_digest = rules_digest;
  return reading;
}

absl::StatusOr<Listing> ParseListing(absl::string_view json) {
  const Json root = Json::parse(json.begin(), json.end(), nullptr,
                                /*allow_exceptions=*/false);
  if (root.is_discarded()) return Unreadable("not JSON");
  // The library throws on a type it did not expect; the listing is then not
  // the fence's.
  try {
    return Read(root);
  } catch (const Json::exception& error) {
    return Unreadable(error.what());
  }
}

absl::StatusOr<absl::Duration> ParseExpires(absl::string_view text) {
  absl::Duration shortest = absl::InfiniteDuration();
  for (size_t at = text.find("expires "); at != text.npos;
       at = text.find("expires ", at)) {
    at += 8;
    absl::string_view word =
        text.substr(at, text.find_first_of(" ,}\n", at) - at);
    absl::Duration left;
    int days = 0;
    if (const size_t d = word.find('d'); d != word.npos) {
      if (!absl::SimpleAtoi(word.substr(0, d), &days)) {
        return Unreadable("a time");
      }
      word.remove_prefix(d + 1);
    }
    if (!word.empty() && !absl::ParseDuration(word, &left)) {
      return Unreadable("a time");
    }
    shortest = std::min(shortest, left + days * absl::Hours(24));
  }
  return shortest;
}

}  // namespace sluice::agent
