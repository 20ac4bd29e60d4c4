"""What passes a quarantined host, and what does not."""

import time

import estate
import netns
from cases import ALL_8080, ALL_PUBLISHED, BOTH, FenceTest, until
from estate import ADDRESSES, Fence, V4, flow
from netns import NOTHING, SOON


class Quarantined(FenceTest):
    def test_nothing_comes_in(self):
        self.state = "quarantined server"
        self.server.quarantine()
        for version in BOTH:
            for protocol in ("tcp", "udp"):
                self.attempt("into it", "nothing", "client", "server", 8080,
                             protocol, version)
            self.case(f"echo into it, IPv{version}", "nothing",
                      netns.echo("client", ADDRESSES["server"][version]))

    def test_nothing_goes_out_and_local_programs_fail_at_once(self):
        self.state = "quarantined client"
        self.client.quarantine()
        for version in BOTH:
            start = time.monotonic()
            self.attempt("out of it", "refused", "client", "server", 8080,
                         "tcp", version)
            self.case(f"out of it, tcp IPv{version}, refused at once", True,
                      time.monotonic() - start < 1.0)
            made = self.session("client", "server", 8080, "udp", version)
            made.near.connect(made.to)
            self.assertFalse(made.carries("out"))
            self.case(f"out of it, udp IPv{version}", "refused", made.error)
            self.case(f"echo out of it, IPv{version}", "refused",
                      netns.echo("client", ADDRESSES["server"][version]))

    def test_nothing_is_forwarded(self):
        self.state = "quarantined router"
        for version in BOTH:
            for protocol in ("tcp", "udp"):
                self.state = "open router"
                self.attempt("to its guest", "ok", "client", "router", 8080,
                             protocol, version, on="guest", on_port=80)
        self.state = "quarantined router"
        self.router.quarantine()
        for version in BOTH:
            for protocol in ("tcp", "udp"):
                self.attempt("to its guest", "nothing", "client", "router",
                             8080, protocol, version, on="guest", on_port=80)
                self.attempt("from its guest", "nothing", "guest", "server",
                             8080, protocol, version)

    def test_management_and_loopback_pass(self):
        self.state = "quarantined server"
        self.server.quarantine()
        port = estate.MANAGEMENT_PORT
        for version in BOTH:
            self.attempt("management", "ok", "server", "boss", port,
                         version=version)
            self.attempt("another port of boss", "refused", "server", "boss",
                         port + 1, version=version)
            self.attempt("loopback", "ok", "server", "server", 8080,
                         version=version)
            # The orchestrator is answered, never listened to.
            self.attempt("boss opens towards it", "nothing", "boss", "server",
                         8080, version=version,
                         source=(ADDRESSES["boss"][version], port))

    def test_management_streams_do_not_notice(self):
        self.state = "being quarantined"
        streams = []
        for version in BOTH:
            made = self.session("server", "boss", estate.MANAGEMENT_PORT,
                                version=version)
            self.assertEqual(made.open(), "ok")
            streams.append(made)
        for step, act in (
                ("first fence", lambda: self.server.quarantine()),
                ("second fence", lambda: self.server.quarantine(
                    standing=ALL_8080)),
                ("connections flushed",
                 lambda: netns.sh("server", "conntrack -F")),
                ("a lease", lambda: self.server.lease(
                    "a", 1000, *ALL_8080))):
            act()
            for version, made in zip(BOTH, streams):
                for way in ("out", "back"):
                    self.carries(f"management stream {way}, IPv{version}, "
                                 f"after: {step}", True, made, way)

    def test_a_narrow_path_carries_management(self):
        self.state = "quarantined server"
        management = [flow("tcp", "server", "far", 7443, version)
                      for version in BOTH]
        self.server.ask(do="replace", mode="quarantined",
                        management=management)
        for version in BOTH:
            made = self.session("server", "far", 7443, version=version)
            self.assertEqual(made.open(), "ok")
            self.case(f"management over a narrow path, IPv{version}", 300000,
                      made.transfer(300000))

    def test_vital_sessions_live_on(self):
        # Whether the kernel tracked connections before, or not.
        vital = ALL_8080 + [flow("tcp", "client", "server", 3260)]
        for tracked in (False, True):
            for fenced in ("server", "client"):
                if tracked:
                    netns.sh(fenced, "nft -f -", stdin=estate.OTHERS)
                fence = Fence(fenced)
                live = self.old_sessions("server")
                self.state = f"quarantined {fenced}, vital"
                fence.quarantine(vital=vital)
                note = "tracked before" if tracked else "not tracked before"
                # First the way that tracking takes for the wrong one.
                self.all_carry(note, True, live, ["back", "out"])
                fence.quarantine(vital=vital)
                self.all_carry("again", True, live)
                self.attempt("a new session", "ok", "client", "server", 3260)
                self.attempt("the other way, from the vital port",
                             "refused" if fenced == "server" else "nothing",
                             "server", "client", 9090,
                             source=(ADDRESSES["server"][V4], 3260))
                self.close_all()
                fence.lift()


