"""Two machines that boot Debian's own systemd: this machine's files under an
overlay, so that nothing of it changes, each in a network namespace of its own.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time

PREFIX = "sl-pkg-"
_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


class Unavailable(Exception):
    """Machines cannot be booted here."""


class Failed(Exception):
    """What was to come about did not; the text says what is there."""


def run(*argv, check=True, stdin=None, timeout=60, env=None):
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True,
                          timeout=timeout, check=False,
                          env={**os.environ, **(env or {})})
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: {done.returncode}: "
                     f"{done.stdout.strip()} {done.stderr.strip()}")
    return done


def wait_for(condition, what, seconds=15):
    """Looks again and again: what is waited for is another process's."""
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise Failed(f"{what} did not come about in {seconds} seconds")
        time.sleep(0.05)


class inside:
    """with inside(name): sockets made here are that machine's."""

    def __init__(self, name):
        self.name = name

    def _enter(self, path):
        with open(path) as handle:
            if _libc.setns(handle.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {path}")

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._enter(f"/var/run/netns/{PREFIX}{self.name}")

    def __exit__(self, *_):
        if _libc.setns(self.home, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns back")
        os.close(self.home)


def cgroup_roots():
    """Where systemd keeps track of processes: one folder, or two on a kernel
    with both versions of cgroups mounted."""
    roots = []
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            kind, _, options = after.split()[:3]
            if kind == "cgroup2" or (kind == "cgroup" and
                                     "name=systemd" in options):
                roots.append(before.split()[4])
    return roots


# Comes up like a distribution's network: after network-pre.target.
NETWORK = """[Unit]
DefaultDependencies=no
Wants=network-pre.target
After=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip link set eth0 up
"""
TARGET = """[Unit]
Requires=basic.target test-network.service
After=basic.target test-network.service
"""


class Machine:
    def __init__(self, world, name, addresses):
        self.world = world
        self.name = name
        self.addresses = addresses
        self.root = f"{world.folder}/{name}/root"
        self.process = None
        self.leader = None
        for part in ("upper", "work", "root"):
            os.makedirs(f"{world.folder}/{name}/{part}")
        made = run("mount", "-t", "overlay", "overlay", "-o",
                   f"lowerdir=/,upperdir={world.folder}/{name}/upper,"
                   f"workdir={world.folder}/{name}/work", self.root,
                   check=False)
        if made.returncode != 0:
            raise Unavailable(made.stderr.strip())
        self.write("/etc/machine-id", f"{name.encode().hex():0<32}"[:32]
                   + "\n")
        self.write("/etc/systemd/system/test-network.service", NETWORK)
        self.write("/etc/systemd/system/test.target", TARGET)
        # What would keep packages from starting their services, and Debian's
        # own switch for the slow index of all manual pages.
        for path in ("/usr/sbin/policy-rc.d", "/var/lib/man-db/auto-update"):
            if os.path.exists(self.root + path):
                os.unlink(self.root + path)
        run("ip", "netns", "add", PREFIX + name)

    def write(self, path, text, mode=0o644):
        whole = self.root + path
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        if os.path.lexists(whole):
            os.unlink(whole)
        with open(whole, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(whole, mode)

    def boot(self):
        """Returns when systemd has started everything it was to start."""
        log = open(f"{self.world.folder}/{self.name}/console", "ab")
        # Two systemds must not believe that the same group is theirs.
        groups = [f"{root}/{PREFIX}{self.name}" for root in cgroup_roots()]
        for group in groups:
            os.makedirs(group, exist_ok=True)

        def enter():
            for group in groups:
                with open(f"{group}/cgroup.procs", "w",
                          encoding="utf-8") as file:
                    file.write("0")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "-q", "--boot", "--register=no", "--keep-unit",
             "--link-journal=no", "--console=pipe",
             "--capability=CAP_NET_ADMIN",
             f"--machine={PREFIX}{self.name}", "-D", self.root,
             f"--bind-ro={self.world.packages}:/packages",
             f"--network-namespace-path=/run/netns/{PREFIX}{self.name}",
             "systemd.unit=test.target"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=enter)
        log.close()
        wait_for(self._find_leader, f"{self.name}'s first process")
        wait_for(lambda: self.state() in ("running", "degraded"),
                 f"the boot of {self.name}", 30)

    def _find_leader(self):
        if self.process.poll() is not None:
            with open(f"{self.world.folder}/{self.name}/console",
                      encoding="utf-8", errors="replace") as file:
                raise Unavailable(f"systemd-nspawn ended: {file.read()[-300:]}")
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path) as file:
            children = file.read().split()
        for child in children:
            with open(f"/proc/{child}/comm") as file:
                if file.read().strip() == "systemd":
                    self.leader = int(child)
                    return True
        return False

    def state(self):
        return self.run("systemctl", "is-system-running",
                        check=False).stdout.strip()

    def run(self, *argv, check=True, stdin=None, env=None, timeout=60):
        return run("nsenter", "-t", str(self.leader), "-a", *argv,
                   check=check, stdin=stdin, timeout=timeout,
                   env={"DEBIAN_FRONTEND": "noninteractive", **(env or {})})

    def out(self, *argv, **more):
        return self.run(*argv, **more).stdout.strip()

    def show(self, unit, name):
        return self.out("systemctl", "show", "-P", name, unit)

    def halt(self):
        """Ends it as a power cut does, or nearly."""
        if self.process is None or self.process.poll() is not None:
            return
        if self.leader:
            os.kill(self.leader, signal.SIGKILL)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.leader = None

    def close(self):
        self.halt()
        for root in cgroup_roots():
            for folder, _, _ in os.walk(f"{root}/{PREFIX}{self.name}",
                                        topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass  # something in it is still ending
        run("ip", "netns", "delete", PREFIX + self.name, check=False)
        run("umount", self.root, check=False)


class World:
    """REQUIRES: root. Everything it made is gone after close()."""

    def __init__(self, packages):
        self.machines = {}
        self.packages = packages
        self.folder = tempfile.mkdtemp(prefix="sluice-machines-")
        # An overlay's changes must not lie on an overlay.
        made = run("mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs",
                   self.folder, check=False)
        if made.returncode != 0:
            os.rmdir(self.folder)
            raise Unavailable(made.stderr.strip())

    def add(self, name, *addresses):
        self.machines[name] = Machine(self, name, addresses)
        return self.machines[name]

    def link(self, a, b):
        """A cable between the two, its ends up; addresses as they have."""
        run("ip", "link", "add", "eth0", "netns", PREFIX + a.name, "type",
            "veth", "peer", "name", "eth0", "netns", PREFIX + b.name)
        for one in (a, b):
            self._address(one)

    @staticmethod
    def _address(machine):
        name = PREFIX + machine.name
        run("ip", "-n", name, "link", "set", "lo", "up")
        for address in machine.addresses:
            run("ip", "-n", name, "address", "add", address, "dev", "eth0",
                *(["nodad"] if ":" in address else []))

    def reset(self, machine):
        """What a reboot does to a kernel's network: no rules, link down,
        every connection forgotten."""
        name = PREFIX + machine.name
        run("ip", "-n", name, "link", "set", "eth0", "down")
        run("ip", "netns", "exec", name, "nft", "flush", "ruleset")
        run("ip", "netns", "exec", name, "conntrack", "-F", check=False)
        # A link that goes down loses its IPv6 addresses.
        for address in machine.addresses:
            if ":" in address:
                run("ip", "-n", name, "address", "replace", address, "dev",
                    "eth0", "nodad")

    def close(self):
        for machine in self.machines.values():
            machine.close()
        run("umount", "-l", self.folder, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
