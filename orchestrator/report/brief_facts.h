// What a brief says, before any word of a language.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/v1/operator.pb.h"

namespace sluice {

// Pointers go into the Status and the History the facts were gathered from.
struct BriefFacts {
  // Reconnected, by when; then by id.
  std::vector<const v1::Step*> back;
  // The rest, the failed ones first, then in the status' order.
  std::vector<const v1::Step*> not_back;

  std::vector<const v1::Gate*> asking;
  std::vector<const v1::Gate*> stuck;  // refused or held
  std::vector<const v1::Task*> wanted;

  struct Note {
    const v1::Step* step;
    std::string text;
  };
  std::vector<Note> waivers;
  std::vector<Note> unproven;  // untried, partial: S9

  struct Decision {
    enum class Kind { kVote, kTask, kIsolation, kAsWritten };
    Kind kind = Kind::kAsWritten;
    int64_t at_ms = 0;
    std::string by;
    std::string on;  // gate or task; a record's text
    bool go = false;
    std::string note;  // a no-go's reason, a task's note
  };
  std::vector<Decision> decisions;  // by time

  std::vector<const v1::Entry*> isolations;  // ordered by people
  std::vector<const v1::Host*> lost;         // unheard hosts
  std::vector<const v1::Host*> by_hand;      // points that people work
  int quarantined = 0;
  int open = 0;
  int unknown = 0;
  int64_t leased_flows = 0;
  int64_t standing_flows = 0;
  uint64_t dropped_packets = 0;
};

BriefFacts GatherBriefFacts(const v1::Status& status,
                            const v1::History& history);

}  // namespace sluice
