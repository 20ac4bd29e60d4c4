#!/usr/bin/python3
"""The router of driver_test.py, closed and opened from another host over ssh:
a real sshd, a key with `restrict` and a forced command, real traffic. And what
that key cannot do.

Exit code 77 when namespaces cannot be made here.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import driver_test  # noqa: E402  (the path above comes first)
from driver_test import DRIVER, HOSTS, ROUTER, RoutedEstate  # noqa: E402
from small_estate import lab_module, processes, run_tests  # noqa: E402

FORCED = os.path.join(os.path.dirname(DRIVER), "linux-router-forced")
ACTING = "store-1"
FLOW = "tcp 10.78.0.21 10.79.0.5 7001"
LIST = "nft -j list table inet sluice-plc-1"
RULES = "add table inet sluice-plc-1\ndelete table inet sluice-plc-1\n"
SSHD = """
ListenAddress {address}
HostKey {folder}/host-key
AuthorizedKeysFile {folder}/authorized
PermitRootLogin forced-commands-only
PasswordAuthentication no
UsePAM no
PidFile none
# The folder of a test lies under one that everybody may write into.
StrictModes no
"""


def by_ssh():
    """router.yaml, in which another host's agent acts for plc-1."""
    with open(f"{HERE}/router.yaml", encoding="utf-8") as file:
        text = file.read()
    router, point = "{host: plc-1, port: 7001/tcp}", "through: fw-1"
    store = '  store-1: {address: [10.78.0.11, "fd78::11"]}\n'
    vital = f"    vital: [{router}]\n"
    assert vital in text and point in text and store in text
    text = text.replace(vital, "").replace(point, f"through: {ACTING}")
    text = text.replace(store, (
        '  store-1:\n    address: [10.78.0.11, "fd78::11"]\n'
        f"    vital: [{router}, {{host: fw-1, port: 22/tcp}}]\n"))
    made = tempfile.NamedTemporaryFile("w", suffix=".yaml",
                                       encoding="utf-8")
    made.write(text)
    made.flush()
    return made


class OverSsh(RoutedEstate):
    acting = ACTING
    timeout = "10s"
    # So that the acting agent can look whether the controller works.
    vital = ["tcp 10.78.0.11 10.79.0.5 7001", "tcp fd78::11 fd79::5 7001"]

    def __init__(self):
        self.own = by_ssh()
        super().__init__(self.own.name)

    def before_init(self):
        for name in ("host-key", "key"):
            lab_module.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                            "-C", "test", "-f", f"{self.folder}/{name}"])
        host, key = (self.public(name) for name in ("host-key", "key"))
        self.write("known", f"{ROUTER[0]} {host}\n")
        self.write("authorized",
                   f'restrict,command="{os.path.realpath(FORCED)} plc-1" '
                   f"{key}\n")
        config = self.write("sshd", SSHD.format(address=ROUTER[0],
                                                folder=self.folder))
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.supervisor.start("sshd", "fw-1", ["/usr/sbin/sshd", "-D", "-e",
                                               "-f", config])
        processes.wait_for(lambda: self.ssh(LIST)[1] != "" and
                           "refused" not in self.ssh(LIST)[1], "sshd")
        self.drive("exec " + " ".join(self.argv()))

    def argv(self, known="known"):
        return ["/usr/bin/python3", DRIVER, "--ssh", f"root@{ROUTER[0]}",
                "--key", f"{self.folder}/key", "--known-hosts",
                f"{self.folder}/{known}"]

    def public(self, name):
        with open(f"{self.folder}/{name}.pub", encoding="utf-8") as file:
            return " ".join(file.read().split()[:2])

    def write(self, name, text):
        path = f"{self.folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def ssh(self, command, text="", options=()):
        """As whoever has stolen the key: (exit code, what was said)."""
        done = subprocess.run(
            self.lab.enter(ACTING) + [
                "ssh", "-T", "-i", f"{self.folder}/key", "-o",
                "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o",
                f"UserKnownHostsFile={self.folder}/known", *options,
                f"root@{ROUTER[0]}", *([command] if command else [])],
            input=text, capture_output=True, text=True, timeout=20,
            check=False)
        return done.returncode, done.stdout + done.stderr

    def ask(self, verb, known="known", **more):
        done = subprocess.run(
            self.lab.enter(ACTING) + self.argv(known), text=True,
            input=json.dumps({"sluice": 1, "verb": verb, "host": "plc-1",
                              "addresses": HOSTS["plc-1"], **more}),
            capture_output=True, timeout=30, check=True)
        return json.loads(done.stdout)

    def ruleset(self):
        """The router's rules, without what its agent counts in a table of
        its own."""
        listed = self.lab.run("fw-1", ["nft", "-s", "list", "ruleset"])
        return [part for part in listed.split("\ntable ")
                if "sluice_observe" not in part.split("\n", 1)[0]]

    def close(self):
        super().close()
        self.own.close()


