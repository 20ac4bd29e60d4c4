#!/usr/bin/python3
"""Real agents in network namespaces: the main path, what survives it, what
dies in the middle of it, and what is refused. Tries the network itself.

Exit code 77 when namespaces cannot be made here.
"""

import os
import shutil
import subprocess
import sys
import time
import unittest

import small_estate
from small_estate import (HOSTS, LEASE, PAIRS, SmallEstate, gate,
                          sluice_module, step)

VISITORS = "visitors>front:web"
ALL = ["store", "engine", "front", VISITORS]
# A probe asks every 50 ms and waits up to 300 ms; states are dated by the
# orchestrator's loop.
MARGIN_MS = 1500


class EstateTest(unittest.TestCase):
    def setUp(self):
        self.estate = SmallEstate()
        self.addCleanup(self.estate.close)
        self.estate.open()

    def finish(self):
        """Everything back, outside included."""
        estate = self.estate
        estate.until_step("front", "reconnected")
        estate.open_gate("outside")
        return estate.until_step(VISITORS, "reconnected")

    def assert_opened_in_order(self):
        """S1, by the network's own account."""
        for client, server in (("front-1", "engine-1"),):
            opened = self.first_open_after_isolation(client, server)
            healthy = self.estate.since[("engine", "soaking")]
            self.assertGreaterEqual(
                opened, healthy - MARGIN_MS,
                f"{client} reached {server} before it was healthy")

    def first_open_after_isolation(self, client, server):
        seen = self.estate.probed(client, server)
        closed = [at for at, is_open in seen if not is_open]
        self.assertTrue(closed, f"{client} to {server} was never closed")
        return min((at for at, is_open in seen
                    if is_open and at > closed[0]), default=0)


class MainPath(EstateTest):
    def test_closes_and_comes_back_and_no_session_survives(self):
        estate = self.estate
        sessions = {
            (client, server, version, manner):
                estate.session(client, server, version)
            for client, server in PAIRS for version in (4, 6)
            for manner in ("talking", "silent")}
        for key, session in sessions.items():
            self.assertGreater(session.carries(), 0, key)
        estate.probe("front-1", "engine-1")

        status = estate.isolate_all()
        self.assertEqual({h["id"]: h["fence"] for h in status["hosts"]},
                         {host: "quarantined" for host in HOSTS})
        before = estate.lab.counters()
        for client, server in PAIRS:
            for version in (4, 6):
                self.assertFalse(estate.reach(client, server, version))
        for key, session in sessions.items():
            if key[3] == "talking":
                self.assertEqual(session.carries(), 0, key)
        after = estate.lab.counters()
        self.assertEqual(after["between"] - before["between"], 0)
        self.assertEqual(after["outward"] - before["outward"], 0)
        self.assertGreater(after["management"], before["management"])

        estate.command("duty-commander", "start")
        estate.open_gate("data")
        estate.until_step("store", "reconnected")
        self.assertFalse(estate.reach("engine-1", "store-1"))
        estate.open_gate("applications")
        estate.until_step("engine", "reconnected")
        self.assertFalse(estate.reach("visitor", "front-1"))
        self.finish()

        for client, server in PAIRS:
            for version in (4, 6):
                self.assertTrue(estate.reach(client, server, version),
                                (client, server, version))
                fresh = estate.session(client, server, version)
                self.assertGreater(fresh.carries(), 0)
        for key, session in sessions.items():
            self.assertEqual(session.carries(), 0, key)
        self.assertFalse(estate.reach("front-1", "store-1"),
                         "nothing needs this flow")
        self.assert_opened_in_order()
        estate.command("duty-commander", "end")
        brief = estate.command("duty-commander", "brief")
        self.assertIn("small", brief)
        self.assert_audited()

    def assert_audited(self):
        """The record of a running orchestrator, verified with what its README
        says and nothing else."""
        estate = self.estate
        folder = f"{estate.folder}/audit"
        own = f"{estate.sluice.folder}/operators/duty-commander/manifest.yaml"
        said = estate.command(
            "duty-commander", "audit", "export", folder, "--manifest", own,
            "--journal", f"{estate.sluice.folder}/orchestrator/journal.db")
        with open(f"{folder}/README.md", encoding="utf-8") as file:
            commands = file.read().split("```sh\n")[1].split("```")[0]
        done = subprocess.run(["sh", "-c", commands], cwd=folder, check=False,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, said + done.stdout + done.stderr)
        # Four votes and at least three hosts' evidence.
        self.assertGreaterEqual(done.stdout.count("Good "), 7, done.stdout)
        with open(f"{folder}/signed/list", encoding="utf-8") as file:
            victim = next(line.split()[0] for line in file
                          if "decision@sluice" in line)
        with open(f"{folder}/signed/{victim}.txt", "a",
                  encoding="utf-8") as file:
            file.write("step everything\n")
        done = subprocess.run(["sh", "-c", commands], cwd=folder, check=False,
                              capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)


