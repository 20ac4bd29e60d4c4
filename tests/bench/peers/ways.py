"""The ways side by side: Sluice, a shell loop over warm ssh connections, and
Ansible with its raw and its command module. Each isolates all hosts, reads the
rules back, and opens the flows layer by layer, trying each from its client.
"""

import json
import os
import shutil
import subprocess
import time

from estate import (FLOWS, HOSTS, LAYERS, OFFICE, PORT, SSH_PORT,
                    flows_by_layer, manifest, processes, sluice_module)
from rows import cpu_seconds, resident_kib

SSH = "/usr/bin/ssh"
REST = 5  # seconds

# What a careful administrator loads by hand: nothing in, nothing out, but the
# way to the host itself and the flows in one set.
BY_HAND = f"""add table inet byhand
delete table inet byhand
table inet byhand {{
  set open {{ type ipv4_addr . ipv4_addr . inet_service; }}
  chain in {{ type filter hook input priority filter; policy drop;
    iif lo accept
    ip saddr {OFFICE} tcp dport {SSH_PORT} accept
    ip saddr . ip daddr . tcp dport @open accept
    ip saddr . ip daddr . tcp dport @open accept
    ip daddr . ip saddr . tcp sport @open ct state established accept
  }}
  chain out {{ type filter hook output priority filter; policy drop;
    oif lo accept
    ip daddr {OFFICE} tcp sport {SSH_PORT} accept
    ip saddr . ip daddr . tcp dport @open accept
    ip daddr . ip saddr . tcp sport @open ct state established accept
  }}
  chain through {{ type filter hook forward priority filter; policy drop; }}
}}
"""


def timed(argv, what):
    """Wall time of a command that has to succeed."""
    began = time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    took = time.monotonic() - began
    if done.returncode != 0:
        raise processes.ProcessError(
            f"{what}: {(done.stdout + done.stderr).strip()[-500:]}")
    return took


class SluiceWay:
    name = "sluice"

    def __init__(self, hosts):
        self.hosts = hosts
        self.agent_cpu = []  # % of a core
        self.agent_mb = []
        self.path = f"{hosts.folder}/peers.yaml"
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(manifest())

    def version(self):
        return subprocess.run([f"{sluice_module.binaries()}/sluice",
                               "--version"], capture_output=True, text=True,
                              check=False).stdout.strip()

    def measure(self):
        """A journal, an orchestrator and agents of its own, on open hosts:
        seconds to isolate, seconds to reconnect."""
        supervisor = processes.Supervisor(
            self.hosts.lab, f"{self.hosts.folder}/sluice-round")
        sluice = sluice_module.Sluice(self.hosts.lab, supervisor, self.path,
                                      HOSTS)
        try:
            sluice.init()
            sluice.start_orchestrator()
            sluice.start_agents()
            processes.wait_for(lambda: len(sluice.connected()) == len(HOSTS),
                               "every agent connected", timeout=60)
            self._look_at_agents(supervisor)
            isolate = timed(self._command(sluice, "isolate", "--all",
                                          "--reason", "bench"), "isolate")
            self.hosts.check(False, self.name)
            reconnect = self._reconnect(sluice)
            self.hosts.check(True, self.name)
        finally:
            supervisor.close()
            shutil.rmtree(supervisor.folder, ignore_errors=True)
            shutil.rmtree(f"{sluice.folder}-keys", ignore_errors=True)
        return isolate, reconnect

    def _look_at_agents(self, supervisor):
        """What connected agents at rest cost their hosts."""
        pids = [process.pid for name, process in supervisor.processes.items()
                if name.startswith("agent-")]
        before = sum(cpu_seconds(pid) for pid in pids)
        time.sleep(REST)
        self.agent_cpu.append((sum(cpu_seconds(pid) for pid in pids) - before)
                              / REST / len(pids) * 100)
        self.agent_mb.append(sum(resident_kib(pid) for pid in pids)
                             / len(pids) / 1000)

    def _reconnect(self, sluice):
        """From the decision to the last system back, by the journal."""
        sluice.do("duty-commander", "start")
        processes.wait_for(
            lambda: any(gate.get("state") == "asking" for gate in
                        sluice.status().get("gates", [])), "the gate asks",
            timeout=60)
        sluice.do("duty-commander", "go", "all", "--yes")
        processes.wait_for(
            lambda: all(step.get("state") == "reconnected" for step in
                        sluice.status().get("steps", [])),
            "every system back", timeout=60)
        entries = sluice_module._plain(json.loads(
            sluice.do("duty-commander", "history", "--json")))["entries"]
        decided = max(e["at_ms"] for e in entries if e["kind"] == "decision")
        back = max(e["at_ms"] for e in entries if e["kind"] == "reconnected")
        return (back - decided) / 1000

    def _command(self, sluice, *arguments):
        return [f"{sluice.bin}/sluice", "--client",
                sluice.client("duty-commander"), *arguments]


