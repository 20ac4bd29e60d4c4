#!/usr/bin/python3
"""Drives the demonstration; scripts/demo builds first and then calls this.

  main.py [--auto] [--keep] [--clean]

Exit codes: 0 every promise kept; 1 one was broken or a scene could not be
played; 2 wrong use; 77 namespaces cannot be made here; 130 interrupted.
"""

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import signal
import sys
import tempfile
import time

import estate as estate_module
import lab as lab_module
import pumps
import sluice as sluice_module
from people import People
from processes import ProcessError, Supervisor
from progress import Progress, Timeout
from scenes import CALLER, Scenes
from screen import Screen

PREFIX = "sluice-demo-"
LOCK = "/run/sluice-demo.lock"
SKIPPED = 77
HERE = os.path.dirname(os.path.abspath(__file__))
MANIFEST = os.path.join(os.path.dirname(HERE), "manifests",
                        "city-utility.yaml")
PUMPS = os.path.join(HERE, "data", "pumps.yaml")


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="The city utility is isolated and "
        "comes back, in order, on this machine.")
    parser.add_argument("--auto", action="store_true",
                        help="answer every question by itself")
    parser.add_argument("--keep", action="store_true",
                        help="leave the estate up at the end, until Ctrl-C")
    parser.add_argument("--clean", action="store_true",
                        help="end a demonstration that is running or was cut "
                        "off, remove what it left, and do nothing else")
    return parser.parse_args()


class Lock:
    """One demonstration at a time; the file says which process it is."""

    def __init__(self):
        self.file = None

    def take(self):
        # Not inherited by what we start: it is free the moment we end.
        file = open(LOCK, "a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last owner may have removed it between open and lock.
            if os.stat(LOCK).st_ino != os.fstat(file.fileno()).st_ino:
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError):
            file.close()
            return False
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self.file = file
        return True

    def release(self):
        os.unlink(LOCK)
        self.file.close()

    @staticmethod
    def owner():
        with contextlib.suppress(FileNotFoundError):
            with open(LOCK, encoding="utf-8") as file:
                text = file.read().strip()
            return int(text) if text.isdigit() else None
        return None


def sweep():
    """Removes what an earlier demonstration left behind."""
    count = lab_module.remove_namespaces(PREFIX)
    for name in os.listdir(tempfile.gettempdir()):
        path = os.path.join(tempfile.gettempdir(), name)
        if name.startswith(PREFIX) and os.stat(path).st_uid == os.geteuid():
            shutil.rmtree(path, ignore_errors=True)
    return count


