#!/usr/bin/python3
"""What a lease is worth when things break: the agent is killed or stopped, the
link is lost one way or both, clocks jump, the host reboots. What is leased is
gone within one lease; what stands stays. Prints the times it measured.

Exit code 77 when namespaces cannot be made here.
"""

import contextlib
import os
import re
import shutil
import signal
import sys
import time
import unittest

import small_estate
from small_estate import SmallEstate, lab_module, processes

PREFIX = "sluice-lease-"
LEASE = 5
# What the orchestrator's silence, a probe and a busy machine add.
MARGIN = 1.5
# An orchestrator that hears nothing of an agent renews for this long.
UNTIL_LOST = 5
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
BOOT_ID = ('mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && '
           'exec "$@"')
# On the wire, outside every host: what one side of a link loses.
LOSS = ("table bridge loss {{\nchain c {{\n"
        "type filter hook forward priority 0;\n{}\n}}\n}}\n")


def manifest(folder):
    """The small estate with a short lease, and a front that soaks all the
    time: its flow to the engine stays leased, the engine's own stands."""
    with open(small_estate.MANIFEST, encoding="utf-8") as file:
        text = file.read()
    text = text.replace("lease: 8s", f"lease: {LEASE}s")
    text = text.replace("soak: 6s", "soak: 2s")
    text = text.replace("serves: [{external",
                        "soak: 20m\n    serves: [{external")
    path = f"{folder}/manifest.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class LeaseTest(unittest.TestCase):
    def setUp(self):
        self.estate = SmallEstate(PREFIX)
        self.addCleanup(self.estate.close)
        self.estate.sluice.manifest = manifest(self.estate.folder)
        self.estate.open()

    def agent(self):
        return self.estate.supervisor.processes["agent-engine-1"]

    def up_to_leased(self):
        """engine-1 to store-1 stands, front-1 to engine-1 is leased."""
        estate = self.estate
        estate.isolate_all()
        estate.command("duty-commander", "start")
        estate.open_gate("data")
        estate.open_gate("applications")
        self.until_leased()
        estate.probe("front-1", "engine-1")
        estate.probe("engine-1", "store-1")

    def nft(self, *words):
        return self.estate.lab.run("engine-1", ["nft", *words], check=False)

    def start_agent(self, boot_id=None):
        sluice = self.estate.sluice
        argv = [f"{sluice.bin}/sluice-agent", "--config",
                f"{sluice.folder}/agents/engine-1/agent.yaml"]
        if boot_id:
            path = f"{self.estate.folder}/boot-id"
            with open(path, "w", encoding="utf-8") as file:
                file.write(boot_id + "\n")
            argv = ["unshare", "--mount", "sh", "-c", BOOT_ID, "sh", path,
                    *argv]
        self.estate.supervisor.start("agent-engine-1", "engine-1", argv)

    def until_leased(self):
        self.estate.until_step("engine", "reconnected")
        self.estate.until_step("front", "soaking")
        processes.wait_for(lambda: self.estate.reach("front-1", "engine-1"),
                           "the leased flow is open")

    def wire(self, text):
        self.estate.lab.run("wire", ["nft", "-f", "-"],
                            "table bridge loss\ndelete table bridge loss\n" +
                            text)

    def changes_since(self, at, client, server, open_now):
        return [then for then, is_open in self.estate.probed(client, server)
                if then >= at and is_open == open_now]

    def assert_closes(self, what, since, within=LEASE + MARGIN):
        """The leased flow, and not the standing one."""
        closed = processes.wait_for(
            lambda: self.changes_since(since, "front-1", "engine-1", False),
            f"{what}: the leased flow closed", timeout=within + 10)[0]
        took = (closed - since) / 1000
        print(f"{what}: the leased flow was gone after {took:.1f} s of a "
              f"lease of {LEASE} s")
        self.assertLessEqual(took, within, what)
        self.assert_standing(what, since)

    def assert_standing(self, what, since):
        self.assertEqual(self.changes_since(since, "engine-1", "store-1",
                                            False), [], what)
        self.assertTrue(self.estate.reach("engine-1", "store-1"), what)


class Failures(LeaseTest):
    def test_leased_flows_are_gone_within_a_lease_and_standing_ones_stay(self):
        estate = self.estate
        self.up_to_leased()
        to, back = ("ip daddr 10.78.0.21 tcp sport 7443 drop; "
                    "ip6 daddr fd78::21 tcp sport 7443 drop;",
                    "ip saddr 10.78.0.21 tcp dport 7443 drop; "
                    "ip6 saddr fd78::21 tcp dport 7443 drop;")

        def stopped():
            os.kill(self.agent().pid, signal.SIGSTOP)

        def going_on():
            os.kill(self.agent().pid, signal.SIGCONT)

        def killed():
            self.agent().kill()

        def started():
            estate.sluice.start_agent("engine-1")

        def loses(text):
            return lambda: self.wire(LOSS.format(text))
        for what, harm, mend, within in (
                ("kill -STOP", stopped, going_on, LEASE),
                ("kill -9", killed, started, LEASE),
                ("link lost towards the agent", loses(to),
                 lambda: self.wire(""), LEASE),
                ("link lost towards the orchestrator", loses(back),
                 lambda: self.wire(""), LEASE + UNTIL_LOST),
                ("link lost both ways", loses(to + back),
                 lambda: self.wire(""), LEASE)):
            with self.subTest(what):
                self.until_leased()
                since = time.time() * 1000
                harm()
                try:
                    self.assert_closes(what, since, within + MARGIN)
                finally:
                    mend()
                estate.until(
                    lambda s: all(h["link"] == "connected"
                                  for h in s["hosts"]), "the link is back")


