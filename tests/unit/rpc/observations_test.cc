// What agents saw: kept one a host, bounded, given out in pieces.

#include "orchestrator/rpc/observations.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace sluice::rpc {
namespace {

v1::Observations Seen(int peers, const std::string& unit = "") {
  v1::Observations seen;
  for (int i = 0; i < peers; ++i) {
    v1::ObservedPeer* peer = seen.add_peers();
    peer->set_port(static_cast<uint32_t>(i));
    peer->mutable_process()->set_unit(unit);
  }
  return seen;
}

TEST(Observations, AreTheLastOfEachHostByName) {
  ObservationStore store;
  ASSERT_TRUE(store.Keep(HostId("web-1"), Seen(1)).ok());
  ASSERT_TRUE(store.Keep(HostId("db-1"), Seen(2)).ok());
  ASSERT_TRUE(store.Keep(HostId("web-1"), Seen(3)).ok());
  v1::EstateObservations all;
  store.Fill("", &all);
  ASSERT_EQ(all.hosts_size(), 2);
  EXPECT_EQ(all.hosts(0).host(), "db-1");
  EXPECT_EQ(all.hosts(1).observations().peers_size(), 3);
  EXPECT_GT(all.hosts(1).received_ms(), 0);
  EXPECT_FALSE(all.more());
}

TEST(Observations, ThatAreTooManyAreRefusedAndThoseBeforeStay) {
  ObservationStore store;
  ASSERT_TRUE(store.Keep(HostId("web-1"), Seen(1)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(store.Keep(
      HostId("web-1"), Seen(ObservationStore::kMaxEntries + 1))));
  EXPECT_TRUE(absl::IsResourceExhausted(store.Keep(
      HostId("web-1"),
      Seen(1, std::string(ObservationStore::kMaxBytes, 'x')))));
  v1::EstateObservations all;
  store.Fill("", &all);
  EXPECT_EQ(all.hosts(0).observations().peers_size(), 1);
}

TEST(Observations, OfALargeEstateComeInPieces) {
  ObservationStore store;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(store
                    .Keep(HostId(absl::StrCat("host-", 10 + i)),
                          Seen(1, std::string(400 << 10, 'x')))
                    .ok());
  }
  int hosts = 0;
  std::string after;
  v1::EstateObservations piece;
  do {
    piece.Clear();
    store.Fill(after, &piece);
    ASSERT_GT(piece.hosts_size(), 0);
    EXPECT_LT(piece.ByteSizeLong(), size_t{4} << 20);
    hosts += piece.hosts_size();
    after = piece.hosts(piece.hosts_size() - 1).host();
  } while (piece.more());
  EXPECT_EQ(hosts, 20);
}

}  // namespace
}  // namespace sluice::rpc
