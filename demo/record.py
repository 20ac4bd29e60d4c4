"""The record as a stranger gets it: exported, then judged by the commands of
its own README, which are ssh-keygen's and sha256sum's and nothing of ours."""

import os
import re
import shutil
import subprocess


class Record:
    """REQUIRES: `folder` was written by `sluice audit export`."""

    def __init__(self, folder):
        self.folder = folder
        with open(f"{folder}/README.md", encoding="utf-8") as file:
            self.commands = file.read().split("```sh\n")[1].split("```")[0]

    def verify(self):
        """Runs the README's commands: (exit code, what they said)."""
        done = subprocess.run(["sh", "-c", self.commands], cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def records(self):
        return len(os.listdir(f"{self.folder}/records"))

    def allows(self, who, key):
        """Whether `key` is the one that counts for somebody."""
        with open(f"{self.folder}/allowed_signers", encoding="utf-8") as file:
            keys = [line.split()[-2:] for line in file
                    if line.split()[:1] == [who]]
        return keys == [key.split()]

    def changed(self, folder):
        """A copy in which one byte of the first decision is another."""
        shutil.copytree(self.folder, folder)
        with open(f"{folder}/signed/list", encoding="utf-8") as file:
            line = next(line.split() for line in file
                        if line.split()[2] == "decision@sluice")
        with open(f"{folder}/{line[3]}", "r+b") as file:
            file.seek(int(line[4]) - 1)
            byte = file.read(1)[0]
            file.seek(int(line[4]) - 1)
            file.write(bytes([byte ^ 1]))
        return Record(folder)


def good(said, purpose):
    """ssh-keygen's own lines about signatures for one purpose."""
    return re.findall(rf'(?m)^Good "{purpose}@sluice" signature .*$', said)
