// Whole commands against a service behind mutual TLS: what they print, ask
// for and end with.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "common/decision_text.h"
#include "common/delegation.h"
#include "common/digest.h"
#include "common/flow.h"
#include "common/release_order.h"
#include "common/sshsig.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/files.h"
#include "orchestrator/cli/init.h"
#include "orchestrator/cli/program.h"
#include "tests/unit/cli/fake_operator.h"
#include "tests/unit/cli/golden.h"
#include "tests/unit/cli/honest_gate.h"
#include "tests/vectors/trust_vectors.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kFlow[] = "tcp 10.77.0.31 10.77.0.21 5432";

// A gate whose parts agree with each other.
v1::GateDetail AskingGate() {
  ReleaseOrder order;
  order.estate = EstateId("city-utility");
  order.run = RunId("2026-11-21-1");
  order.plan_digest = Sha256("plan");
  order.stage = StageId("applications");
  order.stage_digest = Sha256("stage");
  order.round = 2;
  order.started_by = OperatorId("duty-commander");
  order.quorum = {{RoleId("incident-commander"), 1},
                  {RoleId("system-owner"), 1}};
  order.journal_head = Sha256("head");
  order.valid_seconds = 1800;
  order.steps = {StepId("billing-engine")};
  order.hosts = {{.id = HostId("app-1"),
                  .quarantine_number = 4,
                  .evidence_digest = Sha256("evidence app-1"),
                  .flows_digest = FlowsDigest({*Flow::Parse(kFlow)}),
                  .lease_seconds = 10,
                  .soak_seconds = 5},
                 {.id = HostId("db-1"),
                  .quarantine_number = 3,
                  .evidence_digest = Sha256("evidence db-1"),
                  .flows_digest = FlowsDigest({*Flow::Parse(kFlow)}),
                  .lease_seconds = 10,
                  .soak_seconds = 5}};
  v1::GateDetail detail;
  const auto status = Canned<v1::Status>("billing-failed.status.textproto");
  for (const v1::Gate& gate : status.gates()) {
    if (gate.id() == "applications") *detail.mutable_gate() = gate;
  }
  detail.set_body(order.Body());
  detail.mutable_gate()->set_body_digest(order.Digest());
  for (const char* host : {"db-1", "app-1"}) {
    v1::HostFlows& flows = *detail.add_flows();
    flows.set_host(host);
    flows.add_flows(kFlow);
    v1::HostEvidence& evidence = *detail.add_evidence();
    evidence.set_host(host);
    evidence.set_digest(Sha256(std::string("evidence ") + host));
    evidence.set_answer("accepts");
    v1::CheckResult& good = *evidence.add_results();
    good.set_id("billing-engine/inspect-1");
    good.set_verdict(v1::VERDICT_PASS);
    good.set_said_by(std::string("host ") + host);
  }
  v1::HostEvidence& app = *detail.mutable_evidence(1);
  app.set_answer("has not answered");
  app.set_text("31 packets refused; 2 peers that no manifest knows");
  v1::CheckResult& bad = *app.add_results();
  bad.set_id("billing-engine/inspect-2");
  bad.set_verdict(v1::VERDICT_INCONCLUSIVE);
  bad.set_reason("the sensor was reset 4m ago, 60m are asked for");
  bad.set_said_by("host app-1");
  return detail;
}

