#include "orchestrator/report/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/v1/operator.pb.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;

TEST(Layout, CountsColumnsNotBytes) {
  EXPECT_EQ(DisplayWidth("compuerta «datos»"), 17);
  EXPECT_EQ(DisplayWidth("\x1b[31m●\x1b[0m"), 1);
  EXPECT_EQ(DisplayWidth("水"), 2);
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1);  // e and a combining acute
  EXPECT_EQ(DisplayWidth("\xff\xfe"), 2);
}

TEST(Layout, ClipsWithAnEllipsis) {
  EXPECT_EQ(Clip("billing", 7), "billing");
  EXPECT_EQ(Clip("billing-engine", 8), "billing…");
  EXPECT_EQ(PadTo("día", 5), "día  ");
}

TEST(Layout, WrapsAtBlanksAndCutsWhatIsLonger) {
  EXPECT_THAT(Wrap("one two three", 8), ElementsAre("one two", "three"));
  EXPECT_THAT(Wrap("abcdefghijkl", 8), ElementsAre("abcdefgh", "ijkl"));
  EXPECT_THAT(Wrap("a\nb", 8), ElementsAre("a", "b"));
  EXPECT_EQ(Hang("- ", "one two three", 10), "- one two\n  three\n");
}

TEST(Printable, LeavesNothingThatATerminalObeys) {
  EXPECT_EQ(Printable("\x1b[2J\x07"), "?[2J?");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "?31m");  // C1: CSI
  EXPECT_EQ(Printable("a\xe2\x80\xae"
                      "b"),
            "a?b");                             // right-to-left
  EXPECT_EQ(Printable("\xed\xa0\x80"), "???");  // a surrogate
  EXPECT_EQ(Printable("\xc0\xaf"), "??");       // an overlong form
  EXPECT_EQ(Printable("a\nb\tc"), "a b c");
  EXPECT_EQ(Printable("a\nb", true), "a\nb");
  EXPECT_EQ(Printable("señal"), "señal");
}

TEST(Printable, ReachesEveryStringOfAMessage) {
  v1::GateDetail detail;
  detail.set_body("a\nb\x1b");
  detail.mutable_gate()->set_why("\x1b");
  (*detail.mutable_gate()->mutable_quorum())["role\x1b"] = 1;
  detail.add_evidence()->add_results()->set_reason("\x1b");
  detail.add_flows()->add_flows("\x1b");
  MakePrintable(&detail);
  EXPECT_EQ(detail.body(), "a\nb?");
  EXPECT_EQ(detail.gate().why(), "?");
  EXPECT_EQ(detail.gate().quorum().count("role?"), 1u);
  EXPECT_EQ(detail.evidence(0).results(0).reason(), "?");
  EXPECT_EQ(detail.flows(0).flows(0), "?");
}

}  // namespace
}  // namespace sluice
