"""Who decides: the person at the keyboard, or --auto in their place.

Every decision is signed with the SSH key of the person it belongs to, through
`sluice` itself, and shown as the command that it is.
"""

from progress import gate, waiting_tasks
from sluice import Refused

# Whose decision counts for which role (the manifest's approvers).
APPROVERS = {
    "incident-commander": "duty-commander",
    "technical-lead": "it-lead",
    "system-owner": "billing-owner",
    "security": "security-officer",
}
_ATTEMPTS = 6


class People:
    def __init__(self, sluice, screen, progress, auto):
        self.sluice = sluice
        self.screen = screen
        self.progress = progress
        self.auto = auto
        self.signed = 0  # decisions and tasks that were taken

    def command(self, operator, *arguments, last=None):
        """Runs `sluice` as an operator, in sight of everybody (of what it
        says, only the `last` lines)."""
        self.screen.command(operator, "sluice " + " ".join(
            f'"{a}"' if " " in a or ">" in a else a for a in arguments))
        said = self.sluice.do(operator, *arguments)
        self.signed += arguments[0] in ("go", "no-go", "done")
        if said:
            self.screen.output("\n".join(said.splitlines()[-(last or 0):]))
        return said

    def refused(self, operator, *arguments):
        """Runs `sluice` expecting a no: (exit code, what it said)."""
        self.screen.command(operator, "sluice " + " ".join(arguments))
        code, said = self.sluice.run(operator, *arguments)
        self.screen.output(said)
        return code, said

    def pause(self, what):
        """Waits for the person to say on; --auto says it at once."""
        if not self.auto:
            self.screen.ask(what, ["on"])

    def decide(self, name, timeout=90):
        """Brings a gate to a go: everybody it asks, in turn."""
        self._asking(name, timeout)
        for _ in range(_ATTEMPTS):
            status = self.sluice.status()
            found = gate(status, name)
            missing = [role for role, count in
                       sorted(found.get("missing", {}).items()) if int(count)]
            if found.get("state") in ("released", "done"):
                return found
            if found.get("state") in ("refused", "held"):
                self.screen.say(f"Gate {name} is {found['state']}. Its steps "
                                "wait; only asking it again helps.")
                self.pause("ask the gate again?")
                self.command("duty-commander", "retry")
                self._asking(name, timeout)
            elif missing:
                self._ask(name, missing[0])
            else:
                self.progress.follow(
                    lambda s: gate(s, name).get("state") != "asking",
                    f"gate {name} released", 20)
        raise Refused(f"gate {name} was asked {_ATTEMPTS} times and did not "
                      "open.")

    def sign(self, task, note, timeout=60):
        """Signs a task the run waits for."""
        status = self.progress.follow(
            lambda s: any(t["id"] == task for t in waiting_tasks(s)),
            f"task {task} wanted", timeout)
        found = next(t for t in waiting_tasks(status) if t["id"] == task)
        owner = APPROVERS[found["owner"]]
        self.screen.say(f"The run waits for {owner}: {found['what']}.")
        self.pause(f"{owner}: is it done?")
        self.command(owner, "done", task, "--note", note)

    def _asking(self, name, timeout):
        self.progress.follow(
            lambda s: gate(s, name).get("state") in (
                "asking", "refused", "held", "released", "done"),
            f"gate {name} asks", timeout)

    def _ask(self, name, role):
        operator = APPROVERS[role]
        answer = "go"
        if not self.auto:
            answer = self.screen.ask(f"gate {name}, {operator} ({role}):",
                                     ["go", "no-go", "show"])
        try:
            if answer == "show":
                self.command(operator, "show", name)
                self._ask(name, role)
            elif answer == "no-go":
                self.command(operator, "no-go", name, "--yes", "--reason",
                             "not yet, says the person at the keyboard")
            else:
                self.command(operator, "go", name, "--yes")
        except Refused as error:
            # What was looked at has changed since: look again.
            self.screen.output(str(error))
