#include "common/release_order.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice {
namespace {

constexpr absl::string_view kFirstLine = "sluice release order 1";
constexpr size_t kMaxBytes = 1 << 20;

// Takes the body's lines one by one, so that an error can say which.
class Lines {
 public:
  explicit Lines(absl::string_view body) : lines_(absl::StrSplit(body, '\n')) {}

  bool StartsWith(absl::string_view key) const {
    return next_ < lines_.size() &&
           absl::StartsWith(lines_[next_], absl::StrCat(key, " "));
  }

  absl::StatusOr<absl::string_view> Take(absl::string_view key) {
    if (!StartsWith(key)) {
      return Error(absl::StrCat("it should begin with '", key, " '"));
    }
    return lines_[next_++].substr(key.size() + 1);
  }

  absl::StatusOr<int64_t> TakeNumber(absl::string_view key) {
    SLUICE_ASSIGN_OR_RETURN(const absl::string_view text, Take(key));
    return Number(text);
  }

  absl::StatusOr<int64_t> Number(absl::string_view text) {
    int64_t value = 0;
    if (!absl::SimpleAtoi(text, &value) || value < 0) {
      return Error("it should hold a whole number of at least 0");
    }
    return value;
  }

  absl::Status Error(absl::string_view why) const {
    return absl::InvalidArgumentError(
        absl::StrCat("release order, line ", next_ + 1, ": ", why));
  }

 private:
  std::vector<absl::string_view> lines_;
  size_t next_ = 0;
};

absl::StatusOr<ReleaseOrder::Host> ParseHost(Lines& lines,
                                             absl::string_view text) {
  const std::vector<absl::string_view> words = absl::StrSplit(text, ' ');
  if (words.size() != 6) return lines.Error("a host line has six parts");
  ReleaseOrder::Host host;
  host.id = HostId(words[0]);
  std::map<absl::string_view, absl::string_view> values;
  for (size_t i = 1; i < words.size(); ++i) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(words[i], absl::MaxSplits('=', 1));
    values.insert(pair);
  }
  SLUICE_ASSIGN_OR_RETURN(const int64_t number,
                          lines.Number(values["quarantine"]));
  host.quarantine_number = static_cast<uint64_t>(number);
  host.evidence_digest = std::string(values["evidence"]);
  host.flows_digest = std::string(values["flows"]);
  SLUICE_ASSIGN_OR_RETURN(host.lease_seconds, lines.Number(values["lease"]));
  SLUICE_ASSIGN_OR_RETURN(host.soak_seconds, lines.Number(values["soak"]));
  if (!IsDigest(host.evidence_digest) || !IsDigest(host.flows_digest)) {
    return lines.Error("evidence and flows are digests, sha256:…");
  }
  return host;
}

absl::Status ParseQuorum(Lines& lines, absl::string_view text,
                         ReleaseOrder& order) {
  if (text == "none") return absl::OkStatus();
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(word, absl::MaxSplits('=', 1));
    SLUICE_ASSIGN_OR_RETURN(const int64_t count, lines.Number(pair.second));
    order.quorum[RoleId(pair.first)] = static_cast<int>(count);
  }
  return absl::OkStatus();
}

}  // namespace

std::string ReleaseOrder::Body() const {
  std::vector<std::string> roles;
  for (const auto& [role, count] : quorum) {
    roles.push_back(absl::StrCat(role.str(), "=", count));
  }
  std::string body = absl::StrCat(
      kFirstLine, "\nestate ", estate.str(), "\nrun ", run.str(), "\nplan ",
      plan_digest, "\nstage ", stage.str(), "\nstage-digest ", stage_digest,
      "\nround ", round, "\nstarted-by ", started_by.str(), "\nquorum ",
      roles.empty() ? "none" : absl::StrJoin(roles, " "));
  absl::StrAppend(
      &body, "\nno-self-approval ", no_self_approval ? "yes" : "no",
      "\njournal-head ", journal_head, "\nvalid-seconds ", valid_seconds,
      "\nconfirm ",
      confirm == ConfirmRule::kAutomatic ? "automatic" : "by-decision", "\n");
  for (const StepId& step : steps) {
    absl::StrAppend(&body, "step ", step.str(), "\n");
  }
  for (const Host& host : hosts) {
    absl::StrAppend(
        &body, "host ", host.id.str(), " quarantine=", host.quarantine_number,
        " evidence=", host.evidence_digest, " flows=", host.flows_digest,
        " lease=", host.lease_seconds, " soak=", host.soak_seconds, "\n");
  }
  return body;
}

