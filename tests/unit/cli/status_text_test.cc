#include "orchestrator/cli/status_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "orchestrator/cli/gate_text.h"
#include "orchestrator/cli/host_text.h"
#include "orchestrator/report/time_text.h"
#include "tests/unit/cli/golden.h"

namespace sluice::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

v1::Status MidRun() {
  setenv("TZ", "UTC", 1);
  return Canned<v1::Status>("billing-failed.status.textproto");
}

TEST(StatusText, ShrinksFinishedStagesBeforeItCutsAnythingOff) {
  v1::Status status = MidRun();
  status.mutable_steps(3)->set_state("reconnected");
  status.mutable_steps(3)->clear_waits();
  const std::string text = StatusText(status, {.height = 36});
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 36);
  EXPECT_THAT(text, HasSubstr("● 2 back"));
  EXPECT_THAT(text, HasSubstr("failed: health failed on app-1"));
  EXPECT_THAT(text, Not(HasSubstr("more lines")));
}

TEST(StatusText, SaysWhoseWordSomebodyElseGave) {
  setenv("TZ", "UTC", 1);
  const auto status = Canned<v1::Status>("relayed.status.textproto");
  const std::string text = StatusText(status, {});
  ExpectFits(text);
  ExpectGolden("status-relayed.txt", text);
}

TEST(SensorAnew, IsShownWithWhoAndWhenAndWhy) {
  v1::Status status = MidRun();
  EXPECT_THAT(StatusText(status, {}), Not(HasSubstr("its sensor")));
  v1::Host* host = status.mutable_hosts(0);
  host->set_standing_flows(0);
  v1::SensorAnew* sensor = host->mutable_sensor_anew();
  sensor->set_by("ada");
  sensor->set_at_ms(1'763'719'328'000);
  sensor->set_reason("cleaned in place");
  sensor->set_done(true);
  v1::GateDetail gate;
  v1::HostEvidence* evidence = gate.add_evidence();
  evidence->set_host("db-1");
  *evidence->mutable_sensor_anew() = *sensor;
  const std::string text =
      absl::StrCat("begun anew by ada at ", ClockText(sensor->at_ms()),
                   ": cleaned in place");
  EXPECT_THAT(StatusText(status, {.width = 200}), HasSubstr(text));
  EXPECT_THAT(HostText(status, *host, 200, Paint(false)), HasSubstr(text));
  EXPECT_THAT(GateText(gate, false, 200, Paint(false)), HasSubstr(text));
  // S9: ordered is not done, and done by an unknown hand is no secret.
  sensor->set_done(false);
  EXPECT_THAT(HostText(status, *host, 200, Paint(false)),
              HasSubstr("not yet said to be done"));
  sensor->clear_by();
  EXPECT_THAT(HostText(status, *host, 200, Paint(false)),
              HasSubstr("does not say by whom"));
}

TEST(StatusText, CountsTheLinesThatDoNotFit) {
  const std::string text = StatusText(MidRun(), {.height = 10});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 10);
  EXPECT_THAT(text, HasSubstr("more lines; `sluice status` shows all"));
}

TEST(StatusText, FitsEightyColumnsWhateverTheNames) {
  v1::Status status = MidRun();
  const std::string name(200, 'n');
  status.set_estate(name);
  status.mutable_run()->set_id(name);
  for (v1::Step& step : *status.mutable_steps()) {
    step.set_id(absl::StrCat(name, step.id()));
  }
  for (v1::Host& host : *status.mutable_hosts()) host.set_id(name);
  for (v1::Gate& gate : *status.mutable_gates()) {
    gate.set_why(absl::StrCat(name, " ", name));
  }
  for (v1::Task& task : *status.mutable_tasks()) task.set_id(name);
  const std::string text = StatusText(status, {});
  ExpectFits(text);
  ExpectFits(StatusText(status, {.height = 20}));
}

TEST(StatusText, ColoursNothingButWhatIsAsked) {
  EXPECT_THAT(StatusText(MidRun(), {}), Not(HasSubstr("\x1b")));
  const std::string colour = StatusText(MidRun(), {.colour = true});
  EXPECT_THAT(colour, HasSubstr("\x1b["));
  ExpectFits(colour);
}

TEST(StatusText, NeverCountsALostHostAsQuarantined) {
  v1::Status status;
  v1::Host& host = *status.add_hosts();
  host.set_id("db-1");
  host.set_link("lost");
  host.set_fence("quarantined");
  EXPECT_THAT(StatusText(status, {}), HasSubstr("0 of 1 connected; 1 unknown"));
}

TEST(StatusChanges, AreALineEach) {
  const v1::Status before = MidRun();
  EXPECT_THAT(StatusChanges(before, before), IsEmpty());
  v1::Status after = before;
  after.mutable_steps(3)->set_state("reconnected");
  after.mutable_steps(3)->clear_waits();
  after.mutable_gates(2)->set_state("released");
  v1::Vote& vote = *after.mutable_gates(2)->add_votes();
  vote.set_by("billing-owner");
  vote.set_go(true);
  after.mutable_tasks(1)->set_done(true);
  after.mutable_tasks(1)->set_by("billing-owner");
  after.mutable_hosts(5)->set_link("connected");
  after.mutable_hosts(5)->set_fence("quarantined");
  EXPECT_THAT(
      StatusChanges(before, after),
      ElementsAre("10:02:10  meter-readings: soaking → reconnected",
                  "10:02:10  gate applications: asking → released; round 2, go "
                  "from duty-commander, billing-owner",
                  "10:02:10  task billing-engine/known-invoice-matches-paper: "
                  "signed by billing-owner",
                  "10:02:10  host rep-1: never, unknown → connected, "
                  "quarantined"));
}

TEST(StatusChanges, SayWhySomethingFailed) {
  v1::Status before = MidRun();
  before.mutable_steps(4)->set_state("probing");
  before.mutable_steps(4)->set_failed(false);
  const auto changes = StatusChanges(before, MidRun());
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_THAT(changes[0], HasSubstr("probing → quarantined (failed); health "
                                    "failed on app-1"));
}

}  // namespace
}  // namespace sluice::cli
