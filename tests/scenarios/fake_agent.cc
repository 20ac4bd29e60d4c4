#include "tests/scenarios/fake_agent.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/decision_text.h"
#include "common/digest.h"
#include "common/release_order.h"
#include "tests/toys/toy_signature.h"

namespace sluice::testing {

using engine::FenceSeen;
using engine::Order;
using engine::OrderReported;
using engine::Outcome;

namespace {

void Refuse(OrderReported* report, std::string why) {
  report->outcome = Outcome::kRefused;
  report->reason = std::move(why);
}

}  // namespace

std::string ToyDecision(const OperatorId& by, absl::string_view body) {
  return ToySign(absl::StrCat("key-of-", by.str()), signed_as::kDecision, body);
}

std::optional<OrderReported> FakeAgent::Obey(const Order& order,
                                             absl::Time now) {
  if (silent) return std::nullopt;
  const auto before = answered_.find(order.id);
  if (before != answered_.end()) return before->second;
  RunOutLeases(now);
  OrderReported report;
  report.order = order.id;
  report.host = host_;
  Do(order, now, &report);
  report.fence = Fence(now);
  answered_.emplace(order.id, report);
  return report;
}

void FakeAgent::Do(const Order& order, absl::Time now, OrderReported* report) {
  ++serial_;
  const bool closes = std::holds_alternative<engine::IsolateHost>(order.what) ||
                      std::holds_alternative<engine::Withdraw>(order.what);
  if (closes && cannot_close) {
    report->outcome = Outcome::kFailed;
    report->reason = "the kernel did not take the change";
    return;
  }
  if (const auto* isolate = std::get_if<engine::IsolateHost>(&order.what)) {
    if (!isolate->sensor_anew.empty() && !keeps_its_sensor) {
      sensor_anew_ = isolate->sensor_anew;
    }
    mode_ = FenceSeen::Mode::kQuarantined;
    ++quarantine_number_;
    releases_.clear();
    evidence_.clear();
  } else if (const auto* withdraw =
                 std::get_if<engine::Withdraw>(&order.what)) {
    Close(*withdraw);
  } else if (const auto* freeze =
                 std::get_if<engine::FreezeEvidence>(&order.what)) {
    engine::EvidenceFrozen frozen;
    frozen.results = Run(freeze->inspections);
    frozen.text = absl::StrCat("host ", host_.str(), "\nround ", freeze->round,
                               "\nboot ", boot_, "\n");
    frozen.digest = Sha256(frozen.text);
    evidence_.insert(frozen.digest);
    report->detail = std::move(frozen);
  } else if (const auto* propose = std::get_if<engine::Propose>(&order.what)) {
    const auto parsed = ReleaseOrder::Parse(propose->body.str());
    const ReleaseOrder::Host* line =
        parsed.ok() ? parsed->Find(host_) : nullptr;
    engine::ReleaseAnswered answer{true, ""};
    std::vector<Flow> flows;
    Release release;
    for (const auto& [grant, on_host] : propose->grants) {
      flows.insert(flows.end(), on_host.begin(), on_host.end());
      release.grants[grant].flows = on_host;
      release.grants[grant].proposed = on_host.size();
    }
    if (refuses_releases) {
      answer = {false, "this host was told to refuse"};
    } else if (line == nullptr) {
      answer = {false, "the body does not name this host"};
    } else if (line->quarantine_number != quarantine_number_) {
      answer = {false, "it is about another quarantine of this host"};
    } else if (!evidence_.contains(line->evidence_digest)) {
      answer = {false, "it is not about this host's evidence"};
    } else if (line->flows_digest != FlowsDigest(flows)) {
      answer = {false, "its flows are not those of its digest"};
    } else {
      if (std::count(propose->will_ask.begin(), propose->will_ask.end(),
                     lacks) != 0) {
        answer.reason = absl::StrCat("this host does not name ", lacks);
      }
      release.body = propose->body.str();
      release.lease = absl::Seconds(line->lease_seconds);
      releases_[Sha256(propose->body.str())] = std::move(release);
    }
    report->detail = std::move(answer);
  } else if (const auto* open = std::get_if<engine::OpenFlows>(&order.what)) {
    const auto it = releases_.find(open->release_digest);
    if (refuses_opening || it == releases_.end()) {
      return Refuse(report, "this host accepted no such release order");
    }
    for (const engine::DecisionMade& decision : open->decisions) {
      if (decision.signature != ToyDecision(decision.by, it->second.body)) {
        return Refuse(report, absl::StrCat("the signature of ",
                                           decision.by.str(), " is not good"));
      }
    }
    for (const GrantId& grant : open->grants) {
      if (it->second.grants[grant].state == State::kWithdrawn) {
        return Refuse(report, absl::StrCat(grant.str(), " was withdrawn"));
      }
    }
    for (const GrantId& grant : open->grants) {
      State& state = it->second.grants[grant].state;
      if (state != State::kStanding) state = State::kLeased;
    }
    it->second.closes_at = now + it->second.lease;
  } else if (const auto* tries = std::get_if<engine::TryFlows>(&order.what)) {
    engine::FlowsTried tried;
    for (const Flow& flow : tries->flows) {
      tried.tries.push_back({flow, deaf_tries ? Verdict::kFail : Verdict::kPass,
                             deaf_tries ? "connection timed out" : ""});
    }
    report->detail = std::move(tried);
  } else if (const auto* run = std::get_if<engine::RunChecks>(&order.what)) {
    report->detail = engine::ChecksDone{Run(run->checks)};
  } else if (const auto* start = std::get_if<engine::StartUnit>(&order.what)) {
    if (start->unit == broken_unit) {
      report->outcome = Outcome::kFailed;
      report->reason = "the unit exited with 1";
    }
  } else if (const auto* confirm = std::get_if<engine::Confirm>(&order.what)) {
    const auto it = releases_.find(confirm->release_digest);
    if (it == releases_.end()) return Refuse(report, "no such release order");
    const auto order = ReleaseOrder::Parse(it->second.body);
    if (order.ok() && order->confirm == ConfirmRule::kByDecision) {
      if (confirm->decisions.empty()) {
        return Refuse(report, "nobody confirmed this release order");
      }
      for (const engine::DecisionMade& decision : confirm->decisions) {
        if (decision.signature !=
            ToyDecision(decision.by, ConfirmText(confirm->release_digest))) {
          return Refuse(report,
                        absl::StrCat("the signature of ", decision.by.str(),
                                     " confirms nothing"));
        }
      }
    }
    for (const GrantId& grant : confirm->grants) {
      State& state = it->second.grants[grant].state;
      if (state == State::kLeased) state = State::kStanding;
      if (state != State::kStanding) {
        return Refuse(
            report, absl::StrCat("the lease of ", grant.str(), " has run out"));
      }
    }
  }
}

void FakeAgent::Close(const engine::Withdraw& withdraw) {
  const std::set<GrantId> names(withdraw.grants.begin(), withdraw.grants.end());
  const bool of_all = names.empty() && !withdraw.peers.empty();
  for (auto& [digest, release] : releases_) {
    for (auto& [name, grant] : release.grants) {
      if (!of_all && !names.contains(name)) continue;
      if (withdraw.peers.empty()) {
        if (grant.state != State::kProposed) grant.state = State::kWithdrawn;
        continue;
      }
      std::erase_if(grant.flows, [&](const Flow& flow) {
        return std::any_of(withdraw.peers.begin(), withdraw.peers.end(),
                           [&](const Prefix& peer) {
                             return peer == flow.client || peer == flow.server;
                           });
      });
    }
  }
}

std::vector<engine::CheckReport> FakeAgent::Run(
    const std::vector<PlannedCheck>& asked) {
  std::vector<engine::CheckReport> results;
  for (const PlannedCheck& check : asked) {
    CheckResult result{Verdict::kPass, "", absl::StrCat("host ", host_.str())};
    if (const auto it = checks.find(check.id); it != checks.end()) {
      result.verdict = it->second.verdict;
      result.reason = it->second.reason;
      if (it->second.times > 0 && --it->second.times == 0) checks.erase(it);
    }
    results.push_back({check.id, result});
  }
  return results;
}

void FakeAgent::Renew(const std::vector<std::string>& live, absl::Time now) {
  RunOutLeases(now);
  for (const std::string& digest : live) {
    const auto it = releases_.find(digest);
    if (it != releases_.end() && it->second.closes_at > now) {
      it->second.closes_at = now + it->second.lease;
    }
  }
}

void FakeAgent::RunOutLeases(absl::Time now) {
  for (auto& [digest, release] : releases_) {
    if (release.closes_at > now) continue;
    release.closes_at = absl::InfinitePast();
    for (auto& [grant, state] : release.grants) {
      if (state.state == State::kLeased) state.state = State::kProposed;
    }
  }
}

void FakeAgent::Reboot() {
  ++boot_;
  ++serial_;
  evidence_.clear();
  RunOutLeases(absl::InfiniteFuture());
}

void FakeAgent::LoseStanding() {
  ++serial_;
  for (auto& [digest, release] : releases_) {
    for (auto& [grant, state] : release.grants) state.state = State::kProposed;
  }
}

void FakeAgent::RollBack() { serial_ = 1; }

void FakeAgent::OpenStrangeFlow() {
  ++serial_;
  Grant& grant = releases_["sha256:of somebody else"].grants[GrantId("a>b:c")];
  grant.state = State::kStanding;
  grant.flows = {*Flow::Parse("tcp 10.0.9.9 10.0.1.2 22")};
  grant.proposed = 1;
}

void FakeAgent::Open() {
  ++serial_;
  mode_ = FenceSeen::Mode::kOpen;
  releases_.clear();
}

engine::AgentConnected FakeAgent::Hello(absl::Time now) {
  RunOutLeases(now);
  connected = true;
  return {host_, "test", absl::StrCat("boot-", boot_), 0, Fence(now)};
}

FenceSeen FakeAgent::Fence(absl::Time now) const {
  FenceSeen fence;
  fence.mode = mode_;
  fence.quarantine_number = quarantine_number_;
  fence.state_serial = serial_;
  fence.broken_glass = broken_glass;
  fence.sensor_anew = sensor_anew_;
  for (const auto& [digest, release] : releases_) {
    FenceSeen::Release seen;
    seen.digest = digest;
    const bool live = release.closes_at > now;
    for (const auto& [grant, state] : release.grants) {
      if (state.state == State::kLeased && live) {
        seen.leased_flows += static_cast<int>(state.flows.size());
      }
      if (state.state == State::kStanding) {
        seen.standing_flows += static_cast<int>(state.flows.size());
      }
      if (state.state == State::kWithdrawn) seen.withdrawn.push_back(grant);
    }
    if (live) seen.lease_remaining = release.closes_at - now;
    fence.releases.push_back(std::move(seen));
  }
  return fence;
}

bool FakeAgent::IsOpen(const GrantId& grant, absl::Time now) const {
  for (const auto& [digest, release] : releases_) {
    const auto it = release.grants.find(grant);
    if (it == release.grants.end()) continue;
    if (IsOpen(release, it->second, now)) return true;
  }
  return false;
}

std::vector<std::string> FakeAgent::OpenGrants(absl::Time now) const {
  std::set<std::string> open;
  for (const auto& [digest, release] : releases_) {
    for (const auto& [grant, state] : release.grants) {
      if (!IsOpen(release, state, now) || state.flows.empty()) continue;
      std::vector<std::string> more;
      if (state.state == State::kLeased) more.push_back("leased");
      if (state.flows.size() < state.proposed) {
        more.push_back(
            absl::StrCat(state.flows.size(), " of ", state.proposed, " flows"));
      }
      open.insert(more.empty() ? grant.str()
                               : absl::StrCat(grant.str(), " (",
                                              absl::StrJoin(more, ", "), ")"));
    }
  }
  return {open.begin(), open.end()};
}

std::map<std::string, std::vector<Flow>> FakeAgent::OpenFlows(
    absl::Time now) const {
  std::map<std::string, std::vector<Flow>> open;
  for (const auto& [digest, release] : releases_) {
    for (const auto& [grant, state] : release.grants) {
      if (!IsOpen(release, state, now)) continue;
      std::vector<Flow>& flows = open[digest];
      flows.insert(flows.end(), state.flows.begin(), state.flows.end());
    }
  }
  return open;
}

bool FakeAgent::IsOpen(const Release& release, const Grant& grant,
                       absl::Time now) {
  return grant.state == State::kStanding ||
         (grant.state == State::kLeased && release.closes_at > now);
}

}  // namespace sluice::testing
