#include "agents/isolation/ruleset.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agents/isolation/ruleset_parts.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

bool IsPlain(absl::string_view name, size_t limit, absl::string_view extra) {
  return !name.empty() && name.size() <= limit &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return absl::ascii_isalnum(c) ||
                  extra.find(c) != absl::string_view::npos;
         });
}

std::string GuardElements(absl::Duration lease) {
  const std::string timeout =
      absl::StrCat("timeout ", absl::ToInt64Milliseconds(lease), "ms");
  return absl::StrCat("{ ipv4 ", timeout, ", ipv6 ", timeout, " }");
}

// Statements about one table, one a line.
class Script {
 public:
  explicit Script(const RulesetOptions& options)
      : options_(options), table_(absl::StrCat("inet ", options.table, " ")) {}

  void AddSet(const std::string& group, const SetKey& key) {
    absl::StrAppend(&text_, "add set ", table_, SetName(group, key), " { ",
                    SetType(key), " }\n");
  }
  void AddRules(const std::string& group, const SetKey& key) {
    for (const std::string& rule : FlowRules(group, key, /*guests=*/false)) {
      absl::StrAppend(&text_, "add rule ", table_, group, " ", rule, "\n");
    }
    if (options_.interior.empty()) return;
    for (const std::string& rule : FlowRules(group, key, /*guests=*/true)) {
      absl::StrAppend(&text_, "add rule ", table_, GuestChain(group), " ", rule,
                      "\n");
    }
  }
  void Elements(absl::string_view verb, const std::string& group,
                const FlowSets& sets) {
    for (const auto& [key, flows] : sets) {
      absl::StrAppend(&text_, verb, " element ", table_, SetName(group, key),
                      " ", ElementsText(flows), "\n");
    }
  }
  void FlushSet(const std::string& group, const SetKey& key) {
    absl::StrAppend(&text_, "flush set ", table_, SetName(group, key), "\n");
  }
  // Sets that are not there yet, with their rules, then the elements.
  void AddFlows(const std::string& group, const FlowSets& held,
                const FlowSets& added) {
    for (const auto& [key, flows] : added) {
      if (held.contains(key)) continue;
      AddSet(group, key);
      AddRules(group, key);
    }
    Elements("add", group, added);
  }
  void AddRelease(const std::string& digest, absl::Duration lease) {
    const std::string group = ReleaseGroup(digest);
    absl::StrAppend(&text_, "add set ", table_, GuardName(group), " { ",
                    GuardType(digest), " }\n");
    StartGuard(group, lease);
    AddChain(group, "flows", group);
    if (!options_.interior.empty()) {
      AddChain(group, "flows_guests", GuestChain(group));
    }
  }
  void StartGuard(const std::string& group, absl::Duration lease) {
    absl::StrAppend(&text_, "add element ", table_, GuardName(group), " ",
                    GuardElements(lease), "\n");
  }
  // Fails, and with it the whole transaction, when the guard has run out.
  void EndGuard(const std::string& group) {
    absl::StrAppend(&text_, "delete element ", table_, GuardName(group),
                    " { ipv4, ipv6 }\n");
  }
  void DropRelease(const Listing& now, const std::string& group) {
    for (const Listing::Jump& jump : now.jumps) {
      if (jump.target != group && jump.target != GuestChain(group)) continue;
      absl::StrAppend(&text_, "delete rule ", table_, jump.chain, " handle ",
                      jump.handle, "\n");
    }
    for (const Listing::Jump& jump : now.jumps) {
      if (jump.target != group && jump.target != GuestChain(group)) continue;
      absl::StrAppend(&text_, "flush chain ", table_, jump.target, "\n",
                      "delete chain ", table_, jump.target, "\n");
    }
    for (const auto& [key, flows] : now.Group(group)) {
      absl::StrAppend(&text_, "delete set ", table_, SetName(group, key), "\n");
    }
    absl::StrAppend(&text_, "delete set ", table_, GuardName(group), "\n");
  }

  std::string Take() { return std::move(text_); }

 private:
  void AddChain(const std::string& group, absl::string_view from,
                const std::string& chain) {
    absl::StrAppend(&text_, "add chain ", table_, chain, "\n", "add rule ",
                    table_, from, " ", GuardedJump(group, chain), "\n");
  }

  const RulesetOptions& options_;
  const std::string table_;
  std::string text_;
};

size_t Count(const FlowSets& sets) {
  size_t count = 0;
  for (const auto& [key, flows] : sets) count += flows.size();
  return count;
}

}  // namespace

absl::Status CheckOptions(const RulesetOptions& options) {
  if (!IsPlain(options.table, 32, "_") ||
      !absl::ascii_isalpha(options.table[0])) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", options.table.substr(0, 40), "' cannot name the fence's table; ",
        "use a letter and then letters, digits and '_'"));
  }
  for (const std::string& name : options.interior) {
    if (!IsPlain(name, 15, "_-.@")) {
      return absl::InvalidArgumentError(absl::StrCat(
          "'", name.substr(0, 40), "' is not the name of an interface; name ",
          "each interior interface in full, without wildcards"));
    }
  }
  return absl::OkStatus();
}

