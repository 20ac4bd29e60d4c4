#include "orchestrator/runtime/refusals.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"

namespace sluice::runtime {

void Refusals::Add(What what, absl::string_view why,
                   engine::AccessRefused* to) {
  switch (what) {
    case What::kLogin:
      ++to->logins;
      break;
    case What::kToken:
      ++to->tokens;
      break;
    case What::kCall:
      ++to->calls;
      break;
  }
  // Some of it is a stranger's own words.
  to->last = std::string(why.substr(0, kLongestReason));
  std::replace_if(
      to->last.begin(), to->last.end(),
      [](char c) {
        return !absl::ascii_isprint(static_cast<unsigned char>(c));
      },
      '?');
}

// REQUIRES: mutex_ is held.
void Refusals::GoesUnnamed(const engine::AccessRefused& sum) {
  engine::AccessRefused& all = others_.sum;
  all.logins += sum.logins;
  all.tokens += sum.tokens;
  all.calls += sum.calls;
  all.last = sum.last;
  if (!sum.address.empty() && told_apart_.size() < kToldApart) {
    told_apart_.insert(std::hash<std::string>()(sum.address));
  }
}

void Refusals::Note(What what, absl::string_view address,
                    absl::string_view why) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string name(address);
  const auto known = named_.find(name);
  if (known != named_.end()) return Add(what, why, &known->second.sum);
  if (!name.empty() && named_.size() < kNamed) {
    Tally& tally = named_[name];
    tally.sum.address = name;
    return Add(what, why, &tally.sum);
  }
  engine::AccessRefused one{.address = name};
  Add(what, why, &one);
  GoesUnnamed(one);
}

// REQUIRES: mutex_ is held.
bool Refusals::MayName(absl::Time now) {
  if (now > refilled_) {
    const double more = absl::FDivDuration(now - refilled_, kOneMoreNameEvery);
    names_left_ = std::min<double>(kNamed, names_left_ + more);
    refilled_ = now;
  }
  if (names_left_ < 1) return false;
  names_left_ -= 1;
  return true;
}

std::vector<engine::AccessRefused> Refusals::Take(absl::Time now) {
  std::vector<engine::AccessRefused> due;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [address, tally] : named_) {
    if (!tally.IsDue(now)) continue;
    engine::AccessRefused sum = std::exchange(tally.sum, {.address = address});
    tally.written = now;
    if (MayName(now)) {
      due.push_back(std::move(sum));
    } else {
      GoesUnnamed(sum);
    }
  }
  // Quiet for a minute: its place is another's.
  std::erase_if(named_, [&](const auto& one) {
    return !one.second.waits() && now - one.second.written >= kBetween;
  });
  if (others_.IsDue(now)) {
    engine::AccessRefused sum = std::exchange(others_.sum, {});
    sum.addresses = told_apart_.size();
    told_apart_.clear();
    others_.written = now;
    due.push_back(std::move(sum));
  }
  return due;
}

}  // namespace sluice::runtime
