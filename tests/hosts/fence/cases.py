"""What every test of the fence stands on: attempts and sessions between hosts,
and the table of what was expected and what came.
"""

import time
import unittest

import estate
import netns
from estate import ADDRESSES, Fence, V4, V6, flow
from netns import NOTHING, Server, Session, SOON

BOTH = (V4, V6)
CASES = []  # (state, what, expected, got)

ALL_8080 = [flow(protocol, "client", "server", 8080, version)
            for protocol in ("tcp", "udp") for version in BOTH]
ALL_PUBLISHED = [flow(protocol, "client", "router", 8080, version)
                 for protocol in ("tcp", "udp") for version in BOTH]


def until(condition, seconds=10):
    """Waits for a condition, up to a deadline, and says whether it came."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class FenceTest(unittest.TestCase):
    state = ""

    def setUp(self):
        self.client, self.server = Fence("client"), Fence("server")
        self.router = Fence("router")
        self.open_things = []

    def tearDown(self):
        for thing in self.open_things:
            thing.close()
        for host in estate.ON_BRIDGE:
            netns.sh(host, "nft delete table inet sluice", check=False)
            netns.sh(host, "nft delete table inet others", check=False)
            netns.sh(host, "conntrack -F", check=False)

    def case(self, what, expected, got):
        CASES.append((self.state, what, expected, got))
        self.assertEqual(expected, got, f"{self.state}: {what}")

    def session(self, client, server, port, protocol="tcp", version=V4,
                on=None, on_port=None, source=None):
        """A session to be opened; `on` is where a forwarded one ends."""
        end = ADDRESSES[on or server][version]
        listening = Server(on or server, end, on_port or port, protocol)
        made = Session(client, ADDRESSES[server][version], port, listening,
                       source)
        self.open_things += [made, listening]
        return made

    def attempt(self, what, expected, client, server, port, protocol="tcp",
                version=V4, **more):
        made = self.session(client, server, port, protocol, version, **more)
        seconds = SOON if expected == "ok" else NOTHING
        got = made.open(seconds)
        for thing in self.open_things[-2:]:
            thing.close()
        del self.open_things[-2:]
        self.case(f"{what}, {protocol} IPv{version}", expected, got)

    def carries(self, what, expected, session, way):
        got = session.carries(way, SOON if expected else NOTHING)
        self.case(what, "passes" if expected else "nothing",
                  "passes" if got else "nothing")

    def all_carry(self, what, expected, live, ways=("out", "back")):
        """The same of many sessions, in one wait."""
        for way in ways:
            for made in live.values():
                made.send_token(way)
            deadline = time.monotonic() + (SOON if expected else NOTHING)
            for kind, made in live.items():
                got = made.token_arrives(way, deadline)
                self.case(f"{what} {way}, {kind}",
                          "passes" if expected else "nothing",
                          "passes" if got else "nothing")

    def dead(self, live):
        """Bytes written while it was closed are sent again and again; they too
        must never arrive. UDP has no sessions: a client's datagram is a new
        one wherever its flow is open, so only the way back tells."""
        self.all_carry("an old session", False, live, ["back"])
        self.all_carry("an old session", False, {
            kind: made for kind, made in live.items() if made.tcp}, ["out"])

    def close_all(self):
        for thing in self.open_things:
            thing.close()
        self.open_things.clear()

    def old_sessions(self, server, **more):
        """One session of each kind, open before the host is isolated."""
        kinds = {}
        for protocol in ("tcp", "udp"):
            for version in BOTH:
                made = self.session("client", server, 8080, protocol, version,
                                    **more)
                self.assertEqual(made.open(), "ok")
                self.assertTrue(made.carries("back", SOON))
                kinds[f"{protocol} IPv{version}"] = made
        return kinds

    def silent_sessions(self, live):
        """Sessions beside those, of TCP, that say nothing for a while: no
        rejected packet tells their ends that they are dead."""
        kinds = {}
        for kind, beside in live.items():
            if beside.tcp:
                made = Session("client", *beside.to, beside.server)
                self.open_things.append(made)
                self.assertEqual(made.open(), "ok")
                self.assertTrue(made.carries("back", SOON))
                kinds[f"silent {kind}"] = made
        return kinds


def print_cases():
    width = 40
    print(f"\n{'state':24} {'what':{width}} expected  got")
    for state, what, expected, got in CASES:
        def short(value):
            return str(value) if len(str(value)) < 9 else "…"
        print(f"{state[:24]:24} {what[:width]:{width}} "
              f"{short(expected):9} {short(got):9}"
              f"{'' if expected == got else ' WRONG'}".rstrip())
    wrong = sum(expected != got for _, _, expected, got in CASES)
    print(f"{len(CASES)} cases, {wrong} not as expected")
