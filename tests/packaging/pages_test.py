#!/usr/bin/python3
"""The packages as files: what is in them, and whether their pages and
completions say what the programs say.

  pages_test.py --build DIR

Compares with the text of `--help`, with the documents and with the sources;
the pages themselves are made from `--help-json`.
"""

import argparse
import functools
import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = None
PROGRAMS = ("sluice", "sluice-agent", "sluice-orchestrator")
SECTION = {"sluice": 1, "sluice-agent": 8, "sluice-orchestrator": 8}
PAGES = ("sluice.1", "sluice-agent.8", "sluice-orchestrator.8",
         "agent.yaml.5", "sluice-manifest.5")


def output(*argv, **more):
    return subprocess.run(argv, capture_output=True, text=True, check=True,
                          timeout=60, **more).stdout


@functools.cache
def help_of(program, *words):
    return output(f"{BUILD}/bin/{program}", *words, "--help")


def options_in(text):
    """What the text of a --help lists as options, without the short ones."""
    found = set()
    for line in text.split("\n"):
        match = re.match(r"  (-[\w-]+(?:,-[\w-]+)*)", line)
        if match:
            found |= {n for n in match.group(1).split(",")
                      if n.startswith("--")}
    return found


def subcommands_in(text):
    _, _, after = text.partition("Subcommands:\n")
    return re.findall(r"^  ([\w-]+) ", after, re.M)


def sluice_commands():
    """The commands that `sluice help` lists."""
    found = set()
    for line in help_of("sluice").split("\n"):
        match = re.match(r"  ([a-z].*?)  +\S", line)
        if not match:
            continue
        for part in match.group(1).split(", "):
            found.add(part.split()[0])
    return found


def levels(program):
    """Every command's words, and the text of its --help."""
    first = sorted(sluice_commands()) if program == "sluice" else \
        subcommands_in(help_of(program))
    for name in first:
        text = help_of(program, name)
        below = subcommands_in(text)
        if not below:
            yield (name,), text
        for sub in below:
            yield (name, sub), help_of(program, name, sub)


def completed(program, *words):
    """What bash offers after these words."""
    script = (f"source {BUILD}/packaging/made/{program}.bash; "
              'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
              f"_{program.replace('-', '_')}; "
              'printf "%s\\n" "${COMPREPLY[@]}"')
    return set(output("bash", "-c", script, "-", program, *words).split())


class Completions(unittest.TestCase):
    def test_every_command_is_offered(self):
        self.assertLessEqual(sluice_commands(), completed("sluice", ""))
        self.assertEqual(set(subcommands_in(help_of("sluice-agent"))),
                         completed("sluice-agent", ""))
        self.assertEqual({"export", "import"}, completed("sluice", "gate", ""))

    def test_nothing_is_offered_that_is_not_there(self):
        for name in completed("sluice", "") - {"help"}:
            self.assertIn("sluice", help_of("sluice", name))

    def test_every_option_is_offered(self):
        for program in PROGRAMS:
            for words, text in levels(program):
                offered = completed(program, *words, "--")
                # Those of the program itself count at every command.
                self.assertEqual(options_in(text) - {"--client", "--config"},
                                 offered - {"--client", "--config"},
                                 f"{program} {' '.join(words)}")

    def test_what_an_option_takes(self):
        self.assertEqual({"en", "es"}, completed("sluice", "brief", "--lang",
                                                 ""))
        self.assertEqual({"svg"}, completed("sluice", "plan", "--format", "s"))
        here = completed("sluice", "plan", f"{ROOT}/manifests/city")
        self.assertEqual({f"{ROOT}/manifests/city-utility.yaml"}, here)
        self.assertEqual(set(), completed("sluice", "isolate", "--host", ""))

    def test_other_shells_take_them(self):
        for program in PROGRAMS:
            made = f"{BUILD}/packaging/made/{program}"
            output("bash", "-n", f"{made}.bash")
            for shell in ("zsh", "fish"):
                if subprocess.run(["which", shell], capture_output=True,
                                  check=False).returncode == 0:
                    output(shell, "-n", f"{made}.{shell}")
            zsh = pathlib.Path(f"{made}.zsh").read_text(encoding="utf-8")
            fish = pathlib.Path(f"{made}.fish").read_text(encoding="utf-8")
            for words, text in levels(program):
                for option in options_in(text):
                    self.assertIn(f"'{option}[", zsh.replace("'*''", "'"))
                    self.assertIn(f"-l {option[2:]}", fish)


class Help(unittest.TestCase):
    def test_it_fits_80_columns(self):
        for program in PROGRAMS:
            texts = [help_of(program), *(t for _, t in levels(program))]
            self.assertEqual([], [line for text in texts
                                  for line in text.split("\n")
                                  if len(line) > 80], program)


