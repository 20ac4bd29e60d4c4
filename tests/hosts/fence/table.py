"""The table: packets and sessions, and what becomes of each in every state.

  P passes   . does not arrive   x is refused at once, on the host itself

A row's marks stand in the order of STATES. `server` is fenced and leased
what CAN_ENTER, CAN_LEAVE name; `router` is fenced for its guest, which stands
behind destination NAT. `client`, `boss` and `far` have no fence.
"""

import struct

import netns
from estate import ADDRESSES, MANAGEMENT_PORT, flow
from packets import (ACK, DCCP, DESTINATION, ESP, FIN, GRE, HOP_BY_HOP, ICMP,
                     ICMP6, IGMP, IP6IN, IPIP, PSH, ROUTING, RST, SCTP, SYN,
                     TCP, UDP, UDPLITE, URG, fragments, icmp, ip, is6, redirect,
                     sctp_init, tcp, too_big, udp)
from world import Bytes, Opening, Sent

STATES = ("open", "quarantined", "leased", "standing", "expired", "reopened")
FLOW = "P.PP.P"      # passes where its flow is open
FLOW_OUT = "PxPPxP"
NEVER = "P....."     # passes without a fence only
NEVER_OUT = "Pxxxxx"
ALWAYS = "PPPPPP"
NOWHERE = "......"   # the kernel itself refuses it

IN, OUT, INNER, OUTER, HOST = 8080, 9090, 80, 9191, 9000
BOTH = (4, 6)
PROTOCOLS = ("tcp", "udp")


def server_flows():
    return [flow(p, *ends, v) for v in BOTH for p in PROTOCOLS for ends in (
        ("client", "server", IN), ("server", "client", OUT))] + [
            flow("tcp", "server", "far", 5000, v) for v in BOTH]


def router_flows():
    """To the guest's published port, and from the guest as its host."""
    return [flow(p, *ends, v) for v in BOTH for p in PROTOCOLS for ends in (
        ("client", "router", IN), ("router", "client", OUTER))]


def vital_flows():
    return [flow("tcp", "client", "server", 3260, v) for v in BOTH]


class Row:
    def __init__(self, what, states, version, make, odd=False):
        self.what, self.states, self.version = what, states, version
        self.make = make      # → an attempt
        # Another firewall has its own word on such packets where there is no
        # fence: then the first mark is not judged.
        self.odd = odd

    def expected(self, state):
        return self.states[STATES.index(state)]


