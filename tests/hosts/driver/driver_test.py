#!/usr/bin/python3
"""A host without an agent, closed and opened by the router before it: real
agents, a real router, real traffic both ways over IPv4 and IPv6.

Exit code 77 when namespaces cannot be made here.
"""

import os
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "estate"))

import small_estate  # noqa: E402  (the path above comes first)
from small_estate import SmallEstate, lab_module, processes  # noqa: E402

PREFIX = "sluice-driver-"
DRIVER = os.path.join(HERE, "..", "..", "..", "drivers", "linux-router")
AGENTS = ["engine-1", "fw-1", "store-1"]
HOSTS = {"store-1": ["10.78.0.11", "fd78::11"],
         "engine-1": ["10.78.0.21", "fd78::21"],
         "plc-1": ["10.79.0.5", "fd79::5"]}
PORTS = {"store-1": 7003, "engine-1": 7002, "plc-1": 7001}
ROUTER = ["10.78.0.254", "fd78::fe"]
BEHIND = ["10.79.0.1", "fd79::1"]
PAIRS = [("engine-1", "plc-1"), ("plc-1", "store-1"), ("plc-1", "engine-1")]
LEASE = 8


class RoutedEstate(SmallEstate):
    acting = "fw-1"  # whose agent acts for plc-1
    timeout = "3s"
    vital = ()  # flows of plc-1 that quarantine keeps at the driver

    def __init__(self, manifest=f"{HERE}/router.yaml"):
        super().__init__(PREFIX, manifest)
        self.sluice.hosts = AGENTS
        self.driver = f"{self.folder}/driver"
        self.drive(f"exec /usr/bin/python3 {DRIVER}")

    def drive(self, script):
        """What the router's agent runs from now on, as its driver."""
        with open(f"{self.driver}.new", "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(f"{self.driver}.new", 0o755)
        os.rename(f"{self.driver}.new", self.driver)

    def wire(self):
        """The router, who is beside it and behind it, and what they serve."""
        lab = self.lab
        lab.open()
        lab.add_router("fw-1", [f"{ROUTER[0]}/24", f"{ROUTER[1]}/64"])
        orchestrator = small_estate.ORCHESTRATOR
        lab.add_host("orchestrator", [f"{orchestrator[0]}/24",
                                      f"{orchestrator[1]}/64"])
        for name in ("store-1", "engine-1"):
            lab.add_host(name, [f"{HOSTS[name][0]}/24",
                                f"{HOSTS[name][1]}/64"], ROUTER)
        lab.add_outside("plc-1", "fw-1", ["10.79.0.5/24", "fd79::5/64"],
                        BEHIND)
        for host, port in PORTS.items():
            self.supervisor.start(f"echo-{host}", host, [
                "/usr/bin/python3", f"{HERE}/../estate/echo_server.py",
                str(port)])

    def start(self, links):
        """So many streams come up, and every pair still reaches the other."""
        self.sluice.start_orchestrator()
        self.sluice.start_agents()
        self.until(lambda s: len(self._connected(s)) == links,
                   "every agent connected, for all that it acts for")
        for pair in PAIRS:
            processes.wait_for(lambda p=pair: self.reach(*p),
                               f"{pair[0]} reaches {pair[1]}")
        return self

    def open(self):
        self.wire()
        self.before_init()
        self.sluice.init(drivers={self.acting: {"plc-1": {
            "command": [self.driver], "timeout": self.timeout,
            "addresses": HOSTS["plc-1"], "vital": list(self.vital)}}})
        return self.start(links=4)

    def before_init(self):
        """What a kind of this estate has besides."""

    def reach(self, client, server, version=4):
        return lab_module.reach(self.lab, client, self.address(
            server, version), PORTS[server], 0.5)

    def address(self, host, version=4):
        return HOSTS[host][0 if version == 4 else 1]

    def session(self, client, server, version=4):
        self.numbers.append(1)
        return small_estate.Session(
            self.supervisor, f"session-{len(self.numbers)}", client, "tcp",
            self.address(server, version), PORTS[server])

    def passing(self):
        """Who reaches whom: (client, server, version)."""
        return {(*pair, version) for pair in PAIRS for version in (4, 6)
                if self.reach(*pair, version=version)}

    def table(self):
        return self.lab.run("fw-1", ["nft", "list", "table", "inet",
                                     "sluice-plc-1"], check=False)

    def host(self, name, status=None):
        status = status or self.sluice.status()
        return next(h for h in status["hosts"] if h["id"] == name)

    def up_to_meters_soaking(self):
        self.isolate_all()
        self.command("duty-commander", "start")
        self.open_gate("data")
        self.until_step("store", "reconnected")
        self.open_gate("field")
        return self.until_step("meters", "soaking")


class DriverTest(unittest.TestCase):
    def setUp(self):
        self.estate = RoutedEstate()
        self.addCleanup(self.estate.close)
        self.estate.open()


class ThroughTheRouter(DriverTest):
    def test_a_host_without_an_agent_is_isolated_and_comes_back(self):
        estate = self.estate
        everything = {(*pair, version) for pair in PAIRS
                      for version in (4, 6)}
        self.assertEqual(estate.passing(), everything)
        sessions = [estate.session(*PAIRS[0], version=v) for v in (4, 6)]
        sessions.append(estate.session(*PAIRS[1]))
        for session in sessions:
            self.assertGreater(session.carries(), 0)

        # Alone: nobody else closes anything.
        began = time.monotonic()
        estate.command("duty-commander", "isolate", "--host", "plc-1",
                       "--reason", "test")
        print(f"isolated through the router, read back, in "
              f"{(time.monotonic() - began) * 1000:.0f} ms with the command")
        self.assertEqual(estate.host("plc-1")["fence"], "quarantined")
        self.assertEqual(estate.host("fw-1")["fence"], "open")
        self.assertEqual(estate.passing(), set())
        for session in sessions:
            self.assertEqual(session.carries(), 0)

        estate.up_to_meters_soaking()
        declared = {(*pair, version) for pair in PAIRS[:2]
                    for version in (4, 6)}
        passing = estate.passing()
        self.assertLessEqual({("plc-1", "store-1", 4),
                              ("plc-1", "store-1", 6)}, passing)
        self.assertLessEqual(passing, declared)
        self.assertIn("10.79.0.5", estate.table())
        estate.until_step("meters", "reconnected")
        estate.until_step("engine", "reconnected")
        # What was declared, in the direction that was declared.
        self.assertEqual(estate.passing(), declared)
        for session in sessions:
            self.assertEqual(session.carries(), 0, "a session came back")

        fresh = estate.session("engine-1", "plc-1")
        self.assertGreater(fresh.carries(), 0)
        estate.command("duty-commander", "isolate", "--host", "plc-1",
                       "--reason", "again")
        self.assertEqual(fresh.carries(), 0)
        self.assertEqual(estate.passing(), set())

    def test_leases_close_while_the_acting_agent_lives(self):
        estate = self.estate
        estate.up_to_meters_soaking()
        self.assertTrue(estate.reach("plc-1", "store-1"))
        estate.supervisor.processes["orchestrator"].kill()
        began = time.monotonic()
        processes.wait_for(lambda: "7003" not in estate.table(),
                           "the driver's close", timeout=LEASE + 5)
        print(f"closed {time.monotonic() - began:.1f} s after the "
              f"orchestrator was killed (lease {LEASE} s)")
        self.assertFalse(estate.reach("plc-1", "store-1"))

    def test_without_the_acting_agent_a_lease_stays_and_is_unknown(self):
        """What grade `driven` does not keep, shown as it is (S3, S9)."""
        estate = self.estate
        estate.up_to_meters_soaking()
        estate.supervisor.processes["agent-fw-1"].kill()
        status = estate.until(
            lambda s: estate.host("plc-1", s)["link"] == "lost",
            "plc-1 is lost with the agent that acts for it")
        self.assertNotEqual(estate.host("plc-1", status)["link"],
                            "connected")
        time.sleep(LEASE + 2)  # that nothing closes can only be waited for
        self.assertIn("7003", estate.table(), "the router has no timer")
        # Back again it closes what was leased, first of all.
        estate.supervisor.forget("agent-fw-1")
        estate.sluice.start_agent("fw-1")
        processes.wait_for(lambda: "7003" not in estate.table(),
                           "the leftover lease is closed")
        self.assertTrue(estate.table(), "the fence stays up")

    def test_standing_flows_outlive_the_acting_agent(self):
        estate = self.estate
        estate.up_to_meters_soaking()
        estate.until_step("engine", "reconnected")
        session = estate.session("engine-1", "plc-1")
        self.assertGreater(session.carries(), 0)
        estate.supervisor.processes["agent-fw-1"].kill()
        self.assertGreater(session.carries(), 0)
        estate.supervisor.forget("agent-fw-1")
        estate.sluice.start_agent("fw-1")
        estate.until(lambda s: estate.host("plc-1", s)["link"] ==
                     "connected", "plc-1 is spoken for again")
        self.assertEqual(estate.host("plc-1")["fence"], "quarantined")
        self.assertGreater(session.carries(), 0)


class BreakGlass(DriverTest):
    """The way out for a point when no orchestrator is there."""

    KEPT = "tcp 10.78.0.21 10.79.0.5 7001"
    OTHER = "tcp 10.79.0.5 10.78.0.11 7003"

    def setUp(self):
        super().setUp()
        sluice = self.estate.sluice
        self.key, public = sluice.key("safe"), sluice.make_key("safe")
        sluice.make_key("thief")
        for host in AGENTS:
            sluice._change(f"agents/{host}/agent.yaml",
                           {"break-glass": {"key": public}})
            self.estate.supervisor.stop(f"agent-{host}")
            sluice.start_agent(host)
        self.estate.until(
            lambda s: len(self.estate._connected(s)) == 4, "four streams")
        self.estate.isolate_all()
        self.estate.supervisor.stop("orchestrator")

    def root(self, host, command, *what):
        done = subprocess.run(
            self.estate.lab.enter(host) +
            [f"{self.estate.sluice.bin}/sluice-agent", command, "--config",
             f"{self.estate.sluice.folder}/agents/{host}/agent.yaml", *what],
            capture_output=True, text=True, check=False, timeout=90,
            stdin=subprocess.DEVNULL)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def release(self, host, *what, key=None):
        return self.root(host, "release", "--reason", "its machine burnt",
                         "--key", key or self.key, *what)

    def opens(self, host, *what):
        code, said = self.release(host, *what)
        self.assertEqual(code, 0, said)
        return said

    def closes(self, host, *what):
        code, said = self.root(host, "isolate", *what)
        self.assertEqual(code, 0, said)
        return said

    def test_opens_a_point_by_its_acting_agent_and_without_it(self):
        estate = self.estate
        point = ("--point", "plc-1")
        before = estate.table()
        draft = f"{estate.folder}/draft"
        for what, why, key in (
                (("--point", "plc-9", "--flow", self.KEPT),
                 "acts for no point 'plc-9'", None),
                ((*point, "--everything"), "no driver takes the fence", None),
                ((*point, "--flow", self.KEPT), "not signed with the break",
                 estate.sluice.key("thief"))):
            code, said = self.release("fw-1", *what, key=key)
            self.assertNotEqual(code, 0, said)
            self.assertIn(why, said)
        # A text about the host opens no point.
        agent = [f"{estate.sluice.bin}/sluice-agent", "release", "--config",
                 f"{estate.sluice.folder}/agents/fw-1/agent.yaml"]
        estate.lab.run("fw-1", [*agent, "--reason", "r", "--flow", self.KEPT,
                                "--draft", draft])
        subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n",
                        "break-glass@sluice", "-f", self.key, draft],
                       check=True, stdin=subprocess.DEVNULL,
                       capture_output=True)
        said = subprocess.run(
            estate.lab.enter("fw-1") + [*agent, *point, "--signed", draft],
            capture_output=True, text=True, check=False).stderr
        self.assertIn("about host fw-1", said)
        self.assertEqual(estate.table(), before)

        # At both ends, and where it passes.
        for host in ("engine-1", "fw-1"):
            self.opens(host, "--flow", self.KEPT)
        self.assertFalse(estate.reach("engine-1", "plc-1"))
        said = self.opens("fw-1", *point, "--flow", self.KEPT)
        self.assertIn("1 flows are open at plc-1, read back from its driver",
                      said)
        kept = {("engine-1", "plc-1", 4)}
        self.assertEqual(estate.passing(), kept)
        self.assertIn("the running agent had it closed",
                      self.closes("fw-1", *point))
        self.assertEqual(estate.passing(), set())
        self.opens("fw-1", *point, "--flow", self.KEPT)
        self.assertEqual(estate.passing(), kept)
        # The same with no agent there.
        for host in ("store-1", "fw-1"):
            self.opens(host, "--flow", self.OTHER)
        estate.supervisor.stop("agent-fw-1")
        self.opens("fw-1", *point, "--flow", self.OTHER)
        opened = kept | {("plc-1", "store-1", 4)}
        self.assertEqual(estate.passing(), opened)
        self.assertIn("Start sluice-agent", self.closes("fw-1", *point))
        self.assertEqual(estate.passing(), set())
        code, said = self.root("fw-1", "isolate", "--point", "plc-9")
        self.assertNotEqual(code, 0, said)
        self.assertIn("acts for no point 'plc-9'", said)
        for flow in (self.KEPT, self.OTHER):
            self.opens("fw-1", *point, "--flow", flow)
        self.assertEqual(estate.passing(), opened)

        # It stays, is said once somebody hears it, and ends by an isolation.
        estate.sluice.start_orchestrator()
        estate.sluice.start_agent("fw-1")
        estate.until(lambda _: "plc-1 was opened by its root with its "
                     "break-glass key" in " ".join(estate.command(
                         "duty-commander", "history").split()), "the alarm")
        self.assertEqual(estate.passing(), opened)
        estate.command("duty-commander", "isolate", "--host", "plc-1",
                       "--reason", "enough")
        self.assertEqual(estate.passing(), set())


