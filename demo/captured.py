"""The orchestrator in an attacker's hands: the real program on the real
machine, with what was stolen there (certificates, journal, hosts' keys) and a
manifest of the attacker's own, who names their own keys for every approver."""

import json
import os
import shutil
import time

import yaml

from people import APPROVERS
from processes import wait_for
from progress import gate
from sluice import Sluice

STAGE = "open-billing"
# Whom the forged gate asks: as many as the hosts' own minimum for billing.
ROLES = ("incident-commander", "system-owner")
PEOPLE = tuple(APPROVERS[role] for role in ROLES)
WORLD = "citizens"


class Captured(Sluice):
    """Everything that Sluice does, from the attacker's copy of it."""

    def __init__(self, real):
        super().__init__(real.lab, real.supervisor, real.manifest, real.hosts)
        self.driven = real.driven
        self.real = real
        self.folder = f"{real.supervisor.folder}/captured"

    def forge(self):
        """Copies what the orchestrator's machine has, and writes the manifest
        that opens everything. REQUIRES: the real orchestrator is stopped."""
        for part in ("orchestrator", "operators"):
            shutil.copytree(f"{self.real.folder}/{part}",
                            f"{self.folder}/{part}",
                            ignore=shutil.ignore_patterns(
                                "*.sock", "*.session", "*.head"))
        shutil.copy(f"{self.real.folder}/orchestrator/journal.db.head",
                    f"{self.folder}/orchestrator")
        with open(self.real.manifest, encoding="utf-8") as file:
            manifest = forged(yaml.safe_load(file))
        os.makedirs(f"{self.folder}-keys", mode=0o700)
        for name, approver in manifest["approvers"].items():
            approver["key"] = self.make_key(name)
            self._change(f"operators/{name}/client.yaml",
                         {"signing-key": self.key(name)})
        text = json.dumps(manifest, indent=1)  # JSON is YAML as well
        for folder in ("orchestrator", *(f"operators/{name}" for name in
                                         manifest["approvers"])):
            with open(f"{self.folder}/{folder}/manifest.yaml", "w",
                      encoding="utf-8") as file:
                file.write(text + "\n")


    def drive(self, show):
        """A run of the attacker's, signed by the attacker for everybody whom
        the forged gate asks; show(command, what it said)."""
        wait_for(lambda: self.connected() == self.hosts,
                 "every agent with the captured orchestrator")
        self._show(show, "duty-commander", "start")
        wait_for(lambda: self._state() == "asking", "the forged gate's asking")
        for name in PEOPLE:
            self._show(show, name, "go", STAGE, "--yes")
        wait_for(lambda: self._state() != "asking",
                 "the forged gate's release")

    def opened(self):
        """Flows that the captured orchestrator's status shows as open."""
        return sum(host.get("leased_flows", 0) + host.get("standing_flows", 0)
                   for host in self.status()["hosts"])

    def _show(self, show, operator, *arguments):
        show(f"sluice {' '.join(arguments)}   # as {operator}",
             self.do(operator, *arguments))

    def _state(self):
        return gate(self.status(), STAGE).get("state")


class Refusals:
    """What agents write in their own logs, on their own hosts, from now on."""

    def __init__(self, supervisor, hosts):
        self.logs = {host: supervisor.processes[f"agent-{host}"].log
                     for host in hosts}
        self.before = {host: os.path.getsize(log)
                       for host, log in self.logs.items()}

    def read(self):
        """Why each host refused an order: host → its first sentence."""
        said = {}
        for host, log in self.logs.items():
            with open(log, encoding="utf-8", errors="replace") as file:
                file.seek(self.before[host])
                for line in file:
                    if " refused order " in line and line.endswith("\n"):
                        order = line.split(" refused order ")[1]
                        said[host] = order.split(": ", 1)[1].strip()
                        break
        return said

    def wait(self, timeout):
        """The same, when all have refused or the time is over."""
        deadline = time.monotonic() + timeout
        while len(self.read()) < len(self.logs) and \
                time.monotonic() < deadline:
            time.sleep(0.1)
        return self.read()


def forged(manifest):
    """What an attacker makes of a manifest: every system stands alone and is
    open to the world, behind one gate."""
    systems = {}
    for name, spec in manifest["systems"].items():
        port = next(iter(spec["ports"]))
        systems[name] = {
            **{key: spec[key] for key in ("category", "hosts", "ports")},
            "serves": [{"external": WORLD, "port": port}], "soak": "1s"}
    return {
        **{key: manifest[key] for key in ("sluice", "estate", "management",
                                          "approvers", "hosts")},
        "externals": {WORLD: manifest["externals"][WORLD]},
        "systems": systems,
        "stages": [{"name": STAGE, "systems": list(systems),
                    "flows": [{"external": WORLD}],
                    "gate": {"approvals": {role: 1 for role in ROLES}}}]}
