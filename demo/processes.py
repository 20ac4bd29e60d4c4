"""Processes that end when their owner does.

A Supervisor starts each process in a session of its own, with its output in a
file of the run's directory, and ends them all: asked to stop first, killed
after. Should this program itself be killed, the kernel kills what it started.
REQUIRES: processes are started from the main thread (the kernel's notice of a
parent's death is about the thread that started the child).
"""

import contextlib
import os
import signal
import subprocess
import time

# What a service sees as its name service: glibc's own resolver, which asks
# the estate's name service and gives up soon.
_NAMES = ('mount --bind "$1" /etc/resolv.conf && '
          'mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"')


class ProcessError(Exception):
    """A sentence about a process that did not do what it should."""


class Process:
    def __init__(self, name, popen, log, stop_signal):
        self.name = name
        self.popen = popen
        self.log = log
        self.stop_signal = stop_signal

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def kill(self):
        """SIGKILL, at once, and nothing else: a crash."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def tail(self, lines=5):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:]).rstrip()


class Supervisor:
    def __init__(self, lab, folder):
        self.lab = lab
        self.folder = folder
        self.processes = {}
        self.resolver = None  # (resolv.conf, nsswitch.conf)
        os.makedirs(f"{folder}/log", exist_ok=True)

    def use_names(self, servers, domain):
        """From now on, services resolve names by asking `servers`."""
        resolv, nsswitch = (f"{self.folder}/{name}.conf"
                            for name in ("resolv", "nsswitch"))
        with open(resolv, "w", encoding="utf-8") as file:
            file.write(f"search {domain}\noptions timeout:1 attempts:1\n")
            file.writelines(f"nameserver {server}\n" for server in servers)
        with open(nsswitch, "w", encoding="utf-8") as file:
            file.write("passwd: files\ngroup: files\nhosts: files dns\n"
                       "services: files\nprotocols: files\n")
        self.resolver = (resolv, nsswitch)

    def start(self, name, host, argv, user=None, env=None, cwd=None,
              names=False, stop_signal=signal.SIGTERM, stdin=None,
              stdout=None):
        """Starts `argv` on a host (None: on this machine)."""
        command = ["setpriv", "--pdeathsig", "KILL"]
        if host is not None:
            command += self.lab.enter(host)
        if names:
            command += ["unshare", "--mount", "--ipc", "sh", "-c", _NAMES,
                        "sh", *self.resolver]
        if user:
            command += ["setpriv", "--reuid", user, "--regid", user,
                        "--init-groups", "--pdeathsig", "KILL"]
        log = f"{self.folder}/log/{name}.log"
        with open(log, "ab") as output:
            popen = subprocess.Popen(
                command + argv, stdin=stdin or subprocess.DEVNULL,
                stdout=stdout or output, stderr=output, cwd=cwd or "/",
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1",
                     **(env or {})},
                start_new_session=True)
        process = Process(name, popen, log, stop_signal)
        self.processes[name] = process
        return process

    def dead(self):
        """Names of processes that ended without being asked to."""
        return sorted(name for name, process in self.processes.items()
                      if not process.running())

    def stop(self, name, patience=5.0):
        process = self.processes.pop(name, None)
        if process is not None:
            self._stop([process], patience)

    def forget(self, name):
        self.processes.pop(name, None)

    def close(self):
        everything = list(self.processes.values())
        self.processes.clear()
        self._stop(everything, 5.0)

    @staticmethod
    def _stop(processes, patience):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, process.stop_signal)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and \
                any(process.running() for process in processes):
            time.sleep(0.02)
        for process in processes:
            process.kill()


def wait_for(condition, what, timeout=20.0, every=0.05):
    """Waits until condition() holds; a sentence when it does not."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise ProcessError(f"{what} did not come about in "
                               f"{timeout:.0f} seconds.")
        time.sleep(every)
