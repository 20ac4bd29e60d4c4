// Packets as the kernel tells of them, read without trust.

#include "agents/isolation/packet_log.h"

#include <gtest/gtest.h>

namespace sluice::agent {
namespace {

std::string Bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

const std::string kIpv4 = Bytes({0x45, 0, 0, 60, 0, 0, 0, 0, 64, 6, 0, 0,  //
                                 10, 77, 0, 21, 203, 0, 113, 66});
const std::string kPorts = Bytes({0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 0});

TEST(LoggedPacket, IsReadOfEitherFamily) {
  LoggedPacket packet;
  ASSERT_TRUE(ParsePacket(kIpv4 + kPorts, &packet));
  EXPECT_EQ(packet.protocol, Protocol::kTcp);
  EXPECT_EQ(packet.source.Address(), "10.77.0.21");
  EXPECT_EQ(packet.destination.Address(), "203.0.113.66");
  EXPECT_EQ(packet.source_port, 40000);
  EXPECT_EQ(packet.destination_port, 443);

  std::string ipv6 = Bytes({0x60, 0, 0, 0, 0, 20, 17, 64});
  std::string address(16, '\0');
  address[0] = '\xfd';
  address[15] = 1;
  ipv6 += address;
  address[15] = 2;
  ipv6 += address;
  ASSERT_TRUE(ParsePacket(ipv6 + kPorts + "asked", &packet));
  EXPECT_EQ(packet.protocol, Protocol::kUdp);
  EXPECT_EQ(packet.destination.Address(), "fd00::2");
  EXPECT_EQ(packet.payload, "asked");
}

TEST(LoggedPacket, CutAnywhereOrOfAnotherKindIsNone) {
  LoggedPacket packet;
  const std::string whole = kIpv4 + kPorts;
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ParsePacket(whole.substr(0, size), &packet)) << size;
  }
  std::string icmp = whole;
  icmp[9] = 1;
  EXPECT_FALSE(ParsePacket(icmp, &packet));
  std::string longer = whole;
  longer[0] = 0x4f;  // 60 bytes of header
  EXPECT_FALSE(ParsePacket(longer, &packet));
  longer[0] = 0x41;
  EXPECT_FALSE(ParsePacket(longer, &packet));
}

std::string Query(const std::string& name) {
  return Bytes({1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}) + name;
}

TEST(Question, IsTheNameThatIsAskedFor) {
  EXPECT_EQ(QuestionOf(Query("\6Update\7example" + Bytes({0, 0, 1, 0, 1}))),
            "update.example");
  EXPECT_EQ(QuestionOf(Query(Bytes({0, 0, 2, 0, 1}))), ".");
  // What would move a cursor, or break a line.
  EXPECT_EQ(QuestionOf(Query("\4a\n\x1b." + Bytes({0}))), "a??.");
}

TEST(Question, OfAnythingElseIsNone) {
  EXPECT_EQ(QuestionOf(""), "");
  EXPECT_EQ(QuestionOf("ntp, or whatever goes to port 53"), "");
  std::string answer = Query("\6update" + Bytes({0}));
  answer[2] = '\x81';
  EXPECT_EQ(QuestionOf(answer), "");
  // Cut, a pointer, and a name longer than a name may be.
  EXPECT_EQ(QuestionOf(Query("\6upd")), "");
  EXPECT_EQ(QuestionOf(Query("\xc0\x0c")), "");
  std::string label = "\x3f" + std::string(63, 'x');
  EXPECT_EQ(QuestionOf(Query(label + label + label + label + label)), "");
}

}  // namespace
}  // namespace sluice::agent