class Table:
    def __init__(self, world):
        self.world = world
        self.rows = []
        for self.version in BOTH:
            self.at = {host: address[self.version]
                       for host, address in ADDRESSES.items()}
            self._serve()
            self._into()
            self._protocols_into()
            self._icmp_into()
            self._liars()
            self._out()
            self._through()
            self._guests_out()

    def _row(self, what, states, make, odd=False):
        self.rows.append(Row(what, states, self.version, make, odd))

    def _serve(self):
        for p in PROTOCOLS:
            for host, ports in (("server", (IN, IN + 1, 5000)),
                                ("client", (OUT, OUT + 1, OUTER, OUTER + 1)),
                                ("guest", (INNER, INNER + 1)),
                                ("router", (HOST,)),
                                ("boss", (MANAGEMENT_PORT, 53))):
                for port in ports:
                    self.world.serve(host, self.at[host], port, p)
        self.world.serve("server", self.at["server"], 3260, "tcp")
        self.world.serve("far", self.at["far"], 5000, "tcp")
        loopback = "::1" if self.version == 6 else "127.0.0.1"
        self.world.serve("server", loopback, IN, "tcp")

    def _opens(self, what, states, client, to, port, protocols=PROTOCOLS,
               **more):
        for p in protocols:
            def make(p=p, to=to, more=more):
                return Opening(self.world, client, to, port, p, **more)
            self._row(f"{p}: {what}", states, make)

    def _sends(self, what, states, build, protocol, host="client",
               ear="server", to=None, odd=True, source=None, frame=None,
               ear_protocol=None):
        """`build(source, to, mark)` → the packet's body, in `protocol`; or
        with protocol None, the whole packets."""
        source = source or self.at[host]
        to = to or self.at[ear]
        version = self.version

        def whole(mark):
            body = build(source, to, mark)
            return body if protocol is None else ip(source, to, protocol, body)

        def make():
            return Sent(self.world, host, whole,
                        (ear, version, ear_protocol or protocol), to, frame)
        self._row(what, states, make, odd)

    def _into(self):
        at = self.at
        self._opens("a flow that is released", FLOW, "client", at["server"],
                    IN)
        self._opens("another port", NEVER, "client", at["server"], IN + 1)
        self._opens("the same port, another client", NEVER, "boss",
                    at["server"], IN)
        self._opens("a vital flow", ALWAYS, "client", at["server"], 3260,
                    ["tcp"])
        self._opens("management", ALWAYS, "server", at["boss"],
                    MANAGEMENT_PORT, ["tcp"])
        self._opens("the host with itself", ALWAYS, "server", at["server"],
                    IN)
        self._opens("the host with itself, loopback", ALWAYS, "server",
                    "::1" if self.version == 6 else "127.0.0.1", IN, ["tcp"])
        for name, port, states in (("released", IN, FLOW),
                                   ("not released", IN + 1, NEVER)):
            self._opens(f"a datagram in fragments, {name}", states, "client",
                        at["server"], port, ["udp"], size=5000)

            def syn(source, to, mark, port=port):
                return fragments(source, to, TCP, tcp(
                    source, to, (3000, port), SYN, mark + bytes(32)), 24 if is6(to) else 8)
            self._sends(f"tcp: an opening in small fragments, {name}",
                        states, syn, None, ear_protocol=TCP)
            self._sends(f"tcp: an opening with options, {name}", states,
                        lambda s, t, m, port=port: self._with_options(
                            s, t, TCP, tcp(s, t, (3001, port), SYN, m)),
                        None, ear_protocol=TCP)
        for name, flags in (("ACK alone", ACK), ("data", PSH | ACK),
                            ("FIN", FIN), ("FIN, ACK", FIN | ACK),
                            ("RST", RST), ("SYN, ACK", SYN | ACK),
                            ("SYN, FIN", SYN | FIN), ("SYN, RST", SYN | RST),
                            ("no flag", 0),
                            ("FIN, PSH, URG", FIN | PSH | URG)):
            port = 20000 + flags  # each a connection of its own
            self._sends(f"tcp: {name}, out of nowhere", NEVER,
                        lambda s, t, m, f=flags, p=port: tcp(
                            s, t, (p, IN), f, m), TCP)

    def _with_options(self, source, to, protocol, body):
        if not is6(source):  # a time stamp, room for two
            return ip(source, to, protocol, body,
                      options=bytes([68, 12, 5, 0]) + bytes(8))
        padding = bytes([protocol, 0, 1, 4]) + bytes(4)
        return ip(source, to, protocol, body, options=(DESTINATION, padding))

    def _protocols_into(self):
        def simple(source, to, mark):
            return struct.pack("!HHHH", 3000, IN, 16, 0) + mark

        def inner(source, to, mark):
            return ip(source, to, UDP, udp(source, to, (3000, IN), mark))
        self._sends("SCTP, the port released", NEVER,
                    lambda s, t, m: sctp_init((3000, IN), m), SCTP)
        self._sends("UDP-Lite, the port released", NEVER,
                    lambda s, t, m: udp(s, t, (3000, IN), m, UDPLITE),
                    UDPLITE)
        self._sends("DCCP, the port released", NEVER,
                    lambda s, t, m: simple(s, t, m) + bytes(8), DCCP)
        self._sends("GRE", NEVER, lambda s, t, m: bytes(
            [0, 0, 8, 0]) + inner(s, t, m), GRE)
        self._sends("ESP", NEVER, simple, ESP)
        self._sends("IP in IP, the port released inside", NEVER, inner,
                    IP6IN if self.version == 6 else IPIP)
        self._sends("a protocol nobody knows", NEVER, simple, 253)
        if self.version == 6:
            for name, kind, header in (
                    ("hop-by-hop", HOP_BY_HOP, bytes([UDP, 0, 1, 4, 0, 0, 0,
                                                      0])),
                    ("routing", ROUTING, bytes([UDP, 0, 253, 0, 0, 0, 0, 0]))):
                for word, port, states in (("released", IN, FLOW),
                                           ("not released", IN + 1, NEVER)):
                    self._sends(
                        f"udp: behind a {name} header, {word}", states,
                        lambda s, t, m, k=kind, h=header, p=port: ip(
                            s, t, UDP, udp(s, t, (3000, p), m),
                            options=(k, h)), None, ear_protocol=UDP)

    def _icmp_into(self):
        icmp_protocol = ICMP6 if self.version == 6 else ICMP

        def sends(what, states, kind, code=0, data=b"", **more):
            self._sends(what, states, lambda s, t, m: icmp(
                s, t, kind, code, bytes(4), data + m), icmp_protocol, **more)
        six = self.version == 6
        sends("echo request", NEVER, 128 if six else 8)
        sends("echo reply nobody asked for", NEVER, 129 if six else 0)
        self._sends("an error about nothing", NEVER, lambda s, t, m: too_big(
            s, t, 1200, self._packet_of(t, s, (IN, 31000), m)),
            icmp_protocol, host="boss")
        # What has begun in that state is what the error quotes.
        self._row("an error about a released session", FLOW,
                  self._error_about_live(icmp_protocol), odd=True)
        self._row("a redirect about a released session", NEVER,
                  self._error_about_live(icmp_protocol, True), odd=True)
        if not six:
            sends("timestamp request", NEVER, 13, data=bytes(12))
            sends("router advertisement (ICMP)", NEVER, 9)
            self._sends("IGMP", NEVER, lambda s, t, m: bytes([0x16, 0, 0, 0])
                        + bytes(4) + m, IGMP)
            self._multicasts(("broadcast", "10.66.0.255"),
                             ("broadcast on this link", "255.255.255.255"),
                             ("multicast", "224.0.0.1"))
            return
        self._multicasts(("multicast", "ff02::1"))
        for what, kind, hops, states in (
                ("router advertisement", 134, 255, ALWAYS),
                ("router advertisement from afar", 134, 254, NEVER),
                ("neighbour solicitation", 135, 255, ALWAYS),
                ("neighbour solicitation from afar", 135, 64, NEVER),
                ("listener query", 130, 1, ALWAYS),
                ("listener query from afar", 130, 64, NEVER),
                ("node information query", 139, 255, NEVER)):
            self._sends(what, states, lambda s, t, m, k=kind, h=hops: ip(
                s, t, ICMP6, icmp(s, t, k, 0, bytes(4), bytes(16) + bytes(
                    [253, 2, 0, 0, 0, 0, 0, 0]) + m), hops=h), None,
                ear_protocol=ICMP6)

    def _multicasts(self, *groups):
        for name, group in groups:
            self._sends(f"udp: {name}, the port released", NEVER,
                        lambda s, t, m: udp(s, t, (3000, IN), m), UDP,
                        to=group)

    def _packet_of(self, source, to, ports, mark):
        return ip(source, to, TCP, tcp(source, to, ports, ACK, mark))

    def _error_about_live(self, icmp_protocol, redirects=False):
        at, version, world = self.at, self.version, self.world

        class About(Sent):
            def start(self):
                live = Opening(world, "client", at["server"], IN)
                live.expected = "P"
                world.run([live], 1.0 if self.expected == "P" else 0.1, 0)
                self.port = live.near.getsockname()[1] \
                    if live.near.fileno() >= 0 else 31001
                super().start()
                self.live = live

            def finish(self):
                self.live.finish()

        def whole(mark):
            about = ip(at["server"], at["client"], TCP, tcp(
                at["server"], at["client"], (IN, made[-1].port), ACK, mark))
            source, to = at["boss"], at["server"]
            body = redirect(source, to, at["boss"], about) if redirects \
                else too_big(source, to, 1400, about)
            return ip(source, to, icmp_protocol, body, hops=255)
        made = []

        def make():
            made.append(About(world, "boss", whole,
                              ("server", version, icmp_protocol),
                              at["server"]))
            return made[-1]
        return make

    def _liars(self):
        at, port = self.at, MANAGEMENT_PORT
        boss = at["boss"]
        for what, states, source, flags, sport in (
                ("from the management port, another address", NEVER,
                 at["client"], ACK, port),
                ("from the orchestrator, another port", NEVER, boss, ACK,
                 port + 1),
                ("an opening as from the orchestrator", NEVER, boss, SYN,
                 port),
                # Matched without a connection, so that nothing can stall the
                # agent: the host's TCP refuses what is not its stream.
                ("an ACK as from the orchestrator", ALWAYS, boss, ACK, port)):
            self._sends(f"tcp: {what}", states,
                        lambda s, t, m, f=flags, p=sport: tcp(
                            s, t, (p, 40000), f, m), TCP, source=source)
        self._sends("udp: as from the orchestrator", NEVER,
                    lambda s, t, m: udp(s, t, (port, 40000), m), UDP,
                    source=boss)
        self._sends("udp: as from the host itself, by wire",
                    NEVER if self.version == 6 else NOWHERE,
                    lambda s, t, m: udp(s, t, (3000, IN), m), UDP,
                    source=at["server"])
        self._sends("udp: as from loopback, by wire", NOWHERE,
                    lambda s, t, m: udp(s, t, (3000, IN), m), UDP,
                    source="::1" if self.version == 6 else "127.0.0.1")

    def _out(self):
        at = self.at
        self._opens("out, a flow that is released", FLOW_OUT, "server",
                    at["client"], OUT)
        self._opens("out, another port", NEVER_OUT, "server", at["client"],
                    OUT + 1)
        self._opens("out, another host", NEVER_OUT, "server", at["boss"], 53)
        self._opens("out over a path that is too narrow, 300 kB", FLOW_OUT,
                    "server", at["far"], 5000, ["tcp"], size=300000)
        self._opens("out in fragments, released", FLOW_OUT, "server",
                    at["client"], OUT, ["udp"], size=5000)
        icmp_protocol = ICMP6 if self.version == 6 else ICMP
        out = {"host": "server", "ear": "client"}
        self._sends("out: echo request", NEVER, lambda s, t, m: icmp(
            s, t, 128 if is6(s) else 8, 0, bytes(4), m),
            icmp_protocol, **out)
        self._sends("out: SCTP", NEVER, lambda s, t, m: sctp_init(
            (3000, OUT), m), SCTP, **out)
        self._sends("out: GRE", NEVER, lambda s, t, m: bytes(
            [0, 0, 8, 0]) + m, GRE, **out)
        self._sends("out: IP in IP", NEVER, lambda s, t, m: ip(
            s, t, UDP, udp(s, t, (1, OUT), m)),
            IP6IN if self.version == 6 else IPIP, **out)
        self._sends("out: udp: multicast", NEVER, lambda s, t, m: udp(
            s, t, (3000, OUT), m), UDP,
            to="ff02::1" if self.version == 6 else "224.0.0.1", **out)
        for p, number, build in (("tcp", TCP, lambda s, t, m: tcp(
                s, t, (IN, 40001), SYN, m)), ("udp", UDP, lambda s, t, m: udp(
                    s, t, (IN, 40001), m))):
            self._sends(f"out: {p}: from the port released inwards", NEVER,
                        build, number, **out)
        # Stated, not wished for: see docs/decisions/0005-fence.md.
        frame = b"".join(bytes.fromhex(netns.sh(
            host, "cat /sys/class/net/eth0/address").stdout.strip().replace(
                ":", "")) for host in ("client", "server"))
        self._sends("out: udp: by a packet socket, past every rule", ALWAYS,
                    lambda s, t, m: udp(s, t, (3000, OUT + 1), m), UDP,
                    frame=frame, **out)
        self._sends("out: tcp: ACK alone", NEVER, lambda s, t, m: tcp(
            s, t, (3002, OUT), ACK, m), TCP, **out)

    def _through(self):
        at = self.at
        self._opens("to the guest, released", FLOW, "client", at["router"],
                    IN)
        self._opens("to the guest, another port", NEVER, "client",
                    at["router"], IN + 1)
        self._opens("to the guest, another client", NEVER, "boss",
                    at["router"], IN)
        self._opens("to the guest by its own address", NEVER, "client",
                    at["guest"], INNER)
        self._opens("to the guest in fragments, released", FLOW, "client",
                    at["router"], IN, ["udp"], size=5000)
        through = {"ear": "guest", "to": at["router"]}
        for name, flags in (("ACK alone", ACK), ("FIN, ACK", FIN | ACK),
                            ("RST", RST)):
            self._sends(f"tcp: to the guest: {name}, out of nowhere",
                        NEVER if flags == ACK else NOWHERE,
                        lambda s, t, m, f=flags: tcp(
                            s, t, (3100 + f, IN), f, m), TCP, **through)
        self._sends("tcp: to the guest: an opening with options", FLOW,
                    lambda s, t, m: self._with_options(
                        s, t, TCP, tcp(s, t, (3101, IN), SYN, m)), None,
                    ear_protocol=TCP, **through)
        self._sends("to the guest by its own address: SCTP", NEVER,
                    lambda s, t, m: sctp_init((3000, INNER), m), SCTP,
                    ear="guest")
        self._sends("to the guest by its own address: GRE", NEVER,
                    lambda s, t, m: bytes([0, 0, 8, 0]) + m, GRE,
                    ear="guest")
        self._sends("to the guest by its own address: echo request", NEVER,
                    lambda s, t, m: icmp(
                        s, t, 128 if is6(s) else 8, 0, bytes(4),
                        m), ICMP6 if self.version == 6 else ICMP,
                    ear="guest")

    def _guests_out(self):
        at = self.at
        self._opens("the guest out, released to its host", FLOW, "guest",
                    at["client"], OUTER)
        self._opens("the guest out, another port", NEVER, "guest",
                    at["client"], OUTER + 1)
        self._opens("the guest with its own host", ALWAYS, "guest",
                    at["router"], HOST)
        self._opens("the guest to the orchestrator, as its host", NEVER,
                    "guest", at["boss"], MANAGEMENT_PORT, ["tcp"])
        guest = {"host": "guest", "ear": "client"}
        self._sends("the guest out: a SYN past what it was given", NEVER,
                    lambda s, t, m: tcp(s, t, (3200, OUTER + 1), SYN, m), TCP,
                    **guest)
        self._sends("the guest to the orchestrator: one SYN", NEVER,
                    lambda s, t, m: tcp(s, t, (3201, MANAGEMENT_PORT), SYN,
                                        m), TCP, host="guest", ear="boss")
        self._sends("the guest out: GRE", NEVER, lambda s, t, m: bytes(
            [0, 0, 8, 0]) + m, GRE, **guest)
        self._sends("the guest out: echo request", NEVER,
                    lambda s, t, m: icmp(
                        s, t, 128 if is6(s) else 8, 0, bytes(4),
                        m), ICMP6 if self.version == 6 else ICMP, **guest)