class Guests(FenceTest):
    def test_a_guest_behind_its_hosts_address(self):
        inside = Fence("router", interior=["inner0"])
        self.state = "open router"
        for version in BOTH:
            self.attempt("guest to server", "ok", "guest", "server", 8080,
                         version=version)
        inside.quarantine()
        self.state = "quarantined router, interior known"
        for version in BOTH:
            for protocol in ("tcp", "udp"):
                self.attempt("guest to server", "nothing", "guest", "server",
                             8080, protocol, version)
                self.attempt("client to guest", "nothing", "client", "router",
                             8080, protocol, version, on="guest", on_port=80)
            made = self.session("guest", "router", 9000, version=version)
            self.case(f"guest to its host, IPv{version}", "ok", made.open())
            self.attempt("management", "ok", "router", "boss", 7443,
                         version=version)
        flows = [flow(protocol, "router", "server", 8080, version)
                 for protocol in ("tcp", "udp") for version in BOTH]
        inside.lease("a", 60000, *flows, *ALL_PUBLISHED)
        self.state = "leased to the router"
        live = {}
        for version in BOTH:
            for protocol in ("tcp", "udp"):
                self.attempt("client to guest", "ok", "client", "router",
                             8080, protocol, version, on="guest", on_port=80)
                self.attempt("guest to another port", "nothing", "guest",
                             "server", 8081, protocol, version)
                made = self.session("guest", "server", 8080, protocol,
                                    version)
                self.case(f"guest to server, {protocol} IPv{version}", "ok",
                          made.open())
                live[f"{protocol} IPv{version}"] = made
        inside.renew(a=1000)
        self.assertTrue(until(lambda: inside.lease_left("a") == 0))
        self.state = "expired on the router"
        self.all_carry("guest's session", False, live)


class Errors(FenceTest):
    def test_a_narrow_path_carries_what_is_open(self):
        self.state = "leased"
        self.client.quarantine()
        self.client.lease("a", 60000, *[flow("tcp", "client", "far", 5000, v)
                                        for v in BOTH])
        for version in BOTH:
            made = self.session("client", "far", 5000, version=version)
            self.assertEqual(made.open(), "ok")
            self.case(f"over a narrow path, IPv{version}", 300000,
                      made.transfer(300000))

    def test_errors_come_back_for_what_is_open(self):
        self.state = "leased"
        both = [flow("udp", "client", "server", 6000, v) for v in BOTH]
        self.client.quarantine()
        self.server.quarantine()
        self.client.lease("a", 60000, *both)
        self.server.lease("a", 60000, *both)
        for version in BOTH:
            # Nobody listens: the server's kernel says so, and is heard.
            made = self.session("client", "server", 6000, "udp", version)
            made.server.close()
            made.near.connect(made.to)
            made.near.send(b"?")
            got = netns.wait(made.near, 1, SOON) and made.near.connect_ex(
                made.to)
            error = made.near.getsockopt(1, 4)
            self.case(f"port unreachable, IPv{version}", "refused",
                      netns.word(error or got))

    def test_fragments_pass_where_the_flow_is_open(self):
        both = [flow("udp", "client", "server", 6000, v) for v in BOTH]
        self.server.quarantine()
        self.server.lease("a", 60000, *both)
        for state, port, expected in (("leased", 6000, True),
                                      ("not leased", 6001, False)):
            self.state = state
            for version in BOTH:
                made = self.session("client", "server", port, "udp", version)
                made.near.connect(made.to)
                made.near.send(b"x" * 5000)
                got = netns.wait(made.server.sock, 1,
                                 SOON if expected else NOTHING)
                self.case(f"a datagram in fragments, IPv{version}", expected,
                          got)