class ManPages(unittest.TestCase):
    def test_formatters_have_nothing_to_say(self):
        for page in PAGES:
            path = f"{BUILD}/packaging/made/{page}"
            said = subprocess.run(
                ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z",
                 path], capture_output=True, text=True, check=True,
                env={**os.environ, "MANWIDTH": "80"}).stderr
            # Long words in a narrow column stand out; nothing is lost.
            said = [line for line in said.split("\n")
                    if line and "can't break line" not in line]
            self.assertEqual([], said, page)
            lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path],
                                  capture_output=True, text=True, check=False)
            # No date: the page is as old as its package.
            said = [line for line in lint.stdout.split("\n")
                    if line and "missing date" not in line]
            self.assertEqual([], said, page)

    def test_they_name_every_command_and_option(self):
        for program in PROGRAMS:
            page = output("man", "-E", "ascii", "-l",
                          f"{BUILD}/packaging/made/{program}."
                          f"{SECTION[program]}",
                          env={**os.environ, "MANWIDTH": "200"})
            for words, text in levels(program):
                self.assertRegex(page, rf"(?m)^   {' '.join(words)}$")
                for option in options_in(text) - {"--help"}:
                    self.assertIn(option, page)

    def test_the_hosts_own_file_is_described_field_by_field(self):
        for source, start, document in (
                ("agents/host/config.cc", "ReadField(", "docs/agent-yaml.md"),
                ("orchestrator/runtime/config.cc", "ReadPath(value",
                 "docs/orchestrator-yaml.md")):
            code = (ROOT / source).read_text(encoding="utf-8")
            if source.startswith("agents"):
                code = code[code.index(f"StatusOr<bool> {start}"):]
            fields = set(re.findall(r'(?:name|key) == "([a-z-]+)"', code))
            text = (ROOT / document).read_text(encoding="utf-8")
            told = set()
            for row in re.findall(r"(?m)^\| (`.*?) \|", text):
                told |= set(re.findall(r"`([a-z-]+)`", row))
            self.assertGreater(len(fields), 8)
            self.assertEqual(fields, told, f"{document} against {source}")


class Packages(unittest.TestCase):
    def packages(self):
        found = sorted(pathlib.Path(BUILD, "packages").glob("*.deb"))
        self.assertEqual(["sluice-agent", "sluice-cli", "sluice-drivers",
                          "sluice-orchestrator"],
                         [one.name.split("_")[0] for one in found])
        return found

    def test_lintian_has_nothing_to_say(self):
        said = subprocess.run(
            ["lintian", "--allow-root", "--fail-on", "error,warning",
             *map(str, self.packages())], capture_output=True, text=True,
            check=False)
        self.assertEqual((0, ""), (said.returncode, said.stdout))

    def test_scripts_are_where_they_belong(self):
        for path in self.packages():
            scripts = set(re.findall(r"\b(postinst|prerm|postrm)\b",
                                     output("dpkg-deb", "-I", str(path))))
            wanted = {"postinst", "prerm", "postrm"} if re.match(
                "sluice-(agent|orchestrator)_", path.name) else set()
            self.assertEqual(wanted, scripts, path.name)

    def test_every_library_it_links_is_asked_for(self):
        for path in self.packages():
            asked = output("dpkg-deb", "-f", str(path), "Depends")
            if path.name.endswith("_all.deb"):
                self.assertEqual("python3", asked.strip())
                continue
            self.assertIn("libc6 (", asked)
            self.assertIn("libssl3", asked)

    def test_every_driver_is_there(self):
        path = next(one for one in self.packages() if "drivers" in one.name)
        listed = output("dpkg-deb", "-c", str(path))
        for one in (ROOT / "drivers").iterdir():
            if one.name in ("README.md", "__pycache__"):
                continue
            self.assertRegex(listed, rf"(?m)/usr/lib/sluice/drivers/"
                             rf"{re.escape(one.name)}$")

    def test_units_are_as_tight_as_they_say(self):
        security = (ROOT / "docs/security.md").read_text(encoding="utf-8")
        for unit, most in (("sluice-orchestrator", 3.0), ("sluice-agent", 4)):
            said = output("systemd-analyze", "security", "--offline=true",
                          "--no-pager", f"{ROOT}/packaging/{unit}.service")
            level = re.search(r"exposure level for \S+: ([\d.]+)", said)
            self.assertLess(float(level.group(1)), most)
            self.assertIn(f" {level.group(1)}:", security)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    args, rest = parser.parse_known_args()
    BUILD = args.build
    unittest.main(argv=[sys.argv[0], *rest])
