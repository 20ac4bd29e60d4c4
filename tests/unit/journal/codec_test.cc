#include "orchestrator/journal/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/v1/journal.pb.h"

namespace sluice::journal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace en = ::sluice::engine;

absl::StatusOr<std::shared_ptr<const Plan>> NoPlan(
    const std::vector<SourceFile>&) {
  return absl::InternalError("no plan was expected");
}

// Through bytes and back.
template <class T>
T RoundTrip(const T& event, const PlanLoader& load = NoPlan) {
  const Encoded encoded = Encode(event);
  absl::StatusOr<en::Event> back =
      Decode(encoded.kind, encoded.version, encoded.payload, load);
  EXPECT_TRUE(back.ok()) << back.status();
  if (!back.ok()) return T();
  EXPECT_TRUE(std::holds_alternative<T>(*back));
  return std::get<T>(*back);
}

en::FenceSeen SomeFence() {
  en::FenceSeen fence;
  fence.mode = en::FenceSeen::Mode::kQuarantined;
  fence.quarantine_number = 3;
  fence.state_serial = 41;
  fence.releases = {{"sha256:aa",
                     2,
                     5,
                     absl::Milliseconds(1500),
                     {GrantId("a>b:c"), GrantId("d>e:f")}},
                    {"sha256:bb", 0, 0, absl::ZeroDuration(), {}}};
  fence.dropped_packets = 77;
  fence.rules_digest = "sha256:cc";
  return fence;
}

en::CheckReport SomeReport() {
  return {CheckId("billing-db/health-1"),
          {Verdict::kFail, "refused", "host db-1"}};
}

TEST(Codec, KeepsAReign) {
  const auto back = RoundTrip(en::ReignBegan{7, "instance"});
  EXPECT_EQ(back.epoch, 7u);
  EXPECT_EQ(back.instance, "instance");
}

TEST(Codec, KeepsRuns) {
  const auto started = RoundTrip(
      en::RunStarted{RunId("2026-11-21-1"), OperatorId("duty-commander")});
  EXPECT_EQ(started.run, RunId("2026-11-21-1"));
  EXPECT_EQ(started.by, OperatorId("duty-commander"));
  EXPECT_EQ(RoundTrip(en::RunPaused{OperatorId("a")}).by, OperatorId("a"));
  EXPECT_EQ(RoundTrip(en::RunResumed{OperatorId("b")}).by, OperatorId("b"));
  const auto ended = RoundTrip(en::RunEnded{OperatorId("c"), "all is back"});
  EXPECT_EQ(ended.by, OperatorId("c"));
  EXPECT_EQ(ended.reason, "all is back");
}

TEST(Codec, KeepsEveryChangeOfIdentities) {
  using What = en::IdentityChanged::What;
  for (const What what : {What::kTokenMade, What::kEnrolled, What::kRenewed,
                          What::kRevoked, What::kLoggedIn, What::kLoggedOut}) {
    const auto back = RoundTrip(en::IdentityChanged{
        what, HostId("db-1"), OperatorId("duty-commander"), "sha256:aa",
        "ssh-ed25519 AAAA", "sha256:bb", absl::FromUnixMicros(1'234'567),
        "reason", "text", "signature"});
    EXPECT_EQ(back.what, what);
    EXPECT_EQ(back.host, HostId("db-1"));
    EXPECT_EQ(back.by, OperatorId("duty-commander"));
    EXPECT_EQ(back.key, "sha256:aa");
    EXPECT_EQ(back.evidence_key, "ssh-ed25519 AAAA");
    EXPECT_EQ(back.token, "sha256:bb");
    EXPECT_EQ(back.until, absl::FromUnixMicros(1'234'567));
    EXPECT_EQ(back.reason, "reason");
    EXPECT_EQ(back.text, "text");
    EXPECT_EQ(back.signature, "signature");
  }
}

TEST(Codec, KeepsWhoWasRefused) {
  const auto back = RoundTrip(
      en::AccessRefused{"10.77.0.66", 1, 3, 2, 1, "the token is not good"});
  EXPECT_EQ(back.address, "10.77.0.66");
  EXPECT_EQ(back.addresses, 1u);
  EXPECT_EQ(back.logins, 3u);
  EXPECT_EQ(back.tokens, 2u);
  EXPECT_EQ(back.calls, 1u);
  EXPECT_EQ(back.last, "the token is not good");
  EXPECT_EQ(RoundTrip(en::AccessRefused{"", 0, 1, 0, 0, ""}).addresses, 0u);
}

