#!/usr/bin/python3
"""What the fence lets pass and what it does not: real packets between network
namespaces, every claim both ways.

  fence_test.py --probe PROGRAM [--table] [unittest arguments]

--table prints the whole table of what passes in which state, not only its
counts.

Needs root. Where namespaces cannot be made it says so and exits with 77.
"""

import os
import sys
import unittest

import cases
import estate
import netns
import table_cases
from lease_cases import *       # noqa: F401,F403: the tests themselves
from quarantine_cases import *  # noqa: F401,F403
from reading_cases import *     # noqa: F401,F403
from table_cases import *       # noqa: F401,F403
from tracking_cases import *    # noqa: F401,F403


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "--probe":
        estate.Fence.program = os.path.abspath(sys.argv[2])
        del sys.argv[1:3]
    else:
        print("fence_test.py: name the program with --probe", file=sys.stderr)
        return 2
    whole = "--table" in sys.argv
    if whole:
        sys.argv.remove("--table")
    if os.geteuid() != 0:
        print("fence_test.py: skipped: network namespaces need root")
        return 77
    try:
        estate.build()
    except (netns.Unavailable, OSError) as error:
        print(f"fence_test.py: skipped: no network namespaces here: {error}")
        return 77
    try:
        ran = unittest.main(exit=False).result
        cases.print_cases()
        table_cases.print_tables(whole)
        return 0 if ran.wasSuccessful() else 1
    finally:
        netns.remove_all()


if __name__ == "__main__":
    sys.exit(main())
