#!/usr/bin/python3
"""The house rules that a compiler does not know, read from the tree.

  tests/tidy/tidy.py [ROOT]

Arrows between rooms point one way (docs/architecture.md); the pure rooms
include nothing impure; files stay small enough to read in one sitting; nothing
names a machine of ours, leaves a task undone or carries a stray character.
Prints one line a mistake, `file:line: what, and what to do`, and exits 1.
"""

import pathlib
import re
import subprocess
import sys

# A room and the rooms whose headers it may include, besides its own.
ARROWS = {
    "common": set(),
    "orchestrator/model": {"common"},
    "orchestrator/manifest": {"common", "orchestrator/model"},
    "orchestrator/importers": {"common", "orchestrator/model",
                               "orchestrator/manifest"},
    "orchestrator/planner": {"common", "orchestrator/model"},
    "orchestrator/engine": {"common", "orchestrator/model",
                            "orchestrator/planner"},
    "orchestrator/journal": {"common", "orchestrator/model",
                             "orchestrator/manifest", "orchestrator/planner",
                             "orchestrator/engine", "proto"},
    "orchestrator/runtime": {"common", "orchestrator/model",
                             "orchestrator/manifest", "orchestrator/planner",
                             "orchestrator/engine", "orchestrator/journal"},
    "orchestrator/rpc": {"common", "orchestrator/model",
                         "orchestrator/planner", "orchestrator/engine",
                         "orchestrator/journal", "orchestrator/runtime",
                         "proto"},
    "orchestrator/report": {"common", "orchestrator/model",
                            "orchestrator/planner", "proto"},
    "orchestrator/cli": {"common", "orchestrator/model",
                         "orchestrator/manifest", "orchestrator/importers",
                         "orchestrator/planner", "orchestrator/report",
                         "orchestrator/journal", "proto"},
    "agents/core": {"common"},
    "agents/isolation": {"common"},
    "agents/checks": {"common", "agents/core"},
    "agents/link": {"common", "agents/core", "proto"},
    "agents/host": {"common", "agents/core", "agents/isolation",
                    "agents/checks", "agents/link"},
}
# The agent's core speaks of the fence through its port, a header without code.
PORTS = {"agents/isolation/fence.h"}

PURE = {"orchestrator/model", "orchestrator/planner", "orchestrator/engine",
        "agents/core"}
IMPURE = re.compile(
    r"<(thread|mutex|condition_variable|future|atomic|chrono|random|fstream|"
    r"filesystem|ctime|unistd\.h|sys/[a-z]+\.h|fcntl\.h|grpc.*|google/.*|"
    r"yaml-cpp/.*)>|\"(grpc|google|yaml-cpp)")
IMPURE_CALL = re.compile(
    r"absl::Now\(|std::rand\(|std::random_device|getenv\(|\bfopen\(")

FORBIDDEN = [
    (re.compile(r"\b(TODO|FIXME|XXX)\b"), "finish it, or open an issue"),
    (re.compile(r"[ \t]+$"), "remove the white space at the end"),
    (re.compile("/wor" + "k/|/ro" + "ot/"), "do not name a machine's paths"),
    # Another process can only be looked at again and again; say so there.
    (re.compile(r"(\bsleep_for|\babsl::SleepFor)\((?!.*// polls)"),
     "wait for the thing itself, not for time to pass"),
]
MAX_LINES = 650
SOURCE = {".cc", ".h"}
TEXT = SOURCE | {".py", ".md", ".yaml", ".proto", ".cmake", ".txt", ".json", ""}
SKIP = ("LICENSE", "tests/golden/", "tests/tidy/", "tests/scenarios/")
MAX_COLUMNS = 80


def room_of(path: str):
    parts = path.split("/")
    for depth in (2, 1):
        name = "/".join(parts[:depth])
        if name in ARROWS:
            return name
    return None


def included_room(header: str):
    if header.startswith("sluice/v1/"):
        return "proto"
    return room_of(header)


def check_source(path, lines, report):
    room = room_of(path)
    main = path.endswith("/main.cc")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS and "http" not in line and \
                not line.lstrip().startswith("#include") and \
                'R"' not in line:
            report(path, number, f"{len(line)} columns; wrap it at "
                                 f"{MAX_COLUMNS}")
        if room is None or main:
            continue
        match = re.match(r'#include "([^"]+)"', line)
        if match and match.group(1) not in PORTS:
            target = included_room(match.group(1))
            if target and target != room and target not in ARROWS[room]:
                report(path, number, f"{room} may not include {target}; see "
                                     "the arrows in docs/architecture.md")
        if room in PURE and (IMPURE.search(line) if line.startswith("#include")
                             else IMPURE_CALL.search(line)):
            report(path, number, f"{room} is pure; bring this in as an "
                                 "argument or through a port")


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                        pathlib.Path(__file__).resolve().parents[2])
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
        capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.split("\n")
    else:  # an unpacked archive: everything but what is built
        names = [str(p.relative_to(root)) for p in root.rglob("*")
                 if not str(p.relative_to(root)).startswith("build")]
    mistakes = []

    def report(path, number, what):
        mistakes.append(f"{path}:{number}: {what}")

    files = 0
    for name in sorted(filter(None, names)):
        path = root / name
        if not path.is_file() or path.suffix not in TEXT or \
                name.startswith(SKIP):
            continue
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except UnicodeDecodeError:
            report(name, 1, "not UTF-8")
            continue
        files += 1
        for number, line in enumerate(lines, 1):
            for pattern, what in FORBIDDEN:
                if pattern.search(line):
                    report(name, number, f"'{line.strip()[:40]}': {what}")
        if path.suffix in SOURCE:
            check_source(name, lines, report)
        if path.suffix in SOURCE | {".py"} and len(lines) > MAX_LINES:
            report(name, len(lines), f"{len(lines)} lines; split it by "
                                     "responsibility")
    for mistake in mistakes:
        print(mistake)
    print(f"tidy: {files} files read, {len(mistakes)} mistakes")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
