#include "common/verdict.h"

#include "gtest/gtest.h"

namespace sluice {
namespace {

TEST(CheckSpec, IsOneCanonicalLine) {
  CheckSpec spec;
  spec.kind = "http";
  spec.args = {{"port", "8080"}, {"path", "/ready"}, {"expect", "200"}};
  spec.attempts = 3;
  EXPECT_EQ(spec.Line(),
            "http expect=200 path=/ready port=8080 timeout=5s attempts=3 "
            "between=1s");
}

TEST(CheckSpec, CannotSmuggleAnArgumentOrALine) {
  CheckSpec honest;
  honest.kind = "plugin";
  honest.args = {{"name", "a"}, {"port", "1"}};
  CheckSpec sly;
  sly.kind = "plugin";
  sly.args = {{"name", "a port=1"}};
  EXPECT_NE(sly.Line(), honest.Line());
  sly.args = {{"name", "a\nplugin"}};
  EXPECT_EQ(sly.Line().find('\n'), std::string::npos);
  sly.args = {{"name", "100%"}};
  CheckSpec encoded;
  encoded.kind = "plugin";
  encoded.args = {{"name", "100%25"}};
  EXPECT_NE(sly.Line(), encoded.Line());
}

TEST(Verdict, IsNamedForPeople) {
  EXPECT_EQ(VerdictName(Verdict::kPass), "pass");
  EXPECT_EQ(VerdictName(Verdict::kFail), "fail");
  EXPECT_EQ(VerdictName(Verdict::kInconclusive), "inconclusive");
}

}  // namespace
}  // namespace sluice