class Clocks(LeaseTest):
    """A clock that jumps moves no lease: the kernel and the agent count from
    the host's start."""

    def test_a_clock_that_jumps_moves_no_lease(self):
        estate = self.estate
        if not os.path.exists(FAKETIME):
            self.fail(f"{FAKETIME} is missing; install the package faketime")
        clock = f"{estate.folder}/clock"
        self.set_clock(clock, "+0")
        estate.supervisor.stop("agent-engine-1")
        estate.sluice.start_agent("engine-1", env={
            "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": clock,
            "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"})
        self.up_to_leased()
        for what, to in (("an hour forward", "+3600"),
                         ("an hour back", "-3600"),
                         ("ten years forward", "+315360000"),
                         ("ten years back", "-315360000")):
            with self.subTest(what):
                since = time.time() * 1000
                self.set_clock(clock, to)
                # Renewed all the time: that it stays open is waited for.
                time.sleep(LEASE + 1)
                self.assertEqual(self.changes_since(
                    since, "front-1", "engine-1", False), [], what)
        self.assertRegex(estate.log("agent-engine-1"), r"(?m)^20[12]")
        since = time.time() * 1000
        self.set_clock(clock, "+3600")
        estate.supervisor.processes["orchestrator"].kill()
        self.assert_closes("clocks that jumped, orchestrator killed", since)

    @staticmethod
    def set_clock(path, offset):
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(offset + "\n")
        os.rename(path + ".new", path)