class TheRouterOverSsh(unittest.TestCase):
    def setUp(self):
        self.estate = OverSsh()
        self.addCleanup(self.estate.close)
        self.estate.open()

    # The acting agent is itself in quarantine meanwhile, and so is the
    # router's own: ssh between them is a vital flow.
    def test_a_host_without_an_agent_is_isolated_and_comes_back(self):
        driver_test.ThroughTheRouter.\
            test_a_host_without_an_agent_is_isolated_and_comes_back(self)

    def test_the_key_does_this_and_nothing_else(self):
        estate = self.estate
        self.assertEqual(estate.ask("read")["isolated"], False)
        self.assertEqual(estate.ask("isolate", flows=[FLOW]), {"ok": True})
        self.assertEqual(estate.ask("read"), {
            "ok": True, "isolated": True, "flows": [FLOW],
            "cuts_sessions": True})
        before = estate.ruleset()
        code, said = estate.ssh(LIST)
        self.assertEqual(code, 0, said)

        table = f"{RULES}table inet sluice-plc-1 {{\n"
        for command, text in (
                ("", "nft flush ruleset\n"), ("sh", "nft flush ruleset\n"),
                ("nft flush ruleset", ""), ("nft -f /etc/nftables.conf", ""),
                ("nft -j list table inet sluice-plc-2", ""),
                ("nft -j list ruleset", ""), ("conntrack -F", ""),
                (f"{LIST}; nft flush ruleset", ""),
                (f"{LIST}\nnft flush ruleset", ""),
                ("conntrack -L -f ipv4 -o xml $(nft flush ruleset)", ""),
                ("cat /etc/shadow", ""), ("sftp-server", ""),
                ("nft -f -", "flush ruleset\n"),
                ("nft -f -", RULES.replace("plc-1", "plc-2")),
                ("nft -f -", f"{RULES}delete table inet sluice\n"),
                ("nft -f -", f'{RULES}include "/etc/shadow"\n'),
                ("nft -f -", f"{RULES}flush ruleset\n"),
                ("nft -f -", f"{table}  chain forward {{\n  }}; flush "
                 "ruleset\n}\n"),
                ("nft -f -", f"{table}  chain raw {{\n    type filter hook "
                 "prerouting priority -300; policy drop;\n  }\n}\n")):
            with self.subTest(f"{command!r} {text!r}"):
                code, said = estate.ssh(command, text)
                self.assertNotEqual(code, 0, said)
                self.assertIn("nothing was changed", said)
                self.assertEqual(estate.ruleset(), before)
        for options in (["-W", "10.79.0.5:7001"], ["-t", "-t"]):
            with self.subTest(options):
                code, said = estate.ssh("", "", options)
                self.assertNotEqual(code, 0, said)
        self.assertEqual(estate.ruleset(), before)
        self.assertTrue(estate.reach("engine-1", "plc-1"))
        self.assertFalse(estate.reach("plc-1", "store-1"))

    def test_a_router_that_is_another_is_not_believed(self):
        estate = self.estate
        estate.write("strange", f"{ROUTER[0]} {estate.public('key')}\n")
        estate.write("nobody", "")
        for known in ("strange", "nobody"):
            said = estate.ask("read", known)
            self.assertEqual(said["ok"], False)
            self.assertIn("ssh does not reach the router: Host key "
                          "verification failed", said["error"])
        estate.supervisor.stop("sshd")
        said = estate.ask("read")
        self.assertIn("Connection refused", said["error"])


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(run_tests("ssh_test"))