class Command : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);
    unsetenv("SLUICE_CLIENT");
    const auto made = Init(SmallPlan(), {}, {.out = dir_.path()});
    ASSERT_TRUE(made.ok()) << made.status();
    client_ = dir_ / "operators/duty-commander/client.yaml";
    // These tests dial nothing but their own socket.
    std::ofstream(client_) << "orchestrators: "
                              "[\"unix:../../orchestrator/operator.sock\"]\n"
                              "operator: duty-commander\n"
                              "authority: ca.crt\n"
                              "signing-key: id\n"
                              "manifest: manifest.yaml\n";
    std::ofstream(dir_ / "operators/duty-commander/manifest.yaml")
        << kHonestManifest;
    std::ofstream(dir_ / "operators/duty-commander/hosts.keys")
        << honest_.HostKeys();
    key_ = dir_ / "operators/duty-commander/id";
    ASSERT_EQ(std::system(
                  absl::StrCat("ssh-keygen -q -t ed25519 -N '' -f '", key_, "'")
                      .c_str()),
              0);
    fake_.status = Canned<v1::Status>("billing-failed.status.textproto");
    fake_.history = Canned<v1::History>("history.textproto");
    fake_.gate = AskingGate();
    fake_.Serve(dir_.path());
  }

  bool Signed(absl::string_view name_space, absl::string_view text,
              const std::string& signature) {
    const auto key = ReadWholeFile(key_ + ".pub", 4096);
    return SshVerifier().Verify(*key, name_space, text, signature).ok();
  }

  int Run(const std::vector<std::string>& arguments,
          const std::string& typed = "", bool can_ask = false) {
    return RunOf({arguments.front()}, {arguments.begin() + 1, arguments.end()},
                 typed, can_ask);
  }

  // A command of one word or two, and its arguments.
  int RunOf(std::vector<std::string> arguments,
            const std::vector<std::string>& rest, const std::string& typed = "",
            bool can_ask = false) {
    arguments.insert(arguments.end(), {"--client", client_});
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    std::istringstream in(typed);
    std::ostringstream out;
    std::ostringstream err;
    Terminal terminal{.in = &in, .out = &out, .err = &err, .can_ask = can_ask};
    const int code = RunSluice(arguments, terminal);
    out_ = out.str();
    err_ = err.str();
    if (!absl::StrContains(out_, "{\n")) {
      // The release order's own lines are shown byte for byte.
      ExpectFits(out_.substr(0, out_.find("\nsluice release order")));
    }
    ExpectFits(err_);
    err_ = Flat(err_);
    return code;
  }

  TempDir dir_;
  std::string client_;
  std::string key_;
  FakeOperator fake_;
  HonestGate honest_;
  std::string out_;
  std::string err_;
};

TEST_F(Command, StatusSaysWhatWaitsForWhomAndWhy) {
  EXPECT_EQ(Run({"status"}), kDone) << err_;
  ExpectGolden("status-billing-failed.txt", out_);
}

TEST_F(Command, StatusBeforeTheRun) {
  fake_.status = Canned<v1::Status>("before-the-run.status.textproto");
  EXPECT_EQ(Run({"status"}), kDone) << err_;
  ExpectGolden("status-before-the-run.txt", out_);
}

TEST_F(Command, StatusJsonHasTheContractsFieldNames) {
  EXPECT_EQ(Run({"status", "--json"}), kDone);
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["hosts"][0]["quarantine_number"], "4");
  EXPECT_EQ(json["steps"][0]["failed"], false);  // defaults are written too
}

TEST_F(Command, GatesSayWhoIsWaitedFor) {
  EXPECT_EQ(Run({"gates"}), kDone);
  ExpectGolden("gates.txt", out_);
  EXPECT_EQ(Run({"gates", "--json"}), kDone);
  EXPECT_EQ(nlohmann::json::parse(out_)["gates"].size(), 4u);
}

TEST_F(Command, ShowsAGateAStepAndAHost) {
  EXPECT_EQ(Run({"show", "applications"}), kDone) << err_;
  ExpectGolden("show-gate.txt", out_);
  EXPECT_EQ(Run({"show", "billing-engine"}), kDone);
  ExpectGolden("show-step.txt", out_);
  EXPECT_EQ(Run({"show", "doc-1"}), kDone);
  ExpectGolden("show-host.txt", out_);
}

