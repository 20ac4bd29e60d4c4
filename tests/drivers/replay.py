#!/usr/bin/python3
"""Stands in for a program that a driver runs: plays the next step of a record
and fails when it is asked anything else.

  replay.py RECORD ARGUMENT...

RECORD: a JSON list of {"argv", "stdin", "stdout", "exit"}; what comes next
stands in RECORD.at.
"""

import json
import os
import sys


def main():
    record = sys.argv[1]
    with open(record, encoding="utf-8") as file:
        steps = json.load(file)
    at = 0
    if os.path.exists(f"{record}.at"):
        with open(f"{record}.at", encoding="utf-8") as file:
            at = int(file.read())
    asked = {"argv": sys.argv[2:], "stdin": sys.stdin.read()}
    step = steps[at] if at < len(steps) else None
    if step is None or any(step.get(key, [] if key == "argv" else "") !=
                           asked[key] for key in asked):
        print(f"step {at} of the record is {json.dumps(step)}, and this is "
              f"{json.dumps(asked)}", file=sys.stderr)
        return 99
    with open(f"{record}.at", "w", encoding="utf-8") as file:
        file.write(str(at + 1))
    sys.stdout.write(step.get("stdout", ""))
    sys.stderr.write(step.get("stderr", ""))
    return step.get("exit", 0)


if __name__ == "__main__":
    sys.exit(main())