class SshHosts:
    """An sshd on every host, and warm connections to all of them."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.folder = f"{hosts.folder}/ssh"
        os.makedirs(f"{self.folder}/control")
        os.makedirs("/run/sshd", exist_ok=True)
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                            "-f", f"{self.folder}/{key}"], check=True)
        shutil.copy(f"{self.folder}/user.pub", f"{self.folder}/authorized")
        self._write("sshd_config", f"""Port {SSH_PORT}
HostKey {self.folder}/host
AuthorizedKeysFile {self.folder}/authorized
PidFile none
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
UsePAM no
UseDNS no
LogLevel ERROR
""")
        self.config = self._write("ssh_config", "".join(
            f"Host {name}\n  HostName {address}\n"
            for name, address in HOSTS.items()) + f"""Host *
  Port {SSH_PORT}
  User root
  IdentityFile {self.folder}/user
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ControlMaster auto
  ControlPath {self.folder}/control/%n
  ControlPersist 600
""")
        self._write("isolate.nft", BY_HAND)
        for name in HOSTS:
            hosts.supervisor.start(f"sshd-{name}", name, [
                "/usr/sbin/sshd", "-D", "-e", "-f",
                f"{self.folder}/sshd_config"])
        self.warm()

    def warm(self):
        for name in HOSTS:
            processes.wait_for(
                lambda n=name: subprocess.run(
                    self.hosts.at_office([SSH, "-F", self.config, n, "true"]),
                    capture_output=True, stdin=subprocess.DEVNULL,
                    check=False).returncode == 0, f"ssh to {name}")

    def cool(self):
        for name in HOSTS:
            subprocess.run(self.hosts.at_office(
                [SSH, "-F", self.config, "-O", "exit", name]),
                capture_output=True, check=False)

    def _write(self, name, text):
        path = f"{self.folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


def add_text(client, server):
    """One flow, added and read back, as the words of a shell."""
    element = f"{HOSTS[client]} . {HOSTS[server]} . {PORT}"
    return (f"nft 'add element inet byhand open {{ {element} }}' && "
            f"nft 'get element inet byhand open {{ {element} }}'")


def try_text(server):
    return f"nc -z -w 2 {HOSTS[server]} {PORT}"


class ShellWay:
    name = "shell"

    def __init__(self, hosts, ssh):
        self.hosts = hosts
        self.ssh = ssh
        call = f"{SSH} -F {ssh.config}"
        self._script("isolate", f"""
printf '%s\\n' {' '.join(HOSTS)} | xargs -P {len(HOSTS)} -I HOST \\
  {call} HOST 'nft -f {ssh.folder}/isolate.nft && nft list table inet byhand'
