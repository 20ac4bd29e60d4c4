#include "tests/scenarios/fake_world.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/contract.h"
#include "common/decision_text.h"
#include "common/digest.h"
#include "common/status.h"
#include "orchestrator/manifest/manifest.h"

namespace sluice::testing {

using engine::Order;

namespace {

template <class Ids>
std::string Join(const Ids& ids) {
  return absl::StrJoin(ids, " ", [](std::string* out, const auto& id) {
    absl::StrAppend(out, id.str());
  });
}

std::string CheckNames(const std::vector<PlannedCheck>& checks) {
  return absl::StrJoin(checks, " ",
                       [](std::string* out, const PlannedCheck& check) {
                         absl::StrAppend(out, check.id.str());
                       });
}

struct WhatText {
  std::string operator()(const engine::IsolateHost&) { return "isolate"; }
  std::string operator()(const engine::Withdraw& what) {
    if (what.peers.empty()) {
      return absl::StrCat("withdraw ", Join(what.grants));
    }
    return absl::StrCat(
        "withdraw ", what.grants.empty() ? "all" : Join(what.grants), " with ",
        absl::StrJoin(what.peers, " ",
                      [](std::string* out, const Prefix& peer) {
                        absl::StrAppend(out, peer.ToString());
                      }));
  }
  std::string operator()(const engine::FreezeEvidence& what) {
    return absl::StrCat("freeze ", what.round, " ",
                        CheckNames(what.inspections));
  }
  std::string operator()(const engine::Propose& what) {
    return absl::StrCat("propose ", what.round);
  }
  std::string operator()(const engine::OpenFlows& what) {
    return absl::StrCat("open ", Join(what.grants));
  }
  std::string operator()(const engine::TryFlows& what) {
    return absl::StrCat(
        "try ",
        absl::StrJoin(what.flows, ", ", [](std::string* out, const Flow& flow) {
          absl::StrAppend(out, flow.Line());
        }));
  }
  std::string operator()(const engine::RunChecks& what) {
    return absl::StrCat("check ", CheckNames(what.checks));
  }
  std::string operator()(const engine::StartUnit& what) {
    return absl::StrCat("start ", what.unit);
  }
  std::string operator()(const engine::Watch& what) {
    if (what.checks.empty()) return absl::StrCat("unwatch ", what.step.str());
    return absl::StrCat("watch ", what.step.str(), " ",
                        CheckNames(what.checks));
  }
  std::string operator()(const engine::Confirm& what) {
    return absl::StrCat("confirm ", Join(what.grants));
  }
  std::string operator()(const engine::ReadFence&) { return "read fence"; }
  std::string operator()(const engine::ChangeTrust& order) {
    return absl::StrCat("change trust ",
                        order.text.substr(0, order.text.find('\n')));
  }
  std::string operator()(const engine::GlassNoted&) { return "glass noted"; }
};

}  // namespace

std::string OrderText(const Order& order) {
  return absl::StrCat("> ", order.host.str(), " ",
                      std::visit(WhatText{}, order.what));
}

absl::StatusOr<std::shared_ptr<const Plan>> PlanOf(absl::string_view manifest) {
  ManifestSources sources;
  sources.files.push_back({"manifest.yaml", std::string(manifest)});
  const ManifestResult result = ParseManifest(sources);
  if (!result.ok()) {
    std::string text;
    for (const Diagnostic& diagnostic : result.diagnostics) {
      absl::StrAppend(&text,
                      FormatDiagnostic(result, diagnostic, false, false));
    }
    return absl::InvalidArgumentError(text);
  }
  return MakePlan(result.model);
}

FakeWorld::FakeWorld() {
  SLUICE_CHECK(absl::ParseTime(absl::RFC3339_full, "2026-11-21T10:00:00Z",
                               &now_, nullptr));
  Tell(engine::ReignBegan{++epoch_, "one"});
  log_.clear();
}

std::vector<FakeWorld::Entry> FakeWorld::TakeLog() {
  return std::exchange(log_, {});
}

absl::Status FakeWorld::Adopt(absl::string_view manifest,
                              const std::string& by) {
  engine::PlanAdopted adopted;
  SLUICE_ASSIGN_OR_RETURN(adopted.plan, PlanOf(manifest));
  adopted.number = engine_.plan_number() + 1;
  adopted.by = OperatorId(by);
  SLUICE_RETURN_IF_ERROR(engine_.Admit(adopted, now_));
  plan_ = adopted.plan;
  manifest_ = std::string(manifest);
  checker_.Adopt(plan_);
  by_hand_ = by_hand_ || std::any_of(plan_->hosts.begin(), plan_->hosts.end(),
                                     [](const PlannedHost& host) {
                                       return !host.has_agent();
                                     });
  for (const PlannedHost& host : plan_->hosts) {
    if (host.has_agent()) agents_.emplace(host.id, FakeAgent(host.id));
  }
  Tell(adopted);
  return absl::OkStatus();
}

FakeAgent& FakeWorld::agent(const HostId& host) {
  return agents_.try_emplace(host, host).first->second;
}

void FakeWorld::ConnectAll() {
  for (auto& [host, agent] : agents_) {
    if (!agent.connected) Step(agent.Hello(now_));
  }
  Settle();
}

void FakeWorld::Connect(const HostId& host) { Tell(agent(host).Hello(now_)); }

void FakeWorld::Lose(const HostId& host) {
  agent(host).connected = false;
  mail_.erase(
      std::remove_if(mail_.begin(), mail_.end(),
                     [&](const Order& order) { return order.host == host; }),
      mail_.end());
  Tell(engine::AgentLost{host, "the link broke"});
}

absl::Status FakeWorld::Ask(const engine::Event& event) {
  SLUICE_RETURN_IF_ERROR(engine_.Admit(event, now_));
  Tell(event);
  return absl::OkStatus();
}

void FakeWorld::Tell(const engine::Event& event) {
  Step(event);
  Settle();
}

void FakeWorld::Step(const engine::Event& event) {
  const engine::Stamp stamp{++sequence_, now_,
                            Sha256(absl::StrCat("record ", sequence_ - 1))};
  journal_.emplace_back(stamp, event);
  checker_.Saw(event, now_);
  engine::Output output = engine_.Step(stamp, event);
  deadline_ = output.next_deadline;
  progress_.insert(progress_.end(), output.progress.begin(),
                   output.progress.end());
  released_.insert(released_.end(), output.released.begin(),
                   output.released.end());
  if (by_hand_) checker_.Asked(engine_.MakeView(now_).point_tasks);
  for (engine::Command& command : output.commands) {
    if (const auto* announce = std::get_if<engine::Announce>(&command)) {
      log_.push_back(
          {absl::StrCat(announce->kind, ": ", announce->text), false});
      continue;
    }
    const Order& order = std::get<Order>(command);
    checker_.Left(order);
    log_.push_back({OrderText(order), true});
    if (agent(order.host).connected) mail_.push_back(order);
  }
}

bool FakeWorld::AnswerOne(size_t which) {
  if (mail_.empty()) return false;
  // Each agent answers in the order in which it was told.
  const HostId host = mail_[which % mail_.size()].host;
  const auto it =
      std::find_if(mail_.begin(), mail_.end(),
                   [&](const Order& order) { return order.host == host; });
  const Order order = *it;
  mail_.erase(it);
  const auto report = agent(host).Obey(order, now_);
  if (report.has_value()) Step(*report);
  return true;
}

void FakeWorld::Settle() {
  // An engine that answers every answer with an order would never end.
  int left = 200'000;
  while (AnswerOne()) SLUICE_CHECK(--left > 0);
  for (auto& [host, agent] : agents_) {
    if (!agent.connected || agent.silent) continue;
    if (!engine_.Outstanding(host).empty()) continue;
    checker_.Holds(host, agent.OpenFlows(now_), [this](const HostId& other) {
      const PlannedHost* planned = plan_->FindHost(other);
      if (planned == nullptr || planned->has_agent()) {
        return this->agent(other).quarantine_number();
      }
      uint64_t said = 0;
      for (const engine::HostView& view : engine_.MakeView(now_).hosts) {
        if (view.id == other) said = view.quarantine_number;
      }
      return said;
    });
  }
}

void FakeWorld::Renew() {
  for (auto& [host, agent] : agents_) {
    if (agent.connected) {
      agent.Renew(engine_.LiveReleases(host, now_), now_);
    } else {
      agent.RunOutLeases(now_);
    }
  }
}

void FakeWorld::Advance(absl::Duration duration) {
  const absl::Time end = now_ + duration;
  constexpr absl::Duration kHeartbeat = absl::Seconds(1);
  while (now_ < end) {
    absl::Time next = std::min(end, now_ + kHeartbeat);
    if (deadline_.has_value()) next = std::min(next, *deadline_);
    now_ = std::max(now_, next);
    if (deadline_.has_value() && *deadline_ <= now_) {
      Tell(engine::TimePassed{});
    }
    Renew();
    if (next == now_ && deadline_.has_value() && *deadline_ <= now_) {
      // A deadline that stays in the past would stop time.
      now_ += absl::Milliseconds(1);
    }
  }
}

absl::Status FakeWorld::Isolate(engine::IsolationOrdered order) {
  return Ask(order);
}

absl::Status FakeWorld::Start(const std::string& by) {
  return Ask(engine::RunStarted{RunId("run-1"), OperatorId(by)});
}

std::vector<RoleId> FakeWorld::RolesOf(const OperatorId& by) const {
  const Approver* approver = plan_ ? plan_->FindApprover(by) : nullptr;
  return approver == nullptr ? std::vector<RoleId>() : approver->roles;
}

absl::Status FakeWorld::Decide(const std::string& gate, const std::string& by,
                               bool go, const std::string& reason) {
  engine::DecisionMade decision;
  decision.gate = StageId(gate);
  decision.by = OperatorId(by);
  decision.roles = RolesOf(decision.by);
  decision.go = go;
  decision.reason = reason;
  for (const engine::GateView& view : engine_.MakeView(now_).gates) {
    if (view.id != decision.gate) continue;
    decision.round = view.round;
    decision.body_digest = view.body_digest;
  }
  const auto detail = engine_.MakeGateDetail(decision.gate, now_);
  if (detail.ok()) {
    decision.signature =
        ToyDecision(decision.by, detail->gate.confirming
                                     ? ConfirmText(detail->gate.body_digest)
                                     : detail->body);
  }
  return Ask(decision);
}

absl::Status FakeWorld::Sign(const std::string& task, const std::string& by) {
  engine::TaskSigned signature;
  signature.task = TaskId(task);
  signature.by = OperatorId(by);
  signature.roles = RolesOf(signature.by);
  return Ask(signature);
}

absl::Status FakeWorld::Say(const std::string& task, const std::string& by,
                            bool done, const std::string& saw) {
  engine::PointReported word;
  word.task = TaskId(task);
  word.by = OperatorId(by);
  word.roles = RolesOf(word.by);
  word.done = done;
  word.saw = saw;
  for (const engine::PointTaskView& one : engine_.MakeView(now_).point_tasks) {
    if (one.id != word.task) continue;
    word.host = one.host;
    word.order = one.order;
  }
  return Ask(word);
}

std::string FakeWorld::Replay(engine::Engine* replayed) const {
  for (const auto& [stamp, event] : journal_) replayed->Step(stamp, event);
  if (replayed->StateDigest() != engine_.StateDigest()) {
    return "S7: the replayed state differs";
  }
  for (const auto& [host, agent] : agents_) {
    const std::vector<Order> here = engine_.Outstanding(host);
    const std::vector<Order> there = replayed->Outstanding(host);
    const bool same =
        std::equal(here.begin(), here.end(), there.begin(), there.end(),
                   [](const Order& a, const Order& b) { return a.id == b.id; });
    if (!same) {
      return absl::StrCat("S7: what is outstanding for ", host.str(),
                          " differs");
    }
  }
  return "";
}

void FakeWorld::Restart() {
  engine::Engine replayed;
  SLUICE_CHECK(Replay(&replayed).empty());
  engine_ = std::move(replayed);
  mail_.clear();
  for (auto& [host, agent] : agents_) agent.connected = false;
  Tell(engine::ReignBegan{++epoch_, absl::StrCat("instance-", epoch_)});
}

const engine::StepView& FakeWorld::StepNamed(const std::string& id) {
  view_ = engine_.MakeView(now_);
  for (const engine::StepView& step : view_.steps) {
    if (step.id == StepId(id)) return step;
  }
  SLUICE_CHECK(false && "no such step");
  return view_.steps.front();
}

}  // namespace sluice::testing
