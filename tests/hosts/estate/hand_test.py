#!/usr/bin/python3
"""Other hands on a host's rules: a real `nft` flushes, changes, deletes and
owns the fence's table. The agent notices, puts it back, and people are told.

Exit code 77 when namespaces cannot be made here.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
import unittest

import small_estate
from small_estate import HOSTS, SmallEstate, processes

PREFIX = "sluice-hand-"
WITHIN = 2.0  # seconds until the fence is whole again
CHANGED = "says: the fence was changed by another hand"


class HandTest(unittest.TestCase):
    def setUp(self):
        self.estate = SmallEstate(PREFIX)
        self.addCleanup(self.estate.close)
        self.estate.open()

    def nft(self, host, text):
        self.estate.lab.run(host, ["nft", "-f", "-"], text)

    def rules(self, host):
        """The fence without what counts, times and numbers; '' without one."""
        listed = self.estate.lab.run(
            host, ["nft", "-s", "list", "table", "inet", "sluice"],
            check=False)
        return re.sub(r"(?s)set (tried_|r_)\w+ \{.*?\n\t\}", "", listed)

    def alarms(self, host):
        said = self.estate.command("duty-commander", "history")
        return " ".join(said.split()).count(f"{host} {CHANGED}")

    def seconds_until_whole(self, host, whole):
        began = time.monotonic()
        processes.wait_for(lambda: self.rules(host) == whole,
                           f"{host}'s fence is whole again", timeout=10)
        return time.monotonic() - began


class AnotherHand(HandTest):
    def test_is_undone_within_two_seconds_and_reported(self):
        estate = self.estate
        estate.isolate_all()
        whole = self.rules("store-1")
        self.assertIn("policy drop", whole)
        hands = {
            "flush": "flush ruleset",
            "delete": "delete table inet sluice",
            "rule": "insert rule inet sluice in accept",
            "policy": "chain inet sluice in { policy accept; }",
            "hole": "add rule inet sluice standing "
                    "tcp dport 7001 accept",
            "emptied chain": "flush chain inet sluice in",
            "emptied set": "flush set inet sluice management_tcp4",
            "less": "delete element inet sluice management_tcp6 { fd78::11 . "
                    "fd78::1 . 7443 }",
            "chain": "add chain inet sluice x { type filter hook input "
                     "priority -500; }",
            "handle": "rename chain inet sluice neighbours others",
        }
        for reports, (what, text) in enumerate(hands.items(), start=1):
            with self.subTest(what):
                self.nft("store-1", text)
                took = self.seconds_until_whole("store-1", whole)
                print(f"{what}: whole again after {took * 1000:.0f} ms")
                self.assertLess(took, WITHIN)
                self.assertFalse(estate.reach("engine-1", "store-1"))
                processes.wait_for(
                    lambda n=reports: self.alarms("store-1") == n,
                    f"report {reports} of it")
        said = estate.command("duty-commander", "history")
        self.assertRegex(" ".join(said.split()),
                         r"another hand \(nft, process \d+\)")

    def test_that_prolongs_or_widens_a_lease_is_undone(self):
        estate = self.estate
        estate.up_to_engine_soaking()
        self.assertTrue(estate.reach("engine-1", "store-1"))
        sets = re.findall(r"set (r_[0-9a-f]{12}_tcp4) ", estate.lab.run(
            "store-1", ["nft", "list", "table", "inet", "sluice"]))
        self.assertTrue(sets)
        self.nft("store-1", f"add element inet sluice {sets[0]} {{ 10.78.0.31 "
                            ". 10.78.0.11 . 7001 }")
        processes.wait_for(lambda: self.alarms("store-1") == 1,
                           "the report", timeout=10)
        self.assertFalse(estate.reach("front-1", "store-1"))

    def test_is_not_this_agents_own(self):
        """A whole run changes every fence often, and alarms nobody."""
        estate = self.estate
        estate.up_to_engine_soaking()
        estate.until_step("front", "reconnected")
        self.assertTrue(estate.reach("front-1", "engine-1"))
        # Another table of somebody's is none of its business.
        self.nft("store-1", "add table inet others\ndelete table inet others")
        time.sleep(WITHIN)  # that nothing happens can only be waited for
        for host in HOSTS:
            self.assertEqual(self.alarms(host), 0, host)
            self.assertNotIn("another hand", estate.log(f"agent-{host}"))


class Before(HandTest):
    """What root looks at before the first isolation."""

    def ask(self, host, *arguments):
        return self.estate.lab.run(host, [
            f"{self.estate.sluice.bin}/sluice-agent", *arguments, "--config",
            f"{self.estate.sluice.folder}/agents/{host}/agent.yaml"])

    def test_a_dry_run_shows_rules_that_the_kernel_takes(self):
        rules = self.ask("store-1", "isolate", "--dry-run")
        self.assertIn("policy drop", rules)
        self.assertEqual(self.rules("store-1"), "", "it changed something")
        self.estate.lab.run("store-1", ["nft", "-c", "-f", "-"], rules)

    def test_other_firewalls_are_named_and_left_alone(self):
        self.nft("store-1", "table inet firewalld { chain filter_INPUT { type "
                            "filter hook input priority filter + 10; "
                            "ct state established accept; }; }")
        before = self.estate.lab.run("store-1", [
            "nft", "list", "table", "inet", "firewalld"])
        self.assertIn("inet firewalld (firewalld): filters",
                      self.ask("store-1", "doctor"))
        self.estate.isolate_all()
        processes.wait_for(
            lambda: "left alone: firewalld (inet firewalld)" in
            self.estate.log("agent-store-1"), "the agent names it")
        self.assertEqual(before, self.estate.lab.run("store-1", [
            "nft", "list", "table", "inet", "firewalld"]))
        self.assertNotIn("left alone", self.estate.log("agent-front-1"))

    def test_the_doctor_names_what_is_connected(self):
        session = self.estate.session("engine-1", "store-1")
        self.assertGreater(session.carries(), 0)
        said = self.ask("engine-1", "doctor")
        self.assertIn("Kept by agent.yaml: 1 connection", said)
        self.assertIn("tcp 10.78.0.21 10.78.0.11 7001", said)
        self.assertEqual(self.rules("engine-1"), "", "it changed something")


class ServiceManager:
    """What systemd would hear."""

    def __init__(self, folder):
        self.path = f"{folder}/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.heard = []

    def listen(self, word, seconds=10):
        """Hears until a line has `word` in it."""
        deadline = time.monotonic() + seconds
        while not any(word in line for line in self.heard):
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                self.heard += self.socket.recv(4096).decode().splitlines()
            except TimeoutError:
                raise AssertionError(f"no '{word}' in {self.heard}") from None

    def close(self):
        self.socket.close()


class Readiness(HandTest):
    def test_waits_for_the_kernel_and_says_why(self):
        estate = self.estate
        estate.isolate_all()
        estate.supervisor.stop("agent-store-1")
        self.nft("store-1", "delete table inet sluice")
        # A table of this name that nobody but its owner may touch.
        owner = subprocess.Popen(
            estate.lab.enter("store-1") + ["nft", "-i"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        with contextlib.closing(owner.stdin):
            owner.stdin.write("add table inet sluice { flags owner; }\n")
            owner.stdin.flush()
            processes.wait_for(lambda: self.rules("store-1"), "that table")
            manager = ServiceManager(estate.folder)
            self.addCleanup(manager.close)
            estate.sluice.start_agent(
                "store-1", env={"NOTIFY_SOCKET": manager.path})
            manager.listen("STATUS=NOT isolated as it should be: ")
            self.assertIn("another program owns", " ".join(manager.heard))
            # It goes on trying, and asks for time each time.
            manager.heard.clear()
            manager.listen("EXTEND_TIMEOUT_USEC=")
            self.assertNotIn("READY=1", manager.heard)
        owner.wait()
        manager.listen("READY=1")
        manager.listen("STATUS=In quarantine 1; the fence was read back")
        self.assertIn("policy drop", self.rules("store-1"))
        self.assertFalse(estate.reach("engine-1", "store-1"))


FLOW = "tcp 10.78.0.21 10.78.0.11 7001"
REASON = "the orchestrator's machine burnt"


class BreakGlass(HandTest):
    """The way out when no orchestrator is there: real ssh-keygen, a key of
    the hosts' own, and what is refused."""

    def setUp(self):
        super().setUp()
        sluice = self.estate.sluice
        self.key = sluice.key("safe")
        public = sluice.make_key("safe")
        sluice.make_key("thief")
        for host in ("store-1", "engine-1"):
            sluice._change(f"agents/{host}/agent.yaml",
                           {"break-glass": {"key": public}})
            self.estate.supervisor.stop(f"agent-{host}")
            sluice.start_agent(host)
        self.estate.until(lambda s: len(sluice.connected()) == len(HOSTS),
                          "every agent connected")
        self.estate.isolate_all()

    def agent(self, host, *arguments):
        """(exit code, all it said) of sluice-agent on a host."""
        done = subprocess.run(
            self.estate.lab.enter(host) +
            [f"{self.estate.sluice.bin}/sluice-agent", *arguments, "--config",
             f"{self.estate.sluice.folder}/agents/{host}/agent.yaml"],
            capture_output=True, text=True, check=False, timeout=60,
            stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr

    def release(self, host, *what, key=None, reason=REASON):
        return self.agent(host, "release", "--reason", reason, *what,
                          "--key", key or self.key)

    def draft(self, host, name, *what):
        path = f"{self.estate.folder}/{name}"
        code, said = self.agent(host, "release", "--reason", REASON, *what,
                                "--draft", path)
        self.assertEqual(code, 0, said)
        return path

    def sign(self, path, key=None, purpose="break-glass@sluice"):
        subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", purpose, "-f",
                        key or self.key, path], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True)
        return path

    def assert_refused(self, answer, why):
        self.assertNotEqual(answer[0], 0, answer[1])
        self.assertRegex(" ".join(answer[1].split()), why)

    def said(self, *arguments):
        return " ".join(
            self.estate.command("duty-commander", *arguments).split())

    def test_by_the_running_agent_and_the_orchestrator_hears_why(self):
        estate = self.estate
        estate.supervisor.processes["orchestrator"].kill()
        before = self.rules("store-1")
        # What is refused, the fence as it was.
        self.assert_refused(
            self.agent("front-1", "release", "--reason", REASON,
                       "--everything", "--key", self.key),
            "pins no break-glass key")
        self.assert_refused(self.release("store-1", "--everything", reason=""),
                            "gives no reason")
        self.assert_refused(self.release("store-1"), "say what is to open")
        self.assert_refused(
            self.release("store-1", "--everything",
                         key=estate.sluice.key("thief")),
            "not signed with the break-glass key")
        other = self.sign(self.draft("engine-1", "other", "--everything"))
        self.assert_refused(
            self.agent("store-1", "release", "--signed", other),
            "about host engine-1")
        wrong = self.sign(self.draft("store-1", "wrong", "--everything"),
                          purpose="decision@sluice")
        self.assert_refused(
            self.agent("store-1", "release", "--signed", wrong),
            "not signed with the break-glass key")
        late = self.sign(self.draft("store-1", "late", "--everything",
                                    "--valid", "1s"))
        early = self.sign(self.draft("store-1", "early", "--everything"))
        time.sleep(2.1)  # its validity is on the host's clock
        self.assert_refused(
            self.agent("store-1", "release", "--signed", late), "within 1 s")
        self.assertEqual(self.rules("store-1"), before)
        self.assertFalse(estate.reach("engine-1", "store-1"))
        # One host alone is not enough: its peer's fence is its own.
        code, said = self.release("store-1", "--flow", FLOW)
        self.assertEqual(code, 0, said)
        self.assertFalse(estate.reach("engine-1", "store-1"))
        code, said = self.release("engine-1", "--flow", FLOW)
        self.assertEqual(code, 0, said)
        self.assertTrue(estate.reach("engine-1", "store-1"))
        self.assertFalse(estate.reach("front-1", "engine-1"))
        code, said = self.release("engine-1", "--everything")
        self.assertEqual(code, 0, said)
        self.assertEqual(self.rules("engine-1"), "")
        # The link is back: it is told, shown and not closed again.
        estate.sluice.start_orchestrator()
        processes.wait_for(lambda: self.said("history").count(REASON) == 3,
                           "all three in the journal", timeout=30)
        self.assertIn("because: " + REASON, self.said("show", "store-1"))
        self.assertIn("holds open by its break-glass key: " + FLOW,
                      self.said("status"))
        self.assertTrue(estate.reach("engine-1", "store-1"))
        self.assertEqual(self.rules("engine-1"), "")
        # A person closes it, and nothing of before opens it again.
        self.said("isolate", "--host", "store-1", "--reason", "enough")
        self.assertFalse(estate.reach("engine-1", "store-1"))
        self.assert_refused(
            self.agent("store-1", "release", "--signed", early),
            "an isolation has voided it")
        self.assertFalse(estate.reach("engine-1", "store-1"))
        self.assertNotIn("glass", self.said("show", "store-1"))
        self.assertEqual(self.said("history").count(REASON), 3)

    def test_without_an_agent_and_over_its_restart(self):
        estate = self.estate
        for host in ("store-1", "engine-1"):
            estate.supervisor.stop(f"agent-{host}")
            self.assert_refused(
                self.release(host, "--flow", FLOW,
                             key=estate.sluice.key("thief")),
                "not signed with the break-glass key")
            code, said = self.release(host, "--flow", FLOW)
            self.assertEqual(code, 0, said)
        self.assertTrue(estate.reach("engine-1", "store-1"))
        estate.sluice.start_agent("store-1")
        processes.wait_for(lambda: REASON in self.said("history"),
                           "the reason in the journal", timeout=30)
        self.assertTrue(estate.reach("engine-1", "store-1"))
        # Its root closes it without anybody, too.
        code, said = self.agent("engine-1", "isolate")
        self.assertEqual(code, 0, said)
        self.assertFalse(estate.reach("engine-1", "store-1"))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(small_estate.run_tests("hand_test"))