class OrchestratorDies(EstateTest):
    def test_the_run_goes_on_and_nothing_is_done_twice(self):
        estate = self.estate
        estate.probe("front-1", "engine-1")
        before = estate.up_to_engine_soaking()
        session = estate.session("engine-1", "store-1")
        self.assertGreater(session.carries(), 0)
        numbers = {h["id"]: h["quarantine_number"] for h in before["hosts"]}
        votes = [gate(before, name).get("votes")
                 for name in ("data", "applications")]
        estate.supervisor.processes["orchestrator"].kill()
        estate.sluice.start_orchestrator()
        after = estate.until(
            lambda s: len([h for h in s["hosts"]
                           if h["link"] == "connected"]) == len(HOSTS),
            "every agent is back")
        self.assertGreater(after["epoch"], before["epoch"])
        self.assertEqual(after["run"]["id"], before["run"]["id"])
        done = self.finish()
        self.assertEqual(
            {h["id"]: h["quarantine_number"] for h in done["hosts"]}, numbers)
        self.assertEqual([gate(done, name).get("votes")
                          for name in ("data", "applications")], votes)
        self.assertEqual(gate(done, "applications").get("round"), 1)
        self.assert_opened_in_order()
        # Opening a flow forgets its connections first, so a second opening
        # would have cut this one.
        self.assertGreater(session.carries(), 0, "a flow was opened twice")

    def test_leased_flows_close_within_one_lease(self):
        estate = self.estate
        estate.up_to_engine_soaking()
        self.assertTrue(estate.reach("engine-1", "store-1"))
        estate.probe("engine-1", "store-1")
        estate.supervisor.processes["orchestrator"].kill()
        killed = time.time() * 1000
        closed = estate.closed_at("engine-1", "store-1", LEASE + 3)
        self.assertLessEqual(closed - killed, LEASE * 1000 + MARGIN_MS)
        # The same release order opens it again once somebody renews it.
        estate.sluice.start_orchestrator()
        estate.until_step("engine", "reconnected")
        self.assertTrue(estate.reach("engine-1", "store-1"))


class AgentDies(EstateTest):
    def test_its_leased_flows_close_and_the_status_says_so(self):
        estate = self.estate
        estate.up_to_engine_soaking()
        estate.probe("engine-1", "store-1")
        small_estate.processes.wait_for(
            lambda: estate.probed("engine-1", "store-1"), "a probe")
        estate.supervisor.processes["agent-engine-1"].kill()
        killed = time.time() * 1000
        status = estate.until(
            lambda s: any(h["id"] == "engine-1" and h["link"] == "lost"
                          for h in s["hosts"]), "engine-1 is lost")
        host = next(h for h in status["hosts"] if h["id"] == "engine-1")
        self.assertTrue(host["text"], "the status must say what is unknown")
        self.assertNotEqual(step(status, "engine")["state"], "reconnected")
        closed = estate.closed_at("engine-1", "store-1", LEASE + 3)
        self.assertLessEqual(closed - killed, LEASE * 1000 + MARGIN_MS)
        estate.sluice.start_agent("engine-1")
        estate.until_step("engine", "reconnected")
        self.assertTrue(estate.reach("engine-1", "store-1"))


