"""Live progress of a run: reads the status again and again, prints what
changed, one line a fact. Keeps the order in which systems came back."""

import time

from sluice import by_id

# States worth a line, and how loud they are.
_LOUD = {
    "reconnected": ("green", "bold"), "soaking": ("green",),
    "connecting": ("blue",), "probing": ("blue",), "accepting": ("yellow",),
    "isolating": ("red",), "quarantined": ("red",), "unknown": ("red",),
}
_MOST_WAITS = 4


class Timeout(Exception):
    """What was waited for did not come; a sentence."""


class Progress:
    def __init__(self, sluice, screen):
        self.sluice = sluice
        self.screen = screen
        self.states = {}
        self.waits = {}
        self.links = {}
        self.reasons = {}
        self.back = {}  # step → when it was reconnected, Unix ms
        self.last = None

    def follow(self, until, what, timeout=120, every=0.25, quiet=False):
        """Prints changes until until(status) is true; that status.

        A status that cannot be had is a line, not an end: orchestrators die
        in this demonstration.
        """
        deadline = time.monotonic() + timeout
        while True:
            status = self.sluice.status(quiet=True)
            if status is not None:
                self.show(status, quiet)
                if until(status):
                    return status
            if time.monotonic() > deadline:
                raise Timeout(f"'{what}' did not come about in {timeout} "
                              f"seconds; {self.why(status)}")
            time.sleep(every)

    def show(self, status, quiet=False):
        changed = self._states(status, quiet)
        self._links(status, quiet)
        self._waits(status, quiet, changed)
        self.last = status

    def state(self, step):
        return self.states.get(step)

    def order(self):
        """Steps in the order in which they were reconnected."""
        return sorted(self.back, key=lambda name: (self.back[name], name))

    def why(self, status):
        """What keeps a status from being finished, in its own words."""
        if status is None:
            return "the orchestrator does not answer"
        said = []
        for step in status.get("steps", []):
            if step.get("state") != "reconnected":
                waits = "; ".join(w.get("text", "")
                                  for w in step.get("waits", []))
                said.append(f"{step['id']} is {step.get('state')} "
                            f"{step.get('reason', '')} ({waits})")
        return " / ".join(said)[:2000]

    def _states(self, status, quiet):
        groups = {}
        for step in status.get("steps", []):
            name, state = step["id"], step.get("state", "unknown")
            if self.states.get(name) == state:
                continue
            before = self.states.get(name)
            self.states[name] = state
            if state == "reconnected":
                self.back.setdefault(name, step.get("since_ms", 0))
            # Unknown is not away: its flows stand, only the news is missing.
            if state in ("isolating", "quarantined"):
                self.back.pop(name, None)
            if before is None and state in ("open", "quarantined"):
                continue
            groups.setdefault(state, []).append(name)
        for state, names in sorted(groups.items()):
            if not quiet:
                self.screen.event(state, ", ".join(sorted(names)),
                                  *_LOUD.get(state, ()))
        steps = by_id(status.get("steps", []))
        for name, step in sorted(steps.items()):
            reason = step.get("reason", "") if step.get("failed") else ""
            if reason and self.reasons.get(name) != reason and not quiet:
                self.screen.event("failed", f"{name}: {reason}", "red")
            self.reasons[name] = reason
        return bool(groups)

    def _links(self, status, quiet):
        groups = {}
        for host in status.get("hosts", []):
            link, before = host.get("link"), self.links.get(host["id"])
            self.links[host["id"]] = link
            if before is not None and before != link:
                groups.setdefault(link, []).append(host["id"])
        for link, hosts in sorted(groups.items()):
            if quiet:
                continue
            if link == "connected":
                self.screen.event("link back", ", ".join(hosts), "green")
            else:
                self.screen.event(f"link {link}", ", ".join(hosts) +
                                  ": unknown since then, leased flows close "
                                  "by themselves", "red")

    def _waits(self, status, quiet, changed):
        """Who waits, for what and for whom: alike waits on one line."""
        if status.get("run", {}).get("state") not in ("active", "held",
                                                      "paused"):
            return
        texts = {}
        for step in status.get("steps", []):
            if step.get("state") == "reconnected":
                continue
            for wait in step.get("waits", [])[:1]:
                # What is being done is a state; here is what is waited for.
                if wait.get("kind") in ("soak", "check"):
                    continue
                text = wait.get("text", "").removeprefix("waits ")
                text = text.split(", which is ")[0]
                texts.setdefault(text, []).append(step["id"])
        fresh = {text: names for text, names in texts.items()
                 if text not in self.waits}
        self.waits = texts
        if quiet:
            return
        for text, names in sorted(fresh.items())[:_MOST_WAITS]:
            self.screen.event("waits", f"{_some(names)}: {text}", "yellow")
        if changed:
            self._far(status)

    def _far(self, status):
        """How far, and how long still."""
        forecast = status.get("forecast", {})
        done = forecast.get("steps_done", 0)
        total = forecast.get("steps_total", 0)
        if not total:
            return
        bar = "█" * (done * 20 // total)
        text = f"{bar:░<20} {done} of {total} back"
        now = status.get("now_ms", 0)
        low, high = (forecast.get(key, 0) for key in ("low_ms", "high_ms"))
        if low > now and high > now:
            text += f", {_span(low - now, high - now)} to go"
        self.screen.event("", text, "dim")


def _some(names):
    names = sorted(names)
    if len(names) <= 3:
        return ", ".join(names)
    return f"{names[0]}, {names[1]} and {len(names) - 2} more"


def _span(low_ms, high_ms):
    low, high = round(low_ms / 1000), round(high_ms / 1000)
    return f"{low} s" if low == high else f"{low} to {high} s"


def waiting_tasks(status):
    return [task for task in status.get("tasks", [])
            if task.get("wanted_now") and not task.get("done")]


def gate(status, name):
    return by_id(status.get("gates", [])).get(name, {})


def step(status, name):
    return by_id(status.get("steps", [])).get(name, {})
