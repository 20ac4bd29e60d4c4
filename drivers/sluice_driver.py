"""What every driver here has in common: one JSON object in, one out.

A driver subclasses Driver and says what its point does; main() reads the
request from standard input, calls the verb, and writes the answer. Whatever
goes wrong is one sentence in `error`: it stands in the history of the run.
"""

import ipaddress
import json
import sys

MOST = 4 << 20  # bytes of a request


class DriverError(Exception):
    """A sentence for a tired person: what, where, and what to do next."""


class Flow:
    """One canonical line: "tcp 10.77.0.21 10.9.0.5 5432"."""

    def __init__(self, line):
        words = line.split(" ")
        if len(words) != 4 or words[0] not in ("tcp", "udp"):
            raise DriverError(f"'{line[:80]}' is no flow")
        self.line = line
        self.protocol = words[0]
        try:
            self.client = ipaddress.ip_network(words[1])
            self.server = ipaddress.ip_network(words[2])
            ports = [int(port) for port in words[3].split("-")]
        except ValueError as error:
            raise DriverError(f"'{line[:80]}' is no flow: {error}") from None
        if self.client.version != self.server.version or len(ports) > 2:
            raise DriverError(f"'{line[:80]}' is no flow")
        self.first, self.last = ports[0], ports[-1]

    @property
    def version(self):
        return self.client.version

    def covers(self, protocol, client, server, port):
        return (protocol == self.protocol and client in self.client and
                server in self.server and self.first <= port <= self.last)


class Driver:
    """One point. Every verb may be repeated and then changes nothing."""

    def isolate(self, point, flows):
        """Lets exactly `flows` pass to and from the point, and cuts every
        session of another."""
        raise NotImplementedError

    def open(self, point, flows):
        """Lets these pass as well; their sessions from before stay cut. A
        point that closes by itself finds how long in `point.lease`, seconds;
        0: they stand."""
        raise NotImplementedError

    def close(self, point, flows):
        """Lets these pass no longer, and cuts their sessions."""
        raise NotImplementedError

    def read(self, point):
        """{"isolated": …, "flows": [line, …], "cuts_sessions": …,
        "holds_leases": …}: what the point does now, asked of the point itself
        and never remembered; and what it keeps of S4 and S3."""
        raise NotImplementedError


class AllOrNothing(Driver):
    """A point that can only be shut or let through: a switch's port, a virtual
    network card. What it lets through together stands in the driver's own
    file; a part of it cannot be opened, and that is said."""

    def __init__(self, whole):
        self.whole = {Flow(line).line: Flow(line) for line in whole}

    def shut(self, point):
        raise NotImplementedError

    def let_through(self, point):
        raise NotImplementedError

    def is_shut(self, point):
        raise NotImplementedError

    def isolate(self, point, flows):
        self._set(point, {flow.line for flow in flows})

    def open(self, point, flows):
        self._set(point, self._passing(point) | {f.line for f in flows})

    def close(self, point, flows):
        self._set(point, self._passing(point) - {f.line for f in flows})

    def read(self, point):
        return {"isolated": True, "flows": sorted(self._passing(point)),
                "cuts_sessions": False}

    def _passing(self, point):
        return set() if self.is_shut(point) else set(self.whole)

    def _set(self, point, wanted):
        if not wanted:
            return self.shut(point)
        if wanted == set(self.whole):
            return self.let_through(point)
        # Closed is where it stays when it cannot be as it should.
        self.shut(point)
        odd = sorted(wanted ^ set(self.whole))[0]
        raise DriverError(f"{point.name} is shut: it can only let all of its "
                          f"{len(self.whole)} flows through together, and "
                          f"'{odd}' does not fit; open them under one grant, "
                          "or correct `flows` in the driver's file")


class Point:
    """The host that a request is about."""

    def __init__(self, request):
        self.name = request["host"]
        self.addresses = [ipaddress.ip_address(a)
                          for a in request["addresses"]]
        self.lease = int(request.get("lease", 0))
        if not self.name or not all(c.isalnum() or c == "-"
                                    for c in self.name):
            raise DriverError("the request names no host")


def answer(driver, text):
    try:
        request = json.loads(text)
        if request.get("sluice") != 1:
            raise DriverError("the request is of another version than 1; use "
                              "the drivers that came with this agent")
        point = Point(request)
        verb = request["verb"]
        if verb == "read":
            return {"ok": True, **driver.read(point)}
        if verb not in ("isolate", "open", "close"):
            raise DriverError(f"there is no verb '{verb[:40]}'")
        getattr(driver, verb)(point, [Flow(line)
                                      for line in request["flows"]])
        return {"ok": True}
    except DriverError as error:
        return {"ok": False, "error": str(error)}
    except (KeyError, TypeError, ValueError, AttributeError,
            RecursionError) as error:
        return {"ok": False, "error": "the request or an answer of the point "
                f"makes no sense: {type(error).__name__}: {error}"}
    except OSError as error:
        return {"ok": False, "error": f"the point cannot be reached: {error}"}


def settings(path, wanted):
    """The driver's own file: a JSON object that has these keys."""
    try:
        with open(path, encoding="utf-8") as file:
            read = json.load(file)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: {error}") from None
    missing = [key for key in wanted if key not in read]
    if missing:
        raise SystemExit(f"{path}: '{missing[0]}' is missing")
    return read


def main(driver):
    said = answer(driver, sys.stdin.read(MOST))
    sys.stdout.write(json.dumps(said) + "\n")
    return 0