class BadInput(EstateTest):
    def state(self):
        status = self.estate.sluice.status()
        return ({s["id"]: s["state"] for s in status["steps"]},
                {g["id"]: g["state"] for g in status["gates"]},
                {h["id"]: (h["fence"], h["quarantine_number"])
                 for h in status["hosts"]}, status["run"])

    def assert_refused(self, operator, *arguments):
        code, said = self.estate.sluice.run(operator, *arguments)
        self.assertNotEqual(code, 0, said)
        self.assert_sentence(said)
        return said

    def assert_sentence(self, said):
        self.assertTrue(said, "a refusal must say why")
        self.assertNotIn("Traceback", said)
        self.assertNotIn("terminate called", said)
        self.assertLessEqual(len(said.splitlines()), 6, said)

    def test_is_refused_with_a_sentence_and_changes_nothing(self):
        estate = self.estate
        with self.subTest("a broken manifest"):
            broken = f"{estate.folder}/broken.yaml"
            with open(small_estate.MANIFEST, encoding="utf-8") as file:
                text = file.read().replace("store:data", "store:dta")
            with open(broken, "w", encoding="utf-8") as file:
                file.write(text)
            said = self.assert_refused("duty-commander", "validate", broken)
            self.assertRegex(said, r"broken\.yaml:\d+:\d+")
            said = self.assert_refused("duty-commander", "init", broken,
                                       "--out", f"{estate.folder}/none")
            self.assertFalse(os.path.exists(f"{estate.folder}/none"))

        with self.subTest("a start before the isolation"):
            before = self.state()
            self.assert_refused("duty-commander", "start")
            self.assertEqual(self.state(), before)

        estate.isolate_all()
        estate.command("duty-commander", "start")
        estate.until(lambda s: gate(s, "data").get("state") == "asking",
                     "gate data asks")
        before = self.state()
        with self.subTest("a second run"):
            self.assert_refused("it-lead", "start")
        with self.subTest("go for a gate that is not open"):
            said = self.assert_refused("duty-commander", "go", "applications")
            self.assertIn("applications", said)
        with self.subTest("go for a gate that does not exist"):
            self.assert_refused("duty-commander", "go", "no-such-gate")
        with self.subTest("go by somebody without the role"):
            self.assert_refused("it-lead", "go", "data")
        with self.subTest("done for a task that does not exist"):
            self.assert_refused("it-lead", "done", "no-such-task")
        self.assertEqual(self.state(), before)

        with self.subTest("an agent of another authority"):
            self.foreign_agent()
            self.assertEqual(self.state(), before)

        with self.subTest("an orchestrator that is down"):
            estate.supervisor.processes["orchestrator"].kill()
            code, said = estate.sluice.run("duty-commander", "status")
            self.assertNotEqual(code, 0)
            self.assert_sentence(said)

    def foreign_agent(self):
        """The same estate, the same host, certificates of somebody else."""
        estate = self.estate
        foreign = sluice_module.Sluice(estate.lab, estate.supervisor,
                                       small_estate.MANIFEST, HOSTS)
        foreign.folder = f"{estate.folder}/foreign"
        foreign.init(agent_keys=True)
        estate.supervisor.stop("agent-store-1")
        estate.until(lambda s: any(h["id"] == "store-1" and h["link"] ==
                                   "lost" for h in s["hosts"]), "it is lost")
        agent = foreign.start_agent("store-1", name="agent-foreign")
        small_estate.processes.wait_for(
            lambda: not agent.running() or agent.tail(), "the agent's word")
        time.sleep(1)
        link = {h["id"]: h["link"] for h in
                estate.sluice.status()["hosts"]}["store-1"]
        self.assertEqual(link, "lost", "a foreign agent was let in")
        self.assertRegex(agent.tail(), r"(?i)authority|certificate")
        estate.supervisor.stop("agent-foreign")
        estate.sluice.start_agent("store-1")
        estate.until(lambda s: all(h["link"] == "connected"
                                   for h in s["hosts"]), "it is back")