class Reboot(LeaseTest):
    def reboot(self):
        """The namespace goes with all its rules; a new one has no network
        until the agent has put up its fence."""
        estate, lab = self.estate, self.estate.lab
        for name in ("agent-engine-1", "echo-engine-1",
                     "probe-engine-1-store-1"):
            estate.supervisor.stop(name, patience=0)
        for pid in lab_module.processes_in(lab.namespace("engine-1")):
            os.kill(pid, signal.SIGKILL)
        lab_module.run(["ip", "netns", "del", lab.namespace("engine-1")])
        processes.wait_for(lambda: "engine-1" not in lab.run(
            "wire", ["ip", "-o", "link"]), "its cable is gone")
        lab._add_namespace("engine-1")

    def plug_in(self):
        estate = self.estate
        lab = estate.lab
        lab._ip("wire", "link add engine-1 type veth peer name eth0 netns " +
                lab.namespace("engine-1"),
                "link set engine-1 master br0 up")
        v4, v6 = small_estate.HOSTS["engine-1"]
        lab._address("engine-1", "eth0", [f"{v4}/24", f"{v6}/64"])
        estate.supervisor.start("echo-engine-1", "engine-1", [
            "/usr/bin/python3", f"{small_estate.HERE}/echo_server.py", "7002"])

    def test_the_fence_is_there_before_the_network(self):
        estate = self.estate
        self.up_to_leased()
        since = time.time() * 1000
        self.reboot()
        self.assertEqual(self.nft("list", "ruleset"), "")
        began = time.monotonic()
        self.start_agent("11111111-2222-3333-4444-555555555555")
        processes.wait_for(lambda: "policy drop" in self.nft(
            "list", "table", "inet", "sluice"), "the fence", every=0.01)
        print("rebooted: the fence is up after "
              f"{(time.monotonic() - began) * 1000:.0f} ms, with no network")
        self.assertIn("10.78.0.21 . 10.78.0.11 . 7001",
                      self.nft("list", "set", "inet", "sluice",
                               "standing_tcp4"))
        self.plug_in()
        processes.wait_for(lambda: estate.reach("engine-1", "store-1"),
                           "the standing flow passes")
        # It may still be waiting for the answer of a host that is gone.
        closed = processes.wait_for(
            lambda: self.changes_since(since, "front-1", "engine-1", False),
            "the leased flow closed", timeout=LEASE)
        self.assertLessEqual(closed[0] - since, LEASE * 1000,
                             "the leased flow went with the host")
        # A reboot voids evidence, so nothing reopens by itself.
        self.assertNotIn("r_", self.nft("list", "table", "inet", "sluice"))

    def test_with_a_damaged_agent_yaml_it_comes_up_closed(self):
        """By the copy of its last start: what stood stands, and nobody can
        open anything until the file is mended."""
        estate = self.estate
        self.up_to_leased()
        path = f"{estate.sluice.folder}/agents/engine-1/agent.yaml"
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.reboot()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text[:len(text) // 2])
        self.start_agent("11111111-2222-3333-4444-666666666666")
        processes.wait_for(lambda: "policy drop" in self.nft(
            "list", "table", "inet", "sluice"), "the fence", every=0.01)
        self.plug_in()
        processes.wait_for(lambda: estate.reach("engine-1", "store-1"),
                           "the standing flow passes")
        self.assertFalse(estate.reach("front-1", "engine-1"))

        def said():
            return " ".join(estate.command("duty-commander",
                                           "history").split())
        estate.until(lambda _: "engine-1 says: cannot use its agent.yaml"
                     in said(), "people are told")
        agent = [f"{estate.sluice.bin}/sluice-agent", "--config", path]
        self.assertIn("the fence is up", estate.lab.run(
            "engine-1", [*agent, "status"], check=False))
        closed = estate.lab.run("engine-1", [*agent, "isolate"])
        self.assertIn("is in its quarantine", closed)
        self.assertFalse(estate.reach("engine-1", "store-1"))

    def test_without_a_state_to_believe_it_is_quarantined(self):
        estate = self.estate
        self.up_to_leased()
        state = f"{estate.sluice.folder}/state/engine-1"
        for what in ("corrupt", "missing"):
            with self.subTest(what):
                estate.supervisor.processes["agent-engine-1"].kill()
                name = [n for n in os.listdir(state) if n == "state"]
                self.assertEqual(name, ["state"])
                if what == "missing":
                    os.unlink(f"{state}/state")
                else:
                    with open(f"{state}/state", "wb") as file:
                        file.write(b"\xff" * 500)
                if what == "missing":  # and no fence that tells of one
                    self.reboot()
                self.start_agent()
                processes.wait_for(
                    lambda: "policy drop" in self.nft("list", "table", "inet",
                                                      "sluice") and
                    "7001" not in self.nft("list", "set", "inet", "sluice",
                                           "standing_tcp4"),
                    "what stood is closed")
                if what == "missing":
                    self.plug_in()
                self.assertFalse(estate.reach("engine-1", "store-1"))


class FullDisk(LeaseTest):
    """A state that cannot be written: closing goes on, opening does not."""

    def small_disk(self):
        """Under engine-1's state; returns the state's folder."""
        estate = self.estate
        state = f"{estate.sluice.folder}/state/engine-1"
        estate.supervisor.stop("agent-engine-1")
        os.rename(state, f"{state}.full")
        os.mkdir(state, mode=0o700)
        lab_module.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700",
                        "tmpfs", state])
        self.addCleanup(lab_module.run, ["umount", "-l", state], check=False)
        shutil.copytree(f"{state}.full", state, dirs_exist_ok=True)
        self.start_agent()
        estate.until(lambda s: any(h["id"] == "engine-1" and
                                   h["link"] == "connected"
                                   for h in s["hosts"]), "it is back")
        return state

    @staticmethod
    def fill(state):
        with open(f"{state}/filler", "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * 4096)

    def test_closes_all_the_same_and_says_so(self):
        estate = self.estate
        state = self.small_disk()
        self.fill(state)
        self.assertTrue(estate.reach("front-1", "engine-1"))
        code, said = estate.sluice.run("duty-commander", "isolate", "--host",
                                       "engine-1", "--reason", "test")
        print(f"a full disk: sluice isolate exits with {code}: "
              f"{' '.join(said.split())[:300]}")
        processes.wait_for(
            lambda: "policy drop" in self.nft("list", "table", "inet",
                                              "sluice"), "the fence")
        self.assertFalse(estate.reach("front-1", "engine-1"))
        self.assertFalse(estate.reach("engine-1", "store-1"))
        processes.wait_for(
            lambda: re.search(r"No space left|disk", estate.log(
                "agent-engine-1")), "the agent says why")
        os.unlink(f"{state}/filler")
        processes.wait_for(lambda: os.path.exists(f"{state}/state"),
                           "it is written down once there is room")
        self.assertFalse(estate.reach("front-1", "engine-1"))

    def test_opens_nothing_until_there_is_room(self):
        estate = self.estate
        state = self.small_disk()
        estate.isolate_all()
        self.fill(state)
        estate.command("duty-commander", "start")
        estate.open_gate("data")
        estate.until_step("engine", "quarantined")
        estate.until(lambda _: "could not write its state" in " ".join(
            estate.command("duty-commander", "show", "engine").split()),
                     "people are told why")
        self.assertFalse(estate.reach("engine-1", "store-1"))
        self.assertIn("policy drop", self.nft("list", "table", "inet",
                                              "sluice"))
        os.unlink(f"{state}/filler")
        estate.command("duty-commander", "retry", "engine")
        estate.open_gate("applications")
        estate.until_step("engine", "reconnected")
        self.assertTrue(estate.reach("engine-1", "store-1"))


if __name__ == "__main__":
    sys.exit(small_estate.run_tests("lease_test"))