TEST(Codec, KeepsAnAgentsComingAndGoing) {
  const auto back = RoundTrip(
      en::AgentConnected{HostId("db-1"), "0.1.0", "boot", 9, SomeFence()});
  EXPECT_EQ(back.host, HostId("db-1"));
  EXPECT_EQ(back.agent_version, "0.1.0");
  EXPECT_EQ(back.boot_id, "boot");
  EXPECT_EQ(back.highest_epoch, 9u);
  EXPECT_EQ(back.fence, SomeFence());
  const auto lost = RoundTrip(en::AgentLost{HostId("db-1"), "no answer"});
  EXPECT_EQ(lost.host, HostId("db-1"));
  EXPECT_EQ(lost.reason, "no answer");
}

TEST(Codec, KeepsEveryKindOfReport) {
  en::OrderReported report{en::OrderId("r/4/0"),  HostId("db-1"),
                           en::Outcome::kRefused, "stale",
                           SomeFence(),           {}};
  auto back = RoundTrip(report);
  EXPECT_EQ(back.order, en::OrderId("r/4/0"));
  EXPECT_EQ(back.host, HostId("db-1"));
  EXPECT_EQ(back.outcome, en::Outcome::kRefused);
  EXPECT_EQ(back.reason, "stale");
  EXPECT_EQ(back.fence, SomeFence());
  EXPECT_TRUE(std::holds_alternative<std::monostate>(back.detail));

  report.fence.reset();
  report.outcome = en::Outcome::kFailed;
  report.detail = en::ChecksDone{{SomeReport()}};
  back = RoundTrip(report);
  EXPECT_FALSE(back.fence.has_value());
  EXPECT_EQ(back.outcome, en::Outcome::kFailed);
  const auto& checks = std::get<en::ChecksDone>(back.detail).results;
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_EQ(checks[0].id, SomeReport().id);
  EXPECT_EQ(checks[0].result, SomeReport().result);

  report.detail = en::ChecksDone{};  // done, and nothing was asked
  EXPECT_TRUE(std::holds_alternative<en::ChecksDone>(RoundTrip(report).detail));

  report.outcome = en::Outcome::kDone;
  report.detail = en::EvidenceFrozen{"sha256:dd", "text\n", {SomeReport()}};
  back = RoundTrip(report);
  const auto& evidence = std::get<en::EvidenceFrozen>(back.detail);
  EXPECT_EQ(evidence.digest, "sha256:dd");
  EXPECT_EQ(evidence.text, "text\n");
  ASSERT_EQ(evidence.results.size(), 1u);
  EXPECT_EQ(evidence.results[0].result, SomeReport().result);

  report.detail = en::ReleaseAnswered{true, "fits"};
  back = RoundTrip(report);
  EXPECT_TRUE(std::get<en::ReleaseAnswered>(back.detail).accepts);
  EXPECT_EQ(std::get<en::ReleaseAnswered>(back.detail).reason, "fits");

  const Flow flow = *Flow::Parse("tcp 10.77.0.21 10.77.0.11 5432");
  report.detail = en::FlowsTried{{{flow, Verdict::kInconclusive, "udp"}}};
  back = RoundTrip(report);
  const auto& tries = std::get<en::FlowsTried>(back.detail).tries;
  ASSERT_EQ(tries.size(), 1u);
  EXPECT_EQ(tries[0].flow, flow);
  EXPECT_EQ(tries[0].verdict, Verdict::kInconclusive);
  EXPECT_EQ(tries[0].reason, "udp");
}

TEST(Codec, KeepsWhatHostsNotice) {
  const auto watch = RoundTrip(
      en::WatchChanged{HostId("db-1"), StepId("billing-db"), SomeReport()});
  EXPECT_EQ(watch.host, HostId("db-1"));
  EXPECT_EQ(watch.step, StepId("billing-db"));
  EXPECT_EQ(watch.report.result, SomeReport().result);
  const auto lease = RoundTrip(en::LeaseLost{HostId("db-1"), "sha256:ee"});
  EXPECT_EQ(lease.host, HostId("db-1"));
  EXPECT_EQ(lease.release_digest, "sha256:ee");
  const auto fence =
      RoundTrip(en::FenceChanged{HostId("db-1"), "flushed", SomeFence()});
  EXPECT_EQ(fence.host, HostId("db-1"));
  EXPECT_EQ(fence.reason, "flushed");
  EXPECT_EQ(fence.fence, SomeFence());
  en::FenceSeen open = SomeFence();
  open.broken_glass = {"sha256:11"};
  open.sensor_anew = "1a2b3c4d/7";
  const auto glass = RoundTrip(en::GlassBroken{
      HostId("db-1"), "sluice break-glass 1\n", "S", true, open});
  EXPECT_EQ(glass.host, HostId("db-1"));
  EXPECT_EQ(glass.text, "sluice break-glass 1\n");
  EXPECT_EQ(glass.signature, "S");
  EXPECT_TRUE(glass.over);
  EXPECT_EQ(glass.fence, open);
}