std::string ReleaseGroup(const std::string& digest) {
  return absl::StrCat("r_", ShortDigest(digest));
}

absl::StatusOr<std::string> ReplaceText(const RulesetOptions& options,
                                        const FenceRules& rules,
                                        const Sensor& sensor) {
  SLUICE_ASSIGN_OR_RETURN(const FlowSets management,
                          Place({}, rules.management));
  std::string text =
      absl::StrCat("add table inet ", options.table, "\ndelete table inet ",
                   options.table, "\n", FrameText(options, management, sensor));
  Script script(options);
  script.Elements("add", kManagement, management);
  SLUICE_ASSIGN_OR_RETURN(const FlowSets vital, Place({}, rules.vital));
  script.AddFlows(kVital, {}, vital);
  SLUICE_ASSIGN_OR_RETURN(const FlowSets standing, Place({}, rules.standing));
  script.AddFlows(kStanding, {}, standing);
  for (const Release& release : rules.releases) {
    if (release.leased.empty()) continue;
    SLUICE_ASSIGN_OR_RETURN(const FlowSets leased, Place({}, release.leased));
    script.AddRelease(release.digest, release.lease);
    script.AddFlows(ReleaseGroup(release.digest), {}, leased);
  }
  return absl::StrCat(text, script.Take());
}

std::string DeleteText(const RulesetOptions& options) {
  return absl::StrCat("add table inet ", options.table, "\ndelete table inet ",
                      options.table, "\n");
}

absl::StatusOr<std::string> OpenText(const RulesetOptions& options,
                                     const Listing& now, const Release& add) {
  const std::string group = ReleaseGroup(add.digest);
  Script script(options);
  FlowSets held = now.Group(group);
  const auto guard = now.guards.find(group);
  if (guard == now.guards.end()) {
    script.AddRelease(add.digest, add.lease);
  } else if (!guard->second.live) {
    for (auto& [key, flows] : held) {
      if (!flows.empty()) script.FlushSet(group, key);
      flows.clear();
    }
    script.StartGuard(group, add.lease);
  }
  SLUICE_ASSIGN_OR_RETURN(const FlowSets added, Place(held, add.leased));
  script.AddFlows(group, held, added);
  return script.Take();
}

std::string RemoveText(const RulesetOptions& options, const Listing& now,
                       const std::vector<std::string>& groups,
                       const std::vector<Flow>& flows) {
  Script script(options);
  for (const std::string& group : groups) {
    const FlowSets& held = now.Group(group);
    const FlowSets found = Find(held, flows);
    if (now.guards.contains(group) && Count(found) == Count(held)) {
      script.DropRelease(now, group);
    } else {
      script.Elements("delete", group, found);
    }
  }
  return script.Take();
}

std::string RenewText(const RulesetOptions& options,
                      const std::map<std::string, absl::Duration>& leases) {
  Script script(options);
  for (const auto& [digest, lease] : leases) {
    script.EndGuard(ReleaseGroup(digest));
    script.StartGuard(ReleaseGroup(digest), lease);
  }
  return script.Take();
}

absl::StatusOr<std::string> ConfirmText(const RulesetOptions& options,
                                        const Listing& now,
                                        const std::string& digest,
                                        const std::vector<Flow>& flows) {
  const std::string group = ReleaseGroup(digest);
  const FlowSets& leased = now.Group(group);
  const FlowSets found = Find(leased, flows);
  const FlowSets& standing = now.Group(kStanding);
  SLUICE_ASSIGN_OR_RETURN(const FlowSets added, Place(standing, flows));
  Script script(options);
  if (!found.empty()) {
    // What is left of the lease goes on; only a guard that lives can be ended.
    // A dead one matters only to flows that stand by nothing else.
    const Listing::Guard& guard = now.guards.at(group);
    if (guard.live || !added.empty()) {
      script.EndGuard(group);
      script.StartGuard(group,
                        std::max(guard.remaining, absl::Milliseconds(1)));
    }
    if (Count(found) == Count(leased)) {
      script.DropRelease(now, group);
    } else {
      script.Elements("delete", group, found);
    }
  }
  script.AddFlows(kStanding, standing, added);
  return script.Take();
}

std::string ListTableText(const RulesetOptions& options) {
  return absl::StrCat("list table inet ", options.table);
}

std::vector<std::string> ListSensorTexts(const RulesetOptions& options) {
  std::vector<std::string> texts;
  for (const char* name : {kTriedIn, kTriedOut}) {
    for (const char* version : {"4", "6"}) {
      texts.push_back(
          absl::StrCat("list set inet ", options.table, " ", name, version));
    }
  }
  return texts;
}

std::string ListGuardText(const RulesetOptions& options,
                          const std::string& group) {
  return absl::StrCat("list set inet ", options.table, " ", GuardName(group));
}

}  // namespace sluice::agent
