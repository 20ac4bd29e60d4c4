"""Many attempts at once, in one loop over all hosts' sockets.

A mark is a few bytes of its own for every attempt: what passed is known by its
mark having arrived. So a table of attempts costs one wait, not one each.
"""

import errno
import itertools
import select
import socket
import struct
import time

import netns
import packets

REFUSALS = (errno.ECONNREFUSED, errno.EPERM, errno.EACCES, errno.EHOSTUNREACH)
_numbers = itertools.count(1)


def new_mark():
    return f"<{next(_numbers):06}>".encode()


def _socket(host, version, kind, protocol=0):
    with netns.inside(host):
        made = socket.socket(socket.AF_INET6 if version == 6
                             else socket.AF_INET, kind, protocol)
    made.setblocking(False)
    return made


class World:
    def __init__(self):
        self.poll = select.poll()
        self.handlers = {}   # by descriptor
        self.sockets = {}    # servers and ears, by what they are
        self.heard = {}      # ear → marks seen by it
        self.far_ends = {}   # mark → how its server answers it
        self.kept = []

    def close(self):
        for one in list(self.sockets.values()) + self.kept:
            self.drop(one)
        self.sockets.clear()
        self.kept.clear()

    def watch(self, sock, events, handler):
        self.handlers[sock.fileno()] = handler
        self.poll.register(sock, events)

    def drop(self, sock):
        if sock.fileno() < 0:
            return
        if self.handlers.pop(sock.fileno(), None) is not None:
            self.poll.unregister(sock)
        if sock.type == socket.SOCK_STREAM:
            # At once and without a word: what is left must not disturb.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
        sock.close()

    def turn(self, seconds):
        for descriptor, event in self.poll.poll(max(0, seconds) * 1000):
            handler = self.handlers.get(descriptor)
            if handler is not None:
                handler(event)

    def run(self, attempts, ok_within, nothing_for):
        """Until each attempt that should pass has, and the others have had
        `nothing_for` seconds to show that they do not."""
        begun = time.monotonic()
        for attempt in attempts:
            attempt.start()
        quiet = time.monotonic() + nothing_for
        while True:
            now = time.monotonic()
            waits = any(a.expected == "P" and not a.result() == "P"
                        for a in attempts)
            if now > quiet and (not waits or now > begun + ok_within):
                return
            self.turn(min(0.05, max(0.001, quiet - now)))

    # What listens.

    def serve(self, host, address, port, protocol):
        """Gives everything back, and remembers whose mark came in."""
        key = (host, address, port, protocol)
        if key in self.sockets:
            return
        version = 6 if packets.is6(address) else 4
        made = _socket(host, version, socket.SOCK_STREAM if protocol == "tcp"
                       else socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        self.sockets[key] = made
        if protocol == "udp":
            self.watch(made, select.POLLIN, lambda _: self._datagram(made))
            return
        made.listen(256)
        self.watch(made, select.POLLIN, lambda _: self._accept(made))

    def _datagram(self, server):
        try:
            data, peer = server.recvfrom(65536)
            self._note(data, lambda mark: server.sendto(mark, peer))
            server.sendto(data[:8], peer)
        except OSError:
            return

    def _accept(self, server):
        try:
            made, _ = server.accept()
        except OSError:
            return
        made.setblocking(False)
        self.kept.append(made)
        self.watch(made, select.POLLIN, lambda _: self._received(made))

    def _received(self, made):
        try:
            data = made.recv(1 << 20)
            if not data:
                self.drop(made)
                return
            self._note(data, made.send)
            made.send(data[-64:])
        except OSError:
            self.drop(made)

    def _note(self, data, answer):
        for at in range(len(data)):
            if data[at:at + 1] == b"<" and data[at + 7:at + 8] == b">":
                self.far_ends[data[at:at + 8]] = answer

    def hear(self, host, version, protocol):
        """Everything of an IP protocol that the host's fence lets in."""
        key = (host, version, protocol)
        if key not in self.sockets:
            made = _socket(host, version, socket.SOCK_RAW, protocol)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self.heard[key] = bytearray()
            self.sockets[key] = made
            self.watch(made, select.POLLIN, lambda _: self._heard(key))
        return key

    def _heard(self, key):
        try:
            while True:
                self.heard[key] += self.sockets[key].recv(65536) + b"|"
        except OSError:
            return


class Opening:
    """A TCP connection, or a UDP exchange: passes when a mark has gone there
    and back. Kept, it is a session."""

    def __init__(self, world, host, to, port, protocol="tcp", source=None,
                 size=0):
        self.world, self.host, self.to, self.port = world, host, to, port
        self.tcp, self.source, self.size = protocol == "tcp", source, size
        self.expected = "P"
        self.state = "."
        self.left = b""
        self.mark = new_mark()
        self.got = b""
        self.near = None

    def result(self):
        return self.state

    def start(self):
        version = 6 if packets.is6(self.to) else 4
        self.near = _socket(self.host, version, socket.SOCK_STREAM if self.tcp
                            else socket.SOCK_DGRAM)
        self.world.kept.append(self.near)
        if self.source:
            self.near.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.near.bind(self.source)
        error = self.near.connect_ex((self.to, self.port))
        if error not in (0, errno.EINPROGRESS):
            self._failed(error)
        elif self.tcp:
            self.world.watch(self.near, select.POLLOUT, self._connected)
        else:
            self.world.watch(self.near, select.POLLIN, self._readable)
            self._send(self.mark + b"x" * self.size)

    def _failed(self, error):
        self.state = "x" if error in REFUSALS else "."

    def _connected(self, _):
        error = self.near.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.world.poll.unregister(self.near)
        if error != 0:
            self.world.handlers.pop(self.near.fileno())
            self._failed(error)
            return
        self.world.watch(self.near, select.POLLIN, self._readable)
        self._send(self.mark)
        if self.size:
            self.left = b"x" * self.size + self.mark
            self.mark = new_mark()
            self.left = self.left[:-8] + self.mark
            self._push()

    def _push(self):
        try:
            self.left = self.left[self.near.send(self.left):]
        except BlockingIOError:
            pass
        except OSError as error:
            self._failed(error.errno)
            return
        events = select.POLLIN | (select.POLLOUT if self.left else 0)
        self.world.poll.modify(self.near, events)

    def _send(self, data):
        try:
            self.near.send(data)
            return True
        except OSError as error:
            self._failed(error.errno)
            return False

    def _readable(self, event):
        if event & select.POLLOUT and self.left:
            self._push()
        if not event & (select.POLLIN | select.POLLERR | select.POLLHUP):
            return
        try:
            data = self.near.recv(65536)
        except OSError as error:
            if error.errno != errno.EAGAIN and self.state != "P":
                self._failed(error.errno)
            if self.tcp and error.errno != errno.EAGAIN:
                self.world.drop(self.near)
            return
        if not data and self.tcp:
            self.world.drop(self.near)
            return
        self.got = (self.got + data)[-4096:]
        if self.mark in self.got:
            self.state = "P"

    def finish(self):
        if self.near is not None:
            self.world.drop(self.near)


class Bytes:
    """Bytes of now over a session: way 'out' or 'back'."""

    def __init__(self, session, way):
        self.session, self.way = session, way
        self.expected = "P"
        self.mark = new_mark()

    def start(self):
        session = self.session
        try:
            if self.way == "out":
                session.near.send(self.mark)
            else:
                session.world.far_ends[session.mark](self.mark)
        except OSError:
            pass

    def result(self):
        if self.way == "out":
            there = self.mark in self.session.world.far_ends
        else:
            there = self.mark in self.session.got
        return "P" if there else "."

    def finish(self):
        pass


class Sent:
    """Packets by hand. `make(mark)` gives them; they passed when the mark was
    heard by the host that they are for. With `frame`, they go past the
    host's own rules, straight to an interface."""

    def __init__(self, world, host, make, ear, to, frame=None):
        self.world, self.host, self.make = world, host, make
        self.ear, self.to, self.frame = ear, to, frame
        self.expected = "P"
        self.mark = new_mark()

    def start(self):
        self.key = self.world.hear(*self.ear)
        version = 6 if packets.is6(self.to) else 4
        made = self.make(self.mark)
        for packet in made if isinstance(made, list) else [made]:
            try:
                self._send(version, packet)
            except OSError:
                return

    def _send(self, version, packet):
        if self.frame is not None:
            with netns.inside(self.host):
                out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            with out:
                out.bind(("eth0", 0))
                kind = 0x86dd if version == 6 else 0x0800
                out.send(self.frame + struct.pack("!H", kind) + packet)
            return
        with _socket(self.host, version, socket.SOCK_RAW, 255) as out:
            if version == 4:
                out.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
                out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            with netns.inside(self.host):
                index = socket.if_nametoindex("eth0")
            if version == 6:
                out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF,
                               index)
            elif self.to.startswith(("224.", "239.", "255.")):
                out.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE,
                               b"eth0")
            out.sendto(packet, (self.to, 0))

    def result(self):
        return "P" if self.mark in self.world.heard[self.key] else "."

    def finish(self):
        pass