TEST(Codec, KeepsWhatPeopleDo) {
  const auto decision = RoundTrip(
      en::DecisionMade{StageId("data"),
                       2,
                       OperatorId("duty-commander"),
                       {RoleId("incident-commander"), RoleId("system-owner")},
                       true,
                       "clean",
                       "sha256:ff",
                       "SIG"});
  EXPECT_EQ(decision.gate, StageId("data"));
  EXPECT_EQ(decision.round, 2);
  EXPECT_EQ(decision.by, OperatorId("duty-commander"));
  EXPECT_THAT(decision.roles, ElementsAre(RoleId("incident-commander"),
                                          RoleId("system-owner")));
  EXPECT_TRUE(decision.go);
  EXPECT_EQ(decision.reason, "clean");
  EXPECT_EQ(decision.body_digest, "sha256:ff");
  EXPECT_EQ(decision.signature, "SIG");

  const auto task = RoundTrip(en::TaskSigned{TaskId("billing-db/rotated"),
                                             OperatorId("o"),
                                             {RoleId("r")},
                                             "by hand",
                                             "sha256:01"});
  EXPECT_EQ(task.task, TaskId("billing-db/rotated"));
  EXPECT_EQ(task.by, OperatorId("o"));
  EXPECT_THAT(task.roles, ElementsAre(RoleId("r")));
  EXPECT_EQ(task.note, "by hand");
  EXPECT_EQ(task.attachment_digest, "sha256:01");

  const auto point = RoundTrip(
      en::PointReported{HostId("plc-1"),
                        TaskId("plc-1/open-4"),
                        en::OrderId("run:0a/12/3"),
                        OperatorId("o"),
                        {RoleId("r")},
                        true,
                        "the lamp is green",
                        "SIG",
                        std::make_shared<const std::string>("the text")});
  EXPECT_EQ(point.host, HostId("plc-1"));
  EXPECT_EQ(point.task, TaskId("plc-1/open-4"));
  EXPECT_EQ(point.order, en::OrderId("run:0a/12/3"));
  EXPECT_EQ(point.by, OperatorId("o"));
  EXPECT_THAT(point.roles, ElementsAre(RoleId("r")));
  EXPECT_TRUE(point.done);
  EXPECT_EQ(point.saw, "the lamp is green");
  EXPECT_EQ(point.signature, "SIG");
  EXPECT_EQ(*point.text, "the text");

  const auto trust = RoundTrip(
      en::TrustChanged{OperatorId("o"), "sluice rotation 1\n", {"A", "B"}});
  EXPECT_EQ(trust.by, OperatorId("o"));
  EXPECT_EQ(trust.text, "sluice rotation 1\n");
  EXPECT_THAT(trust.signatures, ElementsAre("A", "B"));

  using Scope = en::IsolationOrdered::Scope;
  for (const Scope scope :
       {Scope::kAll, Scope::kRun, Scope::kSystem, Scope::kHost}) {
    const auto isolation = RoundTrip(en::IsolationOrdered{
        scope, SystemId("s"), HostId("h"), OperatorId("o"), "calls home", "s"});
    EXPECT_EQ(isolation.scope, scope);
    EXPECT_EQ(isolation.system, SystemId("s"));
    EXPECT_EQ(isolation.host, HostId("h"));
    EXPECT_EQ(isolation.by, OperatorId("o"));
    EXPECT_EQ(isolation.reason, "calls home");
    EXPECT_EQ(isolation.confirmation, "s");
    EXPECT_FALSE(isolation.sensor_anew);
  }
  en::IsolationOrdered anew;
  anew.scope = Scope::kHost;
  anew.sensor_anew = true;
  anew.roles = {RoleId("incident-commander"), RoleId("system-owner")};
  EXPECT_TRUE(RoundTrip(anew).sensor_anew);
  EXPECT_EQ(RoundTrip(anew).roles, anew.roles);

  const auto retry =
      RoundTrip(en::RetryAsked{{StepId("a"), StepId("b")}, OperatorId("o")});
  EXPECT_THAT(retry.steps, ElementsAre(StepId("a"), StepId("b")));
  EXPECT_EQ(retry.by, OperatorId("o"));
  RoundTrip(en::TimePassed{});

  const absl::Time until = absl::FromUnixNanos(1'795'284'000'000'000'001);
  const auto waiver = RoundTrip(
      en::WaiverGiven{StepId("a"),
                      CheckId("a/health-1"),
                      OperatorId("o"),
                      {RoleId("r"), RoleId("s")},
                      "seen by hand",
                      until,
                      "signature",
                      std::make_shared<const std::string>("what was signed")});
  EXPECT_EQ(waiver.step, StepId("a"));
  EXPECT_EQ(waiver.check, CheckId("a/health-1"));
  EXPECT_EQ(waiver.by, OperatorId("o"));
  EXPECT_THAT(waiver.roles, ElementsAre(RoleId("r"), RoleId("s")));
  EXPECT_EQ(waiver.reason, "seen by hand");
  EXPECT_EQ(waiver.until, until);
  EXPECT_EQ(waiver.signature, "signature");
  EXPECT_EQ(*waiver.text, "what was signed");
}

