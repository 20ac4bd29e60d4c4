#!/usr/bin/python3
"""Whether the real ssh-keygen says of every vector what cases.txt says.

  tests/vectors/check.py
"""

import pathlib
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent / "sshsig"


def accepts(key, namespace, body, signature):
    with tempfile.NamedTemporaryFile("w", suffix=".allowed") as allowed:
        allowed.write("someone " + (FOLDER / key).read_text())
        allowed.flush()
        with open(FOLDER / body, "rb") as text:
            done = subprocess.run(
                ["ssh-keygen", "-Y", "verify", "-f", allowed.name, "-I",
                 "someone", "-n", namespace, "-s", str(FOLDER / signature)],
                stdin=text, capture_output=True, check=False)
    return done.returncode == 0


def main():
    wrong = 0
    cases = (FOLDER / "cases.txt").read_text().splitlines()
    for case in cases:
        name, key, namespace, body, signature, _, openssh = case.split()
        said = "good" if accepts(key, namespace, body, signature) else "bad"
        if openssh != f"openssh={said}":
            print(f"{name}: ssh-keygen says {said}, cases.txt {openssh}")
            wrong += 1
    print(f"{len(cases)} signatures put to ssh-keygen, {wrong} differ")
    return 1 if wrong else 0


sys.exit(main())