TEST_F(Command, ShowSuggestsTheNearestName) {
  EXPECT_EQ(Run({"show", "biling-engine"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("did you mean 'billing-engine'?"));
}

TEST_F(Command, DurationsFeedTheForecast) {
  const std::string manifest = SLUICE_SOURCE_DIR "/manifests/city-utility.yaml";
  EXPECT_EQ(Run({"durations"}), kDone) << err_;
  EXPECT_THAT(out_, HasSubstr("Nothing was measured yet"));
  EXPECT_EQ(Run({"forecast", manifest, "--from-orchestrator"}), kRefused);
  EXPECT_THAT(err_, HasSubstr("has measured nothing of this plan yet"));
  v1::StepDurations* step = fake_.durations.add_steps();
  step->set_step("intranet");
  step->add_took_ms(4000);
  EXPECT_EQ(Run({"durations", "--json"}), kDone) << err_;
  EXPECT_THAT(out_, HasSubstr("4000ms"));
  EXPECT_EQ(Run({"forecast", manifest, "--from-orchestrator"}), kDone) << err_;
  EXPECT_THAT(out_, HasSubstr("Measured: 1 of 15 steps"));
  // Each trial keeps every step's end.
  EXPECT_EQ(Run({"forecast", manifest, "--trials", "100000"}), kDone) << err_;
}

TEST_F(Command, HistoryIsReadPageByPage) {
  EXPECT_EQ(Run({"history"}), kDone);
  ExpectGolden("history.txt", out_);
  EXPECT_EQ(Run({"history", "--from", "100", "--limit", "1", "--json"}), kDone);
  const auto json = nlohmann::json::parse(out_);
  ASSERT_EQ(json["entries"].size(), 1u);
  EXPECT_EQ(json["entries"][0]["sequence"], "120");
}

TEST_F(Command, BriefIsOnePageInTwoLanguages) {
  EXPECT_EQ(Run({"brief"}), kDone) << err_;
  ExpectGolden("brief-en.txt", out_);
  EXPECT_EQ(Run({"brief", "--lang", "es"}), kDone);
  ExpectGolden("brief-es.txt", out_);
  EXPECT_EQ(Run({"brief", "--json"}), kDone);
  EXPECT_EQ(nlohmann::json::parse(out_)["back"].size(), 3u);
  EXPECT_EQ(Run({"brief", "--lang", "fr"}), kUsage);
}

TEST_F(Command, GoDecidesOnExactlyTheBytesThatWereShown) {
  honest_.Fill(honest_.Order(), &fake_.gate);
  EXPECT_EQ(Run({"go", "applications"}, "go\n", /*can_ask=*/true), kDone)
      << err_;
  EXPECT_EQ(fake_.decided.body_digest(), Sha256(fake_.gate.body()));
  EXPECT_TRUE(fake_.decided.go());
  ExpectGolden("go.txt", absl::StrReplaceAll(out_, {{dir_.path(), "DIR"}}));
  EXPECT_TRUE(Signed(signed_as::kDecision, fake_.gate.body(),
                     fake_.decided.signature()));
}

TEST_F(Command, GoKeepsToItsStageThoughThePlanChangedElsewhere) {
  ReleaseOrder order = honest_.Order();
  order.plan_digest = Sha256("the plan before");
  honest_.Fill(order, &fake_.gate);
  fake_.status.mutable_run()->set_plan_digest(honest_.plan->digest);
  EXPECT_EQ(Run({"go", "applications"}, "go\n", /*can_ask=*/true), kDone)
      << err_;
  EXPECT_THAT(Flat(out_), HasSubstr("the newer one in force"));
  EXPECT_TRUE(Signed(signed_as::kDecision, fake_.gate.body(),
                     fake_.decided.signature()));
}

TEST_F(Command, GoSignsNothingThatTheOwnManifestDoesNotGive) {
  ReleaseOrder order = honest_.Order();
  order.quorum.erase(RoleId("system-owner"));
  honest_.Fill(order, &fake_.gate);
  EXPECT_EQ(Run({"go", "applications"}), kRefused);
  EXPECT_THAT(err_, HasSubstr("asks for other people"));
  honest_.Fill(honest_.Order(), &fake_.gate);
  fake_.gate.mutable_evidence(0)->clear_signature();
  EXPECT_EQ(Run({"go", "applications"}), kRefused);
  EXPECT_THAT(err_, HasSubstr("not signed by that host"));
  EXPECT_EQ(Run({"go", "applications", "--manifest", dir_ / "none.yaml"}),
            kMistakes);
  EXPECT_EQ(fake_.decided.gate(), "");
  // Closing is always right to ask for.
  EXPECT_EQ(Run({"no-go", "applications", "--reason", "liar"}), kDone);
}

TEST_F(Command, AGateIsDecidedOnAnotherMachineWithPlainSshKeygen) {
  honest_.Fill(honest_.Order(), &fake_.gate);
  const std::string folder = dir_ / "offline";
  EXPECT_EQ(RunOf({"gate", "export"}, {"applications", "--out", folder}), kDone)
      << err_;
  EXPECT_THAT(out_, HasSubstr("ssh-keygen -Y sign -n decision@sluice"));
  EXPECT_EQ(RunOf({"gate", "import"}, {folder}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("sign"));
  ASSERT_EQ(std::system(absl::StrCat("ssh-keygen -q -Y sign -n decision@sluice "
                                     "-f '",
                                     key_, "' '", folder,
                                     "/decision.txt' 2>/dev/null")
                            .c_str()),
            0);
  EXPECT_EQ(RunOf({"gate", "import"}, {folder}), kDone) << err_;
  EXPECT_TRUE(fake_.decided.go());
  EXPECT_TRUE(Signed(signed_as::kDecision, fake_.gate.body(),
                     fake_.decided.signature()));
  // What was changed on the way is not handed in.
  std::ofstream(folder + "/decision.txt", std::ios::app) << "x";
  EXPECT_EQ(RunOf({"gate", "import"}, {folder}), kRefused);
  EXPECT_THAT(err_, HasSubstr("not the text that was exported"));
}

TEST_F(Command, GoConfirmsByAnotherTextThanItReleasedBy) {
  honest_.Fill(honest_.Order(), &fake_.gate);
  fake_.gate.mutable_gate()->set_state("released");
  EXPECT_EQ(Run({"go", "applications"}), kRefused);
  fake_.gate.mutable_gate()->set_confirming(true);
  EXPECT_EQ(Run({"go", "applications"}), kDone) << err_;
  EXPECT_TRUE(Signed(signed_as::kDecision,
                     ConfirmText(fake_.gate.gate().body_digest()),
                     fake_.decided.signature()));
}

TEST_F(Command, GoSaysThatThereIsNoKeyToSignWith) {
  honest_.Fill(honest_.Order(), &fake_.gate);
  EXPECT_EQ(Run({"go", "applications", "--key", dir_ / "nowhere"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("--key FILE"));
  EXPECT_EQ(fake_.decided.gate(), "");
}

TEST_F(Command, GoDecidesNothingUnlessTheWordIsTyped) {
  honest_.Fill(honest_.Order(), &fake_.gate);
  EXPECT_EQ(Run({"go", "applications"}, "yes\n", true), kMistakes);
  EXPECT_THAT(err_, HasSubstr("nothing was decided"));
  EXPECT_EQ(fake_.decided.gate(), "");
}

TEST_F(Command, GoAsksNothingWhereNobodySits) {
  honest_.Fill(honest_.Order(), &fake_.gate);
  EXPECT_EQ(Run({"go", "applications", "--json"}), kDone);
  EXPECT_EQ(nlohmann::json::parse(out_)["sequence"], "300");
}

TEST_F(Command, GoRefusesAGateThatIsNotAsking) {
  fake_.gate.mutable_gate()->set_state("waiting");
  fake_.gate.mutable_gate()->set_why("comes after data");
  EXPECT_EQ(Run({"go", "applications"}), kRefused);
  EXPECT_THAT(err_, HasSubstr("not asking: it is waiting (comes after data)"));
  EXPECT_EQ(fake_.decided.gate(), "");
}

TEST_F(Command, GoRefusesAGateWhosePartsDisagree) {
  const std::string honest = fake_.gate.body();
  fake_.gate.set_body(honest + "x");
  EXPECT_EQ(Run({"go", "applications"}), kRefused);
  EXPECT_THAT(err_, HasSubstr("digest"));
  fake_.gate.set_body(honest);
  fake_.gate.mutable_flows(0)->set_flows(0, "tcp 10.77.0.31 10.77.0.21 22");
  EXPECT_EQ(Run({"go", "applications"}), kRefused);
  EXPECT_THAT(err_, HasSubstr("flows shown for db-1"));
  EXPECT_EQ(fake_.decided.gate(), "");
}

TEST_F(Command, NoGoNeedsAReason) {
  EXPECT_EQ(Run({"no-go", "applications"}), kUsage);
  EXPECT_EQ(Run({"no-go", "applications", "--reason", "wait for forensics"}),
            kDone);
  EXPECT_FALSE(fake_.decided.go());
  EXPECT_EQ(fake_.decided.reason(), "wait for forensics");
  // Never the body: a no-go must not pass for a go.
  EXPECT_TRUE(
      Signed(signed_as::kDecision,
             NoGoText(fake_.gate.gate().body_digest(), "wait for forensics"),
             fake_.decided.signature()));
}

TEST_F(Command, ARefusalKeepsTheOrchestratorsSentence) {
  honest_.Fill(honest_.Order(), &fake_.gate);
  fake_.refusal = {grpc::StatusCode::FAILED_PRECONDITION,
                   "run 2026-11-21-1 is active; end it with `sluice end`"};
  EXPECT_EQ(Run({"start"}), kRefused);
  EXPECT_EQ(err_,
            "sluice: run 2026-11-21-1 is active; end it with `sluice end`");
  fake_.refusal = {grpc::StatusCode::PERMISSION_DENIED, "you are no approver"};
  EXPECT_EQ(Run({"go", "applications"}), kNotPermitted);
}

TEST_F(Command, DoneSendsTheAttachmentsDigestOnly) {
  std::ofstream(dir_ / "invoice.pdf") << "paper";
  EXPECT_EQ(Run({"done", "billing-engine/known-invoice-matches-paper", "--note",
                 "17.40 both", "--attachment", dir_ / "invoice.pdf"}),
            kDone)
      << err_;
  EXPECT_EQ(fake_.signed_task.attachment_digest(), Sha256("paper"));
  EXPECT_EQ(fake_.signed_task.note(), "17.40 both");
}

TEST_F(Command, DoneNamesTheTasksThatAreWanted) {
  EXPECT_EQ(Run({"done", "no-such-task"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("billing-engine/known-invoice-matches-paper"));
  EXPECT_EQ(Run({"done", "t", "--attachment", dir_ / "none"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("was not signed"));
}

TEST_F(Command, RetryAndEndHandOverWhatWasSaid) {
  EXPECT_EQ(Run({"retry", "billing-engine", "customer-portal"}), kDone);
  EXPECT_EQ(fake_.retried.steps_size(), 2);
  EXPECT_EQ(Run({"end", "--reason", "the rest is scrapped"}), kDone);
  EXPECT_EQ(fake_.ended.reason(), "the rest is scrapped");
}

TEST_F(Command, SkipSaysWhichCheckWhyAndUntilWhen) {
  const std::vector<std::string> rest = {"--reason", "seen by hand", "--until",
                                         "2026-11-21T18:00:00Z"};
  const auto skip = [&](const std::string& what) {
    std::vector<std::string> words = {"skip", what};
    words.insert(words.end(), rest.begin(), rest.end());
    return Run(words);
  };
  EXPECT_EQ(skip("billing-engine:health-1"), kDone) << err_;
  EXPECT_EQ(fake_.skipped.step(), "billing-engine");
  EXPECT_EQ(fake_.skipped.check(), "billing-engine/health-1");
  EXPECT_EQ(fake_.skipped.reason(), "seen by hand");
  EXPECT_EQ(fake_.skipped.until_ms(), 1'795'284'000'000);
  EXPECT_THAT(fake_.skipped.signature(), HasSubstr("BEGIN SSH SIGNATURE"));
  EXPECT_EQ(skip("billing-engine/health-1"), kDone);
  EXPECT_EQ(fake_.skipped.step(), "billing-engine");
  EXPECT_EQ(fake_.skipped.check(), "billing-engine/health-1");
  EXPECT_EQ(skip("billing-engine"), kDone);
  EXPECT_EQ(fake_.skipped.check(), "");
  EXPECT_EQ(
      Run({"skip", "billing-engine", "--reason", "r", "--until", "tomorrow"}),
      kUsage);
  EXPECT_THAT(err_, HasSubstr("neither a time from now"));
  EXPECT_EQ(Run({"skip", "billing-engine", "--until", "2h"}), kUsage);
}

v1::IsolateProgress Progress(int read_back, bool finished) {
  v1::IsolateProgress progress;
  progress.set_hosts(3);
  progress.set_read_back(read_back);
  progress.set_finished(finished);
  progress.set_recorded(true);
  return progress;
}

TEST_F(Command, IsolateIsDoneOnlyWhenEveryKernelWasReadBack) {
  v1::IsolateProgress half = Progress(1, false);
  half.add_waiting_for("app-2");
  half.add_waiting_for("db-1");
  fake_.progress = {half, Progress(3, true)};
  EXPECT_EQ(Run({"isolate", "--all", "--reason", "ransom note"}), kDone)
      << err_;
  EXPECT_TRUE(fake_.isolated.all());
  EXPECT_EQ(fake_.isolated.reason(), "ransom note");
  EXPECT_THAT(out_, HasSubstr("1 of 3 read back, waiting for app-2, db-1"));
  EXPECT_THAT(out_, HasSubstr("3 of 3 hosts, kernel rules read back"));
}

TEST_F(Command, IsolateNeverCountsAnUnreachableHost) {
  v1::IsolateProgress most = Progress(2, true);
  most.add_unreachable("doc-1");
  fake_.progress = {most};
  EXPECT_EQ(Run({"isolate", "--all"}), kPartly);
  EXPECT_THAT(err_, HasSubstr("Unreachable: doc-1"));
  EXPECT_THAT(out_, Not(HasSubstr("isolated: 3")));
  EXPECT_EQ(Run({"isolate", "--all", "--json"}), kPartly);
}

TEST_F(Command, IsolateStopsWaitingButSaysTheOrderStands) {
  v1::IsolateProgress half = Progress(2, false);
  half.add_waiting_for("app-2");
  fake_.progress = {half};
  EXPECT_EQ(Run({"isolate", "--all", "--wait", "1"}), kPartly);
  EXPECT_THAT(err_, HasSubstr("No answer yet from app-2"));
  EXPECT_THAT(err_, HasSubstr("stays in force"));
}

TEST_F(Command, IsolateSaysWhenItIsNotRecorded) {
  v1::IsolateProgress progress = Progress(3, true);
  progress.set_recorded(false);
  fake_.progress = {progress};
  EXPECT_EQ(Run({"isolate", "--all"}), kDone);
  EXPECT_THAT(err_, HasSubstr("isolated, not recorded"));
}

TEST_F(Command, IsolatingAProtectedSystemAsksForItsName) {
  fake_.protected_name = "water-works";
  fake_.progress = {Progress(3, true)};
  EXPECT_EQ(Run({"isolate", "water-works"}), kRefused);
  EXPECT_EQ(Run({"isolate", "water-works"}, "water-works\n", true), kDone);
  EXPECT_EQ(Run({"isolate", "water-works"}, "\n", true), kMistakes);
  EXPECT_EQ(Run({"isolate", "water-works", "--yes", "water-works"}), kDone);
}

TEST_F(Command, IsolateSaysWhenTheSensorDidNotBeginAnew) {
  fake_.progress = {Progress(3, true)};
  EXPECT_EQ(Run({"isolate", "--host", "db-1", "--sensor-anew"}), kDone);
  EXPECT_TRUE(fake_.isolated.sensor_anew());
  fake_.progress[0].add_sensor_kept("db-1");
  EXPECT_EQ(Run({"isolate", "--host", "db-1", "--sensor-anew"}), kPartly);
}

TEST_F(Command, IsolateWantsExactlyOneScope) {
  EXPECT_EQ(Run({"isolate"}), kUsage);
  EXPECT_EQ(Run({"isolate", "--all", "--run"}), kUsage);
  EXPECT_EQ(Run({"isolate", "billing-db", "--host", "db-1"}), kUsage);
}

TEST_F(Command, WatchPrintsALineAChangeUntilTheRunEnds) {
  v1::Status first = fake_.status;
  v1::Status second = first;
  second.mutable_steps(3)->set_state("reconnected");
  second.mutable_hosts(4)->set_link("connected");
  v1::Status last = second;
  last.mutable_run()->set_state("ended");
  for (v1::Status* one : {&second, &last}) {
    one->mutable_hosts(4)->clear_text();  // lines of a log are not wrapped
  }
  fake_.watched = {first, second, last};
  EXPECT_EQ(Run({"status", "--watch"}), kDone) << err_;
  EXPECT_THAT(out_, HasSubstr("run 2026-11-21-1: active → ended"));
}

TEST_F(Command, AnOrchestratorThatIsDownIsSaidWithinSeconds) {
  fake_.Stop();
  const absl::Time start = absl::Now();
  EXPECT_EQ(Run({"status"}), kUnreachable);
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));  // a hang, not a bench
  EXPECT_THAT(err_, HasSubstr("no orchestrator answers at"));
  EXPECT_THAT(err_, HasSubstr("Nothing was changed."));
}

TEST_F(Command, AnOrchestratorOfAnotherAuthorityIsNotBelieved) {
  TempDir other;
  ASSERT_TRUE(Init(SmallPlan(), {}, {.out = other.path()}).ok());
  client_ = other / "operators/duty-commander/client.yaml";
  std::ofstream(client_) << "orchestrators: [\"unix:"
                         << dir_ / "orchestrator/operator.sock"
                         << "\"]\noperator: duty-commander\n"
                            "authority: ca.crt\n";
  EXPECT_EQ(Run({"status"}), kNotPermitted) << err_;
  EXPECT_THAT(err_, HasSubstr("is not the orchestrator of your authority"));
}

TEST_F(Command, AnOperatorsCertificateIsNotTakenAnyMore) {
  std::ofstream(client_) << "orchestrators: [\"unix:nowhere\"]\n"
                            "certificate: operator.crt\n"
                            "key: operator.key\nauthority: ca.crt\n";
  EXPECT_EQ(Run({"status"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("operators log in with an SSH key"));
}

TEST_F(Command, NothingAHostWritesReachesTheTerminalAsASequence) {
  fake_.status.mutable_steps(4)->set_reason("\x1b[2J\x1b]0;owned\x07 bad");
  EXPECT_EQ(Run({"status"}), kDone);
  EXPECT_THAT(out_, Not(HasSubstr("\x1b")));
  EXPECT_THAT(out_, HasSubstr("?[2J?]0;owned? bad"));
}

// A rotation from its draft to the orchestrator, signed by plain ssh-keygen.
TEST_F(Command, ARotationIsDraftedSignedAndSent) {
  const auto pub = ReadWholeFile(key_ + ".pub", 4096);
  const std::string key = SshPublicKey::Parse(*pub)->Line();
  const std::string manifest = dir_ / "new.yaml";
  std::ofstream(manifest) << absl::StrReplaceAll(
      kHonestManifest, {{"duty-commander: {", absl::StrCat("duty-commander: "
                                                           "{key: \"",
                                                           key, "\", ")}});
  const std::string file = dir_ / "rotation.txt";
  EXPECT_EQ(Run({"rotate", manifest, "--serial", "7", "--out", file}), kDone)
      << err_;
  EXPECT_THAT(Flat(out_), HasSubstr("1 approvers for 2 hosts"));
  const auto text = ReadWholeFile(file, 4096);
  EXPECT_EQ(*text, absl::StrCat("sluice rotation 1\nestate city-utility\n"
                                "serial 7\nhost app-1\nhost db-1\n"
                                "approver duty-commander "
                                "roles=incident-commander key=",
                                key, "\nquorum incident-commander=1\n"));
  // A minimum that nobody named in it could meet is found at the desk.
  EXPECT_EQ(Run({"rotate", manifest, "--serial", "7", "--quorum",
                 "incident-commander=2", "--out", dir_ / "no.txt"}),
            kMistakes);
  EXPECT_THAT(err_, HasSubstr("stay closed for good"));

  EXPECT_EQ(Run({"send", file}), kMistakes);  // not signed yet
  ASSERT_EQ(std::system(absl::StrCat("ssh-keygen -q -Y sign -n rotation@sluice "
                                     "-f '",
                                     key_, "' '", file, "' 2>/dev/null")
                            .c_str()),
            0);
  const std::string other = dir_ / "by-sluice.sig";
  EXPECT_EQ(Run({"sign", file, "--key", key_, "--out", other}), kDone) << err_;
  EXPECT_EQ(Run({"send", file, file + ".sig", other}), kDone) << err_;
  EXPECT_EQ(fake_.trusted.text(), *text);
  ASSERT_EQ(fake_.trusted.signatures_size(), 2);
  for (const std::string& one : fake_.trusted.signatures()) {
    EXPECT_TRUE(Signed(signed_as::kRotation, *text, one));
  }
  // A signature over another text does not leave this machine.
  std::ofstream(file, std::ios::app) << "quorum-at data incident-commander=1\n";
  fake_.trusted.Clear();
  EXPECT_EQ(Run({"send", file}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("nothing was sent"));
  EXPECT_EQ(fake_.trusted.text(), "");
}

TEST_F(Command, SendsOfTheVectorsWhatIsSignedAndNothingElse) {
  for (const testing::TrustCase& one : testing::TrustCases()) {
    std::vector<std::string> arguments = {"send", dir_ / one.name};
    std::ofstream(arguments[1]) << one.text();
    for (const std::string& signature : one.signatures()) {
      arguments.push_back(
          dir_ / absl::StrCat(one.name, ".", arguments.size(), ".sig"));
      std::ofstream(arguments.back()) << signature;
    }
    fake_.trusted.Clear();
    EXPECT_EQ(Run(arguments), one.send ? kDone : kMistakes)
        << one.name << ": " << err_;
    EXPECT_EQ(fake_.trusted.text(), one.send ? one.text() : "") << one.name;
  }
}

TEST_F(Command, ADelegationIsForATimeAndIsTakenBack) {
  EXPECT_EQ(Run({"delegate", "billing-owner", "--for", "8h", "--as",
                 "duty-commander"}),
            kDone)
      << err_;
  const auto word = Delegation::Parse(fake_.trusted.text());
  ASSERT_TRUE(word.ok()) << word.status();
  EXPECT_EQ(word->deputy, OperatorId("billing-owner"));
  EXPECT_EQ(word->length(), absl::Hours(8));
  EXPECT_THAT(word->roles,
              ::testing::ElementsAre(RoleId("incident-commander")));
  EXPECT_TRUE(Signed(signed_as::kDelegation, fake_.trusted.text(),
                     fake_.trusted.signatures(0)));
  EXPECT_FALSE(word->tasks);
  EXPECT_EQ(Run({"delegate", "billing-owner", "--for", "8h", "--tasks", "--as",
                 "duty-commander"}),
            kDone);
  EXPECT_TRUE(Delegation::Parse(fake_.trusted.text())->tasks);
  EXPECT_EQ(
      Run({"delegate", "billing-owner", "--back", "--as", "duty-commander"}),
      kDone);
  EXPECT_TRUE(Delegation::Parse(fake_.trusted.text())->roles.empty());
  EXPECT_EQ(Run({"delegate", "billing-owner", "--for", "soon", "--as",
                 "duty-commander"}),
            kUsage);
  EXPECT_EQ(Run({"delegate", "billing-owner", "--for", "8h", "--as", "x"}),
            kMistakes);
}

}  // namespace
}  // namespace sluice::cli
