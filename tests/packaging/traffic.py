"""Traffic between two machines, all the time and both ways, and how much of it
arrives: UDP datagrams and TCP openings, IPv4 and IPv6.

What comes in is counted by the host's own sockets, behind its fence; what
goes out by every frame that the peer's wire sees.
"""

import bisect
import select
import socket
import struct
import threading
import time

from machines import inside

PORT = 9
EVERY = 0.002  # seconds between two rounds
MANAGEMENT = 7443
# Router and neighbour discovery, multicast listeners: IPv6 dies without.
ICMP6_KEPT = set(range(130, 138)) | {143}


def _bound(name, family, kind, address):
    with inside(name):
        made = socket.socket(family, kind)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.bind((address, PORT))
    return made


class Traffic:
    def __init__(self, host, peer):
        """`host`, `peer`: name → {4: address, 6: address}, one each."""
        self.sent = 0
        self.inbound = 0   # what the host's sockets got
        self.outbound = 0  # frames of the host's on the peer's wire
        self.seen = {}     # of these: what it was → when each came
        self.tried = {"udp to 9": [], "tcp to 9": []}  # by the host, and when
        self.ends = {"in": (peer, host), "out": (host, peer)}
        self.stopping = threading.Event()
        self.sockets = {}
        self.listeners = []
        for name, addresses in (host, peer):
            for version, address in addresses.items():
                family = socket.AF_INET6 if version == 6 else socket.AF_INET
                self.sockets[(name, version)] = _bound(
                    name, family, socket.SOCK_DGRAM, address)
                listener = _bound(name, family, socket.SOCK_STREAM, address)
                listener.listen(64)
                self.listeners.append((name, listener))
        self.host = host[0]
        with inside(peer[0]):
            self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                      socket.htons(3))
        self.wire.bind(("eth0", 0))
        self.wire.setblocking(False)
        self.wire.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # RCVBUFFORCE
        self.thread = threading.Thread(target=self._turn, daemon=True)
        self.tries = []

    def start(self):
        self.thread.start()

    def stop(self):
        self.stopping.set()
        if self.thread.ident:
            self.thread.join()

    def counts(self):
        return self.inbound, self.outbound

    def silence(self, what):
        """The longest time in which the host sent that kind and none of it
        left, in seconds; nothing is said of when a busy machine did not even
        try."""
        tried, longest = self.tried[what], 0
        frames = [float("-inf"), *self.seen.get(what, []), float("inf")]
        for before, after in zip(frames, frames[1:]):
            first = bisect.bisect_right(tried, before)
            last = bisect.bisect_left(tried, after)
            if last - first > 1:
                longest = max(longest, tried[last - 1] - tried[first])
        return longest

    def during(self, action):
        """(what action returns, arrived in, arrived out, sent) meanwhile."""
        self.settle()
        before = (*self.counts(), self.sent)
        self.seen.clear()
        for times in self.tried.values():
            times.clear()
        result = action()
        self.settle()
        return (result, self.inbound - before[0], self.outbound - before[1],
                self.sent - before[2])

    def last(self, what):
        """When the last frame of that kind came; minus infinity: never."""
        return self.seen.get(what, [float("-inf")])[-1]

    def kinds(self):
        return {what: len(times) for what, times in self.seen.items()}

    def settle(self):
        """Until what was sent before is counted: some whole rounds."""
        target = self.rounds + 50
        while self.rounds < target and self.thread.is_alive():
            time.sleep(EVERY)

    rounds = 0

    def _turn(self):
        while not self.stopping.is_set():
            for _, (source, target) in self.ends.items():
                for version, address in target[1].items():
                    self._datagram(source[0], version, address)
                    if self.rounds % 10 == 0:
                        self._opening(source[0], version, address)
                if source[0] == self.host:
                    self._note()
            select.select([self.wire], [], [], EVERY)
            self._drain()
            self.rounds += 1

    def _note(self):
        now = time.monotonic()
        self.tried["udp to 9"].append(now)
        if self.rounds % 10 == 0:
            self.tried["tcp to 9"].append(now)

    def _datagram(self, name, version, address):
        try:
            self.sockets[(name, version)].sendto(b"through?", (address, PORT))
            self.sent += 1
        except OSError:
            self.sent += 1  # the sender's own fence said no

    def _opening(self, name, version, address):
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        with inside(name):
            made = socket.socket(family, socket.SOCK_STREAM)
        made.setblocking(False)
        made.connect_ex((address, PORT))
        self.sent += 1
        self.tries.append(made)
        while len(self.tries) > 64:
            old = self.tries.pop(0)
            old.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                           struct.pack("ii", 1, 0))
            old.close()

    def _drain(self):
        for (name, _), one in self.sockets.items():
            while True:
                try:
                    one.recv(64)
                except BlockingIOError:
                    break
                except OSError:
                    continue  # an ICMP error for what was sent
                if name == self.host:
                    self.inbound += 1
        for name, listener in self.listeners:
            while True:
                try:
                    made, _ = listener.accept()
                except OSError:
                    break
                made.close()
                if name == self.host:
                    self.inbound += 1
        while True:
            try:
                frame, address = self.wire.recvfrom(256)
            except OSError:
                break
            if address[2] == socket.PACKET_OUTGOING:
                continue
            what = what_it_is(frame)
            if what:
                self.outbound += 1
                self.seen.setdefault(what, []).append(time.monotonic())


class Session:
    """One TCP connection from a machine to port 10 of another, kept open."""

    def __init__(self, client, server):
        """`client`, `server`: (name, address)."""
        with inside(server[0]):
            listener = socket.create_server((server[1], PORT + 1))
        with inside(client[0]):
            self.near = socket.create_connection((server[1], PORT + 1), 5)
        self.far, _ = listener.accept()
        listener.close()

    def carries(self):
        """Whether a line sent by the client arrives within two seconds."""
        line = b"%f\n" % time.monotonic()
        try:
            self.near.sendall(line)
            self.far.settimeout(2)
            return self.far.recv(64) == line
        except OSError:
            return False

    def close(self):
        self.near.close()
        self.far.close()


def what_it_is(frame):
    """A word for a frame that should not leave a host in quarantine; None for
    what may: management, address resolution, IPv6's own housekeeping."""
    kind = struct.unpack("!H", frame[12:14])[0]
    body = frame[14:]
    if kind == 0x0800:
        protocol, payload = body[9], body[(body[0] & 15) * 4:]
    elif kind == 0x86DD:
        protocol, payload = body[6], body[40:]
        if protocol == 0:  # hop by hop: multicast listeners
            protocol, payload = payload[0], payload[(payload[1] + 1) * 8:]
    else:
        return None
    if protocol == 58:
        return None if payload[0] in ICMP6_KEPT else f"icmp6 {payload[0]}"
    if protocol in (6, 17):
        _, port = struct.unpack("!HH", payload[:4])
        if protocol == 6 and port == MANAGEMENT:
            return None
        return f"{'tcp' if protocol == 6 else 'udp'} to {port}"
    return f"protocol {protocol}"
