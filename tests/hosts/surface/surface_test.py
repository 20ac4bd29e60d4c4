#!/usr/bin/env python3
"""What strangers reach, tried with programs that nobody here wrote: Node's
@grpc/grpc-js with the published contract, `openssl s_client`, and thousands of
connections that say nothing. Real orchestrator, real agents, real namespaces.

Needs root and the programs of this tree; Node's packages are fetched once, by
npm, into the build's own folder ($SLUICE_SURFACE_DIR).
"""

import json
import os
import shutil
import subprocess
import sys
import time
import unittest

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, f"{ROOT}/tests/hosts/estate")

import small_estate  # noqa: E402  (the path above comes first)
from small_estate import lab_module, processes  # noqa: E402

PORT = 7443
HALF_OPEN = 10_000
# Strangers in the hosts' own network, so that no one address is at its limit.
CROWD = [f"10.78.0.{last}" for last in range(100, 132)]
MODULES = os.environ.get("SLUICE_SURFACE_DIR") or \
    os.path.join(ROOT, "build", "surface")

# Opens connections from many addresses and says nothing on them; prints how
# many of them stand, then stays.
SILENT = """
import errno, resource, select, socket, sys, time
address, port, count, *own = sys.argv[1:]
count = int(count)
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
begun, stand = {}, 0
waiting = select.epoll()
for i in range(count):
    one = socket.socket()
    one.setblocking(False)
    one.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    one.bind((own[i % len(own)], 0))
    said = one.connect_ex((address, int(port)))
    assert said == errno.EINPROGRESS, said
    begun[one.fileno()] = one
    waiting.register(one, select.EPOLLOUT | select.EPOLLONESHOT)
print("begun", count, flush=True)
end = time.monotonic() + 30
while stand < count and time.monotonic() < end:
    stand += len(waiting.poll(0.2, 1000))
print("stand", stand, flush=True)
time.sleep(120)
"""