class Sessions:
    """Sessions that began in one state, and what they carry in later ones.
    UDP has none: its client's datagram is a new one wherever its flow is open,
    so of what began earlier only the way back is a row."""

    PATHS = (("in", "client", "server", IN, ("server", IN)),
             ("out", "server", "client", OUT, None),
             ("to the guest", "client", "router", IN, None),
             ("of the guest", "guest", "client", OUTER, None))

    def __init__(self, world, begun, states):
        """`states`: the marks of STATES; ' ' before it has begun."""
        self.world, self.begun, self.states = world, begun, states
        self.live = []  # (what, version, talks, session)

    def begin(self):
        """One that talks in every state, and for each later state one that
        has been silent until then, so that no packet told its ends that it is
        dead."""
        later = [s for s, mark in zip(STATES, self.states) if mark != " "]
        for version in BOTH:
            for name, client, server, port, _ in self.PATHS:
                for p in PROTOCOLS:
                    for silent in [None] + later:
                        made = Opening(self.world, client,
                                       ADDRESSES[server][version], port, p)
                        self.live.append((f"{p}: {name}, begun {self.begun}",
                                          version, silent, made))
        self.world.run([made for *_, made in self.live], netns.SOON, 0)
        return [made for *_, made in self.live if made.result() != "P"]

    def attempts(self, state):
        """[(what, version, expected, attempt)]"""
        expected = self.states[STATES.index(state)]
        if expected == " ":
            return []
        made = []
        for what, version, silent, session in self.live:
            if silent not in (None, state):
                continue
            word = "talking" if silent is None else "silent until now"
            ways = ["out", "back"] if session.tcp or expected == "P" \
                else ["back"]
            for way in ways:
                made.append((f"{what}, {word}, {way}", version, expected,
                             Bytes(session, way)))
        return made
