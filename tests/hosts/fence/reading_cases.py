"""What the fence says of itself, and what it refuses."""

import netns
from cases import ALL_8080, BOTH, FenceTest
from estate import ADDRESSES, FenceError, flow


FLOOD = """
import socket
for port in range(10000, 11100):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(("10.66.0.1", port))
    s.close()
"""
CONNECTIONS = """
import socket
for port in range(10000, 20000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("10.66.0.1", port))
    s.sendto(b"x", ("10.66.0.2", 8080))
    s.close()
"""


class Reading(FenceTest):
    def test_the_sensor_tells_who_tried(self):
        self.state = "quarantined"
        self.server.quarantine()
        self.client.quarantine()
        netns.sh("client", "nft delete table inet sluice")
        for version in BOTH:
            self.attempt("into it", "nothing", "client", "server", 2222,
                         "tcp", version)
            self.attempt("into it", "nothing", "client", "server", 5353,
                         "udp", version)
            self.attempt("out of it", "refused", "server", "client", 3333,
                         "tcp", version)
        reading = self.server.quarantine(standing=ALL_8080)
        seen = {(a["outbound"], a["protocol"], a["peer"], a["port"])
                for a in reading["attempts"] if a["packets"] > 0}
        for version in BOTH:
            peer = ADDRESSES["client"][version]
            for attempt in ((False, "tcp", peer, 2222),
                            (False, "udp", peer, 5353),
                            (True, "tcp", peer, 3333)):
                self.case(f"recorded: {attempt}", True, attempt in seen)

    def test_the_sensor_knows_since_when_it_watches(self):
        self.state = "quarantined"
        first = self.server.quarantine()["watching_since_ms"]
        self.case("a new sensor has a beginning", True, first > 0)
        self.case("made anew, it goes on", first, self.server.quarantine(
            standing=ALL_8080)["watching_since_ms"])
        self.server.lease("a", 60000, flow("tcp", "client", "server", 1000))
        self.case("with a lease, it goes on", first,
                  self.server.read()["watching_since_ms"])
        anew = self.server.quarantine(watch_anew=True)["watching_since_ms"]
        self.case("in doubt, it begins anew", True, anew > first)
        netns.sh("server", "nft flush ruleset")
        self.case("without a fence", -1,
                  self.server.read()["watching_since_ms"])
        after = self.server.quarantine()["watching_since_ms"]
        self.case("after another hand's flush", True, after > anew)
        netns.sh("server", "nft delete table inet sluice")

    def test_a_full_sensor_says_so_and_refuses_all_the_same(self):
        self.state = "full sensor"
        self.server.quarantine()
        # From its own ports to many others: each is an opening of its own.
        netns.sh("server", "python3 -c '" + FLOOD + "'")
        reading = self.server.read()
        self.case("full", True, reading["sensor_full"])
        self.case("bounded", 1024, sum(
            a["outbound"] for a in reading["attempts"]))
        self.attempt("out of it", "refused", "server", "client", 3333)
        self.case("kept by a new table", True,
                  self.server.quarantine()["sensor_full"])

    def test_the_digest_changes_with_the_rules_only(self):
        self.state = "reading"
        self.server.quarantine(standing=ALL_8080)
        self.server.lease("a", 60000, flow("tcp", "client", "server", 1000))
        first = self.server.read()
        self.attempt("into it", "nothing", "client", "server", 2222)
        self.server.renew(a=50000)
        self.server.lease("a", 60000, flow("tcp", "client", "server", 1001))
        second = self.server.read()
        self.case("dropped packets are counted", True,
                  second["dropped_packets"] > first["dropped_packets"])
        self.case("counters, leases: same digest", first["rules_digest"],
                  second["rules_digest"])
        netns.sh("server", "nft insert rule inet sluice in accept")
        self.case("another hand's rule: same digest", False,
                  self.server.read()["rules_digest"] == first["rules_digest"])
        netns.sh("server", "nft flush chain inet sluice in")
        netns.sh("server", "nft 'chain inet sluice in { policy accept; }'")
        self.case("another hand's policy", "open",
                  self.server.read()["mode"])
        netns.sh("server", "nft flush ruleset")
        self.case("another hand's flush", "open", self.server.read()["mode"])

    def test_refusals_are_sentences_and_change_nothing(self):
        self.state = "bad input"
        with self.assertRaises(FenceError) as error:
            self.server.lease("a", 1000, *ALL_8080)
        self.case("opening without a fence", "FAILED_PRECONDITION",
                  error.exception.code)
        before = self.server.quarantine()["rules_digest"]
        for what, act in (
                ("a digest that is none",
                 lambda: self.server.ask(do="open", digest="x; flush ruleset",
                                         lease_ms=1000, flows=ALL_8080)),
                ("a lease of nothing",
                 lambda: self.server.lease("a", 0, *ALL_8080))):
            with self.assertRaises(FenceError) as error:
                act()
            self.case(what, "INVALID_ARGUMENT", error.exception.code)
        with self.assertRaises(FenceError) as error:
            self.server.confirm("a", *ALL_8080)
        self.case("confirming what is not leased", "NOT_FOUND",
                  error.exception.code)
        self.case("nothing changed", before,
                  self.server.read()["rules_digest"])

    def test_ten_thousand_flows(self):
        self.state = "10,000 flows"
        flows = [flow("tcp", f"10.{i >> 8 & 255}.{i & 255}.7", "server", 8080)
                 for i in range(9999)] + [ALL_8080[0]]
        self.server.quarantine()
        times = {}
        self.server.lease("a", 60000, *flows)
        times["open"] = self.server.ms
        self.attempt("one of them", "ok", "client", "server", 8080)
        self.server.renew(a=60000)
        reading = self.server.read()
        times["read"] = self.server.ms
        self.case("read back", len(flows), len(reading["releases"][0]["flows"]))
        self.server.confirm("a", *flows)
        times["confirm"] = self.server.ms
        for what, vital in (("isolate", []),
                            ("isolate, with vital flows",
                             [flow("tcp", "client", "server", 3260)])):
            self.server.quarantine(vital=vital)
            self.server.lease("a", 60000, *flows[1:], flow(
                "udp", "client", "server", 8080))
            netns.sh("client", "python3 -c '" + CONNECTIONS + "'")
            live = int(netns.sh("server", "conntrack -C").stdout)
            self.case("10,000 connections besides", True, live >= 10000)
            self.server.quarantine(vital=vital)
            times[what] = self.server.ms
            self.case("none is left", "0", netns.sh(
                "server", "conntrack -C").stdout.strip())
        print("\n10,000 flows, ms: " + ", ".join(
            f"{what} {ms:.0f}" for what, ms in times.items()))
