#include "tests/simulation/traffic.h"

#include <algorithm>

#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

constexpr size_t kMostApps = 8;
constexpr int kGivesUpAfter = 8;  // packets in a row that are refused
constexpr int kForgottenAfter = 60;

}  // namespace

Traffic::Traffic(World& world, uint64_t seed)
    : world_(world), random_(seed, "traffic") {
  for (const PlannedGrant& grant : world.plan().grants) {
    for (const HostFlow& flow : grant.flows) {
      paths_[flow.flow] = flow;
      if (flow.client.empty() || flow.server.empty()) continue;
      App app;
      app.fresh.client = flow.client;
      app.fresh.server = flow.server;
      app.fresh.through = flow.through;
      app.fresh.flow = flow.flow;
      app.fresh.flow.ports.last = app.fresh.flow.ports.first;
      apps_.push_back(std::move(app));
    }
  }
  while (apps_.size() > kMostApps) {
    apps_.erase(apps_.begin() +
                static_cast<ptrdiff_t>(random_.Below(apps_.size())));
  }
}

void Traffic::Begin() {
  for (size_t i = 0; i < apps_.size(); ++i) {
    world_.agenda().After(random_.Time(absl::ZeroDuration(), absl::Seconds(1)),
                          [this, i] { Tick(i); });
  }
}

bool Traffic::Send(const Session& session, bool from_client, bool syn) {
  std::vector<HostId> path = {session.client};
  path.insert(path.end(), session.through.begin(), session.through.end());
  path.push_back(session.server);
  if (!from_client) std::reverse(path.begin(), path.end());
  const Tuple tuple{session.number, session.flow};
  for (const HostId& id : path) {
    Host* host = world_.FindHost(id);
    if (host == nullptr) continue;
    if (!host->powered()) return false;
    if (host->by_hand() || host->driven()) {
      if (host->appliance().Passes(session.flow)) continue;
      return false;
    }
    if (!host->kernel().Passes(tuple, from_client, syn)) {
      world_.watchers().Refused(session, from_client);
      return false;
    }
  }
  world_.watchers().Passed(session, tuple, from_client, syn);
  return true;
}

bool Traffic::Reaches(const Flow& flow) {
  const auto at = paths_.find(flow);
  if (at == paths_.end()) return false;
  Session session{
      ++last_, at->second.client, at->second.server, at->second.through,
      flow,    world_.now()};
  session.flow.ports.last = session.flow.ports.first;
  return Send(session, true, true) && Send(session, false, false);
}

void Traffic::Tick(size_t number) {
  App& app = apps_[number];
  world_.agenda().After(absl::Seconds(1), [this, number] { Tick(number); });
  // What was given up still tries now and then, from both ends.
  for (Old& old : app.old) {
    ++old.age;
    if (old.session.flow.protocol == Protocol::kTcp) {
      Send(old.session, true, false);
    }
    Send(old.session, false, false);
  }
  std::erase_if(app.old,
                [](const Old& old) { return old.age > kForgottenAfter; });
  if (app.session.number == 0) {
    Session fresh = app.fresh;
    fresh.number = ++last_;
    fresh.opened = world_.now();
    if (Send(fresh, true, true)) {
      app.session = fresh;
      app.refused = 0;
      Send(fresh, false, false);
    }
    return;
  }
  const bool there = Send(app.session, true, false);
  const bool back = Send(app.session, false, false);
  app.refused = there || back ? 0 : app.refused + 1;
  // A datagram that starts anew is a session of its own.
  const int limit =
      app.session.flow.protocol == Protocol::kUdp ? 1 : kGivesUpAfter;
  if (app.refused < limit) return;
  app.old.push_back({app.session, 0});
  if (app.old.size() > 2) app.old.erase(app.old.begin());
  app.session = {};
}

}  // namespace sluice::simulation
