// The one thing that goes wrong in a run.

#pragma once

#include <cstdint>

namespace sluice::crash {

struct Trouble {
  enum class Kind : uint8_t {
    kNone,
    // The orchestrator dies when record `at` goes to disk:
    kDieBefore,   // nothing of its transaction is there
    kDieTorn,     // half of the record is, so its transaction is not
    kDieAfter,    // it is there, and nothing that it caused has left
    kDieLeaving,  // some of what it caused has left
    // The `at`-th order that reaches an agent:
    kFail,        // is not done, and the agent says so
    kFailChecks,  // its checks and tries fail
    kSilent,      // is done, and the report of it is lost
    // All orders and all reports:
    kTwice,      // come twice
    kTwiceLate,  // come again later
  };
  Kind kind = Kind::kNone;
  uint64_t at = 0;
  // Whether what was on its way to agents when the orchestrator died arrives.
  bool arrives = false;

  bool dies() const {
    return kind == Kind::kDieBefore || kind == Kind::kDieTorn ||
           kind == Kind::kDieAfter || kind == Kind::kDieLeaving;
  }
};

}  // namespace sluice::crash