def node_modules():
    """None when @grpc/grpc-js is there, else a sentence."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node and npm are not here; run scripts/install-dependencies"
    os.makedirs(MODULES, exist_ok=True)
    for name in ("package.json", "package-lock.json", "client.js"):
        shutil.copy(f"{HERE}/{name}", MODULES)
    with open(f"{HERE}/package-lock.json", encoding="utf-8") as file:
        wanted = file.read()
    done_with = f"{MODULES}/fetched"
    if os.path.exists(done_with):
        with open(done_with, encoding="utf-8") as file:
            if file.read() == wanted:
                return None
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=MODULES, capture_output=True, text=True, check=False, timeout=240)
    if done.returncode != 0:
        return ("npm could not fetch @grpc/grpc-js: "
                f"{done.stderr.strip()[-300:]}")
    with open(done_with, "w", encoding="utf-8") as file:
        file.write(wanted)
    return None


class Surface(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.estate = small_estate.SmallEstate()
        cls.addClassCleanup(cls.estate.close)
        cls.estate.open()
        cls.folder = cls.estate.sluice.folder
        cls.address = f"{small_estate.ORCHESTRATOR[0]}:{PORT}"
        cls.authority = f"{cls.folder}/orchestrator/ca.crt"
        cls.certificates(cls.estate.folder)

    @classmethod
    def certificates(cls, folder):
        """A stranger's authority, and an expired certificate of ours."""
        run = lab_module.run
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes"]
        uri = "subjectAltName=URI:sluice://small/agent/engine-1"
        run(["openssl", "req", "-x509", *key, "-subj", "/CN=stranger",
             "-addext", uri, "-keyout", f"{folder}/foreign.key", "-out",
             f"{folder}/foreign.crt"])
        run(["openssl", "req", *key, "-subj", "/CN=engine-1", "-keyout",
             f"{folder}/expired.key", "-out", f"{folder}/expired.csr"])
        os.makedirs(f"{folder}/ca", exist_ok=True)
        for name, text in (("index", ""), ("serial", "01\n"), ("conf", f"""
[ca]
default_ca = here
[here]
database = {folder}/ca/index
serial = {folder}/ca/serial
new_certs_dir = {folder}/ca
default_md = sha256
policy = any
x509_extensions = host
[any]
commonName = supplied
[host]
{uri.replace('=', ' = ', 1)}
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
""")):
            with open(f"{folder}/ca/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        run(["openssl", "ca", "-batch", "-notext", "-config",
             f"{folder}/ca/conf", "-cert", f"{cls.folder}/authority/ca.crt",
             "-keyfile", f"{cls.folder}/authority/ca.key", "-startdate",
             "20240101000000Z", "-enddate", "20240201000000Z", "-in",
             f"{folder}/expired.csr", "-out", f"{folder}/expired.crt"])

    def node(self, what, **settings):
        path = f"{self.estate.folder}/{what}.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"address": self.address, "authority": self.authority,
                       "protos": f"{ROOT}/proto", **settings}, file)
        return ["node", f"{MODULES}/client.js", what, path]

    def ask(self, what, **settings):
        """What client.js prints, run beside the orchestrator's estate."""
        return json.loads(self.estate.lab.run(
            "orchestrator", self.node(what, **settings)))

    def s_client(self, *options, seconds=3):
        """(how it ended or "open", what it printed)."""
        argv = self.estate.lab.enter("orchestrator") + [
            "openssl", "s_client", "-connect", self.address, "-alpn", "h2",
            "-CAfile", self.authority, "-servername", "orchestrator.sluice",
            *options]
        popen = subprocess.Popen(argv, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
        try:
            popen.wait(timeout=seconds)
            how = "ended"
        except subprocess.TimeoutExpired:
            popen.kill()
            how = "open"
        said = popen.communicate()[0].decode("utf-8", "replace")
        return how, said

    def test_nobody_reaches_nothing(self):
        said = self.ask("nobody")
        self.assertGreaterEqual(len(said), 24)
        open_to_all = {
            "sluice.v1.Enrolment/Enrol": "PERMISSION_DENIED: the token",
            "sluice.v1.Login/Challenge": "INVALID_ARGUMENT: who wants",
            "sluice.v1.Login/Login": "INVALID_ARGUMENT: this is no login",
            "grpc.health.v1.Health/Check": "OK: 1"}
        for call, word in said.items():
            self.assertTrue(word.startswith(
                open_to_all.get(call, "UNAUTHENTICATED: ")), f"{call}: {word}")

    def test_an_operator_logs_in_with_ssh_keygen_alone(self):
        said = self.ask("operator", operator="duty-commander",
                        ssh_key=self.estate.sluice.key("duty-commander"))
        self.assertEqual(said["roles"], ["incident-commander"])
        self.assertEqual(said["status"], "OK")
        self.assertEqual(said["estate"], "small")
        self.assertEqual(sorted(said["hosts"]), sorted(small_estate.HOSTS))
        self.assertEqual(said["watched"], "OK")
        self.assertRegex(said["after"], "^UNAUTHENTICATED: the session")

    def test_somebody_elses_key_does_not_log_in(self):
        with self.assertRaises(lab_module.LabError) as refused:
            self.ask("operator", operator="duty-commander",
                     ssh_key=self.estate.sluice.key("it-lead"))
        self.assertIn("PERMISSION_DENIED", str(refused.exception))

    def test_who_was_refused_stands_in_the_record(self):
        ask = ["duty-commander", "history"]
        self.ask("nobody")
        own = small_estate.ORCHESTRATOR[0]
        # The first of a minute at once, so the test does not wait for one.
        processes.wait_for(
            lambda: f"refused from {own}: " in " ".join(
                self.estate.command(*ask).split()), "the record of it")
        said = self.estate.command("duty-commander", "status")
        self.assertRegex(" ".join(said.split()), r"! \d+ .* refused since ")

    def test_a_foreign_certificate_is_cut(self):
        folder = self.estate.folder
        how, _ = self.s_client("-cert", f"{folder}/foreign.crt", "-key",
                               f"{folder}/foreign.key")
        self.assertEqual(how, "ended")
        for call, word in self.ask(
                "certificate", certificate=f"{folder}/foreign.crt",
                key=f"{folder}/foreign.key").items():
            self.assertRegex(word, "^UNAVAILABLE", call)

    def test_an_expired_certificate_of_no_known_key_may_nothing(self):
        folder = self.estate.folder
        # Let in, because the host with a key that is known may renew; then
        # refused call by call.
        how, _ = self.s_client("-cert", f"{folder}/expired.crt", "-key",
                               f"{folder}/expired.key")
        self.assertEqual(how, "open")
        said = self.ask("certificate", certificate=f"{folder}/expired.crt",
                        key=f"{folder}/expired.key")
        for call in ("sluice.v1.AgentLink/Attach", "sluice.v1.Enrolment/Renew",
                     "sluice.v1.Operator/GetStatus",
                     "sluice.v1.Operator/Isolate"):
            self.assertRegex(said[call], "^PERMISSION_DENIED", call)

    def test_tls_1_3_and_nothing_older(self):
        how, said = self.s_client("-tls1_3")
        self.assertEqual(how, "open", said)
        self.assertIn("Verify return code: 0 (ok)", said)
        self.assertIn("TLSv1.3", said)
        for old in ("-tls1_2", "-tls1_1"):
            how, said = self.s_client(old)
            self.assertEqual(how, "ended", said)
            self.assertIn("Cipher is (NONE)", said)

    def test_secrets_leave_no_core_file(self):
        for name in ("orchestrator", "agent-front-1"):
            pid = self.estate.supervisor.processes[name].pid
            with open(f"/proc/{pid}/limits", encoding="utf-8") as file:
                self.assertRegex(file.read(), r"Max core file size +0 +0 ")

    def test_a_key_that_others_can_read_is_not_used(self):
        sluice = self.estate.sluice
        agent = f"{self.estate.folder}/another-agent"
        shutil.copytree(f"{self.folder}/agents/front-1", agent)
        self.change(f"{agent}/agent.yaml", state=f"{agent}/state")
        os.mkdir(f"{agent}/state", mode=0o700)
        orchestrator = f"{self.folder}/orchestrator"
        for key, program, config in (
                (f"{orchestrator}/server.key", "sluice-orchestrator",
                 f"{orchestrator}/orchestrator.yaml"),
                (f"{agent}/agent.key", "sluice-agent",
                 f"{agent}/agent.yaml")):
            for path, loose, tight in ((key, 0o640, 0o600),
                                       (os.path.dirname(key), 0o750, 0o700)):
                os.chmod(path, loose)
                try:
                    done = subprocess.run(
                        self.estate.lab.enter("visitor") +
                        [f"{sluice.bin}/{program}", "--config", config],
                        timeout=20, capture_output=True, text=True,
                        check=False)
                finally:
                    os.chmod(path, tight)
                self.assertNotEqual(done.returncode, 0, path)
                self.assertIn(f"chmod {tight:o} {path}", done.stderr)

    @staticmethod
    def change(path, to=None, **settings):
        """The same YAML file with other settings, there or at `to`."""
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file)
        content.update(settings)
        with open(to or path, "w", encoding="utf-8") as file:
            yaml.safe_dump(content, file)

    def test_z_silence_and_slow_readers_stop_no_isolation(self):
        estate = self.estate
        estate.supervisor.start(
            "slow", "orchestrator", self.node(
                "slow", operator="it-lead",
                ssh_key=estate.sluice.key("it-lead")))
        processes.wait_for(lambda: "slow" in estate.log("slow"),
                           "the slow readers")
        lab = estate.lab
        for name, addresses in (("crowd", CROWD), ("mute", ["10.78.0.99"]),
                                ("desk", ["10.78.0.98"])):
            lab.add_host(name, [f"{one}/24" for one in addresses])
        # Whoever never answers leaves the server's own answer unanswered.
        lab.run("mute", ["nft", "-f", "-"],
                "table inet mute { chain c { type filter hook input priority "
                f"0; tcp sport {PORT} drop; }}; }}\n")
        for name in ("mute", "crowd"):
            estate.supervisor.start(f"silent-{name}", name, [
                "/usr/bin/python3", "-c", SILENT,
                small_estate.ORCHESTRATOR[0], str(PORT), str(HALF_OPEN),
                *lab.hosts[name]])
            processes.wait_for(
                lambda n=name: "begun" in estate.log(f"silent-{n}"),
                f"the connections of {name}", timeout=60)
        processes.wait_for(lambda: "stand" in estate.log("silent-crowd"),
                           "the silent connections", timeout=60)
        self.assertIn(f"stand {HALF_OPEN}", estate.log("silent-crowd"))
        before, halves = self.standing("established"), self.standing("syn-recv")
        began = time.monotonic()
        # Over the network, from another machine than the orchestrator's.
        said = lab.run("desk", [
            f"{estate.sluice.bin}/sluice", "--client", self.desk(), "isolate",
            "--all", "--reason", "surface"])
        took = time.monotonic() - began
        self.assertIn("3 of 3 hosts", said)
        # Not a crowd that had gone home already.
        self.assertGreater(before, HALF_OPEN // 2)
        self.assertGreater(halves, 0)
        print(f"\nisolated 3 hosts in {took:.2f} s beside {before} silent "
              f"connections, {halves} half-open ones (of {HALF_OPEN}) and 50 "
              "readers that do not read")

    def desk(self):
        """The commander's client.yaml, at a machine of their own."""
        path = self.estate.sluice.client("duty-commander")
        desk = f"{os.path.dirname(path)}/desk.yaml"
        self.change(path, to=desk, orchestrators=[self.address])
        return desk

    def standing(self, state):
        """How many connections the orchestrator's kernel holds now."""
        listed = self.estate.lab.run("orchestrator", [
            "ss", "-Htn", "state", state, f"sport = :{PORT}"])
        return len(listed.splitlines())


if __name__ == "__main__":
    sys.exit(small_estate.run_tests("surface_test", node_modules))
