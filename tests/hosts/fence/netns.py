"""Network namespaces with real sockets, for the tests of the fence.

One process holds the sockets of all hosts: a socket belongs to the namespace
its thread was in when it was made. Nothing here waits for time to pass: every
wait is for a packet or a state, up to a deadline. That a packet does *not*
arrive can only be waited for; NOTHING says how long.
"""

import ctypes
import errno
import os
import select
import socket
import struct
import subprocess
import time

PREFIX = "sl-fence-"
NOTHING = 0.3  # seconds without a packet: it did not pass
SOON = 3.0     # a packet that passes has arrived by then

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


class Unavailable(Exception):
    """Namespaces cannot be made here."""


def run(*argv, check=True, stdin=None):
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True,
                          check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done


class inside:
    """with inside(host): sockets made here are that host's."""

    def __init__(self, host):
        self.host = host

    def _enter(self, path):
        with open(path) as handle:
            if _libc.setns(handle.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {path}")

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._enter(f"/var/run/netns/{PREFIX}{self.host}")

    def __exit__(self, *_):
        if _libc.setns(self.home, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns back")
        os.close(self.home)


def sh(host, command, check=True, stdin=None):
    return run("ip", "netns", "exec", PREFIX + host, "sh", "-c", command,
               check=check, stdin=stdin)


def set_sysctl(host, name, value):
    sh(host, f"echo {value} > /proc/sys/{name.replace('.', '/')}")


def remove_all():
    listed = run("ip", "netns", "list", check=False).stdout.split("\n")
    for line in listed:
        name = line.split(" ")[0]
        if name.startswith(PREFIX):
            run("ip", "netns", "delete", name, check=False)


def add_host(name):
    made = run("ip", "netns", "add", PREFIX + name, check=False)
    if made.returncode != 0:
        raise Unavailable(made.stderr.strip())
    sh(name, "ip link set lo up")
    # Addresses are usable at once: no duplicate detection among ourselves.
    set_sysctl(name, "net.ipv6.conf.all.accept_dad", 0)
    set_sysctl(name, "net.ipv6.conf.default.accept_dad", 0)


def link(a, a_if, b, b_if, mtu=1500):
    run("ip", "link", "add", a_if, "mtu", str(mtu), "netns", PREFIX + a,
        "type", "veth", "peer", "name", b_if, "mtu", str(mtu), "netns",
        PREFIX + b)
    sh(a, f"ip link set {a_if} up")
    sh(b, f"ip link set {b_if} up")


def address(host, interface, *addresses):
    for one in addresses:
        sh(host, f"ip address add {one} dev {interface} "
                 f"{'nodad' if ':' in one else ''}")


def family_of(address_text):
    return socket.AF_INET6 if ":" in address_text else socket.AF_INET


def _nonblocking(host, family, kind, proto=0):
    with inside(host):
        made = socket.socket(family, kind, proto)
    made.setblocking(False)
    return made


def wait(sock, events, seconds):
    """Whether one of `events` happens to the socket in time."""
    poll = select.poll()
    poll.register(sock, events)
    return bool(poll.poll(max(0, seconds) * 1000))


def word(error):
    return {0: "ok", errno.ECONNREFUSED: "refused",
            errno.EPERM: "refused", errno.EACCES: "refused",
            errno.ECONNRESET: "reset", errno.EPIPE: "reset",
            errno.EHOSTUNREACH: "unreachable",
            errno.ENETUNREACH: "unreachable"}.get(
                error, errno.errorcode.get(error, str(error)))


class Server:
    """A listening socket of a host, TCP or UDP, that accepts by itself."""

    def __init__(self, host, bind, port, protocol="tcp"):
        self.protocol = protocol
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        self.sock = _nonblocking(host, family_of(bind), kind)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((bind, port))
        if protocol == "tcp":
            self.sock.listen(16)

    def accept(self, seconds):
        if not wait(self.sock, select.POLLIN, seconds):
            return None
        made, _ = self.sock.accept()
        made.setblocking(False)
        return made

    def close(self):
        self.sock.close()


class Session:
    """A client's socket and, once connected, the server's end of it."""

    counter = 0

    def __init__(self, client, to, port, server, source=None):
        self.server = server
        self.tcp = server.protocol == "tcp"
        kind = socket.SOCK_STREAM if self.tcp else socket.SOCK_DGRAM
        self.near = _nonblocking(client, family_of(to), kind)
        if source:
            self.near.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.near.bind(source)
        self.to = (to, port)
        self.far = None
        self.peer = None  # of a UDP server's answers

    def open(self, seconds=SOON):
        """'ok', 'refused', 'unreachable', … or 'nothing'."""
        if not self.tcp:
            self.near.connect(self.to)
            return "ok" if self.carries("out", seconds) else "nothing"
        error = self.near.connect_ex(self.to)
        if error == errno.EINPROGRESS:
            if not wait(self.near, select.POLLOUT, seconds):
                return "nothing"
            error = self.near.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error == 0:
            self.far = self.server.accept(SOON)
            assert self.far is not None, "connected, but nobody accepted"
        return word(error)

    def carries(self, way, seconds=NOTHING):
        """Whether bytes of now arrive at the other end: way 'out' or 'back'."""
        self.send_token(way)
        return self.token_arrives(way, time.monotonic() + seconds)

    def send_token(self, way):
        """Sends bytes of now; whether the sender's kernel took them."""
        Session.counter += 1
        self.token = f"<{Session.counter}>".encode()
        self.error = None
        try:
            self._send(way, self.token)
        except OSError as error:
            self.error = word(error.errno)

    def token_arrives(self, way, deadline):
        return self._arrives(way, self.token, deadline)

    def _send(self, way, data):
        if way == "out":
            self.near.send(data)
        elif self.tcp:
            self.far.send(data)
        else:
            self.server.sock.sendto(data, self.peer)

    def _arrives(self, way, token, deadline):
        reader = self.near if way == "back" else (
            self.far if self.tcp else self.server.sock)
        seen = b""
        while wait(reader, select.POLLIN, deadline - time.monotonic()):
            try:
                data, peer = reader.recvfrom(65536)
            except OSError as error:
                self.error = word(error.errno)
                return False
            if way == "out" and not self.tcp:
                self.peer = peer
            seen += data
            if token in seen:
                return True
            if not data and self.tcp:
                return False
        return False

    def transfer(self, size, seconds=10):
        """How many of `size` bytes arrive at the server's end (TCP)."""
        deadline = time.monotonic() + seconds
        chunk, sent, got = b"x" * 65536, 0, 0
        while got < size and time.monotonic() < deadline:
            if sent < size and wait(self.near, select.POLLOUT, 0):
                sent += self.near.send(chunk[:size - sent])
            if wait(self.far, select.POLLIN, 0.05):
                got += len(self.far.recv(1 << 20))
        return got

    def close(self):
        for one in (self.near, self.far):
            if one is not None and one.fileno() >= 0:
                # At once and without a word: what is left must not disturb.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               struct.pack("ii", 1, 0))
                one.close()


def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def echo(host, to, seconds=NOTHING):
    """Whether an ICMP echo is answered: 'ok', 'refused' or 'nothing'."""
    v6 = ":" in to
    sock = _nonblocking(host, family_of(to), socket.SOCK_RAW,
                        socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
    ident = 0x5c1e
    kind = 128 if v6 else 8
    head = struct.pack("!BBHHH", kind, 0, 0, ident, 1)
    head = struct.pack("!BBHHH", kind, 0, _checksum(head), ident, 1)
    deadline = time.monotonic() + seconds
    with sock:
        try:
            sock.sendto(head, (to, 0))
        except OSError as error:
            return word(error.errno)
        while wait(sock, select.POLLIN, deadline - time.monotonic()):
            data = sock.recv(2048)
            data = data if v6 else data[(data[0] & 15) * 4:]
            kind, _, _, who = struct.unpack("!BBHH", data[:6])
            if kind == (129 if v6 else 0) and who == ident:
                return "ok"
    return "nothing"
