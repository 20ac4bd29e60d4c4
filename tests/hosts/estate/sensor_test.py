#!/usr/bin/python3
"""Quarantine as a sensor: what an isolated host tries to reach is shown at its
gate. A peer that is merely early is no sign; a stranger is.

Exit code 77 when namespaces cannot be made here.
"""

import json
import re
import sys
import tempfile
import time
import unittest

import small_estate
from small_estate import SmallEstate, gate, lab_module, step

PREFIX = "sluice-sense-"
STRANGER = "203.0.113.66"
RESOLVER = "203.0.113.53"
INSPECT = "inspect: [{listeners: declared-only}]"
SENSE = ("inspect: [{listeners: declared-only}, "
         "{attempts: {none-undeclared: true, for: %s}}]")


def boot_ms():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 10**6


class SensorTest(unittest.TestCase):
    watched_for = 1  # seconds

    def setUp(self):
        with open(small_estate.MANIFEST, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(INSPECT, text)
        folder = tempfile.TemporaryDirectory(prefix=PREFIX)
        self.addCleanup(folder.cleanup)
        manifest = f"{folder.name}/small.yaml"
        with open(manifest, "w", encoding="utf-8") as file:
            file.write(text.replace(INSPECT, SENSE % f"{self.watched_for}s"))
        self.estate = SmallEstate(PREFIX, manifest)
        self.addCleanup(self.estate.close)
        self.estate.open()

    def try_out(self, host, address, port):
        self.assertFalse(lab_module.reach(self.estate.lab, host, address, port,
                                          0.5), f"{host} reached {address}")

    def ask_for(self, host, name):
        """A query that the fence refuses, as a resolver sends it."""
        labels = b"".join(bytes([len(part)]) + part.encode()
                          for part in name.split("."))
        query = b"\1\2\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"
        code = ("import socket,sys\n"
                "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
                "try: s.sendto(bytes.fromhex(sys.argv[1]),(sys.argv[2],53))\n"
                "except OSError: pass\n")
        self.estate.lab.run(host, ["/usr/bin/python3", "-Sc", code,
                                   query.hex(), RESOLVER])

    def sensor(self, host):
        listed = self.estate.lab.run(host, [
            "nft", "-j", "list", "set", "inet", "sluice", "tried_out4"])
        return [item["set"] for item in json.loads(listed)["nftables"]
                if "set" in item][0]

    def watching_since(self, host):
        return int(re.fullmatch("since (-?[0-9]+)ms",
                                self.sensor(host)["comment"]).group(1))

    def tried(self, host):
        return len([1 for item in self.sensor(host).get("elem", [])
                    if STRANGER in json.dumps(item)])

    def until_fenced(self, host):
        small_estate.processes.wait_for(
            lambda: "inet sluice\n" in self.estate.lab.run(
                host, ["nft", "list", "tables"]), f"the fence of {host}")

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
        shown = " ".join(estate.command("duty-commander", "show",
                                        "applications").split())
        self.assertRegex(shown, "declared, merely early: "
                         f"{estate.address('store-1')} 7001/tcp, once, at "
                         "[-0-9: ]+ UTC, by python3, process [0-9]+, user root")
        estate.open_gate("applications")
        estate.until_step("engine", "reconnected")

    def test_a_stranger_is_named_and_its_host_stays_where_it_is(self):
        estate = self.estate
        estate.isolate_all()
        for _ in range(3):
            self.try_out("engine-1", STRANGER, 443)
        self.ask_for("engine-1", "update.evil.example")
        # It is remembered across another isolation, and across its agent.
        estate.isolate_all()
        estate.supervisor.stop("agent-engine-1")
        estate.sluice.start_agent("engine-1")
        estate.until(lambda s: all(h["link"] == "connected"
                                   for h in s["hosts"]), "it is back")
        self.begin()
        # The port of names is one more that nobody declared.
        named = (f"{STRANGER} 443/tcp .outside, 3 times, by python3, "
                 "process [0-9]+, user root.")
        estate.until(lambda s: re.search(named, json.dumps(s)), "it is named",
                     timeout=60)
        shown = " ".join(estate.command("duty-commander", "show",
                                        "applications").split())
        self.assertRegex(shown, named)
        self.assertIn("names it asked for: update.evil.example (once)", shown)
        status = estate.sluice.status()
        self.assertNotIn(step(status, "engine")["state"],
                         ("connecting", "soaking", "reconnected"))
        self.assertFalse(estate.reach("engine-1", "store-1"))

    def test_a_reboot_goes_on_when_nothing_was_missed(self):
        estate, lab = self.estate, self.estate.lab
        estate.isolate_all()
        self.try_out("engine-1", STRANGER, 443)
        self.assertEqual(self.tried("engine-1"), 1)
        begun = self.watching_since("engine-1")
        self.assertLess(begun, boot_ms())
        # All that the kernel knew goes, and the network comes after the fence.
        estate.supervisor.stop("agent-engine-1")
        lab.run("engine-1", ["nft", "delete", "table", "inet", "sluice"])
        lab.unplug("engine-1")
        started = boot_ms()
        estate.sluice.start_agent("engine-1")
        self.until_fenced("engine-1")
        addresses = small_estate.HOSTS["engine-1"]
        lab.plug("engine-1", [f"{addresses[0]}/24", f"{addresses[1]}/64"],
                 small_estate.ROUTER)
        self.assertEqual(self.tried("engine-1"), 1)
        self.assertLess(self.watching_since("engine-1"), started)
        estate.until(lambda s: all(h["link"] == "connected"
                                   for h in s["hosts"]), "it is back")
        # Now something may have left it while there was no fence.
        estate.supervisor.stop("agent-engine-1")
        lab.run("engine-1", ["nft", "delete", "table", "inet", "sluice"])
        started = boot_ms()
        estate.sluice.start_agent("engine-1")
        self.until_fenced("engine-1")
        self.assertEqual(self.tried("engine-1"), 1)
        self.assertGreaterEqual(self.watching_since("engine-1"), started)


class Anew(SensorTest):
    """A host that called home was cleaned in place and is watched again."""

    watched_for = 15

    def isolate(self, *arguments):
        """Its quarantine number then."""
        self.estate.command("duty-commander", "isolate", "--host", "engine-1",
                            *arguments)
        return next(h["quarantine_number"]
                    for h in self.estate.sluice.status()["hosts"]
                    if h["id"] == "engine-1")

    def retry(self, verdict, words):
        """What `attempts` says on the host when it is asked again."""
        estate = self.estate
        before = step(estate.sluice.status(), "engine")["since_ms"]
        estate.command("duty-commander", "retry")
        return self.inspected(verdict, words, before)

    def inspected(self, verdict, words, after=0):
        said = []

        def heard(status):
            engine = step(status, "engine")
            said[:] = [check for check in engine.get("checks", [])
                       if check["id"] == "engine/inspect-2"]
            return (engine.get("since_ms", 0) > after and said and
                    said[0].get("verdict") == verdict and
                    re.search(words, said[0].get("reason", "")))

        try:
            self.estate.until(heard, f"{verdict} of attempts: {words}")
        except AssertionError:
            print(said)
            raise

    def evidence(self):
        shown = json.loads(self.estate.command(
            "duty-commander", "show", "applications", "--json"))
        return next(host["text"] for host in shown["evidence"]
                    if host["host"] == "engine-1")

    def test_a_cleaned_host_is_watched_anew(self):
        estate = self.estate
        estate.isolate_all()
        for _ in range(3):
            self.try_out("engine-1", STRANGER, 443)
        self.ask_for("engine-1", "update.evil.example")
        self.begin()
        named = (f"tried to reach {re.escape(STRANGER)} 443/tcp .outside, 3 "
                 "times, by python3")
        self.inspected("VERDICT_FAIL", named)

        # An isolation like any other forgets nothing.
        number = self.isolate("--reason", "again")
        self.retry("VERDICT_FAIL", named)
        self.assertEqual(self.tried("engine-1"), 1)

        # Who has no reason to give does not begin it anew.
        self.assertNotEqual(estate.sluice.run(
            "duty-commander", "isolate", "--host", "engine-1",
            "--sensor-anew")[0], 0)
        self.assertEqual(self.tried("engine-1"), 1)
        self.assertGreater(
            self.isolate("--sensor-anew", "--reason", "cleaned in place"),
            number)
        self.assertEqual(self.tried("engine-1"), 0)
        begun = ("before its sensor was begun anew at [-0-9: ]+ UTC, 2 "
                 "undeclared addresses, the last ")
        self.retry("VERDICT_INCONCLUSIVE",
                   "watched for [0-9]+s? of 15s; nothing undeclared yet; " +
                   begun)

        # It survives the agent; and is on the record with who and why.
        estate.supervisor.stop("agent-engine-1")
        estate.sluice.start_agent("engine-1")
        estate.until(lambda s: all(h["link"] == "connected"
                                   for h in s["hosts"]), "it is back")
        who = "begun anew by duty-commander at [0-9: A-Za-z]+: cleaned in place"
        for words in (["show", "engine-1"], ["status"]):
            shown = " ".join(estate.command("duty-commander", *words).split())
            self.assertRegex(shown, who)
        history = estate.command("duty-commander", "history")
        self.assertIn("its sensor begins anew", " ".join(history.split()))

        # Watched for as long as is asked, it passes, and hides nothing.
        small_estate.processes.wait_for(
            lambda: boot_ms() - self.watching_since("engine-1") >
            1000 * self.watched_for, "it was watched for long enough",
            timeout=30)
        # The gate asks for the front alone; this is for both.
        estate.command("duty-commander", "no-go", "applications", "--reason",
                       "the engine comes first")
        self.retry("VERDICT_PASS",
                   "no sign found: nothing undeclared in [0-9ms]+; " + begun)
        estate.until(lambda s: gate(s, "applications").get("state") ==
                     "asking", "the gate asks", timeout=60)
        text = self.evidence()
        self.assertRegex(text, "\npass no sign found: [^\n]+; " + begun)
        self.assertRegex(text, "seen sensor begun anew at [^\n]+: isolated by "
                         "duty-commander: cleaned in place\n")
        self.assertRegex(text, "seen before, undeclared, outside: "
                         f"{re.escape(STRANGER)} 443/tcp, 3 times, [^\n]+ by "
                         "python3")
        self.assertIn("seen before, names asked for: update.evil.example",
                      text)
        shown = " ".join(estate.command("duty-commander", "show",
                                        "applications").split())
        self.assertRegex(shown, who)

        # And what calls home again is a sign again.
        self.try_out("engine-1", STRANGER, 8443)
        self.isolate("--reason", "it calls again")
        self.retry("VERDICT_FAIL", f"tried to reach {re.escape(STRANGER)} "
                   f"8443/tcp .outside, once.*{begun}")


if __name__ == "__main__":
    sys.exit(small_estate.run_tests("sensor_test"))
