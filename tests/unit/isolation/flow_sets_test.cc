#include "agents/isolation/flow_sets.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

Flow F(const std::string& line) { return Flow::Parse(line).value(); }

const SetKey kTcp4Exact{Protocol::kTcp, Family::kIpv4, 0};
const SetKey kTcp4Wide1{Protocol::kTcp, Family::kIpv4, 1};
const SetKey kTcp4Wide2{Protocol::kTcp, Family::kIpv4, 2};

TEST(FlowSets, KeepHostsApartFromRanges) {
  const FlowSets placed =
      Place({},
            {F("tcp 10.0.0.1 10.0.0.2 443"), F("tcp 10.0.0.1 10.0.0.2 80-90"),
             F("tcp 10.9.0.0/16 10.0.0.2 443"), F("udp fd77::1 fd77::2 53")})
          .value();
  EXPECT_EQ(placed.size(), 3u);
  EXPECT_EQ(placed.at(kTcp4Exact).size(), 1u);
  EXPECT_EQ(placed.at(kTcp4Wide1).size(), 2u);
  EXPECT_EQ(placed.at({Protocol::kUdp, Family::kIpv6, 0}).size(), 1u);
}

TEST(FlowSets, PutOverlappingRangesOnLayersOfTheirOwn) {
  const Flow citizens = F("tcp 0.0.0.0/0 10.0.0.2 443");
  const Flow office = F("tcp 10.90.3.0/24 10.0.0.2 443");
  const FlowSets placed = Place({}, {citizens, office}).value();
  EXPECT_EQ(placed.at(kTcp4Wide1), std::vector<Flow>{citizens});
  EXPECT_EQ(placed.at(kTcp4Wide2), std::vector<Flow>{office});
}

TEST(FlowSets, FillAFreedLayerFirst) {
  const Flow office = F("tcp 10.90.3.0/24 10.0.0.2 443");
  const FlowSets held{{kTcp4Wide1, {}}, {kTcp4Wide2, {office}}};
  const Flow citizens = F("tcp 0.0.0.0/0 10.0.0.2 443");
  EXPECT_EQ(Place(held, {citizens}).value(),
            (FlowSets{{kTcp4Wide1, {citizens}}}));
}

TEST(FlowSets, AddNothingThatIsThere) {
  const Flow exact = F("tcp 10.0.0.1 10.0.0.2 443");
  const Flow wide = F("tcp 10.0.0.0/8 10.0.0.2 443");
  const FlowSets held = Place({}, {exact, wide}).value();
  EXPECT_TRUE(Place(held, {wide, exact, wide}).value().empty());
}

TEST(FlowSets, SeeOverlapsWithRangesOfServers) {
  const FlowSets placed = Place({}, {F("tcp 10.0.0.1 10.8.0.0/16 443"),
                                     F("tcp 10.0.0.0/8 10.8.1.1 400-500"),
                                     F("tcp 10.0.0.0/8 10.9.1.1 400-500")})
                              .value();
  EXPECT_EQ(placed.at(kTcp4Wide1).size(), 2u);
  EXPECT_EQ(placed.at(kTcp4Wide2).size(), 1u);
}

TEST(FlowSets, NeverHoldTwoThatOverlapInOneSet) {
  std::vector<Flow> flows;
  for (int bits = 8; bits <= 24; bits += 4) {
    for (int low = 1; low < 200; low += 20) {
      flows.push_back(
          F(absl::StrCat("tcp 10.0.0.0/", bits, " 10.1.0.0/",
                         bits == 8 ? 16 : 24, " ", low, "-", low + 5 * bits)));
    }
  }
  const FlowSets placed = Place({}, flows).value();
  for (const auto& [key, members] : placed) {
    for (size_t i = 0; i < members.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        EXPECT_FALSE(FlowsOverlap(members[i], members[j]))
            << members[i].Line() << " and " << members[j].Line();
      }
    }
  }
  EXPECT_EQ(AllFlows(placed).size(), flows.size());
}

TEST(FlowSets, RefuseEndlessOverlapsWithASentence) {
  std::vector<Flow> flows;
  for (int i = 0; i <= kMaxLayers; ++i) {
    flows.push_back(F(absl::StrCat("tcp 10.0.0.1 10.0.0.2 ", 1 + i, "-1000")));
  }
  const absl::Status status = Place({}, flows).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(),
            "'tcp 10.0.0.1 10.0.0.2 33-1000' overlaps 32 other flows that "
            "overlap one another; declare one wider flow in their place");
}

TEST(FlowSets, FindWhereFlowsLie) {
  const Flow citizens = F("tcp 0.0.0.0/0 10.0.0.2 443");
  const Flow office = F("tcp 10.90.3.0/24 10.0.0.2 443");
  const FlowSets held = Place({}, {citizens, office}).value();
  EXPECT_EQ(Find(held, {office, F("tcp 10.0.0.1 10.0.0.2 1")}),
            (FlowSets{{kTcp4Wide2, {office}}}));
}

}  // namespace
}  // namespace sluice::agent
