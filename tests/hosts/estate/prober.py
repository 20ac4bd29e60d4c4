#!/usr/bin/python3
"""Tries a TCP connection again and again; prints when the answer changes.

  prober.py ADDRESS PORT    lines: UNIX-MILLISECONDS open|closed
"""

import socket
import sys
import time

EVERY = 0.05
PATIENCE = 0.3


def is_open(address, port):
    try:
        socket.create_connection((address, port), PATIENCE).close()
        return True
    except OSError:
        return False


def main():
    last = None
    while True:
        asked = int(time.time() * 1000)
        now = is_open(sys.argv[1], int(sys.argv[2]))
        if now != last:
            # Open since at most the moment of the answer; closed since the
            # moment of asking.
            at = int(time.time() * 1000) if now else asked
            print(at, "open" if now else "closed", flush=True)
            last = now
        time.sleep(EVERY)


main()
