#!/usr/bin/python3
"""The seed corpus of fuzz-manifest: every manifest and golden case there is.

usage: tests/fuzz/seeds.py DIRECTORY
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def texts():
    for folder in ("manifests", "tests/golden/planner"):
        for path in sorted((ROOT / folder).rglob("*.yaml")):
            yield path.stem, path.read_bytes()
    for folder in ("manifest", "manifest-format"):
        for path in sorted((ROOT / "tests/golden" / folder).glob("*.txt")):
            # The first manifest of the case; fuzzing includes nothing.
            text = path.read_bytes()
            yield f"{folder}-{path.stem}", text.split(b"=== ", 1)[0]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    for name, text in texts():
        (out / name).write_bytes(text)
        count += 1
    print(f"seeds: {count} texts in {out}")


if __name__ == "__main__":
    main()
