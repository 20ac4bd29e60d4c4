#!/usr/bin/python3
"""Whether the real ssh-keygen says of every vector what its cases.txt says.

  tests/vectors/check.py
"""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def accepts(folder, key, namespace, body, signature):
    with tempfile.NamedTemporaryFile("w", suffix=".allowed") as allowed:
        allowed.write("someone " + (folder / key).read_text())
        allowed.flush()
        with open(folder / body, "rb") as text:
            done = subprocess.run(
                ["ssh-keygen", "-Y", "verify", "-f", allowed.name, "-I",
                 "someone", "-n", namespace, "-s", str(folder / signature)],
                stdin=text, capture_output=True, check=False)
    return done.returncode == 0


# Of each case: its name, what ssh-keygen says and what is written down.
def signatures():
    folder = HERE / "sshsig"
    for case in (folder / "cases.txt").read_text().splitlines():
        name, key, namespace, body, signature, _, openssh = case.split()
        yield name, accepts(folder, key, namespace, body, signature), openssh


def changes_of_trust():
    folder = HERE / "trust"
    for case in (folder / "cases.txt").read_text().splitlines():
        name, purpose, text, signed, _, _, _, openssh = case.split()
        pairs = [pair.split(":") for pair in signed.split(",")]
        yield name, all(accepts(folder, f"{key}.pub", purpose, text, file)
                        for key, file in pairs), openssh


def main():
    wrong = count = 0
    for name, good, openssh in [*signatures(), *changes_of_trust()]:
        count += 1
        said = "good" if good else "bad"
        if openssh != f"openssh={said}":
            print(f"{name}: ssh-keygen says {said}, cases.txt {openssh}")
            wrong += 1
    print(f"{count} cases put to ssh-keygen, {wrong} differ")
    return 1 if wrong else 0


sys.exit(main())
