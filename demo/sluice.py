"""Sluice itself, as the estate's people run it: the orchestrator on a host of
its own, an agent on every other, and operators with their own SSH keys."""

import json
import os
import re
import subprocess

import yaml

from processes import wait_for

# What `sluice` prints is shown with a bar before it: 80 columns in all.
COLUMNS = 76
HERE = os.path.dirname(os.path.abspath(__file__))


class Refused(Exception):
    """`sluice` said no; the text is its sentence."""


def binaries():
    """Where the programs are: $SLUICE_BIN_DIR, or build/bin of this tree."""
    folder = os.environ.get("SLUICE_BIN_DIR") or \
        os.path.join(os.path.dirname(HERE), "build", "bin")
    return os.path.abspath(folder)


def missing(folder):
    return [name for name in ("sluice", "sluice-orchestrator", "sluice-agent")
            if not os.access(f"{folder}/{name}", os.X_OK)]


class Sluice:
    def __init__(self, lab, supervisor, manifest, hosts):
        self.lab = lab
        self.supervisor = supervisor
        self.manifest = manifest
        self.hosts = sorted(hosts)
        self.bin = binaries()
        # What stands before sluice-agent's argv: host → [word].
        self.before_agent = {}
        self.driven = set()  # of the hosts, those another's agent acts for
        self.folder = f"{supervisor.folder}/sluice"

    @property
    def agents(self):
        """The hosts that run one."""
        return [host for host in self.hosts if host not in self.driven]

    def init(self, plugins=None, agent_keys=False, drivers=None):
        """`sluice init`, then what these hosts' own files allow.

        `plugins`: host → {name: argv}, run as root: these sources may lie
        where nobody else can read. `drivers`: host → {point it acts for:
        its entry}. `agent_keys`: hosts get their keys
        here, for an estate whose orchestrator is never started.
        """
        self.make_keys()
        self.driven = {point for points in (drivers or {}).values()
                       for point in points}
        self._call([f"{self.bin}/sluice", "init", self.manifest, "--out",
                    self.folder] + (["--agent-keys"] if agent_keys else []))
        for host in self.agents:
            extra = (plugins or {}).get(host, {})
            self._change(f"agents/{host}/agent.yaml", {
                "state": f"{self.folder}/state/{host}",
                "plugins": {name: {"command": argv, "timeout": "5s",
                                   "user": "root"}
                            for name, argv in extra.items()},
                **({"drivers": drivers[host]} if host in (drivers or {})
                   else {})})
            os.makedirs(f"{self.folder}/state/{host}", mode=0o700)
        # Operators of the demonstration sit at this machine, outside the
        # namespaces: its Unix socket is the door that they share.
        for name in os.listdir(f"{self.folder}/operators"):
            self._change(f"operators/{name}/client.yaml", {
                "orchestrators": ["unix:../../orchestrator/operator.sock"],
                "signing-key": self.key(name)})

    def key(self, operator):
        """The SSH key that this person would carry."""
        return f"{self.folder}-keys/{operator}"

    def make_keys(self):
        """An SSH key for every approver, and a copy of the manifest that
        names them, its other lines as they are."""
        with open(self.manifest, encoding="utf-8") as file:
            text = file.read()
        os.makedirs(f"{self.folder}-keys", mode=0o700)
        for name in yaml.safe_load(text)["approvers"]:
            key = self.make_key(name)
            text, count = re.subn(
                rf"(?m)^(  {re.escape(name)}: \{{.*)\}}$",
                rf'\1, key: "{key}"}}', text)
            if count != 1:
                raise Refused(f"{self.manifest}: approver {name} is not on "
                              "one line of its own.")
        self.manifest = f"{self.folder}-keys/manifest.yaml"
        with open(self.manifest, "w", encoding="utf-8") as file:
            file.write(text)

    def make_key(self, operator):
        """A new SSH key for somebody; its public half."""
        self._call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C",
                    operator, "-f", self.key(operator)])
        return self.public_key(operator)

    def public_key(self, operator):
        with open(f"{self.key(operator)}.pub", encoding="utf-8") as file:
            return " ".join(file.read().split()[:2])

    def client(self, operator):
        return f"{self.folder}/operators/{operator}/client.yaml"

    def start_orchestrator(self):
        folder = f"{self.folder}/orchestrator"
        process = self.supervisor.start(
            "orchestrator", "orchestrator",
            [f"{self.bin}/sluice-orchestrator", "--config",
             f"{folder}/orchestrator.yaml"])
        wait_for(lambda: not process.running() or
                 self.status(quiet=True) is not None,
                 "the orchestrator's answer", timeout=20)
        if not process.running():
            raise Refused("sluice-orchestrator ended at once: "
                          f"{process.tail(2)}")
        return process

    def enrol(self, host, folder=None):
        """A token from an approver, brought to the host, where its keys are
        made."""
        token = self.do("duty-commander", "enrol", "--host", host).splitlines()
        return self.lab.run(
            host, [*self.before_agent.get(host, []),
                   f"{self.bin}/sluice-agent", "enrol", "--config",
                   f"{folder or self.folder}/agents/{host}/agent.yaml"],
            token[0] + "\n")

    def start_agent(self, host, folder=None, name=None, env=None):
        agent = f"{folder or self.folder}/agents/{host}"
        if not os.path.exists(f"{agent}/agent.crt"):
            self.enrol(host, folder)
        return self.supervisor.start(
            name or f"agent-{host}", host,
            [*self.before_agent.get(host, []), f"{self.bin}/sluice-agent",
             "--config", f"{agent}/agent.yaml"], env=env)

    def start_agents(self):
        for host in self.agents:
            self.start_agent(host)

    def connected(self):
        status = self.status(quiet=True) or {}
        return sorted(host["id"] for host in status.get("hosts", [])
                      if host.get("link") == "connected")

    def run(self, operator, *arguments, timeout=60):
        """`sluice ARGUMENTS` as an operator, in Sluice's folder: (exit code,
        all it said)."""
        done = subprocess.run(
            [f"{self.bin}/sluice", "--client", self.client(operator),
             *arguments], capture_output=True, text=True, timeout=timeout,
            stdin=subprocess.DEVNULL, check=False, cwd=self.folder,
            env={**os.environ, "COLUMNS": str(COLUMNS)})
        return done.returncode, (done.stdout + done.stderr).strip()

    def do(self, operator, *arguments, timeout=60):
        """The same, and Refused when it does not exit with 0."""
        code, said = self.run(operator, *arguments, timeout=timeout)
        if code != 0:
            raise Refused(said or f"exit code {code}")
        return said

    def status(self, quiet=False):
        """The status as a program reads it; None when `quiet` and there is
        no answer."""
        done = subprocess.run(
            [f"{self.bin}/sluice", "--client", self.client("duty-commander"),
             "status", "--json"], capture_output=True, text=True, timeout=30,
            stdin=subprocess.DEVNULL, check=False)
        if done.returncode == 0:
            return _plain(json.loads(done.stdout))
        if quiet:
            return None
        raise Refused((done.stderr or done.stdout).strip())

    def _change(self, path, values):
        path = f"{self.folder}/{path}"
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file)
        content.update(values)
        with open(path, "w", encoding="utf-8") as file:
            yaml.safe_dump(content, file)

    @staticmethod
    def _call(argv):
        done = subprocess.run(argv, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise Refused((done.stderr or done.stdout).strip())
        return done.stdout


def _plain(value):
    """Field names as the contract writes them, numbers as numbers."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {re.sub(r"([a-z])([A-Z])", r"\1_\2", key).lower():
                _number(key, _plain(item)) for key, item in value.items()}
    return value


def _number(key, value):
    # JSON writes 64-bit numbers as text.
    if isinstance(value, str) and value.isdigit() and \
            re.search(r"(_ms|Ms|number|Number|packets|Packets|epoch|"
                      r"equence)$", key):
        return int(value)
    return value


def by_id(items):
    return {item["id"]: item for item in items}
