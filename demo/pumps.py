"""The scene of the pumps: their controller can run no agent. The router before
it has one, whose driver closes and opens for the controller; what the driver
says of itself counts for nothing, what the router is read to do counts."""

import os
import re
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor

from progress import gate, step
from sessions import Session

HERE = os.path.dirname(os.path.abspath(__file__))
DRIVER = os.path.join(os.path.dirname(HERE), "drivers", "linux-router")
POINT, ROUTER, ROOM = "plc-1", "fw-1", "ctl-1"
SYSTEM = "pump-controller"
ASKER = "control-room"  # whose step opens the way to the controller
BACK = [SYSTEM, ASKER]
# Says that it opened, and leaves the router as it is.
LIAR = """read -r request
case "$request" in *'"open"'*) echo '{"ok": true}'; exit;; esac
printf '%s\\n' "$request" |"""


class Pumps:
    def __init__(self, scenes):
        self.scenes = scenes
        self.screen = scenes.screen
        self.sluice = scenes.sluice
        self.estate = scenes.estate
        self.driver = driver_of(self.sluice)
        self.session = None

    def open_session(self):
        """The control room's own, from before the isolation."""
        self.session = Session(
            self.estate.supervisor, "session-modbus", ROOM, "modbus",
            self.estate.hosts[POINT][0], self.estate.port(SYSTEM))
        return self.session.carries()

    def play(self):
        self.screen.headline("Gate five: the pumps, which run no agent")
        self.screen.say(
            f"{POINT} drives the pumps and can run nothing of ours. {ROUTER}, "
            "the router before it, has an agent, which acts for it by "
            "drivers/linux-router. Who knocks there now: the control room, the "
            "orchestrator's host, which no fence of its own stops, and the "
            "controller itself, at the portal that is open to everybody.")
        self._graded()
        self._closed()
        self._not_believed()
        self._opened()

    def _graded(self):
        """S9: what this point cannot keep, where the plan is shown."""
        _, said = self.sluice.run("it-lead", "plan", self.sluice.manifest)
        lines = said.splitlines()
        at = next((i for i, line in enumerate(lines)
                   if f"{POINT} is driven" in line), len(lines))
        self.screen.command("it-lead", "sluice plan manifest.yaml")
        self.screen.output("\n".join(lines[at:at + 2]))
        words = " ".join(" ".join(lines[at:at + 2]).split())
        self.scenes.expect(
            "what a point without an agent does not keep is said in the plan",
            f"{POINT} is driven" in words and "S3" in words,
            f"{POINT}: driven through {ROUTER}, no timer of its own")

    def _closed(self):
        before = self._refused()
        passing, carried = self._try()
        refused = self._refused() - before
        self.scenes.expect(
            "the router closes for the controller, both ways",
            not passing and not carried and refused,
            f"{len(passing)} of {len(self._ways())} knocks answered, "
            f"{refused} packets refused, session from before {carried} bytes")

    def _not_believed(self):
        self.screen.say("The driver is out of order now: asked to open, it "
                        "says 'ok' and does nothing.")
        self.scenes.people.pause("let it?")
        drive(self.driver, LIAR)
        self.scenes.people.decide("field")
        status = self.scenes.progress.follow(
            lambda s: step(s, ASKER).get("failed"),
            "the driver is found out", 30)
        drive(self.driver)
        passing, _ = self._try()
        state = step(status, ASKER).get("state")
        told = self._told()
        self.screen.event("not done", f"{ROUTER} for {POINT}: {told}", "red")
        self.scenes.expect(
            "a driver that says 'ok' and did nothing counts for nothing, and "
            "people are told", state != "reconnected" and not passing and told,
            f"{ASKER} is {state}; {len(passing)} of {len(self._ways())} "
            "knocks answered")

    def _opened(self):
        self.screen.say("The driver is mended. Nothing opens for that: the "
                        "gate is asked again.")
        before = gate(self.sluice.status(), "field").get("round", 0)
        self.scenes.people.command("duty-commander", "retry", ASKER)
        self.scenes.people.decide("field")
        after = gate(self.sluice.status(), "field").get("round", 0)
        self.scenes.back(BACK, 60)
        passing, carried = self._try()
        declared = [way for way in self._ways() if way[0] == ROOM]
        self.scenes.expect(
            "after the vote the router lets pass what was declared, from "
            "where it was declared",
            after == before + 1 and passing == declared and not carried,
            f"{len(passing)} of {len(self._ways())} ways, all from {ROOM}; "
            f"session from before {carried} bytes"
            if passing == declared else f"{passing} pass")

    def _ways(self):
        """To the controller, as declared and not; and from it. Nobody but
        the router refuses the last two."""
        web = self.estate.hosts_of("customer-portal")[0]
        port = self.estate.port(SYSTEM)
        return [(*way, version) for way in (
            (ROOM, POINT, port), ("orchestrator", POINT, port),
            (POINT, web, self.estate.port("customer-portal")))
            for version in (4, 6)]

    def _try(self):
        """The ways that are open, and what the old session carries."""
        ways = self._ways()
        with ThreadPoolExecutor(len(ways) + 1) as pool:
            carried = pool.submit(self.session.carries)
            opened = pool.map(lambda way: self.scenes.reach(*way), ways)
            return ([way for way, one in zip(ways, opened) if one],
                    carried.result())

    def _told(self):
        """What the router's agent says of its driver."""
        with open(self.sluice.supervisor.processes[f"agent-{ROUTER}"].log,
                  encoding="utf-8") as file:
            found = re.search(rf" sluice-agent: {POINT}: (the driver says .*|"
                              "the driver did not .*)", file.read())
        return found.group(1) if found else ""

    def _refused(self):
        """Packets that the router's own rule for the controller refused."""
        said = self.estate.lab.run(ROUTER, [
            "nft", "list", "chain", "inet", f"sluice-{POINT}", "point"])
        return int(said.split("counter packets ")[1].split()[0])


def driver_of(sluice):
    return f"{sluice.folder}-driver"


def drivers(sluice, estate):
    """What the router's own agent.yaml allows: the point it acts for."""
    drive(driver_of(sluice))
    return {ROUTER: {POINT: {"command": [driver_of(sluice)], "timeout": "3s",
                             "addresses": estate.hosts[POINT]}}}


def drive(path, before="exec"):
    """Writes what the router's agent runs from now on, as one step: it may
    be run at any moment."""
    command = shlex.join([sys.executable, DRIVER])
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n{before} {command}\n")
    os.chmod(f"{path}.new", 0o755)
    os.rename(f"{path}.new", path)
