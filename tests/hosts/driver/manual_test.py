#!/usr/bin/python3
"""A controller that nobody's program drives: a person closes and opens the
router before it with nft and signs what they saw. Real agents, real traffic
both ways over IPv4 and IPv6.

Exit code 77 when namespaces cannot be made here.
"""

import json
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "estate"))

import small_estate  # noqa: E402  (the path above comes first)
from driver_test import AGENTS, PAIRS, RoutedEstate  # noqa: E402
from small_estate import SmallEstate, processes  # noqa: E402

PREFIX = "sluice-manual-"
DECLARED = {(*pair, version) for pair in PAIRS[:2] for version in (4, 6)}


class Person:
    """Whoever stands before the router, and does what a task says there."""

    def __init__(self, estate):
        self.estate = estate

    def tasks(self):
        said = self.estate.command("it-lead", "task", "list", "--json")
        return json.loads(said)["point_tasks"]

    def does(self, task):
        """With nft on the router, as no program of Sluice's would."""
        accepts = []
        for flow in task["flows"] if task["verb"] == "open" else []:
            protocol, client, server, port = flow["flow"].split()
            family = "ip6" if ":" in client else "ip"
            there = f"{family} saddr {client} {family} daddr {server}"
            back = f"{family} saddr {server} {family} daddr {client}"
            accepts += [f"{there} {protocol} dport {port} accept",
                        f"{back} {protocol} sport {port} accept"]
        rules = "\n".join(accepts + [
            "ip saddr 10.79.0.5 drop", "ip daddr 10.79.0.5 drop",
            "ip6 saddr fd79::5 drop", "ip6 daddr fd79::5 drop"])
        self.estate.lab.run("fw-1", ["nft", "-f", "-"], (
            "table inet by_hand {}\ndelete table inet by_hand\n"
            "table inet by_hand {\n chain forward {\n  type filter hook "
            f"forward priority 0; policy accept;\n{rules}\n }}\n}}\n"))

    def signs(self, task, operator="it-lead", key=None):
        return self.estate.sluice.run(
            operator, "task", "done", task["id"], "--saw",
            "the counters of my rules go up",
            *(["--key", self.estate.sluice.key(key)] if key else []))


class ManualEstate(RoutedEstate):
    def __init__(self):
        SmallEstate.__init__(self, PREFIX, f"{HERE}/manual.yaml")
        self.sluice.hosts = [host for host in AGENTS if host != "fw-1"]

    def open(self):
        self.wire()
        self.sluice.init()
        return self.start(links=2)


