#!/usr/bin/python3
"""Checks on a mount whose server is gone: they end in time, hold nobody, and are
bounded. The file system is file_server.py's, in a mount namespace of this
test's own.

  dead_mount_test.py --probe PROGRAM [unittest arguments]

Exit code 77 where such namespaces or mounts cannot be made.
"""

import ctypes
import glob
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

import checks_test
from checks_test import CheckTest, Server

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "estate"))

import small_estate  # noqa: E402  (the path above comes first)
from small_estate import SmallEstate, processes, sluice_module  # noqa: E402

_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
READ_ALL = 1 << 2  # CAP_DAC_READ_SEARCH
OURS = {"/usr/bin/yara"}  # and the programs that were built
MOST = 10  # HungProcesses::kMost
DEAD_MS = 2000  # what a check on the dead mount may take
WITHIN = "did not answer within 2s"
AT_ONCE = 2.0  # seconds, of a machine with other work


def own_mounts():
    """None, or why this process could not get mounts of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0 or libc.mount(
            b"none", b"/", None, _MS_REC | _MS_PRIVATE, None) != 0:
        return os.strerror(ctypes.get_errno())
    return None if os.path.exists("/dev/fuse") else "there is no /dev/fuse"


class Mount:
    """A mounted folder with one file, whose server can go away."""

    def __init__(self, folder, log):
        self.folder = folder
        os.makedirs(folder)
        self.server = Server(["/usr/bin/python3", f"{HERE}/file_server.py",
                              folder], log)
        processes.wait_for(lambda: os.path.ismount(folder), folder)

    def signal(self, number):
        os.kill(self.server.popen.pid, number)

    def close(self):
        self.server.stop()
        subprocess.run(["umount", "-l", self.folder], check=False)


def readers():
    """The processes that read for a check: [(pid, state, capabilities)]."""
    found = []
    for path in glob.glob("/proc/[0-9]*/status"):
        try:
            program = os.readlink(f"{os.path.dirname(path)}/exe")
            with open(path, encoding="utf-8") as file:
                says = dict(line.split(":\t", 1) for line in
                            file.read().splitlines() if ":\t" in line)
        except OSError:
            continue  # gone meanwhile
        if program in OURS and says["Name"] in ("sluice-reader", "yara"):
            found.append((int(says["Pid"]), says["State"][0],
                          int(says["CapEff"], 16)))
    return found


def hanging():
    return [pid for pid, state, _ in readers() if state == "D"]


class DeadMount(CheckTest):
    def setUp(self):
        super().setUp()
        os.mkdir(f"{self.folder}/kept")
        os.mkdir(f"{self.folder}/disk")
        self.path = f"{self.folder}/net"
        self.mount = Mount(self.path, f"{self.folder}/server.log")
        self.addCleanup(self.mount.close)
        self.more = {"folder": f"{self.folder}/kept", "baselines": {
            "disk": {"paths": [f"{self.folder}/disk"]},
            **{f"net-{n}": {"paths": [self.path, f"/none/{n}"]}
               for n in range(MOST + 2)}}}
        self.passes("take", {}, **self.more)

    def files(self, name, timeout_ms=20000):
        return {"kind": "files", "args": {"baseline": name},
                "timeout_ms": timeout_ms, **self.more}

    def ask_files(self, name, timeout_ms=20000):
        return self.ask(**self.files(name, timeout_ms))

    def timed(self, ask, within=DEAD_MS / 1000):
        """Its answer, that came in so many seconds."""
        began = time.monotonic()
        answer = ask()
        self.assertLess(time.monotonic() - began, within + AT_ONCE)
        return answer

    def until_none_hangs(self):
        processes.wait_for(lambda: not readers(), "no reader is left")

    def test_passes_while_it_answers_and_is_inconclusive_once_it_does_not(self):
        mount = ("mount", {"path": self.path})
        self.assertEqual(self.ask_files("net-0")["verdict"], "pass")
        self.assertIn("60 % of it free", self.passes(*mount))
        rules = f"{self.folder}/rules.yar"
        with open(rules, "w", encoding="utf-8") as file:
            file.write('rule b { strings: $a = "b=2" condition: $a }\n')
        yara = {"yara": {"it": {"rules": rules, "paths": [self.folder]}}}
        scan = ("yara", {"rules": "it", "path": f"{self.path}/settings"})
        self.passes(*scan, **yara)
        # What is not there lets nothing through.
        yara["yara"]["none"] = {"rules": rules, "paths": ["/none"]}
        self.inconclusive("yara", {"rules": "none", "path": self.path},
                          "outside what", **yara)
        # One that listens, with its folder and a file of its there.
        holder = self.start("holder", ["/usr/bin/python3", "-c", (
            "import os, socket, time\n"
            f"os.chdir('{self.path}'); kept = open('settings')\n"
            "kept.read(); s = socket.socket(); s.bind(('0.0.0.0', 7123))\n"
            "s.listen(); time.sleep(987)")]).until_it_listens(7123)

        self.mount.signal(signal.SIGUSR1)
        def dead(kind, args, why, **more):
            self.timed(lambda: self.inconclusive(
                kind, args, why, timeout_ms=DEAD_MS, **more))

        files = ("files", {"baseline": "net-0"})
        dead(*files, f"^{self.path} {WITHIN}; its process hangs in the "
             r"kernel \(1 does now", **self.more)
        (_, state, may), = readers()
        self.assertEqual((state, may), ("D", READ_ALL))
        dead(*mount, f"^{self.path} {WITHIN}; its process hangs")
        dead(*scan, f"^{self.path}/settings {WITHIN}", **yara)
        dead("yara", {"rules": "it", "path": self.path},
             "^yara did not end within 2s; its process hangs", **yara)
        dead("process", {"name": "nginx"}, f"^{self.path} {WITHIN}",
             proc=self.path)
        self.assertEqual(len(hanging()), 5)

        # The same again does not add to them, and is told at once.
        for kind, args in (files, mount):
            self.timed(lambda k=kind, a=args: self.inconclusive(
                k, a, f"^{self.path} still does not answer",
                timeout_ms=DEAD_MS, **self.more), 0)
        self.assertEqual(len(hanging()), 5)
        # What looks elsewhere is as it was.
        self.assertEqual(self.ask_files("disk")["verdict"], "pass")
        self.passes("process", {"name": "python3"}, timeout_ms=20000)
        self.timed(lambda: self.fails(
            "listeners", {"allow": "declared-only", "ports": ""},
            r"7123 \(python3"))

        holder.stop()
        self.mount.server.stop()
        self.until_none_hangs()
        self.fails(*mount, "does not answer: Transport endpoint")
        self.assertEqual(self.ask_files("net-0")["verdict"], "fail")

    def test_of_a_server_that_hears_nothing_leaves_no_process(self):
        self.mount.signal(signal.SIGSTOP)
        answer = self.timed(lambda: self.ask_files("net-0", DEAD_MS))
        self.assertEqual(answer["verdict"], "inconclusive")
        self.assertRegex(answer["reason"], f"{WITHIN}$")
        self.assertEqual(readers(), [])

    def test_is_bounded_in_how_many_processes_hang(self):
        self.mount.signal(signal.SIGUSR1)
        answer = self.ask("workers", {}, commands=[
            [self.files(f"net-{n}", 5000) for n in range(MOST)]], **self.more)
        self.assertEqual(set(answer["commands"][0]["verdicts"]),
                         {"inconclusive"})
        self.assertEqual(len(hanging()), MOST)
        for name in (f"net-{MOST}", "disk"):
            answer = self.timed(lambda n=name: self.ask_files(n), 0)
            self.assertEqual(answer["verdict"], "inconclusive")
            self.assertRegex(answer["reason"], f"^{MOST} processes of checks "
                             f"hang in the kernel, one at {self.path}, and no")
        self.assertEqual(len(hanging()), MOST)
        self.mount.server.stop()
        self.until_none_hangs()
        self.assertEqual(self.ask_files("disk")["verdict"], "pass")

    def test_holds_no_other_check(self):
        """Eight at once, and at the same time what looks elsewhere."""
        with socket.create_server(("127.0.0.1", 7124)):
            self.mount.signal(signal.SIGUSR1)
            answer = self.ask("workers", {}, commands=[
                [self.files(f"net-{n}", 15000) for n in range(8)],
                [{"kind": "tcp", "args": {"port": "7124"}}] * 20,
                [self.files("disk"), {"kind": "process", "timeout_ms": 20000,
                                      "args": {"name": "python3"}}],
            ], **self.more)
        dead, tcp, other = answer["commands"]
        print(f"  eight dead ones were answered after {dead['after_ms']} ms, "
              f"the others after {tcp['after_ms']} and {other['after_ms']}")
        self.assertEqual(set(dead["verdicts"]), {"inconclusive"})
        self.assertEqual(set(tcp["verdicts"] + other["verdicts"]), {"pass"})
        self.assertLess(dead["after_ms"], 15000 + AT_ONCE * 1000)
        self.assertLess(max(tcp["after_ms"], other["after_ms"]), 10000)
        self.assertEqual(len(hanging()), 8)


class Reader(CheckTest):
    def test_takes_no_other_question(self):
        word = "read-for-a-check"
        for asked in (b"", b"rubbish", b"\xa0", b"\xa1\x64kind\x01",
                      b"\xa1\x64kind\x65files", b"\x81" * 1000,
                      b"\xa2\x64kind\x63tcp\x64args\xa0",
                      b"x" * (2 << 20)):
            done = subprocess.run([checks_test.PROBE, word], input=asked,
                                  capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, b""), asked)


class Processes(CheckTest):
    def test_are_seen_where_proc_hides_them(self):
        proc = f"{self.folder}/proc"
        os.mkdir(proc)
        subprocess.run(["mount", "-t", "proc", "-o", "hidepid=2,gid=64999",
                        "none", proc], check=True)
        self.addCleanup(subprocess.run, ["umount", proc], check=False)
        self.start("games", ["/bin/sleep", "987"], "games")
        self.passes("process", {"name": "sleep", "user": "games"}, proc=proc,
                    attempts=100)


MANIFEST = """
  side:
    category: billing
    hosts: [engine-1]
    ports: {data: 7009/tcp}
    health: [{tcp: data}]