class DriversThatAreWrong(DriverTest):
    def isolate(self):
        return " ".join(self.estate.sluice.run(
            "duty-commander", "isolate", "--host", "plc-1", "--wait", "6",
            "--reason", "test", timeout=90)[1].split())

    def test_are_said_and_count_for_nothing(self):
        estate = self.estate
        closes = 'read r; case "$r" in *\'"read"\'*) '
        wrong = {
            f"{closes} echo '{{\"ok\": true, \"isolated\": false, "
            "\"flows\": []}';; *) echo '{\"ok\": true}';; esac":
                "is not isolated",
            f"{closes} echo '{{\"ok\": true, \"isolated\": false, "
            "\"flows\": []}';; *) echo no route >&2; exit 3;; esac":
                "ended with 3: no route",
            f"{closes} echo '{{\"ok\": true, \"isolated\": false, "
            "\"flows\": []}';; *) kill -SEGV $$;; esac":
                "ended by signal Segmentation fault",
            f"{closes} echo '{{\"ok\": true, \"isolated\": false, "
            "\"flows\": []}';; *) exec yes;; esac":
                "wrote more than 1 MiB",
            f"{closes} echo '{{\"ok\": true, \"isolated\": false, "
            "\"flows\": []}';; *) sleep 600;; esac":
                "did not end within 3s and was killed",
        }
        for script, why in wrong.items():
            with self.subTest(why):
                estate.drive(script)
                self.isolate()
                self.assertNotEqual(estate.host("plc-1")["fence"],
                                    "quarantined")
                processes.wait_for(
                    lambda w=why: w in " ".join(estate.command(
                        "duty-commander", "history").split()),
                    f"'{why}' in the history", timeout=30)
        # Mended, it is isolated without anybody asking again.
        estate.drive(f"exec /usr/bin/python3 {DRIVER}")
        estate.until(lambda s: estate.host("plc-1", s)["fence"] ==
                     "quarantined", "plc-1 is isolated", timeout=60)
        self.assertEqual(estate.passing(), set())

    def test_a_point_that_nobody_can_read_is_unknown(self):
        estate = self.estate
        estate.isolate_all()
        estate.drive("exec sleep 600")
        status = estate.until(
            lambda s: estate.host("plc-1", s)["link"] == "lost",
            "plc-1 is lost", timeout=60)
        self.assertEqual(estate.host("fw-1", status)["link"], "connected")
        said = " ".join(estate.command("duty-commander", "history").split())
        self.assertIn("plc-1 is lost", said)
        self.assertIn("did not end within 3s and was killed", said)
        estate.drive(f"exec /usr/bin/python3 {DRIVER}")
        estate.until(lambda s: estate.host("plc-1", s)["link"] ==
                     "connected", "plc-1 is known again", timeout=60)

    def test_another_hand_on_the_router_is_undone(self):
        estate = self.estate
        estate.isolate_all()
        estate.lab.run("fw-1", ["nft", "delete", "table", "inet",
                                "sluice-plc-1"])
        processes.wait_for(estate.table, "the table again", timeout=30)
        estate.until(lambda _: "plc-1 says: the fence was changed" in
                     " ".join(estate.command("duty-commander",
                                             "history").split()),
                     "people are told")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(small_estate.run_tests("driver_test"))