def clean():
    lock = Lock()
    if not lock.take():
        owner = lock.owner()
        if owner:
            with contextlib.suppress(ProcessLookupError):
                os.kill(owner, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while not lock.take():
            if time.monotonic() > deadline:
                print(f"demo: process {owner} runs a demonstration and does "
                      "not end; end it, then try again.", file=sys.stderr)
                return 1
            time.sleep(0.1)
    count = sweep()
    lock.release()
    print(f"demo: removed {count} namespaces; nothing is left.")
    return 0


def stage(screen, folder, auto):
    """Everything that is needed before the first scene."""
    lab = lab_module.Lab(PREFIX)
    supervisor = Supervisor(lab, folder)
    manifest = staged(folder)
    estate = estate_module.Estate(manifest, lab, supervisor)
    sluice = sluice_module.Sluice(lab, supervisor, manifest, estate.hosts)
    progress = Progress(sluice, screen)
    people = People(sluice, screen, progress, auto)
    return lab, supervisor, Scenes(estate, sluice, people, progress, screen)


def staged(folder):
    """The city utility's manifest, in which one system's gate asks what its
    host did in quarantine (its hour of watching is ten seconds here), with
    the pumps beside it."""
    with open(MANIFEST, encoding="utf-8") as file:
        before, name, after = file.read().partition(f"\n  {CALLER}:\n")
    told = after.replace(
        "inspect: [{listeners: declared-only}]",
        "inspect: [{listeners: declared-only}, "
        "{attempts: {none-undeclared: true, for: 10s}}]", 1)
    if not name or told == after:
        raise lab_module.LabError(f"{MANIFEST} has no {CALLER} to watch.")
    path = f"{folder}/city-utility.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(beside(before + name + told))
    return path


def beside(manifest):
    """The text with PUMPS' own lines at the end of each of its fields."""
    with open(PUMPS, encoding="utf-8") as file:
        parts = re.split(r"(?m)^(hosts|systems|stages):\n", file.read())[1:]
    for field, lines in zip(parts[::2], parts[1::2]):
        # Up to the next field of the same rank, or the end of the file.
        end = re.search(rf"(?ms)^{field}:\n.*?(?=\n+(?:#.*\n)*^[a-z]|\Z)",
                        manifest).end()
        manifest = (manifest[:end].rstrip("\n") + "\n" +
                    lines.rstrip("\n") + "\n" + manifest[end:])
    return manifest


def prepare(scenes, screen):
    screen.headline("The city utility comes to life")
    began = time.monotonic()
    scenes.estate.open()
    hosts = len(scenes.estate.hosts)
    screen.say(f"{len(scenes.estate.systems)} systems on {hosts} hosts, each "
               "a network namespace with real servers in it; a bank, a pilot "
               "office and citizens outside "
               f"({time.monotonic() - began:.1f} s).")
    sluice = scenes.sluice
    sluice.init({host: {"check_pgsql": [f"{HERE}/check_pgsql"]}
                 for system in ("billing-db",)
                 for host in scenes.estate.hosts_of(system)},
                drivers=pumps.drivers(sluice, scenes.estate))
    sluice.start_orchestrator()
    sluice.start_agents()
    screen.say("The orchestrator has a host of its own; sluice-agent runs on "
               "each of the others but plc-1, which can run none. Forecasts "
               "are machines' time: what people take at gates and tasks comes "
               "on top.")


def keep(scenes, screen):
    screen.headline("The estate stays up")
    sluice = scenes.sluice
    screen.say("From another terminal, as root:")
    screen.output(f"export SLUICE_CLIENT={sluice.client('duty-commander')}\n"
                  f"{sluice.bin}/sluice status --watch\n"
                  f"ip netns exec {PREFIX}app-1 bash")
    screen.say("Operators: " + ", ".join(
        sorted(os.listdir(f"{sluice.folder}/operators"))) + ".")
    screen.say("Ctrl-C here, or scripts/demo --clean anywhere, ends it.")
    while True:
        signal.pause()


def summary(scenes, screen):
    screen.headline("What was promised, what was measured")
    screen.table(scenes.facts)
    broken = [fact for fact in scenes.facts if not fact[0]]
    screen.say("")
    seconds = int(time.monotonic() - screen.began)
    screen.say(f"{len(scenes.facts) - len(broken)} of {len(scenes.facts)} "
               f"promises kept, in {seconds // 60} min {seconds % 60} s.")
    return 1 if broken else 0


def stop(number, _):
    raise KeyboardInterrupt(number)


def main():
    wanted = arguments()
    reason = lab_module.why_not()
    if reason:
        print(f"demo: {reason}", file=sys.stderr)
        return SKIPPED
    if wanted.clean:
        return clean()
    missing = sluice_module.missing(sluice_module.binaries())
    if missing:
        print(f"demo: {', '.join(missing)} not found in "
              f"{sluice_module.binaries()}; run scripts/build.",
              file=sys.stderr)
        return 2
    if not wanted.auto and not sys.stdin.isatty():
        print("demo: there is nobody at the keyboard to decide; use --auto.",
              file=sys.stderr)
        return 2
    lock = Lock()
    if not lock.take():
        print(f"demo: another demonstration is running (process "
              f"{lock.owner()}); scripts/demo --clean ends it.",
              file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        return perform(wanted)
    finally:
        lock.release()


def perform(wanted):
    sweep()
    folder = tempfile.mkdtemp(prefix=PREFIX)
    os.chmod(folder, 0o755)  # PostgreSQL and nginx are not root
    screen = Screen()
    lab, supervisor, scenes = stage(screen, folder, wanted.auto)
    code = 1
    try:
        prepare(scenes, screen)
        scenes.play()
        code = summary(scenes, screen)
        if wanted.keep:
            keep(scenes, screen)
    except KeyboardInterrupt:
        if code:
            code = 130
        screen.say("Interrupted: ending everything.")
    except (lab_module.LabError, sluice_module.Refused, ProcessError, Timeout,
            OSError) as error:
        code = 1
        screen.say(f"The scene cannot go on: {error}")
    finally:
        # Nothing may stop the end: not a second Ctrl-C either.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        dead = supervisor.dead()
        supervisor.close()
        lab.close()
        if code == 1:
            kept = save_logs(folder)
            if dead:
                screen.say(f"Had ended before: {', '.join(dead)}.")
            screen.say(f"Every program's log is kept in {kept}.")
        shutil.rmtree(folder, ignore_errors=True)
    return code


def save_logs(folder):
    kept = os.path.join(tempfile.gettempdir(), "sluice-logs-of-demo")
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(f"{folder}/log", kept)
    return kept


if __name__ == "__main__":
    sys.exit(main())
