#!/usr/bin/python3
"""The packages on machines that boot systemd: installed, upgraded, rebooted
and removed while their host is in quarantine, with traffic all the time.

  boot_test.py --packages DIR --bin DIR

Exits with 77 where namespaces, overlays or systemd-nspawn are not to be had.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import machines
from machines import Failed, Unavailable, run, wait_for
from traffic import Session, Traffic

HERE = pathlib.Path(__file__).resolve().parent
HOST = {4: "10.79.0.11", 6: "fd79::11"}
PEER = {4: "10.79.0.1", 6: "fd79::1"}
AGENT = "sluice-agent.service"
BEGAN = time.monotonic()
ORCHESTRATOR = "sluice-orchestrator.service"
LEASE = 5  # seconds, as estate.yaml has it
STANDING, LEASED = "tcp to 9", "udp to 9"  # what each flow is on the wire
UNNOTICED = 0.5  # seconds without a frame that a busy machine may have


def expect(condition, what):
    if not condition:
        raise Failed(what)


def say(text):
    print(f"{time.monotonic() - BEGAN:5.1f} {text}", flush=True)


class Story:
    def __init__(self, packages, programs):
        self.bin = programs
        self.deb = {name: self._only(packages, name)
                    for name in ("agent", "orchestrator", "cli", "drivers")}
        self.world = machines.World("/nowhere")
        self.world.packages = f"{self.world.folder}/packages"
        os.mkdir(self.world.packages)
        for name, path in self.deb.items():
            shutil.copy(path, f"{self.world.packages}/{name}.deb")
        self._next_version()
        self.traffic = None

    @staticmethod
    def _only(folder, name):
        found = sorted(pathlib.Path(folder).glob(f"sluice-{name}_*.deb"))
        expect(len(found) == 1, f"{folder} has {len(found)} sluice-{name}; "
                                "run scripts/package")
        return found[0]

    def _next_version(self):
        """The same agent as a later version: what dpkg does is the same."""
        folder = f"{self.world.folder}/next"
        run("dpkg-deb", "-R", str(self.deb["agent"]), folder)
        control = pathlib.Path(folder, "DEBIAN/control")
        text = control.read_text(encoding="utf-8")
        version = next(line for line in text.split("\n")
                       if line.startswith("Version: "))
        control.write_text(text.replace(version, "Version: 99.0-1"),
                           encoding="utf-8")
        run("dpkg-deb", "-b", "--root-owner-group", "-Zgzip", "-z1", folder,
            f"{self.world.packages}/agent-next.deb")

    # ── helpers ─────────────────────────────────────────────────────────────

    def install(self, machine, *names, check=True):
        return machine.run("dpkg", "--force-unsafe-io", "-i",
                           *[f"/packages/{n}.deb" for n in names],
                           check=check)

    def remove(self, how, env=None):
        return self.host.run("dpkg", "--force-unsafe-io", how,
                             "sluice-agent", check=False, env=env)

    def installed(self):
        return self.host.run(
            "dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}",
            "sluice-agent", check=False).stdout.strip()

    def sluice(self, *arguments, check=True):
        return self.peer.run(
            "sluice", *arguments, check=check,
            env={"SLUICE_CLIENT":
                 "/site/operators/duty-commander/client.yaml",
                 "HOME": "/site", "NO_COLOR": "1"}).stdout

    def connected(self):
        status = json.loads(self.sluice("status", "--json") or "{}")
        return any(host.get("link") == "connected"
                   for host in status.get("hosts", []))

    def wait_connected(self):
        wait_for(self.connected, "the agent's link to the orchestrator", 30)

    def silent(self, what, action):
        """Runs it and wants not one packet through, either way."""
        began = time.monotonic()
        result, came, went, sent = self.traffic.during(action)
        seconds = time.monotonic() - began
        say(f"  {what}: {came} in, {went} out of {sent} sent "
            f"in {seconds:.1f} s")
        expect(sent > 100, f"{what}: only {sent} packets were sent")
        expect(came == 0 and went == 0,
               f"{what}: {came} came in and {went} went out through "
               f"quarantine: {self.traffic.kinds()}")
        return result

    def status(self):
        return json.loads(self.sluice("status", "--json", check=False) or "{}")

    def counted(self):
        """(standing, leased) flows of the host, as its kernel was read."""
        host = next(iter(self.status().get("hosts", [])), {})
        return host.get("standing_flows", 0), host.get("leased_flows", 0)

    def silences(self, what, action):
        """Runs it; for how long nothing of the standing flow and of the
        leased one left the host, though it was sent, in seconds."""
        began = time.monotonic()
        self.traffic.during(action)
        standing, leased = (self.traffic.silence(kind)
                            for kind in (STANDING, LEASED))
        say(f"  {what}: {time.monotonic() - began:.1f} s, the standing flow silent for "
            f"{standing * 1000:.0f} ms at most, the leased one for "
            f"{leased:.1f} s, of {self.traffic.kinds()} frames")
        others = set(self.traffic.seen) - {STANDING, LEASED, "tcp to 10"}
        expect(not others, f"{what}: {self.traffic.kinds()}")
        return standing, leased

    def until_both_flow(self):
        began = time.monotonic()
        wait_for(lambda: all(self.traffic.last(kind) > began
                             for kind in (STANDING, LEASED)),
                 "the standing flow and the leased one", 20)

    def flowing(self, what, seconds=10):
        def both():
            _, came, went, _ = self.traffic.during(lambda: None)
            return came > 0 and went > 0
        wait_for(both, f"{what}: traffic both ways", seconds)
        say(f"  {what}: traffic passes both ways")

    def agent_pid(self):
        return int(self.host.show(AGENT, "MainPID"))

    def until_active(self):
        wait_for(lambda: self.host.show(AGENT, "ActiveState") == "active",
                 "an active agent", 20)

    # ── the story ───────────────────────────────────────────────────────────

    def play(self):
        self.build_world()
        self.orchestrator_runs_in_its_box()
        self.agent_installs_without_a_configuration()
        self.agent_runs_when_configured()
        self.removed_while_open()
        self.driver_in_the_agents_box()
        self.isolated()
        self.reconnected()
        self.upgraded_with_flows_open()
        self.upgraded_without_an_orchestrator()
        self.isolated_again()
        self.upgraded_in_quarantine()
        self.firewall_reloaded()
        self.stopped()
        self.rebooted_in_quarantine()
        self.removal_refused()
        self.removed_all_the_same()
        self.released_and_purged()

    def build_world(self):
        self.host = self.world.add("host", f"{HOST[4]}/24", f"{HOST[6]}/64")
        self.peer = self.world.add("peer", f"{PEER[4]}/24", f"{PEER[6]}/64")
        self.world.link(self.host, self.peer)
        self.host.boot()
        self.peer.boot()
        site = f"{self.world.folder}/peer/upper/site"
        os.makedirs(f"{site}/.ssh", mode=0o700)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test",
            "-f", f"{site}/.ssh/id_ed25519")
        key = pathlib.Path(f"{site}/.ssh/id_ed25519.pub").read_text(
            encoding="utf-8").split()
        manifest = (HERE / "estate.yaml").read_text(encoding="utf-8")
        pathlib.Path(f"{self.world.folder}/estate.yaml").write_text(
            manifest.replace("KEY", " ".join(key[:2])), encoding="utf-8")
        made = f"{self.world.folder}/made"
        run(f"{self.bin}/sluice", "init", f"{self.world.folder}/estate.yaml",
            "--out", made)
        self.site = made
        shutil.copytree(f"{made}/operators", f"{self.peer.root}/site/operators")

    def orchestrator_runs_in_its_box(self):
        say("the orchestrator's package")
        self.install(self.peer, "orchestrator", "cli")
        owner = self.peer.out("stat", "-c", "%U %G %a", "/var/lib/sluice")
        expect(owner == "sluice sluice 700", f"/var/lib/sluice is {owner}")
        expect(self.peer.show(ORCHESTRATOR, "ActiveState") == "inactive",
               "an orchestrator without a configuration does not wait")
        shutil.copytree(f"{self.site}/orchestrator",
                        f"{self.peer.root}/var/lib/sluice",
                        dirs_exist_ok=True)
        listen = pathlib.Path(self.peer.root,
                              "var/lib/sluice/orchestrator.yaml")
        listen.write_text(listen.read_text(encoding="utf-8").replace(
            "unix:operator.sock", "unix:/run/sluice/operator.sock"),
            encoding="utf-8")
        self.peer.run("chown", "-R", "sluice:", "/var/lib/sluice")
        self.peer.run("systemctl", "restart", ORCHESTRATOR)
        client = pathlib.Path(self.peer.root,
                              "site/operators/duty-commander/client.yaml")
        client.write_text(client.read_text(encoding="utf-8").replace(
            "unix:../../orchestrator/operator.sock",
            "unix:/run/sluice/operator.sock"), encoding="utf-8")
        self.sluice("status")  # it answers as soon as systemctl is done
        pid = self.peer.show(ORCHESTRATOR, "MainPID")
        who = self.peer.out("ps", "-o", "user=", "-p", pid)
        expect(who == "sluice", f"the orchestrator runs as {who}")
        say("  it runs as sluice and answers on /run/sluice/operator.sock")

    def agent_installs_without_a_configuration(self):
        say("the agent's package")
        self.install(self.host, "agent")
        expect(self.host.out("systemctl", "is-enabled", AGENT) == "enabled",
               "the agent's unit is not enabled")
        expect(self.host.show(AGENT, "ActiveState") == "inactive",
               "an agent without a configuration does not wait")
        modes = self.host.out("stat", "-c", "%a", "/etc/sluice",
                              "/var/lib/sluice-agent").split()
        expect(modes == ["700", "700"], f"its folders have modes {modes}")
        done = self.remove("--purge")
        expect(done.returncode == 0, f"purge: {done.stderr}")
        expect(not os.path.exists(f"{self.host.root}/etc/sluice"),
               "a purge leaves /etc/sluice")
        self.install(self.host, "agent")
        say("  installed, purged and installed again")

    def agent_runs_when_configured(self):
        folder = pathlib.Path(self.host.root, "etc/sluice")
        source = pathlib.Path(self.site, "agents/server-1")
        for file in source.iterdir():
            shutil.copy(file, folder / file.name)
        self.pin_break_glass(folder / "agent.yaml")
        token = self.sluice("enrol", "--host", "server-1")
        self.host.run("sluice-agent", "enrol", stdin=token)
        self.host.run("systemctl", "start", AGENT)
        self.until_active()
        self.wait_connected()
        # Its sandbox lets it renew its certificate there, and nothing beside.
        pid = str(self.agent_pid())
        for path, may in (("/etc/sluice/.try", True), ("/etc/.try", False),
                          ("/usr/.try", False)):
            tried = self.host.run("nsenter", "-t", pid, "-m", "touch", path,
                                  check=False)
            expect((tried.returncode == 0) == may,
                   f"in the agent's sandbox, {path}: {tried.stderr}")
        self.host.run("rm", "/etc/sluice/.try")
        self.traffic = Traffic(("host", HOST), ("peer", PEER))
        self.traffic.start()
        self.flowing("connected, open")

    def pin_break_glass(self, config):
        key = pathlib.Path(self.host.root, "safe/glass")
        key.parent.mkdir(exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "safe",
            "-f", str(key))
        public = key.with_suffix(".pub").read_text(encoding="utf-8").split()
        text = config.read_text(encoding="utf-8")
        config.write_text(text + "\nbreak-glass: {key: \"" +
                          " ".join(public[:2]) + "\"}\n", encoding="utf-8")

    def removed_while_open(self):
        # But not while a point that it acts for is isolated: nobody else
        # opens that again.
        point = pathlib.Path(self.host.root,
                             "var/lib/sluice-agent/point-plc-1")
        point.mkdir()
        (point / "state").write_text("mode quarantined\n", encoding="utf-8")
        for how in ("--remove", "--purge"):
            done = self.remove(how)
            expect(done.returncode != 0, f"dpkg {how} with a point isolated")
            expect("acts for:  plc-1" in done.stderr, done.stderr)
        shutil.rmtree(point)
        done = self.remove("--remove")
        expect(done.returncode == 0, f"removing while open: {done.stderr}")
        expect(self.host.run("pgrep", "-x", "sluice-agent",
                             check=False).returncode != 0,
               "a removed agent still runs")
        self.flowing("removed while open")
        self.install(self.host, "agent")
        self.until_active()
        self.wait_connected()

    def driver_in_the_agents_box(self):
        """The driver that needs most, ssh and a key, in the box of the
        agent's own unit: the agent runs it in there."""
        say("a driver over ssh, in the agent's box")
        for machine in (self.host, self.peer):
            self.install(machine, "drivers")
        safe = pathlib.Path(self.host.root, "safe")
        peer = pathlib.Path(self.peer.root, "site")
        for path in (safe / "router", peer / "host-key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test",
                "-f", str(path))
        key, host_key = (
            " ".join(path.read_text(encoding="utf-8").split()[:2])
            for path in (safe / "router.pub", peer / "host-key.pub"))
        drivers = "/usr/lib/sluice/drivers"
        self.peer.write("/site/authorized", "restrict,command=\""
                        f"{drivers}/linux-router-forced plc-1\" {key}\n")
        self.peer.write("/site/sshd", f"ListenAddress {PEER[4]}\n"
                        "HostKey /site/host-key\nPidFile none\n"
                        "AuthorizedKeysFile /site/authorized\nUsePAM no\n"
                        "PermitRootLogin forced-commands-only\n")
        self.peer.run("systemd-run", "-q", "--unit=try-sshd", "-p",
                      "RuntimeDirectory=sshd", "/usr/sbin/sshd", "-D", "-f",
                      "/site/sshd")
        self.host.write("/safe/known", f"{PEER[4]} {host_key}\n")
        unit = pathlib.Path(self.host.root,
                            f"lib/systemd/system/{AGENT}").read_text(
                                encoding="utf-8")
        kept = [line for line in unit.split("\n") if not line.startswith(
            ("ExecStart=", "Type=", "Restart", "ConditionPath"))]
        at = kept.index("[Service]") + 1
        kept[at:at] = [
            "Type=oneshot", "LoadCredential=router-key:/safe/router",
            "StandardInput=file:/safe/asked",
            "StandardOutput=truncate:/safe/said",
            f"ExecStart={drivers}/linux-router --ssh root@{PEER[4]} "
            "--key /run/credentials/try-driver.service/router-key "
            "--known-hosts /safe/known"]
        self.host.write("/etc/systemd/system/try-driver.service",
                        "\n".join(kept))
        self.host.run("systemctl", "daemon-reload")
        for verb, more, wanted in (
                ("isolate", {"flows": []}, {"ok": True}),
                ("read", {}, {"ok": True, "isolated": True, "flows": [],
                              "cuts_sessions": True})):
            said = self.ask_driver(verb, more)
            expect(said == wanted, f"{verb}: {said}")
        expect("sluice-plc-1" in self.peer.out("nft", "list", "tables"),
               "nothing happened on the router")
        self.peer.run("nft", "delete", "table", "inet", "sluice-plc-1")
        expect(not self.ask_driver("read", {})["isolated"], "it is not asked")
        self.peer.run("systemctl", "stop", "try-sshd")
        said = self.ask_driver("read", {})
        expect("Connection refused" in said.get("error", ""), str(said))
        say("  with its key as a credential of the unit: "
            f"{said['error']} when it is away")

    def ask_driver(self, verb, more):
        self.host.write("/safe/asked", json.dumps({
            "sluice": 1, "verb": verb, "host": "plc-1",
            "addresses": ["10.80.0.5", "fd80::5"], **more}))
        self.host.run("systemctl", "start", "try-driver.service")
        return json.loads(self.host.out("cat", "/safe/said"))

    def isolated(self):
        say("in quarantine")
        self.sluice("isolate", "--all", "--reason", "a test")
        expect(self.host.run("sluice-agent", "status",
                             check=False).returncode == 3,
               "`sluice-agent status` does not say isolated")
        self.silent("isolated", lambda: time.sleep(0.5))

    def reconnected(self):
        say("reconnected")
        self.sluice("start")
        wait_for(lambda: any(gate.get("state") == "asking" for gate in
                             self.status().get("gates", [])),
                 "the gate's question")
        self.sluice("go", "data", "--yes")
        wait_for(lambda: all(self.counted()),
                 "a standing and a leased flow", 20)
        standing, leased = self.counted()
        self.until_both_flow()
        self.session = Session(("host", HOST[4]), ("peer", PEER[4]))
        say(f"  {standing} standing flows, {leased} leased; an open session")

    def upgraded_with_flows_open(self):
        """What stands goes on; what is leased is open again in one lease."""
        say("upgraded with flows open")
        before = self.agent_pid()

        def upgrade():
            self.install(self.host, "agent-next")
            self.until_active()
            expect(self.agent_pid() != before, "the old agent still runs")
            self.until_both_flow()
            wait_for(lambda: all(self.counted()),
                     "the leased flow, known to the orchestrator", 20)
        standing, leased = self.silences("from this version to the next",
                                         upgrade)
        expect("99.0-1" in self.installed(), self.installed())
        expect(standing < UNNOTICED, "the standing flow paused")
        expect(leased < LEASE + 1, "the leased flow was not open in a lease")
        expect(self.session.carries(), "the open session ended")

    def upgraded_without_an_orchestrator(self):
        """Nobody renews: what is leased closes within a lease and an upgrade
        opens nothing; what stands goes on."""
        say("upgraded while the orchestrator is away")
        self.peer.run("systemctl", "stop", ORCHESTRATOR)
        stopped = time.monotonic()

        def upgrade():
            self.install(self.host, "agent")
            self.until_active()
            time.sleep(max(0, stopped + LEASE + 1 - time.monotonic()))
        standing, _ = self.silences("back to this version", upgrade)
        expect(standing < UNNOTICED, "the standing flow paused")
        last = self.traffic.last(LEASED) - stopped
        say(f"  the leased flow's last frame came {last:.1f} s after the stop")
        expect(last < LEASE + 0.5, "a leased flow outlived its lease")
        standing, leased = self.silences("a second more",
                                         lambda: time.sleep(1))
        expect(standing < UNNOTICED < leased, "not as it should be")
        expect(self.session.carries(), "the open session ended")
        self.peer.run("systemctl", "start", ORCHESTRATOR)
        self.wait_connected()
        self.until_both_flow()
        say("  the orchestrator is back, and the leased flow with it")

    def isolated_again(self):
        self.sluice("isolate", "--all", "--reason", "again")
        self.silent("isolated again", lambda: time.sleep(0.5))
        expect(not self.session.carries(), "a session outlived the isolation")
        self.session.close()

    def upgraded_in_quarantine(self):
        say("upgraded")
        before = self.agent_pid()
        self.silent("from this version to the next",
                    lambda: self.install(self.host, "agent-next"))
        self.until_active()
        expect("99.0-1" in self.installed(), self.installed())
        expect(self.agent_pid() != before, "the old agent still runs")
        self.silent("until it is connected again", self.wait_connected)
        before = self.agent_pid()
        # And where nothing of systemd runs: the script asks for a restart.
        done = self.silent(
            "back, without systemd to ask",
            lambda: self.host.run(
                "unshare", "-m", "sh", "-c",
                "mount -t tmpfs tmpfs /run/systemd && "
                "dpkg --force-unsafe-io -i /packages/agent.deb"))
        expect("start the new agent yourself" in done.stderr, done.stderr)
        expect(self.agent_pid() == before, "somebody restarted it")
        self.silent("restarted",
                    lambda: self.host.run("systemctl", "restart", AGENT))
        self.silent("and connected", self.wait_connected)

    def firewall_reloaded(self):
        say("the distribution's firewall")
        for verb in ("start", "reload", "restart"):
            def turn(verb=verb):
                self.host.run("systemctl", verb, "nftables.service")
                wait_for(lambda: "sluice" in self.host.out(
                    "nft", "list", "tables"), "the fence, made again", 2)
            _, came, went, sent = self.traffic.during(turn)
            say(f"  nftables.service {verb}: {came} in, {went} out of {sent} "
                "sent, until the fence was back")
            self.silent("after it", lambda: None)
        expect(self.host.run("sluice-agent", "status",
                             check=False).returncode == 3, "it is open")

    def stopped(self):
        say("stopped")
        self.silent("the agent stops",
                    lambda: self.host.run("systemctl", "stop", AGENT))
        self.silent("and stays away", lambda: time.sleep(0.5))
        self.silent("and starts",
                    lambda: self.host.run("systemctl", "start", AGENT))

    def rebooted_in_quarantine(self):
        say("rebooted")
        self.host.run("systemctl", "enable", "nftables.service")

        def reboot():
            self.host.halt()
            self.world.reset(self.host)
            self.host.boot()
            self.until_active()
            self.wait_connected()
        self.silent("from the cut to the link", reboot)
        name = "ActiveEnterTimestampMonotonic"
        fence, network, firewall = (int(self.host.show(unit, name)) for unit in
                                    (AGENT, "test-network.service",
                                     "nftables.service"))
        expect(0 < firewall < fence < network,
               f"nftables at {firewall}, the fence at {fence}, the network at "
               f"{network}")
        say(f"  nftables, {(fence - firewall) / 1000:.0f} ms later the fence, "
            f"{(network - fence) / 1000:.0f} ms later the network")

    def removal_refused(self):
        say("removed in quarantine")
        before = self.agent_pid()
        for how in ("--remove", "--purge"):
            done = self.silent(f"dpkg {how}", lambda h=how: self.remove(h))
            expect(done.returncode != 0, f"dpkg {how} did not refuse")
            expect("is isolated (or nobody can tell" in " ".join(
                done.stderr.split()), done.stderr)
            expect("sluice-agent release --everything" in done.stderr,
                   "the way out is not named")
            expect(self.installed()[1] == "i", self.installed())
            expect(self.agent_pid() == before, "the agent did not stay")
        say("  refused, the agent never stopped")
        # Nor when somebody deleted its files first: the kernel knows.
        moved = ("/etc/sluice/agent.yaml", "/var/lib/sluice-agent/state")
        for path in moved:
            self.host.run("mv", path, f"{path}.away")
        done = self.silent("dpkg --purge without its files",
                           lambda: self.remove("--purge"))
        expect(done.returncode != 0, "a fence without files was left behind")
        for path in moved:
            self.host.run("mv", f"{path}.away", path)
        expect(self.agent_pid() == before, "the agent did not stay")

    def removed_all_the_same(self):
        anyway = {"SLUICE_REMOVE": "rules-stay-until-reboot"}
        done = self.silent("SLUICE_REMOVE=rules-stay-until-reboot",
                           lambda: self.remove("--remove", anyway))
        expect(done.returncode == 0, done.stderr)
        expect("then this host is OPEN" in done.stderr, done.stderr)
        self.silent("without an agent", lambda: time.sleep(0.5))
        done = self.silent("and purged", lambda: self.remove("--purge"))
        expect("/var/lib/sluice-agent stay" in " ".join(done.stderr.split()),
               done.stderr)
        self.silent("installed again",
                    lambda: self.install(self.host, "agent"))
        self.until_active()
        self.silent("and connected", self.wait_connected)
        expect(self.host.run("sluice-agent", "status",
                             check=False).returncode == 3,
               "the agent forgot its quarantine")

    def released_and_purged(self):
        """The documented way out: nothing is stranded, and who opened the
        host, and why, is on the record."""
        say("released, then purged")
        self.host.run("sluice-agent", "release", "--everything", "--reason",
                      "decommissioned", "--key", "/safe/glass")
        self.flowing("released by the break-glass key")
        self.wait_connected()
        wait_for(lambda: "decommissioned" in self.sluice("history"),
                 "the reason in the history")
        done = self.remove("--purge")
        expect(done.returncode == 0, f"purge: {done.stderr}")
        for path in ("etc/sluice", "var/lib/sluice-agent"):
            expect(not os.path.exists(f"{self.host.root}/{path}"),
                   f"a purge leaves /{path}")
        expect("sluice" not in self.host.out("nft", "list", "tables"),
               "a purge leaves a table")
        self.flowing("purged")

    def close(self):
        if self.traffic:
            self.traffic.stop()
        self.world.close()


def tails(story):
    for machine in story.world.machines.values():
        if machine.leader:
            for unit in (AGENT, ORCHESTRATOR):
                done = machine.run("journalctl", "-n", "15", "-u", unit,
                                   "--no-pager", check=False)
                print(f"── {machine.name} {unit}\n{done.stdout}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--packages", required=True)
    parser.add_argument("--bin", required=True)
    args = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("systemd-nspawn"):
        print("skipped: booting machines needs root and systemd-nspawn "
              "(Debian's systemd-container)")
        return 77
    story = None
    try:
        story = Story(args.packages, args.bin)
        story.play()
    except Unavailable as why:
        print(f"skipped: no machine can be booted here: {why}")
        return 77
    except (Failed, subprocess.TimeoutExpired) as why:
        print(f"FAILED: {why}")
        if story:
            tails(story)
        return 1
    finally:
        if story:
            story.close()
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
