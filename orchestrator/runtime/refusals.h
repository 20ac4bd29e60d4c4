// Who was refused at the door, summed up for the journal.
//
// Strangers may knock as often as they like and fill no disk: an address has
// one record a minute, with counts; only so many addresses are named, and all
// others are one record a minute together. The first refusal of an address is
// written at once. Any thread may note.

#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "orchestrator/engine/event.h"

namespace sluice::runtime {

class Refusals {
 public:
  enum class What { kLogin, kToken, kCall };

  static constexpr absl::Duration kBetween = absl::Minutes(1);
  // Addresses named in a minute, and after such a burst one more each ten
  // seconds: some 10,000 records a day, or 3 MB, whatever the world does.
  static constexpr size_t kNamed = 32;
  static constexpr absl::Duration kOneMoreNameEvery = absl::Seconds(10);
  // Of those that are not named, as many are told apart.
  static constexpr size_t kToldApart = 4096;
  static constexpr size_t kLongestReason = 300;

  // `address` is empty when nobody can say whose it was.
  void Note(What what, absl::string_view address, absl::string_view why);

  // What is due to be written at `now`.
  std::vector<engine::AccessRefused> Take(absl::Time now);

 private:
  struct Tally {
    engine::AccessRefused sum;
    absl::Time written = absl::InfinitePast();

    bool waits() const { return sum.logins + sum.tokens + sum.calls > 0; }
    bool IsDue(absl::Time now) const {
      return waits() && now - written >= kBetween;
    }
  };
  static void Add(What what, absl::string_view why,
                  engine::AccessRefused* to);
  bool MayName(absl::Time now);
  void GoesUnnamed(const engine::AccessRefused& sum);

  std::mutex mutex_;
  // Below: guarded by mutex_.
  std::map<std::string, Tally> named_;
  Tally others_;
  std::set<size_t> told_apart_;  // hashes of their addresses
  double names_left_ = kNamed;
  absl::Time refilled_ = absl::InfinitePast();
};

}  // namespace sluice::runtime
