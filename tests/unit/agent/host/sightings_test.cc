// What was seen is kept, bounded, and goes on after a reboot only when nothing
// was missed.

#include "agents/host/sightings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "agents/host/observer.h"
#include "agents/host/sensor_fence.h"
#include "agents/isolation/memory_fence.h"

namespace sluice::agent {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

const absl::Time kNow = absl::FromUnixSeconds(1'795'000'000);

Attempt To(const std::string& peer, uint16_t port, uint64_t packets,
           bool outbound = true) {
  return {outbound, Protocol::kTcp, *Prefix::Parse(peer), port, packets};
}

PeerKey Key(const std::string& peer, uint16_t port, bool outbound = true) {
  return {outbound, Protocol::kTcp, *Prefix::Parse(peer), port};
}

LoggedPacket Packet(const std::string& what, const std::string& peer,
                    uint16_t port) {
  LoggedPacket packet;
  packet.what = what;
  packet.source = *Prefix::Parse("10.77.0.21");
  packet.destination = *Prefix::Parse(peer);
  packet.destination_port = port;
  return packet;
}

LoggedPacket Asking(const std::string& label) {
  LoggedPacket packet = Packet(kLogName, "10.77.0.1", 53);
  packet.protocol = Protocol::kUdp;
  packet.payload = std::string("\1\2\1\0\0\1\0\0\0\0\0\0", 12) +
                   static_cast<char>(label.size()) + label +
                   std::string("\0\0\1\0\1", 5);
  return packet;
}

FenceReading Quarantined(std::vector<Attempt> attempts) {
  FenceReading reading;
  reading.mode = Mode::kQuarantined;
  reading.attempts = std::move(attempts);
  return reading;
}

TEST(Sightings, SayWhenAndByWhomBesideTheKernelsCounts) {
  Sightings sightings;
  EXPECT_TRUE(sightings.Saw(Packet(kLogRefused, "203.0.113.66", 443),
                            {"curl", 812, "", "root"}, kNow));
  sightings.Saw(Quarantined({To("203.0.113.66", 443, 3)}), absl::Minutes(1),
                kNow + absl::Seconds(2));
  sightings.Saw(Quarantined({To("203.0.113.66", 443, 3)}), absl::Minutes(2),
                kNow + absl::Seconds(9));
  const Sighting seen = sightings.notes().peers.at(Key("203.0.113.66", 443));
  EXPECT_EQ(seen.times, 3);
  EXPECT_EQ(seen.first, kNow);
  EXPECT_EQ(seen.last, kNow + absl::Seconds(2));  // not grown since
  EXPECT_EQ(seen.process.Text(), "curl, process 812, user root");
  // Again, and its sender could not be found: the one known stays.
  EXPECT_FALSE(sightings.Saw(Packet(kLogRefused, "203.0.113.66", 443), {},
                             kNow + absl::Minutes(1)));
  EXPECT_EQ(sightings.notes().peers.at(Key("203.0.113.66", 443)).process.id,
            812);
  // The kernel's sensor was made anew.
  sightings.Saw(Quarantined({}), absl::ZeroDuration(), kNow);
  EXPECT_THAT(sightings.notes().peers, IsEmpty());
}

TEST(Sightings, CountNamesAndAreBounded) {
  Sightings sightings;
  sightings.Saw(Quarantined({}), absl::Minutes(1), kNow);
  for (int i = 0; i < 3; ++i) sightings.Saw(Asking("evil"), {}, kNow);
  EXPECT_EQ(sightings.notes().names.at("evil").times, 3);
  for (int i = 0; i < 40'000; ++i) {
    sightings.Saw(Asking(absl::StrCat("n", i)), {}, kNow);
    sightings.Saw(Packet(kLogRefused, absl::StrCat("10.1.", i / 200, ".",
                                                   i % 200),
                         443),
                  {}, kNow);
  }
  EXPECT_THAT(sightings.notes().names, SizeIs(Sightings::kMaxNames));
  EXPECT_TRUE(sightings.notes().names_full);
  EXPECT_LE(sightings.notes().peers.size(), Sightings::kMaxPeers);
  EXPECT_TRUE(sightings.observations().full);
  // Open again: names are of one quarantine.
  FenceReading open;
  sightings.Saw(open, std::nullopt, kNow);
  EXPECT_THAT(sightings.notes().names, IsEmpty());
}

ObserveReading Counted(std::vector<Attempt> counted, bool emptied = false) {
  return {std::move(counted), false, emptied};
}

TEST(Sightings, AddUpWhatTheKernelCountsFromNothingAgain) {
  Sightings sightings;
  const auto times = [&] {
    return sightings.observations().passed.at(Key("10.1.0.11", 5432)).times;
  };
  sightings.Saw(Counted({To("10.1.0.11", 5432, 4)}), kNow);
  sightings.Saw(Counted({To("10.1.0.11", 5432, 4)}), kNow);
  EXPECT_EQ(times(), 4);
  sightings.Saw(Counted({To("10.1.0.11", 5432, 9)}, /*emptied=*/true), kNow);
  EXPECT_EQ(times(), 9);
  sightings.Saw(Counted({To("10.1.0.11", 5432, 9)}), kNow);
  EXPECT_EQ(times(), 18);
  // Over a restart of the agent, whose kernel goes on counting.
  Sightings next;
  ASSERT_TRUE(next.Decode(sightings.Encode()).ok());
  next.Saw(Counted({To("10.1.0.11", 5432, 10)}), kNow);
  EXPECT_EQ(next.observations().passed.at(Key("10.1.0.11", 5432)).times, 19);
}

TEST(Sightings, AreAnotherVersionEveryTenMinutesWhileNothingIsSeen) {
  Sightings sightings;
  const auto after = [&](int minutes) {
    sightings.Saw(Quarantined({}), absl::Minutes(minutes), kNow);
    return sightings.version();
  };
  const uint64_t first = after(20);
  EXPECT_EQ(after(21), first);
  EXPECT_EQ(after(29), first);
  const uint64_t later = after(30);
  EXPECT_GT(later, first);
  EXPECT_EQ(after(39), later);
  // What it watched was lost: that is news.
  EXPECT_GT(after(1), later);
}

TEST(Sightings, ReadWhatTheyWroteAndNothingElse) {
  Sightings sightings;
  sightings.Saw(Quarantined({To("203.0.113.66", 443, 3)}), absl::Minutes(7),
                kNow);
  sightings.Saw(Packet(kLogRefused, "203.0.113.66", 443),
                {"a \"b\"\xff", 1, "x.service", "root"}, kNow);
  sightings.Saw(Asking("evil"), {}, kNow);
  sightings.Saw({{{Protocol::kUdp, 53}, {"named", 2, "", "bind"}}}, kNow);
  sightings.Saw(Counted({To("10.1.0.11", 5432, 4)}), kNow);
  const std::string text = sightings.Encode();
  Sightings copy;
  ASSERT_TRUE(copy.Decode(text).ok());
  EXPECT_EQ(copy.Encode(), text);
  ASSERT_TRUE(copy.Memory(true).has_value());
  EXPECT_EQ(copy.Memory(true)->watched, absl::Minutes(7));
  // Something sent meanwhile: what was seen stays, the time begins anew.
  EXPECT_EQ(copy.Memory(false)->watched, absl::ZeroDuration());
  // The query that was told of counts, though the kernel was not asked since.
  EXPECT_THAT(copy.Memory(false)->attempts, SizeIs(2));
  for (size_t size = 0; size < text.size(); size += 7) {
    EXPECT_FALSE(copy.Decode(text.substr(0, size)).ok()) << size;
  }
  std::string changed = text;
  changed[changed.find("443")] = '5';
  EXPECT_FALSE(copy.Decode(changed).ok());
  EXPECT_EQ(copy.Encode(), text);
}

TEST(Sightings, OfAnOpenHostAreNoMemoryOfAFence) {
  Sightings sightings;
  EXPECT_FALSE(sightings.Memory(true).has_value());
  sightings.Saw(FenceReading(), std::nullopt, kNow);
  EXPECT_FALSE(sightings.Memory(true).has_value());
}

// Keeps the rules that it was asked for.
class Asked : public MemoryFence {
 public:
  using MemoryFence::MemoryFence;
  absl::StatusOr<FenceReading> Replace(const FenceRules& rules) override {
    last = rules;
    return MemoryFence::Replace(rules);
  }
  FenceRules last;
};

TEST(SensorFence, GoesOnFromBeforeAtTheStartAlone) {
  Sightings sightings;
  sightings.Saw(Quarantined({To("203.0.113.66", 443, 3)}), absl::Minutes(7),
                kNow);
  const auto now = [] { return absl::Seconds(20); };
  Asked kernel([] { return kNow; });
  SensorFence fence(&kernel, &sightings,
                    {now, [] { return kNow; }, [] { return true; }});
  // There is none before it is put up; that says nothing.
  ASSERT_TRUE(fence.Read().ok());
  ASSERT_TRUE(sightings.Memory(true).has_value());
  ASSERT_TRUE(fence.Replace(FenceRules()).ok());
  ASSERT_TRUE(kernel.last.sensor.has_value());
  EXPECT_THAT(kernel.last.sensor->attempts, SizeIs(1));
  EXPECT_EQ(kernel.last.sensor->watched, absl::Minutes(7));
  fence.Settle();
  ASSERT_TRUE(fence.Replace(FenceRules()).ok());
  EXPECT_FALSE(kernel.last.sensor.has_value());
}

TEST(SensorFence, ThatBeginsAnewForgetsWhatWasSeenBesides) {
  Sightings sightings;
  Asked kernel([] { return kNow; });
  SensorFence fence(&kernel, &sightings,
                    {[] { return absl::Seconds(20); }, [] { return kNow; },
                     [] { return true; }});
  ASSERT_TRUE(fence.Replace(FenceRules()).ok());
  fence.Settle();
  kernel.Refused(To("203.0.113.66", 443, 3));
  sightings.Saw(Asking("evil"), {}, kNow);
  ASSERT_TRUE(fence.Replace(FenceRules()).ok());
  EXPECT_THAT(sightings.notes().peers, SizeIs(1));
  EXPECT_THAT(sightings.notes().names, SizeIs(1));
  const uint64_t news = sightings.news();
  FenceRules anew;
  anew.sensor_anew = true;
  ASSERT_TRUE(fence.Replace(anew).ok());
  EXPECT_THAT(sightings.notes().peers, SizeIs(0));
  EXPECT_THAT(sightings.notes().names, SizeIs(0));
  EXPECT_GT(sightings.news(), news) << "written down at once";
  EXPECT_THAT(sightings.Memory(true)->attempts, SizeIs(0));
}

TEST(NothingSent, IsReadOfEveryInterface) {
  const std::string proc =
      absl::StrCat(testing::TempDir(), "/nothing-sent-", getpid());
  std::filesystem::create_directories(proc + "/net");
  const auto sent = [&](const std::string& lines) {
    std::ofstream(proc + "/net/dev") << "Inter-| Receive | Transmit\n"
                                        " face |bytes packets …\n"
                                     << lines;
    return !NothingSent(proc);
  };
  const std::string lo = "    lo: 900 9 0 0 0 0 0 0 900 9 0 0 0 0 0 0\n";
  EXPECT_FALSE(sent(lo));
  EXPECT_FALSE(sent(lo + "  eth0: 900 9 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"));
  EXPECT_TRUE(sent(lo + "  eth0:900 9 0 0 0 0 0 0 70 1 0 0 0 0 0 0\n"));
  EXPECT_TRUE(sent("  eth0: what is this\n"));
  std::filesystem::remove_all(proc);
  EXPECT_FALSE(NothingSent(proc));
}

}  // namespace
}  // namespace sluice::agent
