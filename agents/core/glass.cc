#include "agents/core/glass.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/core/admission.h"
#include "agents/core/agent_core.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxSignature = 16 << 10;
// Held for the instant between opening flows and letting them stand.
constexpr absl::Duration kInstant = absl::Seconds(30);

absl::Status Refuse(absl::string_view why) {
  return absl::FailedPreconditionError(why);
}

absl::Status CheckIsHere(const BreakGlass& glass, const AgentState& state) {
  if (glass.estate != state.estate || glass.host != state.host) {
    return Refuse(absl::StrCat(
        "the text is about host ", OneLine(glass.host.str(), 60), " of estate ",
        OneLine(glass.estate.str(), 60), "; this is ", state.host.str(), " of ",
        state.estate.str(), ": draft one here"));
  }
  if (state.mode != Mode::kQuarantined) {
    return Refuse(
        "this host is not in quarantine, so there is nothing to open");
  }
  if (glass.quarantine_number != state.quarantine_number) {
    return Refuse(absl::StrCat(
        "the text is about quarantine ", glass.quarantine_number,
        " of this host, which is in its quarantine ", state.quarantine_number,
        ": an isolation has voided it; draft a new one"));
  }
  return absl::OkStatus();
}

absl::Status CheckIsNow(const BreakGlass& glass, const AgentState& state,
                        absl::Duration now) {
  const absl::Duration drafted = absl::Seconds(glass.drafted_seconds);
  if (glass.boot != state.boot_id || drafted > now) {
    return Refuse(
        "the text was drafted before this host's last start; nobody can say "
        "how old it is, so draft a new one");
  }
  if (now > drafted + absl::Seconds(glass.valid_seconds)) {
    return Refuse(absl::StrCat(
        "the text was to be used within ", glass.valid_seconds, " s and is ",
        absl::ToInt64Seconds(now - drafted), " s old; draft a new one"));
  }
  for (const auto& [peer, shut_at] : state.shut_peers) {
    if (shut_at < drafted) continue;
    const bool with = glass.everything() ||
                      std::any_of(glass.flows.begin(), glass.flows.end(),
                                  [&peer = peer](const Flow& flow) {
                                    return peer.Contains(flow.client) ||
                                           peer.Contains(flow.server);
                                  });
    if (!with) continue;
    return Refuse(absl::StrCat("everything to ", peer.ToString(),
                               " was closed after the text was drafted: that "
                               "host was isolated; draft a new one if it is "
                               "to open all the same"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BreakGlass> AdmitGlass(const ReleasedLocally& asked,
                                      const std::string& key,
                                      const SignatureVerifier* verifier,
                                      const AgentState& state,
                                      absl::Duration now) {
  if (key.empty() || verifier == nullptr) {
    return Refuse(
        "this host's agent.yaml pins no break-glass key, so it opens by its "
        "gates alone; to have a key in the next incident, write `break-glass: "
        "{key: …}` there");
  }
  SLUICE_ASSIGN_OR_RETURN(BreakGlass glass, BreakGlass::Parse(asked.text));
  if (OneLine(glass.reason, BreakGlass::kLongestReason) != glass.reason) {
    return Refuse("the text's reason is not one line of plain text");
  }
  SLUICE_RETURN_IF_ERROR(CheckIsHere(glass, state));
  SLUICE_RETURN_IF_ERROR(CheckIsNow(glass, state, now));
  if (state.glass.size() >= AgentState::kMaxGlass) {
    return Refuse(absl::StrCat(
        "this host was opened ", AgentState::kMaxGlass,
        " times and no orchestrator has heard of it; open everything at once, "
        "or bring the link back"));
  }
  if (asked.signature.size() > kMaxSignature) {
    return Refuse("the signature is far longer than any is");
  }
  const absl::Status good = verifier->Verify(key, signed_as::kBreakGlass,
                                             asked.text, asked.signature);
  if (!good.ok()) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the text is not signed with the break-glass key of this host: ",
        good.message()));
  }
  return glass;
}

void AgentCore::On(const ReleasedLocally& event) {
  const std::string digest = Sha256(event.text);
  for (const BrokenGlass& one : state_.glass) {
    if (!one.in_force || one.text != event.text) continue;
    out_.push_back(TellRoot{digest, true, "this text is in force already."});
    return;
  }
  const absl::StatusOr<BreakGlass> glass = AdmitGlass(
      event, options_.break_glass, options_.trust.verifier, state_, now_);
  if (!glass.ok()) {
    const std::string why = OneLine(glass.status().message(), 400);
    Say(absl::StrCat("refused to open by break-glass: ", why));
    out_.push_back(TellRoot{digest, false, why});
    return;
  }
  Job job;
  job.kind = Job::Kind::kGlass;
  job.digest = digest;
  job.glass = {event.text, event.signature, true, false, glass->flows};
  job.save_last = true;
  // What stands already stays untouched, so that its sessions live.
  const std::vector<Flow> standing = StandingFlows(state_);
  std::vector<Flow> flows = glass->flows;
  std::erase_if(flows, [&](const Flow& flow) {
    return std::binary_search(standing.begin(), standing.end(), flow);
  });
  if (glass->everything()) {
    FenceRules rules;
    rules.mode = Mode::kOpen;
    job.calls.push_back(fence::Replace{std::move(rules)});
  } else if (flows.empty()) {
    job.calls.push_back(fence::Read{});
  } else {
    job.calls.push_back(fence::Open{digest, kInstant, flows});
    job.calls.push_back(fence::Confirm{digest, std::move(flows)});
  }
  ready_.push_back(std::move(job));
}

// The kernel was read back.
void AgentCore::OnGlassBroken() {
  Job& job = *job_;
  if (job.glass.flows.empty()) {
    if (job.reading.mode != Mode::kOpen) {
      Fail("the kernel still holds the fence after it was taken down");
      return;
    }
    state_.mode = Mode::kOpen;
    state_.reason.clear();
    state_.releases.clear();
    state_.shut_peers.clear();
    audit_at_ = absl::InfiniteDuration();
  } else {
    for (const Flow& flow : job.glass.flows) {
      if (std::find(job.reading.standing.begin(), job.reading.standing.end(),
                    flow) != job.reading.standing.end()) {
        continue;
      }
      Fail(absl::StrCat(flow.Line(), " does not stand in what ", Holder(),
                        " holds"));
      return;
    }
  }
  // It was of a host that was more closed than this one now is.
  state_.evidence.clear();
  state_.glass.push_back(job.glass);
  fence_problem_ = Difference(job.reading);
  Say(absl::StrCat("opened by break-glass: ",
                   job.glass.flows.empty()
                       ? std::string("everything")
                       : absl::StrCat(job.glass.flows.size(), " flows")));
}

void AgentCore::TellOfGlass(const Job& job) {
  const bool open = std::any_of(
      state_.glass.begin(), state_.glass.end(), [&](const BrokenGlass& one) {
        return one.in_force && one.text == job.glass.text;
      });
  const bool done = open && job.report.outcome == Outcome::kDone;
  std::string sentence = job.report.reason;
  if (done) {
    std::string what = "This host is open: its fence is down";
    if (!job.glass.flows.empty()) {
      what = absl::StrCat(job.glass.flows.size(), " flows are open ",
                          options_.driven_by.empty()
                              ? std::string("on this host")
                              : absl::StrCat("at ", options_.host.str()));
    }
    sentence = absl::StrCat(
        what, ", read back from ",
        options_.driven_by.empty() ? "its kernel" : "its driver",
        ". Its peers' fences are their own. It stays so until the next "
        "isolation.");
  } else if (open) {
    sentence = absl::StrCat(
        "This host is open, but not for sure after a "
        "reboot: ",
        sentence);
  }
  out_.push_back(TellRoot{job.digest, done, std::move(sentence)});
  SayGlass();
}

// Asks the kernel first: what is said is what it holds.
void AgentCore::SayGlass() {
  const bool unsaid =
      std::any_of(state_.glass.begin(), state_.glass.end(),
                  [](const BrokenGlass& one) { return !one.noted; });
  if (unsaid && welcomed_) Call(fence::Read{}, Purpose::kGlass);
}

// S6: what the orchestrator has on its disk need not be said again.
void AgentCore::Carry(const Order& order, const GlassNoted& what) {
  for (BrokenGlass& one : state_.glass) {
    if (Sha256(one.text) == what.text_digest) one.noted = true;
  }
  std::erase_if(state_.glass, [](const BrokenGlass& one) {
    return one.noted && !one.in_force;
  });
  Job job;
  job.report.order = order.id;
  job.calls.push_back(fence::Read{});
  job.save_last = true;
  Begin(std::move(job));
}

// An isolation voids what was opened, said or not.
void AgentCore::EndGlass() {
  for (BrokenGlass& one : state_.glass) {
    one.in_force = false;
    one.flows.clear();
  }
  std::erase_if(state_.glass, [](const BrokenGlass& one) { return one.noted; });
}

}  // namespace sluice::agent
