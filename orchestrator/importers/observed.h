// What agents saw of an estate, and the manifest it is drafted from: systems by
// host and by the service or program that listens or calls; needs by who talked
// to whom. And the other way round: what a manifest says against what was seen.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/flow.h"
#include "common/prefix.h"

namespace sluice::importers {

struct SeenProcess {
  std::string command;
  std::string unit;
  std::string user;

  // "nginx.service, user www-data", "curl, user root"; may be empty.
  std::string Text() const;
};

struct SeenListener {
  std::string host;
  Protocol protocol = Protocol::kTcp;
  uint16_t port = 0;
  SeenProcess process;
};

// As one host's agent saw it.
struct SeenPeer {
  std::string host;
  bool outbound = false;  // `host` is the client
  Protocol protocol = Protocol::kTcp;
  Prefix peer;
  uint16_t port = 0;  // the server's
  uint64_t times = 0;
  absl::Time last = absl::InfinitePast();
  bool refused = false;  // in quarantine
  SeenProcess process;   // of `host`
};

struct SeenEstate {
  std::string estate;
  std::vector<std::string> orchestrators;            // "10.77.0.1:7443"
  std::vector<Prefix> apart;                         // their, operators', care
  std::map<std::string, std::vector<Prefix>> hosts;  // every one there is
  std::vector<std::string> heard;                    // hosts whose agents spoke
  std::vector<std::string> full;                     // that left something out
  std::vector<SeenListener> listeners;
  std::vector<SeenPeer> peers;
};

// One direction of talk, as both ends together saw it.
struct SeenFlow {
  std::string client_host;  // empty: not of the estate
  Prefix client;            // REQUIRES: of use when it is not of the estate
  std::string server_host;
  Prefix server;
  Protocol protocol = Protocol::kTcp;
  uint16_t port = 0;
  uint64_t times = 0;
  absl::Time last = absl::InfinitePast();
  bool refused = false;    // only ever tried in quarantine
  SeenProcess client_process;
  // The server's agent spoke, and saw nothing listen there.
  bool unanswered = false;
};

// Sorted. Without what is apart, and without announcements on the link.
std::vector<SeenFlow> SeenFlows(const SeenEstate& seen);

// "412 times, last 2026-11-22 05:10 UTC".
std::string HowOften(const SeenFlow& flow);

struct ObservedDraft {
  std::string manifest;
  int systems = 0;
  int needs = 0;
};

ObservedDraft DraftObserved(const SeenEstate& seen);

struct DeclaredNeed {
  std::string name;  // "billing-engine>billing-db:postgres"
  std::vector<Flow> flows;
};

struct ObservedDiff {
  std::vector<std::string> never_seen;  // names of needs
  std::vector<SeenFlow> undeclared;
};

// `always`: flows that no need has to name, as vital ones.
ObservedDiff DiffObserved(const SeenEstate& seen,
                          const std::vector<DeclaredNeed>& needs,
                          const std::vector<Flow>& always);

}  // namespace sluice::importers
