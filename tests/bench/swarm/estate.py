"""An estate of any number of hosts for the swarm: its manifest, its
orchestrator, its agents in one process, and its people."""

import json
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import time

import yaml

PER_STAGE = 250
DATA = 5  # of these hosts one holds the data of the four others


class Trouble(Exception):
    """A sentence about what did not work."""


def clock():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def free_port():
    """Below those that the kernel gives to thousands of dialling agents."""
    for port in range(17443, 17543):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Trouble("no port from 17443 to 17542 is free")


def address(number):
    return f"10.{64 + number // 62500}.{number // 250 % 250}." \
           f"{number % 250 + 1}"


def manifest(agents, nuisances, port, key):
    """Every host has one system; the nuisances have a host and no more."""
    hosts, systems, stages = {}, {}, []
    for number in range(agents):
        name = f"h-{number:05}"
        hosts[name] = {"address": [address(number)]}
        system = {"category": "data" if number % DATA == 0 else "application",
                  "hosts": [name], "ports": {"service": "7000/tcp"},
                  "inspect": [{"listeners": "declared-only"}],
                  "health": [{"tcp": "service"}]}
        if number % DATA != 0:
            system["needs"] = [f"s-{number - number % DATA:05}:service"]
        systems[f"s-{number:05}"] = system
    for first in range(0, agents, PER_STAGE):
        stages.append({
            "name": f"region-{first // PER_STAGE:02}",
            "systems": [f"s-{number:05}" for number in
                        range(first, min(agents, first + PER_STAGE))],
            "gate": {"approvals": {"incident-commander": 1}}})
    for number, name in enumerate(nuisances):
        hosts[name] = {"address": [address(agents + number)]}
    return yaml.dump({
        "sluice": 1, "estate": "swarm",
        "management": {"orchestrators": [f"127.0.0.1:{port}"]},
        "approvers": {"duty-commander": {"roles": ["incident-commander"],
                                          "key": key}},
        "hosts": hosts,
        "defaults": {"soak": "1s", "lease": "60s", "watch-every": "5s"},
        "systems": systems, "stages": stages},
        Dumper=yaml.CSafeDumper, sort_keys=False)


class Estate:
    """REQUIRES: `folder` of binaries of a Release build, for figures."""

    def __init__(self, binaries, agents, nuisances=()):
        self.bin = os.path.abspath(binaries)
        self.agents = agents
        self.nuisances = list(nuisances)
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="sluice-swarm-")
        self.orchestrator = None
        self.swarm = None

    def __enter__(self):
        try:
            return self._open()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    def _open(self):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most < self.agents + 1000:
            raise Trouble(f"{self.agents} agents need {self.agents + 1000} "
                          f"open files and {most} are allowed here; raise the "
                          "hard limit (ulimit -Hn)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        path = f"{self.folder}/estate.yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(manifest(self.agents, self.nuisances, self.port,
                                self._make_key()))
        self._call("sluice", "init", path, "--agent-keys", "--out",
                   f"{self.folder}/made")
        client = f"{self.folder}/made/operators/duty-commander/client.yaml"
        with open(client, encoding="utf-8") as file:
            content = yaml.safe_load(file)
        content["orchestrators"] = ["unix:../../orchestrator/operator.sock"]
        content["signing-key"] = f"{self.folder}/key"
        with open(client, "w", encoding="utf-8") as file:
            yaml.safe_dump(content, file)
        self.start_orchestrator()
        self.swarm = subprocess.Popen(
            [f"{self.bin}/bench-swarm", f"{self.folder}/made"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def close(self):
        for process in (self.swarm, self.orchestrator):
            if process is not None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    # The orchestrator.

    def start_orchestrator(self):
        """Until it serves."""
        path = f"{self.folder}/orchestrator.log"
        seen = self.log().count(": serving ") if os.path.exists(path) else 0
        with open(path, "ab") as output:
            self.orchestrator = subprocess.Popen(
                [f"{self.bin}/sluice-orchestrator", "--config",
                 f"{self.folder}/made/orchestrator/orchestrator.yaml"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        deadline = clock() + 60
        while self.log().count(": serving ") == seen:
            if self.orchestrator.poll() is not None or clock() > deadline:
                raise Trouble("the orchestrator does not serve: "
                              + "\n".join(self.log().splitlines()[-3:]))
            time.sleep(0.005)

    def kill_orchestrator(self):
        self.orchestrator.kill()
        self.orchestrator.wait()

    def log(self):
        with open(f"{self.folder}/orchestrator.log", encoding="utf-8",
                  errors="replace") as file:
            return file.read()

    def journal_bytes(self):
        folder = f"{self.folder}/made/orchestrator"
        return sum(os.path.getsize(f"{folder}/{name}")
                   for name in os.listdir(folder) if "journal" in name)

    # The agents.

    def ask(self, *words):
        """One command to bench-swarm; its answer."""
        self.swarm.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.swarm.stdin.flush()
        text = self.swarm.stdout.readline()
        if not text:
            raise Trouble("bench-swarm has ended")
        answer = json.loads(text)
        if "error" in answer:
            raise Trouble(answer["error"])
        return answer

    def wait_linked(self, wanted, seconds):
        answer = self.ask("linked", wanted, seconds)
        if answer["linked"] < wanted:
            raise Trouble(f"{answer['linked']} of {wanted} agents were linked "
                          f"in {seconds} s")
        return answer["at"]

    # The people.

    def sluice(self, *arguments, check=True):
        done = subprocess.run(
            [f"{self.bin}/sluice", "--client",
             f"{self.folder}/made/operators/duty-commander/client.yaml",
             *arguments], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, check=False)
        if check and done.returncode != 0:
            raise Trouble(f"sluice {arguments[0]}: "
                          f"{(done.stderr or done.stdout).strip()[-600:]}")
        return done.stdout

    def status(self):
        return json.loads(self.sluice("status", "--json"))

    def _make_key(self):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                        f"{self.folder}/key"], check=True)
        with open(f"{self.folder}/key.pub", encoding="utf-8") as file:
            return " ".join(file.read().split()[:2])

    def _call(self, program, *arguments):
        done = subprocess.run([f"{self.bin}/{program}", *arguments],
                              capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Trouble((done.stderr or done.stdout).strip()[-600:])