""")
        text = ""
        for layer in flows_by_layer():
            text += f"xargs -P {len(HOSTS)} -I PAIR sh {ssh.folder}/one PAIR " \
                    "<<'END'\n"
            text += "".join(f"{client} {server} {HOSTS[client]} "
                            f"{HOSTS[server]}\n" for client, server in layer)
            text += "END\n"
        self._script("reconnect", text)
        element = f"$3 . $4 . {PORT}"
        add = (f"nft add element inet byhand open \\{{ {element} \\}} '&&' "
               f"nft get element inet byhand open \\{{ {element} \\}}")
        self._script("one", f"""set -- $1
{call} $2 {add} && {call} $1 {add} '&&' nc -z -w 2 $4 {PORT}
""")

    def version(self):
        done = subprocess.run([SSH, "-V"], capture_output=True, text=True,
                              check=False)
        return done.stderr.strip()

    def measure(self):
        self.ssh.warm()
        isolate = timed(self.hosts.at_office(
            ["sh", "-e", f"{self.ssh.folder}/isolate"]), "the shell isolates")
        self.hosts.check(False, self.name)
        reconnect = timed(self.hosts.at_office(
            ["sh", "-e", f"{self.ssh.folder}/reconnect"]),
            "the shell reconnects")
        self.hosts.check(True, self.name)
        return isolate, reconnect

    def _script(self, name, text):
        with open(f"{self.ssh.folder}/{name}", "w", encoding="utf-8") as file:
            file.write(text)


class AnsibleWay:
    """`module` is raw or command; connections are warm for both."""

    def __init__(self, hosts, ssh, module):
        self.hosts = hosts
        self.ssh = ssh
        self.module = module
        self.name = f"ansible-{module}"
        self.folder = f"{hosts.folder}/{self.name}"
        os.makedirs(self.folder)
        self._write("hosts", "[all]\n" + "\n".join(HOSTS) + "\n")
        self._write("ansible.cfg", f"""[defaults]
inventory = {self.folder}/hosts
forks = {len(HOSTS)}
gathering = explicit
interpreter_python = /usr/bin/python3
host_key_checking = False
retry_files_enabled = False
[ssh_connection]
pipelining = True
ssh_args = -F {ssh.config}
control_path = {ssh.folder}/control/%%n
""")
        self._write("isolate.yml", json.dumps([self._play("all", [
            f"nft -f {ssh.folder}/isolate.nft", "nft list table inet byhand"
        ])]))
        plays = []
        for layer in flows_by_layer():
            servers, clients = {}, {}
            for client, server in layer:
                servers.setdefault(server, []).append(
                    add_text(client, server))
                clients.setdefault(client, []).append(
                    f"{add_text(client, server)} && {try_text(server)}")
            for side in (servers, clients):
                plays.append({"hosts": ",".join(side), "tasks": [
                    {self._verb(): "{{ item }}",
                     "loop": "{{ work[inventory_hostname] }}"}],
                    "vars": {"work": side}})
        self._write("reconnect.yml", json.dumps(plays))

    def version(self):
        done = subprocess.run(["ansible", "--version"], capture_output=True,
                              text=True, check=False)
        return done.stdout.splitlines()[0]

    def measure(self):
        self.ssh.warm()
        isolate = self._playbook("isolate")
        self.hosts.check(False, self.name)
        reconnect = self._playbook("reconnect")
        self.hosts.check(True, self.name)
        return isolate, reconnect

    # The command module knows no '&&': shell is the same with one.
    def _verb(self):
        return "raw" if self.module == "raw" else "shell"

    def _play(self, hosts, commands):
        module = "raw" if self.module == "raw" else "command"
        return {"hosts": hosts,
                "tasks": [{module: command} for command in commands]}

    def _playbook(self, name):
        return timed(self.hosts.at_office(
            ["env", f"ANSIBLE_CONFIG={self.folder}/ansible.cfg",
             f"HOME={self.folder}", "ansible-playbook",
             f"{self.folder}/{name}.yml"]), f"{self.name} {name}")

    def _write(self, name, text):
        with open(f"{self.folder}/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def layers_text():
    return (f"{len(HOSTS)} hosts in {len(LAYERS)} layers, {FLOWS} flows")
