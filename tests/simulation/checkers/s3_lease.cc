// S3: a leased flow's guard ends within one lease of the last order or renewal
// that named its release order, never past the order's validity, and only a
// confirmation after the soak makes a flow stand. All on the host's own clock.

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

constexpr absl::Duration kSlack = absl::Milliseconds(2);

class Leases : public Checker {
 public:
  using Checker::Checker;
  absl::string_view promise() const override { return "S3"; }

  void OrderArrived(const Host& host, const agent::Order& order) override {
    const absl::Duration now = host.boot_clock();
    if (const auto* propose = std::get_if<agent::Propose>(&order.what)) {
      const auto body = ReleaseOrder::Parse(propose->body);
      if (body.ok()) bodies_.emplace(Sha256(propose->body), *body);
    } else if (const auto* open = std::get_if<agent::OpenFlows>(&order.what)) {
      Of(host, open->release_digest).renewed = now;
    } else if (const auto* keep = std::get_if<agent::Confirm>(&order.what)) {
      Of(host, keep->release_digest).confirmed = true;
    }
  }

  void SaidBy(const Host&, const agent::Message& message) override {
    const auto* report = std::get_if<agent::Report>(&message);
    if (report == nullptr) return;
    const auto* frozen = std::get_if<agent::EvidenceFrozen>(&report->detail);
    if (frozen == nullptr) return;
    // As the host itself wrote it down: "frozen-at-ms 5310022".
    constexpr absl::string_view kWord = "\nfrozen-at-ms ";
    const size_t at = frozen->text.find(kWord.data());
    int64_t ms = 0;
    if (at == std::string::npos) return;
    const size_t from = at + kWord.size();
    if (!absl::SimpleAtoi(
            frozen->text.substr(from, frozen->text.find('\n', from) - from),
            &ms)) {
      return;
    }
    frozen_[frozen->digest] = absl::Milliseconds(ms);
  }

  void RenewalArrived(const Host& host, uint64_t,
                      const std::vector<std::string>& digests) override {
    for (const std::string& digest : digests) {
      Of(host, digest).renewed = host.boot_clock();
    }
  }

  void Guarded(const Host& host, const std::string& digest,
               absl::Duration until) override {
    const ReleaseOrder::Host* line = Line(host, digest);
    if (line == nullptr) {
      return Violate(absl::StrCat(host.id().str(), " leases flows under ",
                                  ShortDigest(digest),
                                  ", which it was never shown"));
    }
    const auto frozen = frozen_.find(line->evidence_digest);
    const absl::Duration valid =
        absl::Seconds(bodies_.at(digest).valid_seconds);
    if (frozen != frozen_.end() && until > frozen->second + valid + kSlack) {
      Violate(absl::StrCat(host.id().str(), " leases flows past the ",
                           "validity of ", ShortDigest(digest)));
    }
    const absl::Duration most =
        Of(host, digest).renewed + absl::Seconds(line->lease_seconds);
    if (until > most + kSlack) {
      Violate(absl::StrCat(host.id().str(), " leases flows ",
                           absl::FormatDuration(until - most),
                           " longer than one lease of ", line->lease_seconds,
                           "s after the last renewal"));
    }
  }

  void Opened(const Host& host, const std::vector<Opening>& openings) override {
    // Who acts for an appliance is its only timer.
    if (host.driven()) return;
    const absl::Duration now = host.boot_clock();
    for (const Opening& opening : openings) {
      const auto key = std::pair(host.id(), opening.flow);
      if (!opening.digest.empty()) {
        Of(host, opening.digest).opened[opening.flow] = now;
        continue;
      }
      // The fence of an earlier process or boot, put up again.
      if (stood_.contains(key)) continue;
      if (!MayStand(host, opening.flow)) {
        return Violate(absl::StrCat(host.id().str(), ": ", opening.flow.Line(),
                                    " stands, and nobody confirmed it after "
                                    "its soak"));
      }
      stood_.insert(key);
    }
  }

  void Rebooted(const Host& host) override {
    std::erase_if(known_, [&](const auto& entry) {
      return entry.first.first == host.id();
    });
  }

 private:
  struct Known {
    absl::Duration renewed = -absl::InfiniteDuration();
    bool confirmed = false;
    std::map<Flow, absl::Duration> opened;
  };

  Known& Of(const Host& host, const std::string& digest) {
    return known_[{host.id(), digest}];
  }
  const ReleaseOrder::Host* Line(const Host& host, const std::string& digest) {
    const auto body = bodies_.find(digest);
    return body == bodies_.end() ? nullptr : body->second.Find(host.id());
  }
  bool MayStand(const Host& host, const Flow& flow) {
    for (const auto& [key, known] : known_) {
      if (key.first != host.id() || !known.confirmed) continue;
      const auto opened = known.opened.find(flow);
      const ReleaseOrder::Host* line = Line(host, key.second);
      if (opened == known.opened.end() || line == nullptr) continue;
      if (host.boot_clock() - opened->second + kSlack >=
          absl::Seconds(line->soak_seconds)) {
        return true;
      }
    }
    return false;
  }

  std::map<std::string, absl::Duration> frozen_;  // by evidence digest
  std::map<std::string, ReleaseOrder> bodies_;
  std::map<std::pair<HostId, std::string>, Known> known_;
  std::set<std::pair<HostId, Flow>> stood_;
};

}  // namespace

std::unique_ptr<Checker> MakeLeaseChecker(World& world) {
  return std::make_unique<Leases>(world);
}

}  // namespace sluice::simulation
