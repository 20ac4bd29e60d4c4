#include "agents/isolation/other_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;

// As `nft -j list chains` writes them.
constexpr char kChains[] = R"({"nftables": [{"metainfo": {"version": "1.0.6"}},
 {"chain": {"family": "inet", "table": "sluice", "name": "in", "handle": 1,
            "type": "filter", "hook": "input", "prio": -10, "policy": "drop"}},
 {"chain": {"family": "ip", "table": "nat", "name": "DOCKER", "handle": 1}},
 {"chain": {"family": "ip", "table": "nat", "name": "PREROUTING", "handle": 2,
            "type": "nat", "hook": "prerouting", "prio": -100,
            "policy": "accept"}},
 {"chain": {"family": "inet", "table": "firewalld", "name": "filter_INPUT",
            "handle": 2, "type": "filter", "hook": "input", "prio": 10,
            "policy": "accept"}}]})";
constexpr char kFlowTables[] = R"({"nftables": [
 {"flowtable": {"family": "inet", "table": "fast", "name": "ft", "handle": 9,
                "hook": "ingress", "prio": 0, "dev": "eth0"}}]})";

TEST(OtherTables, AreNamedWithTheirOwnersAndWithoutOurs) {
  const auto tables = ParseOtherTables(kChains, kFlowTables, "sluice");
  ASSERT_TRUE(tables.ok()) << tables.status();
  EXPECT_EQ(NameOtherTables(*tables),
            "inet fast, Docker (ip nat), firewalld (inet firewalld)");
  const std::string text = DescribeOtherTables(*tables);
  EXPECT_THAT(text, HasSubstr("  inet firewalld (firewalld): filters\n"));
  EXPECT_THAT(text, HasSubstr("  ip nat (Docker): translates addresses\n"));
  EXPECT_THAT(text, HasSubstr("inet fast: has a flow table"));
}

TEST(OtherTables, OfNobodyAreNone) {
  const auto tables = ParseOtherTables(R"({"nftables": []})", "", "sluice");
  ASSERT_TRUE(tables.ok());
  EXPECT_EQ(NameOtherTables(*tables), "");
}

TEST(OtherTables, ThatCannotBeReadAreAnError) {
  EXPECT_FALSE(ParseOtherTables("nonsense", "", "sluice").ok());
  EXPECT_FALSE(ParseOtherTables("[]", "", "sluice").ok());
}

TEST(OtherTables, WithNamesOfAnotherHandsChoiceStayOnOneLine) {
  const auto tables = ParseOtherTables(
      R"({"nftables": [{"chain": {"family": "ip", "table": "a\nb",
          "name": "c"}}, {"chain": 7}]})",
      "", "sluice");
  ASSERT_TRUE(tables.ok());
  EXPECT_EQ(NameOtherTables(*tables), "ip a?b");
}

}  // namespace
}  // namespace sluice::agent