class OrchestratorCaptured(EstateTest):
    """Its machine, its certificates, its journal and its manifest are the
    attacker's, who names keys of their own for everybody."""

    def test_opens_nothing_and_nobody_honest_signs_for_it(self):
        estate = self.estate
        estate.isolate_all()
        estate.supervisor.processes["orchestrator"].kill()
        forged = self.forge_manifest()
        estate.sluice.start_orchestrator()
        estate.until(lambda s: all(h["link"] == "connected"
                                   for h in s["hosts"]), "all attached again")
        estate.command("duty-commander", "start")
        # The data opens no flow on its own; the applications do, and soak for
        # a shorter time than the honest manifest gives them. The data's stage
        # is as people know it: they sign, and it does not help the attacker,
        # who has to count other keys.
        refusals = {"data": "is by another key",
                    "applications": "is not what your manifest gives"}
        for name, refusal in refusals.items():
            estate.until(lambda s, n=name: gate(s, n).get("state") == "asking",
                         f"{name} asks")
            code, said = estate.sluice.run(
                "duty-commander", "go", name,
                "--key", estate.sluice.key("duty-commander"))
            self.assertNotEqual(code, 0, said)
            self.assertIn(refusal, " ".join(said.split()))
            # The attacker does: signed, verified and released by their own.
            for role in sorted(gate(estate.sluice.status(),
                                    name).get("missing", {})):
                person = small_estate.APPROVERS[role]
                estate.command(person, "go", name, "--manifest", forged,
                               "--key", f"{estate.folder}/forged/{person}")
        estate.until(lambda s: step(s, "engine").get("failed"), "a refusal")
        self.assertIn("is by another key", estate.log("agent-store-1"))
        for client, server in PAIRS:
            self.assertFalse(estate.reach(client, server), (client, server))
        status = estate.sluice.status()
        self.assertEqual([h.get("leased_flows", 0) + h.get("standing_flows", 0)
                          for h in status["hosts"]], [0, 0, 0])

    def forge_manifest(self):
        """The orchestrator's manifest with other keys, and a shorter soak; its
        path."""
        estate = self.estate
        folder = f"{estate.folder}/forged"
        os.makedirs(folder, mode=0o700)
        path = f"{estate.sluice.folder}/orchestrator/manifest.yaml"
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertIn("soak: 6s", text)
        text = text.replace("soak: 6s", "soak: 2s")
        for name in small_estate.APPROVERS.values():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                            "-C", name, "-f", f"{folder}/{name}"], check=True)
            with open(f"{estate.sluice.key(name)}.pub",
                      encoding="utf-8") as file:
                real = " ".join(file.read().split()[:2])
            with open(f"{folder}/{name}.pub", encoding="utf-8") as file:
                false = " ".join(file.read().split()[:2])
            self.assertIn(real, text)
            text = text.replace(real, false)
            # Such an orchestrator lets nobody else log in.
            with open(estate.sluice.client(name), encoding="utf-8") as file:
                client = file.read()
            self.assertIn(estate.sluice.key(name), client)
            with open(estate.sluice.client(name), "w",
                      encoding="utf-8") as file:
                file.write(client.replace(estate.sluice.key(name),
                                          f"{folder}/{name}"))
        shutil.copy(f"{estate.sluice.folder}/operators/duty-commander/"
                    "hosts.keys", f"{folder}/hosts.keys")
        for forged in (path, f"{folder}/manifest.yaml"):
            with open(forged, "w", encoding="utf-8") as file:
                file.write(text)
        return f"{folder}/manifest.yaml"


if __name__ == "__main__":
    sys.exit(small_estate.run_tests("estate_test"))
