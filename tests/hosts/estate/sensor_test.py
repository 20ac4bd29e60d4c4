#!/usr/bin/python3
"""Quarantine as a sensor: what an isolated host tries to reach is shown at its
gate. A peer that is merely early is no sign; a stranger is.

Exit code 77 when namespaces cannot be made here.
"""

import json
import sys
import tempfile
import unittest

import small_estate
from small_estate import SmallEstate, gate, lab_module, step

PREFIX = "sluice-sense-"
STRANGER = "203.0.113.66"
INSPECT = "inspect: [{listeners: declared-only}]"
SENSE = ("inspect: [{listeners: declared-only}, "
         "{attempts: {none-undeclared: true, for: 1s}}]")


class SensorTest(unittest.TestCase):
    def setUp(self):
        with open(small_estate.MANIFEST, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(INSPECT, text)
        folder = tempfile.TemporaryDirectory(prefix=PREFIX)
        self.addCleanup(folder.cleanup)
        manifest = f"{folder.name}/small.yaml"
        with open(manifest, "w", encoding="utf-8") as file:
            file.write(text.replace(INSPECT, SENSE))
        self.estate = SmallEstate(PREFIX, manifest)
        self.addCleanup(self.estate.close)
        self.estate.open()

    def try_out(self, host, address, port):
        self.assertFalse(lab_module.reach(self.estate.lab, host, address, port,
                                          0.5), f"{host} reached {address}")

    def begin(self):
        estate = self.estate
        estate.command("duty-commander", "start")
        estate.open_gate("data")
        estate.until_step("store", "reconnected")


class Sensor(SensorTest):
    def test_a_declared_peer_is_merely_early(self):
        estate = self.estate
        estate.isolate_all()
        for version in (4, 6):
            self.try_out("engine-1", estate.address("store-1", version), 7001)
        self.begin()
        estate.until(lambda s: gate(s, "applications").get("state") ==
                     "asking", "applications ask", timeout=60)
        shown = json.loads(estate.command("duty-commander", "show",
                                          "applications", "--json"))
        # IPv4 and IPv6.
        self.assertIn("declared and merely early: 2", json.dumps(shown))
        estate.open_gate("applications")
        estate.until_step("engine", "reconnected")

    def test_a_stranger_is_named_and_its_host_stays_where_it_is(self):
        estate = self.estate
        estate.isolate_all()
        for _ in range(3):
            self.try_out("engine-1", STRANGER, 443)
        # It is remembered across another isolation, and across its agent.
        estate.isolate_all()
        estate.supervisor.stop("agent-engine-1")
        estate.sluice.start_agent("engine-1")
        estate.until(lambda s: all(h["link"] == "connected"
                                   for h in s["hosts"]), "it is back")
        self.begin()
        named = f"tried to reach {STRANGER} 443/tcp (outside, 3 times)"
        estate.until(lambda s: named in json.dumps(s), "it is named",
                     timeout=60)
        shown = " ".join(estate.command("duty-commander", "show",
                                        "applications").split())
        self.assertIn(named, shown)
        status = estate.sluice.status()
        self.assertNotIn(step(status, "engine")["state"],
                         ("connecting", "soaking", "reconnected"))
        self.assertFalse(estate.reach("engine-1", "store-1"))


if __name__ == "__main__":
    sys.exit(small_estate.run_tests("sensor_test"))
