#include "orchestrator/report/brief.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "orchestrator/report/brief_words.h"
#include "orchestrator/report/layout.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kNow = 1795255330000;

v1::Status LargeStatus() {
  v1::Status status;
  status.set_estate("large-estate");
  status.set_now_ms(kNow);
  status.mutable_run()->set_id("r1");
  status.mutable_run()->set_state("held");
  status.mutable_run()->set_why(std::string(900, 'w'));
  status.set_journal_problem(std::string(500, 'j'));
  for (int i = 0; i < 500; ++i) {
    v1::Step& step = *status.add_steps();
    step.set_id(absl::StrCat("system-with-a-longish-name-", i));
    step.set_state(i % 2 == 0 ? "reconnected" : "quarantined");
    step.set_since_ms(kNow - i * 1000);
    step.set_reason(absl::StrCat("reason ", i));
    step.add_notes("udp untried");
    step.add_notes("waiver by duty-commander until noon");
    v1::Host& host = *status.add_hosts();
    host.set_id(absl::StrCat("host-", i));
    host.set_link("lost");
    v1::Task& task = *status.add_tasks();
    task.set_id(absl::StrCat("task-", i));
    task.set_wanted_now(true);
    v1::Gate& gate = *status.add_gates();
    gate.set_id(absl::StrCat("gate-", i));
    gate.set_state("asking");
    v1::Vote& vote = *gate.add_votes();
    vote.set_by("duty-commander");
    vote.set_go(true);
  }
  return status;
}

TEST(Brief, IsOnePageWhateverTheEstatesSize) {
  setenv("TZ", "UTC", 1);
  for (const char* language : {"en", "es"}) {
    const auto text = BriefText(LargeStatus(), v1::History(), language);
    ASSERT_TRUE(text.ok());
    std::istringstream lines(*text);
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
      EXPECT_LE(DisplayWidth(line), kBriefWidth) << line;
    }
    EXPECT_LE(count, kBriefLines) << *text;
    EXPECT_GE(count, kBriefLines - 6) << *text;  // and uses the page
  }
}

TEST(Brief, CountsWhatDoesNotFit) {
  const auto text = BriefText(LargeStatus(), v1::History(), "en");
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(*text, HasSubstr("NOT BACK, AND WHY (250)"));
  EXPECT_THAT(*text, HasSubstr("more; `sluice status` lists them."));
}

TEST(Brief, NeverCountsAnUnheardHostAsItLastWas) {
  v1::Status status;
  v1::Host& host = *status.add_hosts();
  host.set_id("db-1");
  host.set_link("lost");
  host.set_fence("quarantined");
  const auto text = BriefText(status, v1::History(), "en");
  EXPECT_THAT(*text, HasSubstr("0 in quarantine, 0 open, 1 unknown"));
}

TEST(Brief, SaysAVoteOnceAlthoughTheHistoryHasItToo) {
  v1::Status status;
  v1::Vote& vote = *status.add_gates()->add_votes();
  vote.set_by("duty-commander");
  vote.set_at_ms(kNow);
  vote.set_go(true);
  v1::History history;
  for (const int64_t at : {kNow, kNow - 60000}) {
    v1::Entry& entry = *history.add_entries();
    entry.set_kind("decision");
    entry.set_who("duty-commander");
    entry.set_at_ms(at);
    entry.set_text(at == kNow ? "the same" : "an earlier round");
  }
  const auto text = BriefText(status, history, "en");
  EXPECT_THAT(*text, HasSubstr("an earlier round"));
  EXPECT_THAT(*text, Not(HasSubstr("the same")));
}

TEST(Brief, RefusesALanguageItDoesNotSpeak) {
  const auto text = BriefText({}, {}, "fr");
  EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(BriefWords, AreThereInBothLanguagesWithTheSameValues) {
  // The tables are structs of pointers: a word that was forgotten is null.
  const auto* english = FindBriefWords("en");
  const auto* spanish = FindBriefWords("es");
  const auto* en = reinterpret_cast<const char* const*>(english);
  const auto* es = reinterpret_cast<const char* const*>(spanish);
  for (size_t i = 0; i < sizeof(BriefWords) / sizeof(char*); ++i) {
    ASSERT_NE(en[i], nullptr) << i;
    ASSERT_NE(es[i], nullptr) << i << ": " << en[i];
    for (const char* value : {"%1", "%2", "%3", "%4"}) {
      EXPECT_EQ(std::string(en[i]).find(value) == std::string::npos,
                std::string(es[i]).find(value) == std::string::npos)
          << en[i] << " / " << es[i];
    }
  }
}

}  // namespace
}  // namespace sluice
