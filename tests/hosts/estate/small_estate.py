"""The small estate with real agents and a real orchestrator, for tests."""

import os
import shutil
import signal
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "demo"))

import lab as lab_module  # noqa: E402  (the path above comes first)
import processes  # noqa: E402
import sluice as sluice_module  # noqa: E402
from progress import gate, step  # noqa: E402
from sessions import Session  # noqa: E402

PREFIX = "sluice-test-"
MANIFEST = f"{HERE}/small.yaml"
HOSTS = {"store-1": ["10.78.0.11", "fd78::11"],
         "engine-1": ["10.78.0.21", "fd78::21"],
         "front-1": ["10.78.0.31", "fd78::31"]}
PORTS = {"store-1": 7001, "engine-1": 7002, "front-1": 7003}
ORCHESTRATOR = ["10.78.0.1", "fd78::1"]
ROUTER = ["10.78.0.254", "fd78::fe"]
# Who talks to whom when all is open.
PAIRS = [("engine-1", "store-1"), ("front-1", "engine-1"),
         ("visitor", "front-1")]
APPROVERS = {"incident-commander": "duty-commander",
             "technical-lead": "it-lead"}
LEASE = 8


class SmallEstate:
    """REQUIRES: root. Everything it made is gone after close()."""

    def __init__(self, prefix=PREFIX, manifest=MANIFEST):
        self.folder = tempfile.mkdtemp(prefix=prefix)
        self.lab = lab_module.Lab(prefix)
        self.supervisor = processes.Supervisor(self.lab, self.folder)
        self.sluice = sluice_module.Sluice(self.lab, self.supervisor,
                                           manifest, HOSTS)
        self.since = {}   # (step, state) → when it was first so, Unix ms
        self.numbers = []

    def open(self):
        lab = self.lab
        lab.open()
        lab.add_router("outside", [f"{ROUTER[0]}/24", f"{ROUTER[1]}/64"])
        lab.add_host("orchestrator", [f"{ORCHESTRATOR[0]}/24",
                                      f"{ORCHESTRATOR[1]}/64"])
        for name, (v4, v6) in HOSTS.items():
            lab.add_host(name, [f"{v4}/24", f"{v6}/64"], ROUTER)
        lab.add_outside("visitor", "outside",
                        ["198.51.100.10/24", "2001:db8:100::10/64"],
                        ["198.51.100.1", "2001:db8:100::1"])
        lab.watch_wire(["10.78.0.0/24", "fd78::/64"], ORCHESTRATOR)
        for host, port in PORTS.items():
            self.supervisor.start(f"echo-{host}", host, [
                "/usr/bin/python3", f"{HERE}/echo_server.py", str(port)])
        self.sluice.init()
        self.sluice.start_orchestrator()
        self.sluice.start_agents()
        self.until(lambda s: len(self._connected(s)) == len(HOSTS),
                   "every agent connected")
        for client, server in PAIRS:
            processes.wait_for(lambda c=client, s=server: self.reach(c, s),
                               f"{client} reaches {server}")
        return self

    def close(self):
        self.supervisor.close()
        self.lab.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # What the network says.

    def reach(self, client, server, version=4):
        return lab_module.reach(self.lab, client, self.address(
            server, version), PORTS[server], 0.5)

    def address(self, host, version=4):
        return HOSTS[host][0 if version == 4 else 1]

    def session(self, client, server, version=4):
        self.numbers.append(1)
        return Session(self.supervisor, f"session-{len(self.numbers)}",
                       client, "tcp", self.address(server, version),
                       PORTS[server])

    def probe(self, client, server):
        """Starts to watch a flow from its client."""
        self.supervisor.start(f"probe-{client}-{server}", client, [
            "/usr/bin/python3", f"{HERE}/prober.py", self.address(server),
            str(PORTS[server])])

    def probed(self, client, server):
        """What the watching saw so far: [(Unix ms, open?)]."""
        log = self.supervisor.processes[f"probe-{client}-{server}"].log
        with open(log, encoding="utf-8") as file:
            lines = [line.split() for line in file if line.endswith("\n")]
        return [(int(at), word == "open") for at, word in lines]

    def closed_at(self, client, server, within):
        """When the prober's flow first did not pass, in ms since 1970; waits
        so many seconds for it."""
        def closed():
            return [at for at, is_open in self.probed(client, server)
                    if not is_open]
        return processes.wait_for(
            closed, f"{client} no longer reaches {server}", timeout=within)[0]

    def log(self, name):
        path = f"{self.folder}/log/{name}.log"
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def tails(self):
        """The last lines of everybody who has ended."""
        return "\n".join(f"{name} has ended: "
                         f"{self.supervisor.processes[name].tail(3)}"
                         for name in self.supervisor.dead())

    # What Sluice says.

    def until(self, condition, what, timeout=40):
        """Waits for condition(status), remembering when states began."""
        deadline = time.monotonic() + timeout
        while True:
            status = self.sluice.status(quiet=True)
            if status is not None:
                for item in status.get("steps", []):
                    self.since.setdefault((item["id"], item.get("state")),
                                          item.get("since_ms", 0))
                if condition(status):
                    return status
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{what} did not come about in {timeout} seconds:\n"
                    f"{self.sluice.run('duty-commander', 'status')[1]}\n"
                    f"{self.tails()}")
            time.sleep(0.1)

    def until_step(self, name, *states):
        return self.until(lambda s: step(s, name).get("state") in states,
                          f"{name} is {' or '.join(states)}")

    def command(self, operator, *arguments):
        return self.sluice.do(operator, *arguments)

    def open_gate(self, name):
        """Everybody whom the gate asks says go."""
        status = self.until(lambda s: gate(s, name).get("state") == "asking",
                            f"gate {name} asks")
        for role in sorted(gate(status, name).get("missing", {})):
            self.command(APPROVERS[role], "go", name)

    def isolate_all(self):
        self.command("duty-commander", "isolate", "--all", "--reason", "test")
        return self.sluice.status()

    def up_to_engine_soaking(self):
        """Isolated, started, data back, the engine in its soak."""
        self.isolate_all()
        self.command("duty-commander", "start")
        self.open_gate("data")
        self.until_step("store", "reconnected")
        self.open_gate("applications")
        return self.until_step("engine", "soaking")

    @staticmethod
    def _connected(status):
        return [h for h in status.get("hosts", [])
                if h.get("link") == "connected"]


def run_tests(name, also_missing=lambda: ""):
    """Runs the tests of the program that asks; its exit code, 77: skipped.

    `also_missing` says what else is not here, or nothing.
    """
    reason = lab_module.why_not() or also_missing()
    if reason:
        print(f"{name}: skipped: {reason}")
        return 77
    missing = sluice_module.missing(sluice_module.binaries())
    if missing:
        print(f"{name}: {', '.join(missing)} not found in "
              f"{sluice_module.binaries()}; build first.")
        return 1
    # Clean-ups run on these too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    return 0 if unittest.main(exit=False, verbosity=2).result \
        .wasSuccessful() else 1
