"""The demonstration, scene by scene. Each says what is promised, does it on
the living estate, and measures; nothing is taken from Sluice's own opinion
that the network, a counter or a service can be asked for."""

import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import lab as lab_module
from captured import PEOPLE, Captured, Refusals
from people import APPROVERS
from progress import gate, step, waiting_tasks
from pumps import Pumps
from record import Record, good
from sessions import DatabaseSession, Session

LEASE = 10  # the manifest's default
OWN = "known-invoice-matches"
ENGINE = "billing-engine"
PILOT = "pilot-office>customer-portal:https"
CITIZENS = "citizens>customer-portal:https"
# The billing engine's blast radius among the systems.
DEPENDENTS = ["customer-portal", "debt-collection", "payment-gateway"]
UNTOUCHED = ["customer-information", "document-management", "intranet"]
# What still calls home from a host that is in quarantine.
CALLER = "reporting"
STRANGER = "203.0.113.66"
IMPLANT = "cache-sync"


class Scenes:
    def __init__(self, estate, sluice, people, progress, screen):
        self.estate = estate
        self.lab = estate.lab
        self.sluice = sluice
        self.people = people
        self.progress = progress
        self.screen = screen
        self.facts = []
        self.sessions = {}
        self.pumps = Pumps(self)

    def play(self):
        for scene in (self.everyday, self.isolate, self.captured, self.start,
                      self.foundations, self.data, self.applications,
                      self.repair, self.crash, self.acceptance, self.outside,
                      self.pumps.play, self.end, self.record):
            scene()

    def expect(self, promised, fine, measured):
        self.facts.append((bool(fine), promised, measured))
        self.screen.verdict(fine, promised, measured)

    # Scene by scene.

    def everyday(self):
        self.screen.headline("An ordinary day")
        invoice = self.estate.get("citizen", "/invoice/INV-2041") or {}
        self.screen.say(f"A citizen opens invoice INV-2041: "
                        f"{invoice.get('name')}, {invoice.get('units')} cubic "
                        f"metres, {invoice.get('amount')}.")
        paid = self.estate.get("citizen", "/pay/INV-2041", post=True) or {}
        self.expect("a citizen pays an invoice through the portal",
                    paid.get("paid") and paid.get("amount") == "84.20",
                    f"INV-2041, {paid.get('amount')}, receipt "
                    f"{paid.get('receipt')}")
        self._open_sessions()
        self.screen.say("Five sessions stay open from here on: a citizen's "
                        "with the portal, two more that keep silent from now "
                        "on, an administrator's psql from app-1 to the "
                        "billing database, and the control room's with the "
                        "pumps.")
        hosts = len(self.sluice.hosts)
        status = self.progress.follow(
            lambda s: len(self.sluice.connected()) == hosts,
            "every agent connected", 30, quiet=True)
        links = [h for h in status["hosts"] if h["link"] == "connected"]
        self.expect("every host's agent has dialled out to the orchestrator",
                    len(links) == hosts,
                    f"{len(links)} of {hosts}, plc-1 by fw-1's")

    def isolate(self):
        self.screen.headline("Isolate everything")
        self.people.pause("somebody is in the network: isolate all?")
        began = time.monotonic()
        self.people.command("duty-commander", "isolate", "--all", "--reason",
                            "stranger in the directory's logs", last=1)
        took = time.monotonic() - began
        status = self.sluice.status()
        self.progress.show(status, quiet=True)
        closed = [h for h in status["hosts"] if h["fence"] == "quarantined"]
        self.expect("every host is quarantined, read back from its kernel",
                    len(closed) == len(self.sluice.hosts),
                    f"{len(closed)} of {len(self.sluice.hosts)} hosts, "
                    f"{took:.1f} s with the command itself")
        self._nothing_passes()
        self._call_home()
        # Something always goes wrong in a restore: this one lacks a table.
        self.estate.sql("billing-db", "ALTER TABLE tariffs RENAME TO "
                        "tariffs_before_restore;")

    def captured(self):
        self.screen.headline("The orchestrator is captured")
        self.screen.say(
            "An attacker has its machine: program, certificates, journal. "
            "Their manifest names keys of their own for every approver, lets "
            "no system need another, and has one gate, 'open-billing', that "
            "opens all of them to the world.")
        self.people.pause("let them try?")
        before = self.sluice.status()
        attacker = Captured(self.sluice)
        self.screen.command("attacker", "kill sluice-orchestrator")
        self.sluice.supervisor.stop("orchestrator")
        attacker.forge()
        refusals = Refusals(self.sluice.supervisor, self.sluice.agents)
        wire = self.lab.counters()
        self.screen.command("attacker", "sluice-orchestrator --config "
                            "captured/orchestrator/orchestrator.yaml")
        attacker.start_orchestrator()
        attacker.drive(self._attacker_says)
        self._all_refuse(refusals.wait(10))
        self._billing_stays_closed(attacker, wire)
        self.screen.say("The attacker is thrown out, their orchestrator with "
                        "them; the real one goes on from its own journal.")
        self.people.pause("put the real orchestrator back?")
        self.screen.command("stage", "sluice-orchestrator")
        self.sluice.supervisor.stop("orchestrator")
        self.sluice.start_orchestrator()
        after = self.progress.follow(
            lambda s: self.sluice.connected() == self.sluice.hosts,
            "every agent with the real orchestrator", 30, quiet=True)
        same = _hosts(after) == _hosts(before)
        run = after.get("run", {}).get("id", "")
        self.expect("the real orchestrator finds every host as it was, above "
                    "the attacker's epoch", same and not run and
                    after["epoch"] > before["epoch"] + 1,
                    f"{len(after['hosts'])} hosts in the same quarantine, "
                    f"epoch {before['epoch']}, then {after['epoch']}"
                    if same else "hosts have changed")

    def start(self):
        self.screen.headline("Start the run")
        self.people.command("duty-commander", "start")
        code, said = self.people.refused("it-lead", "start")
        self.expect("a second run beside an active one is refused",
                    code != 0 and said, f"exit code {code}")

    def foundations(self):
        self.screen.headline("Gate one: foundations")
        self.people.decide("foundations")
        self.back(["name-service", "directory"], 60)

    def data(self):
        self.screen.headline("Gate two: data, with a task that blocks")
        task = "billing-db/service-passwords-rotated"
        self.progress.follow(
            lambda s: any(t["id"] == task for t in waiting_tasks(s)),
            f"task {task} wanted", 30)
        code, _ = self.people.refused("it-lead", "go", "data")
        state = gate(self.sluice.status(), "data").get("state")
        self.expect("the gate does not ask while the task is open",
                    code != 0 and state != "asking",
                    f"go refused with exit code {code}, gate {state}")
        self.people.sign(task, "rotated all nine, list in the safe")
        self.people.decide("data")
        self.back(["billing-db", "meter-readings", "document-index"], 90)

    def applications(self):
        self.screen.headline("Gate three: applications; billing fails")
        self._named_at_its_gate()
        self.people.decide("applications")
        status = self.progress.follow(
            lambda s: step(s, ENGINE).get("failed") and
            step(s, ENGINE).get("state") == "quarantined" and
            all(step(s, name).get("state") == "reconnected"
                for name in UNTOUCHED),
            "billing isolated again, the rest back", 120)
        self.expect("billing fails its health check and is isolated again",
                    True, step(status, ENGINE).get("reason", ""))
        waiting = [name for name in DEPENDENTS
                   if step(status, name).get("state") in ("quarantined",
                                                          "ready")]
        self.expect("its dependents are not connected, the rest proceeds",
                    waiting == DEPENDENTS,
                    f"{len(waiting)} of {len(DEPENDENTS)} dependents wait; "
                    f"back: {', '.join(UNTOUCHED)}")
        caller = step(status, CALLER)
        self.expect("the host that calls home stays in quarantine",
                    caller.get("state") == "quarantined" and
                    not self.reach(self.estate.hosts_of(CALLER)[0], "db-1",
                                    5432),
                    f"{CALLER} is {caller.get('state')}")
        closed = not self.reach("app-1", "db-1", 5432)
        apart = self.estate.ready("customer-information")
        self.expect("on the wire: billing cannot reach its database, "
                    "customer information can", closed and apart,
                    f"app-1 to db-1 {'closed' if closed else 'OPEN'}, app-3 "
                    f"to db-1 {'open' if apart else 'CLOSED'}")

    def repair(self):
        self.screen.headline("Repair, retry, the gate asks again")
        self.screen.say("The restored database lacks the tariffs. Its "
                        "administrator brings them back on db-1 itself.")
        self.people.pause("repair it?")
        self.estate.sql("billing-db", "ALTER TABLE tariffs_before_restore "
                        "RENAME TO tariffs;")
        before = gate(self.sluice.status(), "applications").get("round", 0)
        self.people.command("it-lead", "retry", ENGINE)
        self.people.decide("applications")
        after = gate(self.sluice.status(), "applications").get("round", 0)
        self.expect("the same gate is asked again before anything opens",
                    after == before + 1, f"round {before}, then {after}")

    def crash(self):
        self.screen.headline("The orchestrator dies in the middle")
        self.progress.follow(
            lambda s: step(s, ENGINE).get("state") == "soaking",
            "billing soaking", 60)
        decisions = self._decisions()
        leased = self.reach("app-1", "db-1", 5432)
        self.people.pause("kill the orchestrator?")
        self.screen.command("stage", "kill -9 sluice-orchestrator")
        self.sluice.supervisor.processes["orchestrator"].kill()
        killed = time.monotonic()
        closed = self._until_closed("app-1", "db-1", 5432, LEASE + 5)
        took = closed - killed if closed else None
        self.expect(f"with nobody to renew it, the leased flow closes within "
                    f"one lease ({LEASE} s)",
                    leased and took is not None and took <= LEASE + 1.5,
                    f"app-1 to db-1 open before, closed after {took:.1f} s"
                    if took else "it stayed open")
        standing = self.estate.ready("customer-information")
        self.expect("what was confirmed stands without the orchestrator",
                    standing, "customer information works"
                    if standing else "customer information is cut")
        self.people.pause("start it again?")
        self.screen.command("stage", "sluice-orchestrator")
        self.sluice.start_orchestrator()
        self.progress.follow(
            lambda s: step(s, ENGINE).get("state") == "accepting",
            "billing through its soak", 90)
        same = self._decisions() == decisions
        self.expect("the run goes on without new decisions", same,
                    f"{len(decisions)} decisions before, "
                    f"{len(self._decisions())} after")

    def acceptance(self):
        self.screen.headline("The owner accepts a known invoice")
        host = self.estate.hosts_of(ENGINE)[0]
        url = (f"http://{self.estate.hosts[host][0]}:"
               f"{self.estate.port(ENGINE)}/invoice/INV-2041")
        said = self.lab.run(host, ["curl", "-s", "-m", "5", url], check=False)
        self.screen.output(_lines(said))
        self.expect("the billing engine computes what stands on paper",
                    '"amount": "84.20"' in said, "INV-2041: 84.20")
        self.people.sign(f"{ENGINE}/{OWN}", "INV-2041, 84.20, as on paper")
        self.back([ENGINE, *DEPENDENTS], 120)
        self._clean_the_caller()

    def outside(self):
        self.screen.headline("Gate four: outside, the pilot office first")
        closed = self.estate.get("citizen", "/", timeout=2) is None
        self.people.decide("outside")
        self.progress.follow(
            lambda s: step(s, PILOT).get("state") in (
                "soaking", "reconnected"), "the pilot office let in", 60)
        pilot = self.estate.get("pilot-office", "/invoice/INV-2043") or {}
        self.expect("the pilot office sees an invoice",
                    pilot.get("number") == "INV-2043",
                    f"{pilot.get('number')}: {pilot.get('amount')}")
        waits = self.progress.state(CITIZENS) != "reconnected" and \
            self.estate.get("citizen", "/", timeout=2) is None
        self.expect("citizens are still outside while the pilot office "
                    "tries it", closed and waits, "no answer for citizens")
        self.back([PILOT, CITIZENS], 90)
        for number, version in (("INV-2043", 4), ("INV-2044", 6)):
            paid = self.estate.get("citizen", f"/pay/{number}", post=True,
                                   version=version) or {}
            self.expect(f"citizens pay again, IPv{version}",
                        paid.get("paid"), f"{number}, {paid.get('amount')}, "
                        f"receipt {paid.get('receipt')}")
        carried = {name: session.carries()
                   for name, session in self.sessions.items()}
        self.expect("with all flows open again, no session from before "
                    "carries a byte", not any(carried.values()),
                    _said(carried))

    def end(self):
        self.screen.headline("The end of the run")
        self.people.command("duty-commander", "end")
        self.screen.say("The order in which systems came back:")
        back = self.progress.order()
        for number, name in enumerate(back, 1):
            self.screen.output(f"{number:2}  {name}")
        total = len(self.progress.states)
        self.expect("everything is back, in the order of its needs",
                    len(back) == total and self._in_order(back),
                    f"{len(back)} of {total}")
        self.people.command("duty-commander", "brief")

    def record(self):
        self.screen.headline("The record, verified without Sluice")
        self.people.command(
            "duty-commander", "audit", "export", "record", "--journal",
            "orchestrator/journal.db", "--manifest",
            "operators/duty-commander/manifest.yaml")
        record = Record(f"{self.sluice.folder}/record")
        self.screen.say("Its README has the commands; here they run:")
        self.screen.output(record.commands)
        code, said = record.verify()
        signed = good(said, "decision") + good(said, "task")
        self.screen.say("What ssh-keygen says of decisions and tasks:")
        # What follows the name is the key's fingerprint.
        self.screen.output("\n".join(line.split(" with ")[0]
                                     for line in signed))
        people = list(APPROVERS.values())
        known = [name for name in people
                 if record.allows(name, self.sluice.public_key(name))]
        self.expect("sha256sum and ssh-keygen alone verify the record, with "
                    "the keys that people carry",
                    code == 0 and known == people and
                    len(signed) == self.people.signed,
                    f"{record.records()} records in one chain; "
                    f"{len(signed)} of {self.people.signed} decisions, "
                    f"{len(good(said, 'evidence'))} hosts' evidence"
                    if code == 0 else said.strip().splitlines()[-1])
        changed = record.changed(f"{self.sluice.folder}/record-changed")
        code, said = changed.verify()
        self.expect("with one byte of a decision changed, it does not verify",
                    code != 0, f"exit code {code}: "
                    f"{(said.strip().splitlines() or [''])[-1]}")

    # What scenes share.

    def _attacker_says(self, command, said):
        self.screen.command("attacker", command)
        self.screen.output(said)

    def _all_refuse(self, said):
        """`said`: host → why its agent refused."""
        for text in sorted(set(said.values())):
            hosts = sorted(host for host in said if said[host] == text)
            self.screen.event("refused", f"{', '.join(hosts)}: {text}", "red")
        hosts = self.sluice.agents
        forged = [host for host in hosts if all(
            f"{name}: the signature is by another key" in said.get(host, "")
            for name in PEOPLE)]
        self.expect("every agent refuses what only an attacker's keys have "
                    "signed, and says so", forged == hosts,
                    f"{len(forged)} of {len(hosts)} agents, in their own "
                    "logs")

    def _billing_stays_closed(self, attacker, wire):
        """Everybody knocks while the forged release is in force; `wire`:
        the bridge's counters before it."""
        inside = [("app-1", "db-1", 5432), ("app-2", "db-1", 5432),
                  ("gw-1", "app-1", 8080), ("ctl-1", "plc-1", 502)]
        world = [("citizen", host, self.estate.port(system))
                 for system in self.estate.systems
                 for host in self.estate.hosts_of(system)]
        knocks = [(*pair, version) for pair in inside + world
                  for version in (4, 6)]
        with ThreadPoolExecutor(len(inside + world)) as pool:
            opened = [knock for knock, open_ in zip(
                knocks, pool.map(lambda k: self.reach(*k), knocks)) if open_]
        now = self.lab.counters()
        passed = now["between"] - wire["between"] + \
            now["outward"] - wire["outward"]
        flows = attacker.opened()
        self.expect("billing and everything else stays closed, to the world "
                    "and inside", not opened and not passed and not flows,
                    f"{len(opened)} of {len(knocks)} knocks answered, "
                    f"{passed} packets passed, {flows} flows open")

    def _call_home(self):
        """Something on a quarantined host tries to reach its master."""
        host = self.estate.hosts_of(CALLER)[0]
        path = f"{self.estate.folder}/{IMPLANT}"
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/usr/bin/python3 -S\n"
                       "import socket\n"
                       "for _ in range(5):\n"
                       "    with socket.socket() as one:\n"
                       "        one.settimeout(3)\n"
                       f"        one.connect_ex((\"{STRANGER}\", 443))\n")
        os.chmod(path, 0o755)
        start = self.sluice.supervisor.start
        process = start(IMPLANT, host, [path], user="www-data")
        process.popen.wait()
        self.sluice.supervisor.forget(IMPLANT)

    def _named_at_its_gate(self):
        self.progress.follow(
            lambda s: gate(s, "applications").get("state") == "asking",
            "gate applications asks", 60)
        _, said = self.sluice.run("security-officer", "show", CALLER)
        self.screen.command("security-officer", f"sluice show {CALLER}")
        self.screen.output(said)
        found = re.search(rf"{STRANGER} 443/tcp \(outside, [0-9]+ times, by "
                          rf"{IMPLANT}, process [0-9]+, user www-data\)",
                          " ".join(said.split()))
        self.expect("a quarantined host that calls a stranger is named, with "
                    "how often, by which process and whose", found,
                    found.group(0) if found else "it is not named")

    def _clean_the_caller(self):
        self.screen.say(f"{self.estate.hosts_of(CALLER)[0]} was installed "
                        "anew from its image. What its sensor saw stays in "
                        "the record; that it no longer counts is a waiver, "
                        "shown at the gate that is asked again.")
        self.people.command("duty-commander", "skip", CALLER, "--reason",
                            "installed anew from its image", "--until", "2h")
        self.people.decide("applications")
        self.back([CALLER], 90)

    def _open_sessions(self):
        web = self.estate.hosts["web-1"]
        tls = (self.estate.certificate, "customer-portal.city-utility.test")
        supervisor = self.estate.supervisor
        self.sessions = {
            "citizen": Session(supervisor, "session-citizen", "citizen",
                               "tls", web[0], 443, *tls),
            "silent": Session(supervisor, "session-silent", "citizen",
                              "tls", web[0], 443, *tls),
            "silent over IPv6": Session(
                supervisor, "session-silent-6", "citizen", "tls", web[1],
                443, *tls),
            "psql": DatabaseSession(supervisor, "session-psql", "app-1",
                                    "billing-db.city-utility.test"),
        }
        carried = {name: session.carries()
                   for name, session in self.sessions.items()}
        carried["pumps"] = self.pumps.open_session()
        self.expect("the sessions carry data while the estate is open",
                    all(carried.values()), _said(carried))

    def _nothing_passes(self):
        """The counter on the bridge, while everybody tries."""
        before = self.lab.counters()
        answer = self.estate.get("citizen", "/", timeout=2)
        carried = {name: self.sessions[name].carries()
                   for name in ("citizen", "psql")}
        opened = [pair for pair in (("app-1", "db-1", 5432),
                                    ("web-1", "gw-1", 8443),
                                    ("doc-1", "dir-1", 389))
                  if self.reach(*pair) or self.reach(*pair, version=6)]
        after = self.lab.counters()
        passed = {key: after[key] - before[key] for key in after}
        self.expect("sessions from before carry nothing",
                    answer is None and not any(carried.values()),
                    _said(carried))
        self.expect("not one packet passes between hosts, or leaves the "
                    "estate", not opened and passed["between"] == 0 and
                    passed["outward"] == 0,
                    f"between {passed['between']}, outward "
                    f"{passed['outward']}; knocking from outside "
                    f"{passed['inward']}, management {passed['management']}")

    def back(self, steps, timeout):
        self.progress.follow(
            lambda s: all(step(s, name).get("state") == "reconnected"
                          for name in steps),
            f"{', '.join(steps)} back", timeout)

    def reach(self, client, server, port, version=4):
        address = self.estate.hosts[server][0 if version == 4 else 1]
        return lab_module.reach(self.lab, client, address, port, 1.0)

    def _until_closed(self, client, server, port, timeout):
        """When the flow was first found closed; None when it stayed open."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            asked = time.monotonic()
            if not self.reach(client, server, port):
                return asked
            time.sleep(0.1)
        return None

    def _decisions(self):
        """Every vote and signature that the run has had so far."""
        status = self.sluice.status()
        votes = [(g["id"], v.get("by"), v.get("at_ms"))
                 for g in status.get("gates", []) for v in g.get("votes", [])]
        tasks = [(t["id"], t.get("by"), t.get("at_ms"))
                 for t in status.get("tasks", []) if t.get("done")]
        return sorted(votes + tasks)

    def _in_order(self, back):
        """S1, as seen from the stage: no system before what it needs."""
        place = {name: i for i, name in enumerate(back)}
        for name, spec in self.estate.systems.items():
            for need in spec.get("needs", []):
                if not isinstance(need, str):
                    continue
                server = need.split(":")[0]
                stages = self._stage(server), self._stage(name)
                if stages[0] < stages[1] and \
                        place.get(server, 99) > place.get(name, -1):
                    return False
        return place.get(PILOT, 99) < place.get(CITIZENS, -1)

    def _stage(self, system):
        for number, stage in enumerate(self.estate.manifest["stages"]):
            if system in stage.get("systems", []):
                return number
        return -1


def _hosts(status):
    """What an attacker might have changed about hosts."""
    return [(host["id"], host["fence"], host["quarantine_number"],
             host.get("leased_flows", 0), host.get("standing_flows", 0))
            for host in status["hosts"]]


def _lines(text):
    """A JSON object, one value a line."""
    try:
        values = json.loads(text)
    except ValueError:
        return text
    return "\n".join(f"{key:<9} {value}" for key, value in values.items())


def _said(carried):
    return ", ".join(f"{name} {count} bytes"
                     for name, count in carried.items())
