#include <utility>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/status.h"
#include "orchestrator/journal/codec.h"
#include "sluice/v1/journal.pb.h"

namespace sluice::journal {
namespace {

namespace pb = ::sluice::v1::journal;
namespace en = ::sluice::engine;

constexpr uint32_t kNewestVersion = 1;

absl::Status Spoiled(absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat(what, "; restore the journal from a copy"));
}

template <class Message>
absl::StatusOr<Message> Parse(absl::string_view payload) {
  Message message;
  if (!message.ParseFromArray(payload.data(),
                              static_cast<int>(payload.size()))) {
    return Spoiled("its payload cannot be read");
  }
  return message;
}

absl::StatusOr<Verdict> FromPb(pb::Verdict verdict) {
  switch (verdict) {
    case pb::VERDICT_PASS:
      return Verdict::kPass;
    case pb::VERDICT_FAIL:
      return Verdict::kFail;
    case pb::VERDICT_INCONCLUSIVE:
      return Verdict::kInconclusive;
    default:
      return Spoiled("it holds a verdict that is none");
  }
}

absl::StatusOr<en::FenceSeen> FromPb(const pb::Fence& fence) {
  en::FenceSeen out;
  switch (fence.mode()) {
    case pb::Fence::MODE_OPEN:
      out.mode = en::FenceSeen::Mode::kOpen;
      break;
    case pb::Fence::MODE_QUARANTINED:
      out.mode = en::FenceSeen::Mode::kQuarantined;
      break;
    default:
      return Spoiled("it holds a fence mode that is none");
  }
  out.quarantine_number = fence.quarantine_number();
  out.state_serial = fence.state_serial();
  for (const pb::Fence::Release& from : fence.releases()) {
    en::FenceSeen::Release release;
    release.digest = from.digest();
    release.leased_flows = from.leased_flows();
    release.standing_flows = from.standing_flows();
    release.lease_remaining = absl::Nanoseconds(from.lease_remaining_ns());
    for (const std::string& grant : from.withdrawn()) {
      release.withdrawn.emplace_back(grant);
    }
    out.releases.push_back(std::move(release));
  }
  out.dropped_packets = fence.dropped_packets();
  out.rules_digest = fence.rules_digest();
  out.broken_glass = {fence.broken_glass().begin(), fence.broken_glass().end()};
  out.sensor_anew = fence.sensor_anew();
  return out;
}

absl::StatusOr<en::CheckReport> FromPb(const pb::CheckReport& report) {
  en::CheckReport out;
  out.id = CheckId(report.id());
  SLUICE_ASSIGN_OR_RETURN(out.result.verdict, FromPb(report.verdict()));
  out.result.reason = report.reason();
  out.result.said_by = report.said_by();
  return out;
}

template <class Reports>
absl::StatusOr<std::vector<en::CheckReport>> AllReports(
    const Reports& reports) {
  std::vector<en::CheckReport> out;
  out.reserve(static_cast<size_t>(reports.size()));
  for (const pb::CheckReport& report : reports) {
    SLUICE_ASSIGN_OR_RETURN(en::CheckReport one, FromPb(report));
    out.push_back(std::move(one));
  }
  return out;
}

template <class Id, class Texts>
std::vector<Id> AllIds(const Texts& texts) {
  std::vector<Id> out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

using EventOr = absl::StatusOr<en::Event>;

EventOr FromPb(const pb::ReignBegan& from) {
  return en::ReignBegan{from.epoch(), from.instance()};
}

EventOr FromPb(const pb::PlanAdopted& from, const PlanLoader& load_plan) {
  SLUICE_ASSIGN_OR_RETURN(std::vector<SourceFile> files,
                          DecodeSources(from.sources()));
  absl::StatusOr<std::shared_ptr<const Plan>> plan = load_plan(files);
  if (!plan.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("this version cannot make plan ", from.number(),
                     " again from the manifest kept in the journal: ",
                     plan.status().message(),
                     "; go on with the version of Sluice that wrote it"));
  }
  // S7: a plan made differently today would be another history.
  if ((*plan)->digest != from.plan_digest()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "this version makes another plan (", ShortDigest((*plan)->digest),
        ") of the manifest kept in the journal than the one people worked "
        "with (",
        ShortDigest(from.plan_digest()),
        "); go on with the version of Sluice that wrote it"));
  }
  return en::PlanAdopted{from.number(), *std::move(plan), from.sources(),
                         OperatorId(from.by())};
}

