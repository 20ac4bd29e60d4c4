"""Leased and standing flows, and the sessions they cut (S3, S4)."""

import time

import estate
import netns
from cases import ALL_8080, ALL_PUBLISHED, BOTH, FenceTest, until
from estate import Fence, FenceError, flow
from netns import SOON


class Leased(FenceTest):
    def quarantine_both(self, **rules):
        self.client.quarantine(**rules)
        self.server.quarantine(**rules)

    def lease_both(self, name, lease_ms, *flows):
        self.server.lease(name, lease_ms, *flows)
        self.client.lease(name, lease_ms, *flows)

    def test_a_lease_that_runs_out_cuts_live_sessions(self):
        for fenced in ("server", "client"):
            self.state = f"expired on the {fenced}"
            fence = Fence(fenced)
            fence.quarantine()
            fence.lease("a", 1500, *ALL_8080)
            live = self.old_sessions("server")
            # No process of ours is alive by now; the kernel holds the timer.
            start = time.monotonic()
            self.assertTrue(until(lambda: fence.lease_left("a") == 0))
            # Loosely: this machine may be busy with other things.
            self.case("closed within the lease", True,
                      time.monotonic() - start < 1.5 + 1.0)
            self.all_carry("a live session", False, live)
            with self.assertRaises(FenceError) as late:
                fence.renew(a=1500)
            self.case("renewing it", "FAILED_PRECONDITION",
                      late.exception.code)
            with self.assertRaises(FenceError) as late:
                fence.confirm("a", *ALL_8080)
            self.case("confirming it", "FAILED_PRECONDITION",
                      late.exception.code)
            fence.lease("a", 60000, *ALL_8080)
            self.state = f"reopened on the {fenced} after expiry"
            self.dead(live)
            self.close_all()
            self.attempt("a new session", "ok", "client", "server", 8080)
            fence.lift()

    def test_a_process_that_lives_on_forgets_what_expired_too(self):
        fence = Fence("server", lasting=True)
        self.open_things.append(fence)
        fence.quarantine()
        for letter in ("a", "b"):
            fence.lease(letter, 1500, *ALL_8080)
            live = self.old_sessions("server")
            self.state = f"expired, release {letter}"
            self.assertTrue(until(lambda: fence.lease_left(letter) == 0))
            self.all_carry("a live session", False, live)
            fence.lease(letter, 60000, *ALL_8080)
            self.state = f"reopened, release {letter}"
            self.dead(live)
            fence.remove(letter, *ALL_8080)
            for made in live.values():
                made.close()
                made.server.close()

    def test_renewal_keeps_it_open(self):
        self.state = "renewed"
        self.server.quarantine()
        self.server.lease("a", 1500, *ALL_8080)
        live = self.old_sessions("server")
        start = time.monotonic()
        while time.monotonic() - start < 3.5:
            self.server.renew(a=1500)
            for made in live.values():
                self.assertTrue(made.carries("out", SOON))
        for kind, made in live.items():
            self.carries(f"after two leases, {kind}", True, made, "back")
        with self.assertRaises(FenceError) as error:
            self.server.renew(a=60000, b=60000)
        self.case("renewing one that is not here", "FAILED_PRECONDITION",
                  error.exception.code)
        self.assertIn("bbbbbbbbbbbb", str(error.exception))
        self.case("… renews the other all the same", True,
                  self.server.lease_left("a") > 1500)

    def test_reopening_brings_back_only_what_is_asked_for(self):
        self.state = "reopened"
        self.server.quarantine()
        two = [flow("tcp", "client", "server", port) for port in (8080, 8081)]
        self.server.lease("a", 300, *two)
        self.assertTrue(until(lambda: self.server.lease_left("a") == 0))
        self.server.lease("a", 60000, two[0])
        self.attempt("the flow asked for", "ok", "client", "server", 8080)
        self.attempt("the other one", "nothing", "client", "server", 8081)

    def test_removing_cuts_live_sessions(self):
        for fenced in ("server", "client"):
            fence = Fence(fenced)
            fence.quarantine()
            fence.lease("a", 60000, *ALL_8080)
            fence.lease("b", 60000, flow("tcp", "client", "server", 9000))
            live = self.old_sessions("server")
            other = self.session("client", "server", 9000)
            self.assertEqual(other.open(), "ok")
            fence.remove("a", *ALL_8080)
            self.state = f"removed on the {fenced}"
            self.all_carry("its session", False, live)
            self.carries("another release's session", True, other, "out")
            fence.lease("c", 60000, *ALL_8080)
            self.state = f"opened again on the {fenced}"
            self.dead(live)
            self.carries("another release's session", True, other, "out")
            self.close_all()
            fence.lift()

    def test_confirming_keeps_sessions_and_needs_no_renewal(self):
        self.state = "standing"
        self.quarantine_both()
        self.lease_both("a", 3000, *ALL_8080, flow("tcp", "client", "server",
                                                   9000))
        live = self.old_sessions("server")
        leased = self.session("client", "server", 9000)
        self.assertEqual(leased.open(), "ok")
        self.server.confirm("a", *ALL_8080)
        self.client.confirm("a", *ALL_8080)
        self.server.confirm("a", *ALL_8080)  # a repeat changes nothing
        self.assertTrue(until(lambda: self.server.lease_left("a") == 0))
        self.assertTrue(until(lambda: self.client.lease_left("a") == 0))
        self.all_carry("after the lease", True, live)
        self.carries("what was not confirmed", False, leased, "out")
        # Another release over what stands already needs no lease.
        self.server.lease("b", 1500, *ALL_8080)
        self.assertTrue(until(lambda: self.server.lease_left("b") == 0))
        self.server.confirm("b", *ALL_8080)
        self.case("releases left, by their digests", ["sha256:a"],
                  [release["digest"][:8]
                   for release in self.server.read()["releases"]])
        self.all_carry("confirmed twice", True, live)
        self.case("the reading", sorted(ALL_8080),
                  sorted(self.server.read()["standing"]))
        reading = self.server.quarantine(standing=ALL_8080)
        self.case("kept through a new fence", sorted(ALL_8080),
                  sorted(reading["standing"]))
        self.all_carry("through a new fence", True, live)
        netns.sh("server", "nft flush ruleset")
        self.server.quarantine(standing=ALL_8080)
        self.all_carry("flushed by another hand, restored", True, live)
        self.server.remove("", *ALL_8080)
        self.all_carry("removed", False, live)

    def test_overlapping_externals_stay_apart(self):
        everywhere = flow("tcp", "0.0.0.0/0", "server", 443)
        office = flow("tcp", "10.66.0.0/24", "server", 443)
        ports = flow("tcp", "10.66.0.0/24", "server", "400-500")
        self.server.quarantine(standing=[everywhere, office])
        self.state = "standing, overlapping"
        self.attempt("both", "ok", "client", "server", 443)
        self.server.remove("", everywhere)
        self.attempt("the wider one removed", "ok", "client", "server", 443)
        self.server.lease("a", 60000, everywhere, ports, office)
        self.server.remove("", office)
        self.server.confirm("a", ports)
        self.attempt("another release's, wider ports", "ok", "client",
                     "server", 444)
        self.server.remove("a", everywhere, office)
        self.attempt("the port range alone", "ok", "client", "server", 443)
        reading = self.server.remove("", ports)
        self.attempt("none left", "nothing", "client", "server", 443)
        self.case("the reading", ([], []),
                  (reading["standing"], reading["releases"]))