std::string ReleaseOrder::Digest() const { return Sha256(Body()); }

const ReleaseOrder::Host* ReleaseOrder::Find(const HostId& host) const {
  const auto at = std::lower_bound(
      hosts.begin(), hosts.end(), host,
      [](const Host& entry, const HostId& id) { return entry.id < id; });
  return at != hosts.end() && at->id == host ? &*at : nullptr;
}

absl::StatusOr<ReleaseOrder> ReleaseOrder::Parse(absl::string_view body) {
  if (body.size() > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("release order: ", body.size(),
                     " bytes are more than the 1 MiB one may have"));
  }
  Lines lines(body);
  ReleaseOrder order;
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view version,
                          lines.Take("sluice release order"));
  if (version != "1") {
    return absl::InvalidArgumentError(
        absl::StrCat("release order: version '", version.substr(0, 20),
                     "' is not known here; this program knows 1"));
  }
  SLUICE_ASSIGN_OR_RETURN(const auto estate, lines.Take("estate"));
  SLUICE_ASSIGN_OR_RETURN(const auto run, lines.Take("run"));
  SLUICE_ASSIGN_OR_RETURN(const auto plan, lines.Take("plan"));
  SLUICE_ASSIGN_OR_RETURN(const auto stage, lines.Take("stage"));
  SLUICE_ASSIGN_OR_RETURN(const auto stage_digest, lines.Take("stage-digest"));
  SLUICE_ASSIGN_OR_RETURN(const int64_t round, lines.TakeNumber("round"));
  SLUICE_ASSIGN_OR_RETURN(const auto started_by, lines.Take("started-by"));
  SLUICE_ASSIGN_OR_RETURN(const auto quorum, lines.Take("quorum"));
  SLUICE_RETURN_IF_ERROR(ParseQuorum(lines, quorum, order));
  SLUICE_ASSIGN_OR_RETURN(const auto self, lines.Take("no-self-approval"));
  SLUICE_ASSIGN_OR_RETURN(const auto head, lines.Take("journal-head"));
  SLUICE_ASSIGN_OR_RETURN(order.valid_seconds,
                          lines.TakeNumber("valid-seconds"));
  SLUICE_ASSIGN_OR_RETURN(const auto confirm, lines.Take("confirm"));
  order.estate = EstateId(estate);
  order.run = RunId(run);
  order.plan_digest = std::string(plan);
  order.stage = StageId(stage);
  order.stage_digest = std::string(stage_digest);
  order.round = static_cast<int>(round);
  order.started_by = OperatorId(started_by);
  order.no_self_approval = self == "yes";
  order.journal_head = std::string(head);
  order.confirm = confirm == "by-decision" ? ConfirmRule::kByDecision
                                           : ConfirmRule::kAutomatic;
  while (lines.StartsWith("step")) {
    SLUICE_ASSIGN_OR_RETURN(const auto step, lines.Take("step"));
    if (!order.steps.empty() && order.steps.back() >= StepId(step)) {
      return lines.Error("steps are sorted and stand once each");
    }
    order.steps.emplace_back(step);
  }
  while (lines.StartsWith("host")) {
    SLUICE_ASSIGN_OR_RETURN(const auto text, lines.Take("host"));
    SLUICE_ASSIGN_OR_RETURN(ReleaseOrder::Host host, ParseHost(lines, text));
    if (!order.hosts.empty() && order.hosts.back().id >= host.id) {
      return lines.Error("hosts are sorted and stand once each");
    }
    order.hosts.push_back(std::move(host));
  }
  // What follows, in whatever order or spelling, is not what Body() writes.
  if (order.Body() != body) {
    return absl::InvalidArgumentError(
        "release order: the text is not in its canonical form; it was changed "
        "on its way or made by another program");
  }
  return order;
}

}  // namespace sluice
