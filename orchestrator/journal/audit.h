// Is a journal whole, and is it the one that others saw?
//
// The chain shows a record that was changed, lost or slipped in; it cannot show
// that its end was cut off, or that all of it was written anew. For that it is
// compared with heads that were kept elsewhere.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "orchestrator/journal/journal.h"

namespace sluice::journal {

// The end of the chain as somebody saw it once.
struct SeenHead {
  uint64_t sequence = 0;
  std::string hash;
  std::string by;  // "this operator", "journal.db.head": for messages
};

struct Audit {
  enum class Finding : uint8_t {
    kWhole,
    kDamaged,    // a record does not fit the chain, or cannot be read
    kTruncated,  // records that somebody saw are missing at the end
    kRewritten,  // a record that somebody saw is another one here
  };
  Finding finding = Finding::kWhole;
  Head head;            // of the last record that fits
  uint64_t record = 0;  // the first that does not fit, or is missing
  std::string text;     // what was found, in a sentence or two
};

// Reads the whole journal and checks every link, then every head. What is
// damaged is told before what is missing. A head of record 0 says nothing.
Audit AuditChain(Journal& journal, const std::vector<SeenHead>& seen);

}  // namespace sluice::journal
