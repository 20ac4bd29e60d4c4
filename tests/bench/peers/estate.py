"""Twenty-five hosts in network namespaces, and forty flows among them: what
each of the ways to isolate and to reconnect works on. Reuses the
demonstration's laboratory. REQUIRES: root."""

import os
import shutil
import sys
import tempfile

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "demo"))

import lab as lab_module  # noqa: E402  (the path above comes first)
import processes  # noqa: E402
import sluice as sluice_module  # noqa: E402

PREFIX = "sluice-bench-"
OFFICE = "10.79.0.1"  # the orchestrator, and where people sit
PORT = 7000
SSH_PORT = 2222
# Foundations, data, applications: 10 + 30 needs are 40 flows.
LAYERS = [[f"f-{n}" for n in range(1, 6)], [f"d-{n:02}" for n in range(1, 11)],
          [f"a-{n:02}" for n in range(1, 11)]]
HOSTS = {name: f"10.79.0.{10 + number}" for number, name in
         enumerate(name for layer in LAYERS for name in layer)}


def needs():
    """client → servers: each data host one foundation, each application two
    data hosts and a foundation."""
    foundations, data, applications = LAYERS
    wanted = {}
    for n, name in enumerate(data):
        wanted[name] = [foundations[n % 5]]
    for n, name in enumerate(applications):
        wanted[name] = [data[n], data[(n + 3) % 10], foundations[n % 5]]
    return wanted


def flows_by_layer():
    """For each layer that has any: (client, server) pairs."""
    wanted = needs()
    return [[(client, server) for client in layer for server in wanted[client]]
            for layer in LAYERS[1:]]


FLOWS = sum(len(layer) for layer in flows_by_layer())


def manifest():
    wanted = needs()
    # The laboratory adds this person's key to the line.
    head = ("sluice: 1\nestate: peers\n"
            f'management: {{orchestrators: ["{OFFICE}:7443"]}}\n'
            "approvers:\n"
            "  duty-commander: {roles: [incident-commander]}\n")
    return head + yaml.safe_dump({
        "hosts": {name: {"address": [address]}
                  for name, address in HOSTS.items()},
        # No soak: what is measured is the machinery, not the watching.
        "defaults": {"soak": "0s",
                     "health": {"attempts": 3, "between": "1s",
                                "timeout": "1s"}},
        "systems": {name: {
            "category": "system", "hosts": [name],
            "ports": {"service": f"{PORT}/tcp"},
            "needs": [f"{server}:service" for server in wanted.get(name, [])],
            "health": [{"tcp": "service"}]} for name in HOSTS},
        "stages": [{"name": "all", "systems": list(HOSTS),
                    "gate": {"approvals": {"incident-commander": 1}}}],
    }, sort_keys=False)


class Hosts:
    """The namespaces, an echo server on each, and nothing closed yet."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix=PREFIX)
        os.chmod(self.folder, 0o755)
        self.lab = lab_module.Lab(PREFIX)
        self.supervisor = processes.Supervisor(self.lab, self.folder)

    def __enter__(self):
        try:
            self.lab.open()
            self.lab.add_host("orchestrator", [f"{OFFICE}/24"])
            for name, address in HOSTS.items():
                self.lab.add_host(name, [f"{address}/24"])
                self.supervisor.start(f"echo-{name}", name, [
                    "/usr/bin/python3",
                    f"{HERE}/../../hosts/estate/echo_server.py", str(PORT)])
            for address in HOSTS.values():
                processes.wait_for(
                    lambda a=address: lab_module.reach(
                        self.lab, "orchestrator", a, PORT, 0.5),
                    f"the service on {address}")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.supervisor.close()
        self.lab.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def at_office(self, argv):
        return self.lab.enter("orchestrator") + argv

    def check(self, opened, who):
        """Every flow of ours and no other passes, by the network's account."""
        for client, servers in needs().items():
            for server in servers:
                if lab_module.reach(self.lab, client, HOSTS[server], PORT,
                                    0.4) != opened:
                    raise lab_module.LabError(
                        f"{who}: {client} to {server} is "
                        f"{'closed' if opened else 'open'} and should not be")
        if lab_module.reach(self.lab, "f-1", HOSTS["a-01"], PORT, 0.3):
            raise lab_module.LabError(f"{who}: a flow that nobody opened is "
                                      "open")

    def open_all(self):
        """No table of anybody on any host."""
        for name in HOSTS:
            self.lab.run(name, ["nft", "flush", "ruleset"])