EventOr FromPb(const pb::RunStarted& from) {
  return en::RunStarted{RunId(from.run()), OperatorId(from.by())};
}
EventOr FromPb(const pb::AgentConnected& from) {
  en::AgentConnected out{HostId(from.host()),
                         from.agent_version(),
                         from.boot_id(),
                         from.highest_epoch(),
                         {}};
  SLUICE_ASSIGN_OR_RETURN(out.fence, FromPb(from.fence()));
  return out;
}
EventOr FromPb(const pb::AgentLost& from) {
  return en::AgentLost{HostId(from.host()), from.reason()};
}

absl::StatusOr<en::FlowsTried> FromPb(const pb::FlowsTried& from) {
  en::FlowsTried out;
  for (const pb::FlowsTried::Try& one : from.tries()) {
    en::FlowsTried::Try to;
    SLUICE_ASSIGN_OR_RETURN(to.flow, Flow::Parse(one.flow()));
    SLUICE_ASSIGN_OR_RETURN(to.verdict, FromPb(one.verdict()));
    to.reason = one.reason();
    out.tries.push_back(std::move(to));
  }
  return out;
}

absl::Status ReadDetail(const pb::OrderReported& from, en::OrderReported* out) {
  switch (from.detail_case()) {
    case pb::OrderReported::kChecks: {
      en::ChecksDone done;
      SLUICE_ASSIGN_OR_RETURN(done.results,
                              AllReports(from.checks().results()));
      out->detail = std::move(done);
      break;
    }
    case pb::OrderReported::kEvidence: {
      en::EvidenceFrozen frozen{from.evidence().digest(),
                                from.evidence().text(),
                                {},
                                from.evidence().signature()};
      SLUICE_ASSIGN_OR_RETURN(frozen.results,
                              AllReports(from.evidence().results()));
      out->detail = std::move(frozen);
      break;
    }
    case pb::OrderReported::kRelease:
      out->detail = en::ReleaseAnswered{from.release().accepts(),
                                        from.release().reason()};
      break;
    case pb::OrderReported::kTried: {
      SLUICE_ASSIGN_OR_RETURN(en::FlowsTried tried, FromPb(from.tried()));
      out->detail = std::move(tried);
      break;
    }
    case pb::OrderReported::DETAIL_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

EventOr FromPb(const pb::OrderReported& from) {
  en::OrderReported out;
  out.order = en::OrderId(from.order());
  out.host = HostId(from.host());
  switch (from.outcome()) {
    case pb::OrderReported::OUTCOME_DONE:
      out.outcome = en::Outcome::kDone;
      break;
    case pb::OrderReported::OUTCOME_REFUSED:
      out.outcome = en::Outcome::kRefused;
      break;
    case pb::OrderReported::OUTCOME_FAILED:
      out.outcome = en::Outcome::kFailed;
      break;
    default:
      return Spoiled("it holds an outcome that is none");
  }
  out.reason = from.reason();
  if (from.has_fence()) {
    SLUICE_ASSIGN_OR_RETURN(out.fence, FromPb(from.fence()));
  }
  SLUICE_RETURN_IF_ERROR(ReadDetail(from, &out));
  return out;
}

EventOr FromPb(const pb::WatchChanged& from) {
  en::WatchChanged out{HostId(from.host()), StepId(from.step()), {}};
  SLUICE_ASSIGN_OR_RETURN(out.report, FromPb(from.report()));
  return out;
}
EventOr FromPb(const pb::LeaseLost& from) {
  return en::LeaseLost{HostId(from.host()), from.release_digest()};
}
EventOr FromPb(const pb::FenceChanged& from) {
  en::FenceChanged out{HostId(from.host()), from.reason(), {}};
  SLUICE_ASSIGN_OR_RETURN(out.fence, FromPb(from.fence()));
  return out;
}
EventOr FromPb(const pb::GlassBroken& from) {
  en::GlassBroken out{
      HostId(from.host()), from.text(), from.signature(), from.over(), {}};
  SLUICE_ASSIGN_OR_RETURN(out.fence, FromPb(from.fence()));
  return out;
}
// Records from before texts were kept have none.
std::shared_ptr<const std::string> TextOf(const std::string& text) {
  if (text.empty()) return nullptr;
  return std::make_shared<const std::string>(text);
}
EventOr FromPb(const pb::DecisionMade& from) {
  return en::DecisionMade{
      StageId(from.gate()),         from.round(),     OperatorId(from.by()),
      AllIds<RoleId>(from.roles()), from.go(),        from.reason(),
      from.body_digest(),           from.signature(), TextOf(from.text())};
}
EventOr FromPb(const pb::TaskSigned& from) {
  return en::TaskSigned{TaskId(from.task()),          OperatorId(from.by()),
                        AllIds<RoleId>(from.roles()), from.note(),
                        from.attachment_digest(),     from.signature(),
                        TextOf(from.text())};
}
EventOr FromPb(const pb::PointReported& from) {
  return en::PointReported{HostId(from.host()),
                           TaskId(from.task()),
                           en::OrderId(from.order()),
                           OperatorId(from.by()),
                           AllIds<RoleId>(from.roles()),
                           from.done(),
                           from.saw(),
                           from.signature(),
                           TextOf(from.text())};
}
EventOr FromPb(const pb::IsolationOrdered& from) {
  using Scope = en::IsolationOrdered::Scope;
  en::IsolationOrdered out;
  switch (from.scope()) {
    case pb::IsolationOrdered::SCOPE_ALL:
      out.scope = Scope::kAll;
      break;
    case pb::IsolationOrdered::SCOPE_RUN:
      out.scope = Scope::kRun;
      break;
    case pb::IsolationOrdered::SCOPE_SYSTEM:
      out.scope = Scope::kSystem;
      break;
    case pb::IsolationOrdered::SCOPE_HOST:
      out.scope = Scope::kHost;
      break;
    default:
      return Spoiled("it holds an isolation whose scope is none");
  }
  out.system = SystemId(from.system());
  out.host = HostId(from.host());
  out.by = OperatorId(from.by());
  out.reason = from.reason();
  out.confirmation = from.confirmation();
  out.sensor_anew = from.sensor_anew();
  out.roles = AllIds<RoleId>(from.roles());
  return out;
}
EventOr FromPb(const pb::RetryAsked& from) {
  return en::RetryAsked{AllIds<StepId>(from.steps()), OperatorId(from.by())};
}
EventOr FromPb(const pb::RunPaused& from) {
  return en::RunPaused{OperatorId(from.by())};
}
EventOr FromPb(const pb::RunResumed& from) {
  return en::RunResumed{OperatorId(from.by())};
}
EventOr FromPb(const pb::RunEnded& from) {
  return en::RunEnded{OperatorId(from.by()), from.reason()};
}
EventOr FromPb(const pb::WaiverGiven& from) {
  return en::WaiverGiven{StepId(from.step()),
                         CheckId(from.check()),
                         OperatorId(from.by()),
                         AllIds<RoleId>(from.roles()),
                         from.reason(),
                         absl::FromUnixNanos(from.until_ns()),
                         from.signature(),
                         TextOf(from.text())};
}
EventOr FromPb(const pb::TrustChanged& from) {
  return en::TrustChanged{OperatorId(from.by()),
                          from.text(),
                          {from.signatures().begin(), from.signatures().end()}};
}
EventOr FromPb(const pb::TimePassed&) { return en::TimePassed{}; }
EventOr FromPb(const pb::IdentityChanged& from) {
  if (from.what() <= pb::IdentityChanged::WHAT_UNSPECIFIED ||
      from.what() > pb::IdentityChanged::WHAT_LOGGED_OUT) {
    return absl::FailedPreconditionError(
        "it changes identities in a way that this version does not know; go "
        "on with the version of Sluice that wrote it");
  }
  en::IdentityChanged event;
  event.what = static_cast<en::IdentityChanged::What>(from.what() - 1);
  event.host = HostId(from.host());
  event.by = OperatorId(from.by());
  event.key = from.key();
  event.evidence_key = from.evidence_key();
  event.token = from.token();
  event.until = absl::FromUnixMicros(from.until_us());
  event.reason = from.reason();
  event.text = from.text();
  event.signature = from.signature();
  return event;
}

EventOr FromPb(const pb::AccessRefused& from) {
  return en::AccessRefused{from.address(), from.addresses(), from.logins(),
                           from.tokens(),  from.calls(),     from.last()};
}

template <class Message>
EventOr Read(absl::string_view payload) {
  SLUICE_ASSIGN_OR_RETURN(Message message, Parse<Message>(payload));
  return FromPb(message);
}

EventOr ReadAny(uint32_t kind, absl::string_view payload,
                const PlanLoader& load_plan) {
  switch (static_cast<pb::Kind>(kind)) {
    case pb::KIND_REIGN_BEGAN:
      return Read<pb::ReignBegan>(payload);
    case pb::KIND_PLAN_ADOPTED: {
      SLUICE_ASSIGN_OR_RETURN(pb::PlanAdopted message,
                              Parse<pb::PlanAdopted>(payload));
      return FromPb(message, load_plan);
    }
    case pb::KIND_RUN_STARTED:
      return Read<pb::RunStarted>(payload);
    case pb::KIND_AGENT_CONNECTED:
      return Read<pb::AgentConnected>(payload);
    case pb::KIND_AGENT_LOST:
      return Read<pb::AgentLost>(payload);
    case pb::KIND_ORDER_REPORTED:
      return Read<pb::OrderReported>(payload);
    case pb::KIND_WATCH_CHANGED:
      return Read<pb::WatchChanged>(payload);
    case pb::KIND_LEASE_LOST:
      return Read<pb::LeaseLost>(payload);
    case pb::KIND_FENCE_CHANGED:
      return Read<pb::FenceChanged>(payload);
    case pb::KIND_DECISION_MADE:
      return Read<pb::DecisionMade>(payload);
    case pb::KIND_TASK_SIGNED:
      return Read<pb::TaskSigned>(payload);
    case pb::KIND_ISOLATION_ORDERED:
      return Read<pb::IsolationOrdered>(payload);
    case pb::KIND_RETRY_ASKED:
      return Read<pb::RetryAsked>(payload);
    case pb::KIND_RUN_PAUSED:
      return Read<pb::RunPaused>(payload);
    case pb::KIND_RUN_RESUMED:
      return Read<pb::RunResumed>(payload);
    case pb::KIND_RUN_ENDED:
      return Read<pb::RunEnded>(payload);
    case pb::KIND_WAIVER_GIVEN:
      return Read<pb::WaiverGiven>(payload);
    case pb::KIND_TRUST_CHANGED:
      return Read<pb::TrustChanged>(payload);
    case pb::KIND_POINT_REPORTED:
      return Read<pb::PointReported>(payload);
    case pb::KIND_GLASS_BROKEN:
      return Read<pb::GlassBroken>(payload);
    case pb::KIND_TIME_PASSED:
      return Read<pb::TimePassed>(payload);
    case pb::KIND_IDENTITY_CHANGED:
      return Read<pb::IdentityChanged>(payload);
    case pb::KIND_ACCESS_REFUSED:
      return Read<pb::AccessRefused>(payload);
    default:
      return absl::FailedPreconditionError(absl::StrCat(
          "it is of ", KindName(kind),
          ", which this version does not know; go on with the version of "
          "Sluice that wrote it"));
  }
}

}  // namespace

absl::StatusOr<std::vector<SourceFile>> DecodeSources(
    absl::string_view encoded) {
  SLUICE_ASSIGN_OR_RETURN(pb::Sources message, Parse<pb::Sources>(encoded));
  std::vector<SourceFile> files;
  for (const pb::Sources::File& file : message.files()) {
    files.push_back(SourceFile{file.name(), file.text()});
  }
  return files;
}

EventOr Decode(uint32_t kind, uint32_t version, absl::string_view payload,
               const PlanLoader& load_plan) {
  if (version > kNewestVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("it is version ", version, " of '", KindName(kind),
                     "' and this version of Sluice knows up to ",
                     kNewestVersion, "; go on with the version that wrote it"));
  }
  EventOr event = ReadAny(kind, payload, load_plan);
  if (!event.ok()) return event;
  // Whatever this program would lose in reading shows when written again: a
  // newer version's field among them.
  if (Encode(*event).payload != payload) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it says more ('", KindName(kind),
        "') than this version understands; go on with the version of Sluice "
        "that wrote it"));
  }
  return event;
}

}  // namespace sluice::journal
