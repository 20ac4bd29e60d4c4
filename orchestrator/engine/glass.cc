#include "orchestrator/engine/glass.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/break_glass.h"
#include "common/digest.h"
#include "orchestrator/engine/hosts.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(30);
// Of one host; it opens less often than this in any incident.
constexpr size_t kMostKnown = 16;

std::string WordsOf(const std::string& text) {
  const absl::StatusOr<BreakGlass> glass = BreakGlass::Parse(text);
  if (!glass.ok()) return "a text that cannot be read";
  return absl::StrCat(glass->What(), ", because: ", glass->reason);
}

bool IsInForce(const Host& host, const std::string& digest) {
  if (!host.fence.has_value()) return false;
  const std::vector<std::string>& now = host.fence->broken_glass;
  return std::find(now.begin(), now.end(), digest) != now.end();
}

bool IsBeingNoted(const World& world, const Host& host,
                  const std::string& digest) {
  return std::any_of(
      host.pending.begin(), host.pending.end(), [&](const OrderKey& key) {
        const auto* noted =
            std::get_if<GlassNoted>(&world.orders.at(key).order.what);
        return noted != nullptr && noted->text_digest == digest;
      });
}

}  // namespace

void ApplyGlass(Turn& turn, const GlassBroken& event) {
  if (turn.world.FindHost(event.host) == nullptr) return;
  Host& host = turn.world.hosts[event.host];
  const std::string digest = Sha256(event.text);
  ObserveFence(turn, event.host, event.fence, Seen::kChanged);
  const std::string words = WordsOf(event.text);
  if (host.glass.try_emplace(digest, words).second) {
    if (host.glass.size() > kMostKnown) {
      const auto old = std::find_if(
          host.glass.begin(), host.glass.end(), [&](const auto& known) {
            return known.first != digest && !IsInForce(host, known.first);
          });
      host.glass.erase(old == host.glass.end() ? host.glass.begin() : old);
    }
    turn.Say(
        "alarm", event.host.str(),
        absl::StrCat(event.host.str(), " was opened by its root with its ",
                     "break-glass key: ", words,
                     event.over
                         ? ". An isolation has ended it since"
                         : absl::StrCat(". It stays so until it is isolated: "
                                        "`sluice isolate --host ",
                                        event.host.str(), "`")));
  }
  if (IsBeingNoted(turn.world, host, digest)) return;
  Pending meta;
  meta.purpose = Purpose::kTrust;  // as that, it outlives isolations and runs
  meta.good_until = turn.now() + kDeadline;  // the host says it again
  turn.Send(event.host, GlassNoted{digest}, kDeadline, std::move(meta));
}

std::string GlassText(const Host& host) {
  if (!host.fence.has_value()) return "";
  return absl::StrJoin(host.fence->broken_glass, "; ",
                       [&](std::string* out, const std::string& digest) {
                         const auto known = host.glass.find(digest);
                         out->append(known == host.glass.end()
                                         ? "its reason is on its way"
                                         : known->second);
                       });
}

}  // namespace sluice::engine