class Survivors(FenceTest):
    """S4: no session from before an isolation ever carries a packet again."""

    def isolate_and_reopen(self, fences, flows, server, **more):
        live = self.old_sessions(server, **more)
        silent = self.silent_sessions(live)
        answering = self.silent_sessions(live)
        for fence in fences:
            fence.quarantine()
        self.state = "isolated: " + "+".join(f.host for f in fences)
        self.all_carry("an old session", False, live)
        for fence in fences:
            fence.lease("a", 60000, *flows)
        self.state = "reopened: " + "+".join(f.host for f in fences)
        self.dead(live)
        self.all_carry("an old session", False, silent, ["out", "back"])
        self.all_carry("an old session", False, answering, ["back", "out"])
        for fence in fences:
            fence.confirm("a", *flows)
        self.state = "standing again: " + "+".join(f.host for f in fences)
        self.dead(live)
        self.close_all()
        for version in BOTH:
            for protocol in ("tcp", "udp"):
                self.attempt("a new session", "ok", "client", server, 8080,
                             protocol, version, **more)

    def test_the_server_is_isolated(self):
        self.isolate_and_reopen([self.server], ALL_8080, "server")

    def test_the_client_is_isolated(self):
        self.isolate_and_reopen([self.client], ALL_8080, "server")

    def test_both_are_isolated(self):
        self.isolate_and_reopen([self.server, self.client], ALL_8080,
                                "server")

    def test_the_router_of_a_guest_is_isolated(self):
        self.isolate_and_reopen([self.router], ALL_PUBLISHED, "router",
                                on="guest", on_port=80)