TEST(Codec, KeepsTextThatIsNoUtf8) {
  EXPECT_EQ(RoundTrip(en::AgentLost{HostId("h"), "\xff\xfe"}).reason,
            "\xff\xfe");
}

class PlanCodec : public ::testing::Test {
 protected:
  PlanCodec() {
    plan_->digest =
        "sha256:"
        "0123456789012345678901234567890123456789012345678901234567890123";
  }
  en::PlanAdopted Adopted() const {
    return {2, plan_, EncodeSources(files_), OperatorId("o")};
  }
  std::shared_ptr<Plan> plan_ = std::make_shared<Plan>();
  const std::vector<SourceFile> files_ = {{"a.yaml", "sluice: 1\n"},
                                          {"b.yaml", ""}};
};

TEST_F(PlanCodec, MakesThePlanAgainFromItsTexts) {
  std::vector<SourceFile> given;
  const auto back = RoundTrip(Adopted(), [&](const auto& files) {
    given = files;
    return plan_;
  });
  EXPECT_EQ(given, files_);
  EXPECT_EQ(back.number, 2);
  EXPECT_EQ(back.plan, plan_);
  EXPECT_EQ(back.sources, EncodeSources(files_));
  EXPECT_EQ(back.by, OperatorId("o"));
}

TEST_F(PlanCodec, StopsWhenThePlanIsNotTheSameAnyMore) {
  const Encoded encoded = Encode(Adopted());
  auto other = std::make_shared<Plan>();
  other->digest = "sha256:999999999999";
  const auto back = Decode(encoded.kind, encoded.version, encoded.payload,
                           [&](const auto&) { return other; });
  EXPECT_EQ(back.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(back.status().message(), HasSubstr("another plan"));
}

TEST_F(PlanCodec, StopsWhenThePlanCannotBeMadeAgain) {
  const Encoded encoded = Encode(Adopted());
  const auto back =
      Decode(encoded.kind, encoded.version, encoded.payload, NoPlan);
  EXPECT_EQ(back.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(back.status().message(), HasSubstr("no plan was expected"));
}

TEST(Codec, StopsAtAKindItDoesNotKnow) {
  const auto back = Decode(99, 1, "", NoPlan);
  EXPECT_EQ(back.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(back.status().message(), HasSubstr("unknown kind 99"));
}

TEST(Codec, StopsAtANewerVersion) {
  const Encoded encoded = Encode(en::TimePassed{});
  const auto back = Decode(encoded.kind, 2, encoded.payload, NoPlan);
  EXPECT_EQ(back.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(back.status().message(), HasSubstr("version 2"));
}

TEST(Codec, StopsAtAFieldItWouldDrop) {
  ::sluice::v1::journal::AgentLost message;
  message.set_host("h");
  message.GetReflection()->MutableUnknownFields(&message)->AddVarint(900, 1);
  const auto back = Decode(::sluice::v1::journal::KIND_AGENT_LOST, 1,
                           message.SerializeAsString(), NoPlan);
  EXPECT_EQ(back.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(back.status().message(), HasSubstr("says more"));
}

TEST(Codec, StopsAtBytesThatAreNoRecord) {
  for (uint32_t kind = 1; kind <= 17; ++kind) {
    EXPECT_FALSE(Decode(kind, 1, "\xff\xff\xff", NoPlan).ok()) << kind;
  }
}

}  // namespace
}  // namespace sluice::journal
