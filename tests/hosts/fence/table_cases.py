"""The table of table.py, walked through all states: alone, beside other
firewalls, and after another hand's flush."""

import unittest

import cases
import estate
import firewalls
import netns
import table
from estate import Fence
from table import STATES
from world import Bytes, World

SHORT_MS = 300
TABLES = []  # (title, [(what, version, expected, got)])


class TableTest(unittest.TestCase):
    maxDiff = None
    beside = "none"
    # The marks of sessions that begin in a state, from then on.
    begun_leased = "  PP.."
    begun_standing = "   P.."

    def setUp(self):
        self.addCleanup(self.clean)
        firewalls.put_up(self.beside)
        self.world = World()
        self.server = Fence("server")
        self.router = Fence("router", interior=["inner0"])
        self.got = {}  # (what, version) → state → (expected, got)

    def clean(self):
        self.world.close()
        firewalls.take_down()
        for host in estate.ON_BRIDGE:
            netns.sh(host, "conntrack -F", check=False)

    def each(self, act):
        act(self.server, table.server_flows())
        act(self.router, table.router_flows())

    def isolate(self):
        self.server.quarantine(vital=table.vital_flows())
        self.router.quarantine()

    def reach(self, state):
        """From the state before it."""
        if state == "quarantined":
            self.isolate()
        elif state == "leased":
            self.each(lambda f, flows: f.lease("a", 600000, *flows))
        elif state == "standing":
            self.each(lambda f, flows: f.confirm("a", *flows))
        elif state == "expired":
            self.isolate()
            self.each(lambda f, flows: f.lease("b", 600000, *flows))
            self.assertEqual(self.short.begin(), [])
            self.each(lambda f, _: f.renew(b=SHORT_MS))
            # No process of ours is alive by now; the kernel holds the timer.
            for fence in (self.server, self.router):
                self.assertTrue(cases.until(
                    lambda f=fence: f.lease_left("b") == 0))
        elif state == "reopened":
            self.each(lambda f, flows: f.lease("b", 600000, *flows))

    def walk(self):
        world = self.world
        rows = table.Table(world).rows
        self.before = table.Sessions(world, "before", "P.....")
        leased = table.Sessions(world, "under a lease", self.begun_leased)
        standing = table.Sessions(world, "while standing",
                                  self.begun_standing)
        self.short = table.Sessions(world, "under the lease that ran out",
                                    "    ..")
        for state in STATES:
            self.reach(state)
            for sessions, when in ((self.before, "open"), (leased, "leased"),
                                   (standing, "standing")):
                if state == when:
                    self.assertEqual(sessions.begin(), [])
            self.now = state
            self.disturb(state)
            attempts = []
            for row in rows:
                attempt = row.make()
                expected = row.expected(state)
                if state == "open" and row.odd and self.beside != "none":
                    expected = " "
                attempts.append((row.what, row.version, expected, attempt))
            for sessions in (self.before, leased, standing, self.short):
                attempts += sessions.attempts(state)
            self.run_all(state, attempts)

    def disturb(self, state):
        """For those who do."""

    def run_all(self, state, attempts):
        for _, _, expected, attempt in attempts:
            attempt.expected = expected
        self.world.run([a for *_, a in attempts], netns.SOON, netns.NOTHING)
        for what, version, expected, attempt in attempts:
            got = attempt.result() if expected != " " else " "
            key = (what, version)
            self.got.setdefault(key, {})[state] = (expected, got)
            attempt.finish()

    def judge(self, title):
        lines = []
        for (what, version), by_state in self.got.items():
            pairs = [by_state.get(state, (" ", " ")) for state in STATES]
            lines.append((what, version, "".join(e for e, _ in pairs),
                          "".join(g for _, g in pairs)))
        TABLES.append((title, lines))
        wrong = [f"{what}, IPv{version}: expected '{expected}', got '{got}'"
                 for what, version, expected, got in lines if expected != got]
        self.assertEqual(wrong, [], f"{title}; the marks stand for {STATES}")


class Alone(TableTest):
    def test_table(self):
        self.walk()
        self.judge("the fence alone")


class Beside(TableTest):
    def beside_others(self, kind, title):
        before = {host: firewalls.others(host) for host in firewalls.HOSTS}
        self.walk()
        self.judge(f"beside {title}")
        for host, rules in before.items():
            self.assertEqual(firewalls.others(host), rules,
                             f"{kind}'s rules on {host} were changed")


class BesideDocker(Beside):
    beside = "docker"

    def test_table(self):
        self.beside_others("docker", "Docker's rules")


class BesideFirewalld(Beside):
    beside = "firewalld"

    def test_table(self):
        self.beside_others("firewalld", "firewalld's rules")


class BesideUfw(Beside):
    beside = "ufw"

    def test_table(self):
        self.beside_others("ufw", "ufw's rules")


class AnotherHand(TableTest):
    """In every state another hand takes the fence away, old sessions speak,
    and it is put up again as the agent does: without leases, which their
    release order then opens once more."""

    begun_leased = "  ...."
    hand = ""

    def disturb(self, state):
        if state == "open":
            return
        for fence in (self.server, self.router):
            netns.sh(fence.host, self.hand)
        if "ruleset" in self.hand:
            netns.sh("router", "nft -f -", stdin=estate.NAT)
        talk = [session for sessions in self.talkers()
                for session in sessions]
        for what, attempt in talk:
            attempt.expected = "P"
        self.world.run([attempt for _, attempt in talk], netns.SOON, 0)
        self.assertEqual([what for what, a in talk if a.result() != "P"], [],
                         f"{state}: there was no fence, so these pass")
        standing = state == "standing"
        self.server.quarantine(
            vital=table.vital_flows(),
            standing=table.server_flows() if standing else [])
        self.router.quarantine(
            standing=table.router_flows() if standing else [])
        if state in ("leased", "reopened"):
            self.each(lambda f, flows: f.lease("a", 600000, *flows))

    def talkers(self):
        """Bytes over sessions of before that have been silent until now."""
        for what, version, silent, session in self.before.live:
            if silent == self.now and session.tcp and not "of the" in what:
                ways = ["out"] if "guest" in what else ["out", "back"]
                yield [(f"{what}, IPv{version}, {way}", Bytes(session, way))
                       for way in ways]


class FlushedByAnotherHand(AnotherHand):
    hand = "nft flush ruleset"

    def test_table(self):
        self.walk()
        self.judge("flushed by another hand and put up again")


class DeletedBesideFirewalld(AnotherHand):
    beside = "firewalld"
    hand = "nft delete table inet sluice"

    def test_table(self):
        self.walk()
        self.judge("deleted by another hand beside firewalld's rules")


def print_tables(whole):
    for title, lines in TABLES:
        wrong = sum(expected != got for *_, expected, got in lines)
        judged = sum(len(expected.replace(" ", ""))
                     for *_, expected, _ in lines)
        print(f"\n{title}: {len(lines)} rows, {judged} cases, "
              f"{wrong} rows not as expected")
        if not whole:
            continue
        print("  o open, q quarantined, l leased, s standing, e expired, "
              "r reopened\n  P passes   . does not arrive   x refused at once"
              f"\n\n  {'':64} oqlser")
        for what, version, expected, got in lines:
            note = "" if expected == got else f"  WRONG, expected {expected}"
            print(f"  {f'{what}, IPv{version}':64.64} {got}{note}".rstrip())
