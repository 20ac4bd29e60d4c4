#include "orchestrator/report/brief_facts.h"

#include <algorithm>
#include <set>
#include <string>
#include <tuple>

#include "absl/strings/match.h"

namespace sluice {
namespace {

void GatherSteps(const v1::Status& status, BriefFacts* facts) {
  for (const v1::Step& step : status.steps()) {
    (step.state() == "reconnected" ? facts->back : facts->not_back)
        .push_back(&step);
    for (const std::string& note : step.notes()) {
      // Said among the hosts already.
      if (absl::StartsWith(note, "unknown: ")) continue;
      (absl::StrContains(note, "waive") ? facts->waivers : facts->unproven)
          .push_back({&step, note});
    }
  }
  std::sort(facts->back.begin(), facts->back.end(),
            [](const v1::Step* a, const v1::Step* b) {
              return std::tuple(a->since_ms(), a->id()) <
                     std::tuple(b->since_ms(), b->id());
            });
  std::stable_partition(facts->not_back.begin(), facts->not_back.end(),
                        [](const v1::Step* step) { return step->failed(); });
}

void GatherHosts(const v1::Status& status, BriefFacts* facts) {
  for (const v1::Host& host : status.hosts()) {
    // S9: what an unheard host last said is not what it is.
    const bool heard = host.link() == "connected";
    const bool manual = host.link() == "manual";
    if (!heard) (manual ? facts->by_hand : facts->lost).push_back(&host);
    if (!heard || host.fence() == "unknown") {
      ++facts->unknown;
    } else {
      ++(host.fence() == "quarantined" ? facts->quarantined : facts->open);
    }
    facts->leased_flows += host.leased_flows();
    facts->standing_flows += host.standing_flows();
    facts->dropped_packets += host.dropped_packets();
  }
}

using Decision = BriefFacts::Decision;

// Votes and signatures as they stand; what only the history still knows
// (earlier rounds, earlier runs) as it was written down.
void GatherDecisions(const v1::Status& status, const v1::History& history,
                     BriefFacts* facts) {
  auto& decisions = facts->decisions;
  // A line of the history may be about a step or a host: no person decided it.
  std::set<std::string> things = {""};
  for (const v1::Step& step : status.steps()) things.insert(step.id());
  for (const v1::Host& host : status.hosts()) things.insert(host.id());
  for (const v1::Gate& gate : status.gates()) {
    for (const v1::Vote& vote : gate.votes()) {
      decisions.push_back({Decision::Kind::kVote, vote.at_ms(), vote.by(),
                           gate.id(), vote.go(), vote.reason()});
    }
  }
  for (const v1::Task& task : status.tasks()) {
    if (!task.done()) continue;
    decisions.push_back({Decision::Kind::kTask, task.at_ms(), task.by(),
                         task.what(), true, task.note()});
  }
  const size_t structured = decisions.size();
  for (const v1::Entry& entry : history.entries()) {
    if (things.count(entry.who()) != 0) continue;
    if (entry.kind() == "isolation") {
      facts->isolations.push_back(&entry);
      decisions.push_back({Decision::Kind::kIsolation, entry.at_ms(),
                           entry.who(), entry.text(), true, ""});
      continue;
    }
    if (entry.kind() != "decision" && entry.kind() != "task" &&
        entry.kind() != "waiver") {
      continue;
    }
    const bool known =
        std::any_of(decisions.begin(), decisions.begin() + structured,
                    [&](const Decision& decision) {
                      return decision.at_ms == entry.at_ms() &&
                             decision.by == entry.who();
                    });
    if (!known) {
      decisions.push_back({Decision::Kind::kAsWritten, entry.at_ms(),
                           entry.who(), entry.text(), true, ""});
    }
  }
  std::stable_sort(decisions.begin(), decisions.end(),
                   [](const Decision& a, const Decision& b) {
                     return a.at_ms < b.at_ms;
                   });
}

}  // namespace

BriefFacts GatherBriefFacts(const v1::Status& status,
                            const v1::History& history) {
  BriefFacts facts;
  GatherSteps(status, &facts);
  GatherHosts(status, &facts);
  for (const v1::Gate& gate : status.gates()) {
    if (gate.state() == "asking") facts.asking.push_back(&gate);
    if (gate.state() == "refused" || gate.state() == "held") {
      facts.stuck.push_back(&gate);
    }
  }
  for (const v1::Task& task : status.tasks()) {
    if (task.wanted_now() && !task.done()) facts.wanted.push_back(&task);
  }
  GatherDecisions(status, history, &facts);
  return facts;
}

}  // namespace sluice