class ByHand(unittest.TestCase):
    def setUp(self):
        self.estate = ManualEstate()
        self.addCleanup(self.estate.close)
        self.estate.open()
        self.person = Person(self.estate)

    def one_task(self, verb):
        self.estate.until(
            lambda s: [t["verb"] for t in s.get("point_tasks", [])] == [verb],
            f"one task to {verb}")
        return self.person.tasks()[0]

    def closed(self):
        """What `isolate` says of it, and that a word closes it."""
        code, said = self.estate.sluice.run(
            "duty-commander", "isolate", "--all", "--reason", "test")
        said = " ".join(said.split())
        self.assertNotEqual(code, 0, "a task is no read-back")
        self.assertIn("2 of 3 hosts read back", said)
        self.assertIn("To be closed by hand", said)
        task = self.one_task("isolate")
        self.assertEqual(self.estate.host("plc-1")["fence"], "unknown")
        return task

    def test_is_closed_and_opened_by_a_person_who_signs(self):
        estate, person = self.estate, self.person
        self.assertLessEqual(DECLARED, estate.passing())
        task = self.closed()
        # Said by another, with another's key, or with nobody's: no word.
        code, said = person.signs(task, "duty-commander")
        self.assertNotEqual(code, 0)
        self.assertIn("is for a technical-lead", " ".join(said.split()))
        code, said = person.signs(task, key="duty-commander")
        self.assertNotEqual(code, 0)
        self.assertIn("signs with the key", " ".join(said.split()))
        self.assertEqual(estate.host("plc-1")["fence"], "unknown")

        person.does(task)
        self.assertEqual(person.signs(task)[0], 0)
        host = estate.host("plc-1")
        self.assertIn("said by it-lead", host["said"])
        self.assertIn("not measured", host["said"])
        self.assertEqual(estate.passing(), set())

        estate.command("duty-commander", "start")
        estate.open_gate("data")
        estate.until_step("store", "reconnected")
        shown = estate.command("it-lead", "show", "field")
        self.assertIn("plc-1 is manual", shown)
        self.assertIn("by hand:", shown)
        self.assertEqual(self.person.tasks(), [], "before the decision")
        estate.open_gate("field")

        # Nothing passes before the person opens it, whoever else is open.
        task = self.one_task("open")
        self.assertEqual({f["to"] for f in task["flows"]}, {"store-1"})
        self.assertEqual(estate.passing(), set())
        status = estate.sluice.status()
        waits = [w["next"] for s in status["steps"] if s["id"] == "meters"
                 for w in s["waits"]]
        self.assertIn(f"sluice task done {task['id']}", waits)
        person.does(task)
        self.assertEqual(person.signs(task)[0], 0)
        estate.until_step("meters", "reconnected")
        first = {("plc-1", "store-1", 4), ("plc-1", "store-1", 6)}
        self.assertEqual(estate.passing(), first)

        task = self.one_task("open")
        self.assertEqual({f["from"] for f in task["flows"]}, {"engine-1"})
        everything = dict(task, flows=task["flows"] + [
            {"flow": flow} for flow in
            ("tcp 10.79.0.5 10.78.0.11 7003", "tcp fd79::5 fd78::11 7003")])
        person.does(everything)
        self.assertEqual(person.signs(task)[0], 0)
        estate.until_step("engine", "reconnected")
        self.assertEqual(estate.passing(), DECLARED)

        # Isolated again: its peers close at once, the point when it is said.
        estate.sluice.run("duty-commander", "isolate", "--host", "plc-1",
                          "--reason", "again")
        self.assertEqual(estate.passing(), set(), "its peers' fences")
        task = self.one_task("isolate")
        self.assertEqual(len(task["flows"]), 4)
        person.does(task)
        self.assertEqual(person.signs(task)[0], 0)
        self.audited()

    def test_what_could_not_be_opened_leaves_everything_closed(self):
        estate, person = self.estate, self.person
        task = self.closed()
        person.does(task)
        self.assertEqual(person.signs(task)[0], 0)
        estate.command("duty-commander", "start")
        estate.open_gate("data")
        estate.until_step("store", "reconnected")
        estate.open_gate("field")
        task = self.one_task("open")
        estate.command("it-lead", "task", "failed", task["id"], "--reason",
                       "the router does not answer")
        status = estate.until(
            lambda s: any(one["id"] == "meters" and one.get("failed")
                          for one in s["steps"]), "meters failed")
        reason = next(one["reason"] for one in status["steps"]
                      if one["id"] == "meters")
        self.assertIn("the router does not answer", reason)
        self.assertEqual(estate.passing(), set())
        # The orchestrator dies with a task in hand, and still waits for it.
        estate.command("duty-commander", "retry", "meters")
        estate.open_gate("field")
        task = self.one_task("open")
        estate.supervisor.processes["orchestrator"].kill()
        estate.supervisor.forget("orchestrator")
        estate.sluice.start_orchestrator()
        self.assertEqual(self.one_task("open")["id"], task["id"])
        person.does(task)
        self.assertEqual(person.signs(task)[0], 0)
        estate.until_step("meters", "reconnected")

    def audited(self):
        """Every word is in the record, and verified without Sluice."""
        estate = self.estate
        folder = f"{estate.folder}/audit"
        own = f"{estate.sluice.folder}/operators/duty-commander/manifest.yaml"
        estate.command("duty-commander", "audit", "export", folder,
                       "--manifest", own, "--journal",
                       f"{estate.sluice.folder}/orchestrator/journal.db")
        with open(f"{folder}/README.md", encoding="utf-8") as file:
            commands = file.read().split("```sh\n")[1].split("```")[0]
        done = subprocess.run(["sh", "-c", commands], cwd=folder, check=False,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(f"{folder}/signed/list", encoding="utf-8") as file:
            words = [line for line in file if " point@sluice " in line]
        self.assertEqual(len(words), 4)
        for line in words:
            with open(f"{folder}/signed/{line.split()[0]}.txt",
                      encoding="utf-8") as file:
                said = file.read()
            self.assertIn("point plc-1\n", said)
            self.assertIn("saw the counters of my rules go up\n", said)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(small_estate.run_tests("manual_test"))
