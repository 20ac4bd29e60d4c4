#include "orchestrator/engine/refusals.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

constexpr absl::Duration kQuiet = absl::Hours(1);

std::string CountText(uint64_t logins, uint64_t tokens, uint64_t calls) {
  std::vector<std::string> parts;
  if (logins > 0) parts.push_back(Count(logins, "login"));
  if (tokens > 0) parts.push_back(Count(tokens, "enrolment"));
  if (calls > 0) parts.push_back(Count(calls, "call"));
  const bool one = logins + tokens + calls == 1;
  return absl::StrCat(NameList(parts), one ? " was refused" : " were refused");
}

std::string Whence(const AccessRefused& event) {
  if (!event.address.empty()) return absl::StrCat("from ", event.address);
  if (event.addresses == 0) return "from where is not known";
  return absl::StrCat("from ", event.addresses, " other address",
                      event.addresses == 1 ? "" : "es");
}

}  // namespace

void ApplyRefusal(Turn& turn, const AccessRefused& event) {
  RefusedLately& refused = turn.world.refused;
  if (turn.now() - refused.last_at >= kQuiet) {
    refused = RefusedLately{.since = turn.now()};
  }
  refused.logins += event.logins;
  refused.tokens += event.tokens;
  refused.calls += event.calls;
  refused.last_at = turn.now();
  refused.last = absl::StrCat(Whence(event), Because(event.last));
  turn.Say("refusal", "",
           absl::StrCat(CountText(event.logins, event.tokens, event.calls), " ",
                        Whence(event), Because(event.last)));
}

std::string RefusedText(const World& world, absl::Time now) {
  const RefusedLately& refused = world.refused;
  if (now - refused.last_at >= kQuiet) return "";
  return absl::StrCat(CountText(refused.logins, refused.tokens, refused.calls),
                      " since ", ClockText(refused.since), ", the last at ",
                      ClockText(refused.last_at), " ", refused.last);
}

}  // namespace sluice::engine
