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
from traffic import Traffic

HERE = pathlib.Path(__file__).resolve().parent
HOST = {4: "10.79.0.11", 6: "fd79::11"}
PEER = {4: "10.79.0.1", 6: "fd79::1"}
AGENT = "sluice-agent.service"
BEGAN = time.monotonic()
ORCHESTRATOR = "sluice-orchestrator.service"


def expect(condition, what):
    if not condition:
        raise Failed(what)


def say(text):
    print(f"{time.monotonic() - BEGAN:5.1f} {text}", flush=True)


class Story:
    def __init__(self, packages, programs):
        self.bin = programs
        self.deb = {name: self._only(packages, name)
                    for name in ("agent", "orchestrator", "cli")}
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
               f"quarantine: {self.traffic.seen}")
        return result

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
        self.isolated()
        self.upgraded_in_quarantine()
        self.firewall_reloaded()
        self.stopped()
        self.rebooted_in_quarantine()
        self.removal_refused()
        self.removed_all_the_same()

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
        wait_for(lambda: self.sluice("status", check=False),
                 "the orchestrator's answer")
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

    def removed_while_open(self):
        done = self.remove("--remove")
        expect(done.returncode == 0, f"removing while open: {done.stderr}")
        expect(self.host.run("pgrep", "-x", "sluice-agent",
                             check=False).returncode != 0,
               "a removed agent still runs")
        self.flowing("removed while open")
        self.install(self.host, "agent")
        self.until_active()
        self.wait_connected()

    def isolated(self):
        say("in quarantine")
        self.sluice("isolate", "--all", "--reason", "a test")
        expect(self.host.run("sluice-agent", "status",
                             check=False).returncode == 3,
               "`sluice-agent status` does not say isolated")
        self.silent("isolated", lambda: time.sleep(0.5))

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
            expect("this host is isolated" in done.stderr, done.stderr)
            expect(self.installed()[1] == "i", self.installed())
            expect(self.agent_pid() == before, "the agent did not stay")
        say("  refused, the agent never stopped")

    def removed_all_the_same(self):
        anyway = {"SLUICE_REMOVE": "rules-stay-until-reboot"}
        done = self.silent("SLUICE_REMOVE=rules-stay-until-reboot",
                           lambda: self.remove("--remove", anyway))
        expect(done.returncode == 0, done.stderr)
        expect("then this host is OPEN" in done.stderr, done.stderr)
        self.silent("without an agent", lambda: time.sleep(0.5))
        done = self.silent("and purged", lambda: self.remove("--purge"))
        expect("/var/lib/sluice-agent stay" in done.stderr, done.stderr)
        self.silent("installed again",
                    lambda: self.install(self.host, "agent"))
        self.until_active()
        self.silent("and connected", self.wait_connected)
        expect(self.host.run("sluice-agent", "status",
                             check=False).returncode == 3,
               "the agent forgot its quarantine")

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
