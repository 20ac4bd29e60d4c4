#include "agents/isolation/connections.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

namespace sluice::agent {
namespace {

Flow F(const std::string& line) { return Flow::Parse(line).value(); }

Connection C(uint8_t protocol, const std::string& client,
             const std::string& server, uint16_t port) {
  Connection c;
  c.family = Prefix::Parse(client).value().family();
  c.protocol = protocol;
  c.client = c.outside_client = Prefix::Parse(client).value().bytes();
  c.server = c.outside_server = Prefix::Parse(server).value().bytes();
  c.server_port = c.outside_port = port;
  return c;
}

TEST(Admission, AdmitsOneFlowsConnectionsOnly) {
  const Admission admission({F("tcp 10.0.0.1 10.0.0.2 443")});
  EXPECT_TRUE(admission.Admits(C(IPPROTO_TCP, "10.0.0.1", "10.0.0.2", 443)));
  EXPECT_FALSE(admission.Admits(C(IPPROTO_UDP, "10.0.0.1", "10.0.0.2", 443)));
  EXPECT_FALSE(admission.Admits(C(IPPROTO_TCP, "10.0.0.2", "10.0.0.1", 443)));
  EXPECT_FALSE(admission.Admits(C(IPPROTO_TCP, "10.0.0.1", "10.0.0.2", 444)));
  EXPECT_FALSE(admission.Admits(C(IPPROTO_ICMP, "10.0.0.1", "10.0.0.2", 0)));
}

TEST(Admission, KnowsRangesToTheBit) {
  const Admission admission(
      {F("udp 10.0.0.128/25 10.0.0.2 100-200"), F("tcp fd77::/61 ::/0 53")});
  EXPECT_TRUE(admission.Admits(C(IPPROTO_UDP, "10.0.0.128", "10.0.0.2", 100)));
  EXPECT_FALSE(admission.Admits(C(IPPROTO_UDP, "10.0.0.127", "10.0.0.2", 100)));
  EXPECT_TRUE(
      admission.Admits(C(IPPROTO_TCP, "fd77:0:0:7::1", "2001:db8::1", 53)));
  EXPECT_FALSE(
      admission.Admits(C(IPPROTO_TCP, "fd77:0:0:8::1", "2001:db8::1", 53)));
}

TEST(Admission, NeverTakesOneFamilyForTheOther) {
  const Admission admission({F("tcp 0.0.0.0/0 0.0.0.0/0 53")});
  EXPECT_FALSE(admission.Admits(C(IPPROTO_TCP, "fd77::1", "fd77::2", 53)));
}

TEST(Admission, SeesAGuestAsItsHost) {
  Connection guest = C(IPPROTO_TCP, "172.17.0.2", "10.0.0.2", 443);
  guest.outside_client = Prefix::Parse("10.0.0.1").value().bytes();
  const Admission admission({F("tcp 10.0.0.1 10.0.0.2 443")});
  EXPECT_FALSE(admission.Admits(guest));
  EXPECT_TRUE(admission.AdmitsOutside(guest));
}

}  // namespace
}  // namespace sluice::agent
