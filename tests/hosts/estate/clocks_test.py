#!/usr/bin/python3
"""Hosts whose wall clocks are years wrong, and jump: real agents under
libfaketime enrol, attach, give evidence, judge release orders, open, confirm
and close as if nothing were the matter. Their boot-time clock goes right, as
it does on such hosts.

Exit code 77 when namespaces cannot be made here, or without libfaketime.
"""

import glob
import json
import os
import subprocess
import sys
import time
import unittest

import small_estate
from small_estate import HOSTS, LEASE, PAIRS, SmallEstate, processes, step

PREFIX = "sluice-clock-"
YEAR = 365 * 24 * 3600
# The third host's clock is right: its peers must not mind.
WRONG = {"store-1": 12 * YEAR, "engine-1": -12 * YEAR}
MARGIN_MS = 1500
BAD = ("failure", "alarm", "hold")


def faketime():
    found = sorted(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"))
    return found[0] if found else ""


class ClocksTest(unittest.TestCase):
    def setUp(self):
        self.estate = SmallEstate(PREFIX)
        self.addCleanup(self.estate.close)
        for host, seconds in WRONG.items():
            self.set_clock(host, seconds)
            self.estate.sluice.before_agent[host] = self.shifted(host)
        # Each enrols by a token, under its own clock.
        self.estate.open()
        for host in WRONG:
            self.assert_shifted(host)

    def clock_file(self, host):
        return f"{self.estate.folder}/clock-{host}"

    def set_clock(self, host, seconds):
        with open(f"{self.clock_file(host)}.new", "w",
                  encoding="utf-8") as file:
            file.write(f"{seconds:+d}\n")
        os.rename(f"{self.clock_file(host)}.new", self.clock_file(host))

    def shifted(self, host):
        return ["env", f"LD_PRELOAD={faketime()}", "FAKETIME_NO_CACHE=1",
                "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1",
                f"FAKETIME_TIMESTAMP_FILE={self.clock_file(host)}"]

    def clocks(self, host):
        """The wall clock and the boot-time clock as a program there sees
        them, less the right ones, in seconds."""
        ask = "import time; print(time.time(), " \
              "time.clock_gettime(time.CLOCK_BOOTTIME))"
        wall, boot = subprocess.run(
            [*self.shifted(host), "/usr/bin/python3", "-c", ask], check=True,
            capture_output=True, text=True).stdout.split()
        return (float(wall) - time.time(),
                float(boot) - time.clock_gettime(time.CLOCK_BOOTTIME))

    def assert_shifted(self, host):
        """That this test tests something."""
        wall, boot = self.clocks(host)
        self.assertAlmostEqual(wall, WRONG[host], delta=60)
        self.assertAlmostEqual(boot, 0, delta=60)
        agent = self.estate.supervisor.processes[f"agent-{host}"]
        with open(f"/proc/{agent.pid}/maps", encoding="utf-8") as file:
            self.assertIn("libfaketime", file.read())
        # As the agent's own log has it.
        year = time.gmtime(time.time() + WRONG[host]).tm_year
        self.assertIn(f"{year}-", self.estate.log(f"agent-{host}"))

    def assert_nothing_was_wrong(self):
        said = self.estate.command("duty-commander", "history", "--json")
        lines = json.loads(said)["entries"]
        self.assertIn("reconnected", {line["kind"] for line in lines})
        self.assertEqual([line for line in lines if line["kind"] in BAD], [])

    def jump(self):
        """Each wrong clock to the other side of the right one."""
        for host, seconds in WRONG.items():
            self.set_clock(host, -seconds)


class YearsWrong(ClocksTest):
    def test_everything_comes_back_and_a_jump_in_mid_lease_closes_nothing(
            self):
        estate = self.estate
        estate.up_to_engine_soaking()
        estate.probe("engine-1", "store-1")
        processes.wait_for(
            lambda: any(is_open for _, is_open in
                        estate.probed("engine-1", "store-1")), "it is open")
        # Leased now: forward by 24 years on one side, back on the other.
        self.assertEqual(step(estate.sluice.status(), "engine")["state"],
                         "soaking")
        self.jump()
        jumped = time.time() * 1000
        estate.until_step("engine", "reconnected")
        estate.until_step("front", "reconnected")
        estate.open_gate("outside")
        estate.until_step("visitors>front:web", "reconnected")
        for client, server in PAIRS:
            self.assertTrue(estate.reach(client, server), (client, server))
        closed = [at for at, is_open in estate.probed("engine-1", "store-1")
                  if at > jumped and not is_open]
        self.assertEqual(closed, [], "it closed when the clocks jumped")
        self.assert_nothing_was_wrong()
        # And closed again, with the clocks on the other side.
        estate.isolate_all()
        for client, server in PAIRS:
            self.assertFalse(estate.reach(client, server), (client, server))

    def test_a_lease_ends_in_time_though_the_clocks_jump(self):
        estate = self.estate
        estate.up_to_engine_soaking()
        self.assertTrue(estate.reach("engine-1", "store-1"))
        estate.probe("engine-1", "store-1")
        estate.supervisor.processes["orchestrator"].kill()
        killed = time.time() * 1000
        self.jump()
        closed = estate.closed_at("engine-1", "store-1", LEASE + 3)
        self.assertLessEqual(closed - killed, LEASE * 1000 + MARGIN_MS)
        # The release order holds: its validity is on the boot-time clock.
        estate.sluice.start_orchestrator()
        estate.until_step("engine", "reconnected")
        self.assertTrue(estate.reach("engine-1", "store-1"))
        self.assertEqual({h["id"]: h["link"] for h in
                          estate.sluice.status()["hosts"]},
                         {host: "connected" for host in HOSTS})


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(small_estate.run_tests(
        "clocks_test", lambda: "" if faketime() else
        "libfaketime is not here (Debian's faketime)"))
