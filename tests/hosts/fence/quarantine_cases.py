"""What passes a quarantined host, and what does not."""

import socket
import time

import estate
import netns
from cases import ALL_8080, BOTH, FenceTest
from estate import ADDRESSES, Fence, V4, flow
from netns import NOTHING, SOON
from packets import SYN, TCP, ip, tcp
from world import Opening, Sent, World


class Quarantined(FenceTest):
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


class Crossing(FenceTest):
    """A server that answers an opening with an opening of its own would have a
    session the wrong way round, by a flow that was released to its client."""

    def test_an_opening_is_not_answered_with_one(self):
        world = World()
        self.addCleanup(world.close)
        for version in BOTH:
            source, to = (ADDRESSES[h][version] for h in ("server", "client"))
            with netns.inside("server"):
                full = socket.socket(netns.family_of(source))
            full.bind((source, 8085))
            full.listen(0)
            self.open_things.append(full)
            for state, expected in (("open", "P"), ("leased", ".")):
                self.state = state
                if state == "leased":
                    self.server.quarantine()
                    self.server.lease("a", 60000, flow(
                        "tcp", "client", "server", 8085, version))
                # The first fill its backlog, so that it is silent to the last.
                waiting = [Opening(world, "client", source, 8085)
                           for _ in range(3)]
                for one in waiting:
                    one.expected = "."
                world.run(waiting, 0, NOTHING)
                port = waiting[-1].near.getsockname()[1]
                sent = Sent(world, "server", lambda mark, p=port: ip(
                    source, to, TCP, tcp(source, to, (8085, p), SYN, mark)),
                    ("client", version, TCP), to)
                sent.expected = expected
                world.run([sent], SOON, NOTHING)
                self.case(f"an opening back, IPv{version}", expected,
                          sent.result())
            self.server.lift()