stages:
  - name: data
    systems: [store, side]
"""


class Agents(unittest.TestCase):
    def setUp(self):
        self.estate = SmallEstate("sluice-mount-")
        self.addCleanup(self.estate.close)
        self.path = f"{self.estate.folder}/net"
        self.mount = Mount(self.path, f"{self.estate.folder}/server.log")
        self.addCleanup(self.mount.close)
        with open(small_estate.MANIFEST, encoding="utf-8") as file:
            text = file.read()
        text = text.replace("""
stages:
  - name: data
    systems: [store]
""", MANIFEST)
        watch = "".join(f"      - files: net-{n}\n        timeout: 60s\n"
                        for n in range(8))
        text = text.replace("    # Long enough to kill something",
                            f"    watch:\n{watch}    # Long enough")
        path = f"{self.estate.folder}/manifest.yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.estate.sluice.manifest = path
        self.agree_to_baselines()
        self.side = None
        self.estate.open()

    def agree_to_baselines(self):
        """What an administrator does on the host, before its agent starts."""
        estate, init = self.estate, self.estate.sluice.init

        def and_more():
            init()
            estate.sluice._change("agents/engine-1/agent.yaml", {"baselines": {
                f"net-{n}": {"paths": [self.path]} for n in range(8)}})
            estate.lab.run("engine-1", [
                f"{estate.sluice.bin}/sluice-agent", "baseline", "--config",
                f"{estate.sluice.folder}/agents/engine-1/agent.yaml"])
            self.side = estate.supervisor.start(
                "echo-side", "engine-1", ["/usr/bin/python3", (
                    f"{small_estate.HERE}/echo_server.py"), "7009"])
        estate.sluice.init = and_more

    def history(self):
        return " ".join(self.estate.command("duty-commander",
                                            "history").split())

    def seconds_to_isolate(self, host):
        began = time.monotonic()
        self.estate.command("duty-commander", "isolate", "--host", host,
                            "--reason", "test")
        return time.monotonic() - began

    def test_watch_and_isolate_and_stay_connected_meanwhile(self):
        estate = self.estate
        estate.up_to_engine_soaking()
        estate.until_step("front", "reconnected")
        # A round that is half over would wait for the other half alone.
        self.mount.signal(signal.SIGUSR2)
        processes.wait_for(lambda: len(readers()) == 8, "eight that wait")
        # Another system of the same host is watched as before.
        self.side.kill()
        began = time.monotonic()
        processes.wait_for(lambda: "side on engine-1: " in self.history(),
                           "the alarm")
        print(f"  the alarm of another check came after "
              f"{time.monotonic() - began:.1f} s")
        self.assertLess(time.monotonic() - began, 10)
        took = self.seconds_to_isolate("engine-1")
        print(f"  isolated in {took:.2f} s")
        self.assertLess(took, 3)
        processes.wait_for(lambda: not estate.reach("front-1", "engine-1"),
                           "the fence is up", timeout=2)
        time.sleep(3)  # an agent that says nothing for so long is lost
        connected = estate.sluice.connected()
        self.assertEqual(connected, sorted(small_estate.HOSTS))
        self.assertNotIn("engine-1 is lost", self.history())
        self.assertEqual(len(readers()), 8)
        agent = estate.supervisor.processes["agent-engine-1"]
        agent.popen.send_signal(signal.SIGTERM)
        began = time.monotonic()
        agent.popen.wait(timeout=10)
        print(f"  its agent ended after {time.monotonic() - began:.1f} s")


def main():
    if len(sys.argv) < 3 or sys.argv[1] != "--probe":
        print("dead_mount_test.py: name the program with --probe",
              file=sys.stderr)
        return 1
    checks_test.PROBE = os.path.realpath(sys.argv[2])
    OURS.add(checks_test.PROBE)
    OURS.add(os.path.realpath(f"{sluice_module.binaries()}/sluice-agent"))
    del sys.argv[1:3]
    reason = checks_test.own_network() or own_mounts()
    if reason:
        print(f"hosts.mounts: skipped: {reason}")
        return 77
    return small_estate.run_tests("hosts.mounts")


if __name__ == "__main__":
    sys.exit(main())
