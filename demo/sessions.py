"""Sessions that were open before an isolation, to see what they carry after.
"""

import contextlib
import json
import os
import select
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


class _Conversation:
    """A process that is asked by lines and answers by lines."""

    def __init__(self, supervisor, name, host, argv, **options):
        self._supervisor = supervisor
        self.name = name
        self._process = supervisor.start(
            name, host, argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            **options)
        self._rest = b""

    def say(self, line):
        popen = self._process.popen
        with contextlib.suppress(OSError):
            popen.stdin.write(line.encode() + b"\n")
            popen.stdin.flush()

    def hear(self, timeout):
        """The next line, or None when there is none in time."""
        output = self._process.popen.stdout
        while b"\n" not in self._rest:
            if not select.select([output], [], [], timeout)[0]:
                return None
            block = os.read(output.fileno(), 65536)
            if not block:
                return None
            self._rest += block
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode(errors="replace")

    def close(self):
        self._supervisor.stop(self.name, patience=0.2)


class Session(_Conversation):
    """A raw TCP or TLS session, see session.py."""

    def __init__(self, supervisor, name, host, kind, *where):
        super().__init__(supervisor, name, host, [
            "/usr/bin/python3", f"{HERE}/session.py", kind,
            *[str(part) for part in where]])
        if self.hear(6) is None:
            raise OSError(f"session '{name}' did not come about: "
                          f"{self._process.tail(1)}")

    def carries(self):
        """Asks something; how many bytes came back."""
        self.say("question")
        answer = self.hear(4)
        return json.loads(answer)["received"] if answer else 0


class DatabaseSession(_Conversation):
    """A real psql, talking to a database by its name."""

    def __init__(self, supervisor, name, host, server):
        super().__init__(
            supervisor, name, host,
            ["psql", "-w", "-h", server, "-U", "utility", "-d", "utility",
             "-Atq"],
            env={"PGPASSWORD": "demonstration"}, names=True)
        self._number = 0
        if not self.carries():
            raise OSError(f"session '{name}' did not come about: "
                          f"{self._process.tail(1)}")

    def carries(self):
        self._number += 1
        wanted = f"answer-{self._number}"
        self.say(f"SELECT '{wanted}';")
        heard = self.hear(3)
        return len(wanted) if heard == wanted else 0
