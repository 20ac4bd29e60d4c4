"""Other tables that meddle with the kernel's memory of connections: packets
that are not tracked, zones, and a helper that expects connections."""

import re

import netns
from cases import ALL_8080, BOTH, FenceTest
from estate import ADDRESSES, Fence, V4, flow
from netns import SOON

# Before the kernel looks a connection up, both for what comes and what goes.
RAW = """
table inet others {{
  chain pre {{
    type filter hook prerouting priority raw; policy accept; {rule}
  }}
  chain out {{
    type filter hook output priority raw; policy accept; {rule}
  }}
}}
"""
FTP = """
table inet others {
  ct helper ftp { type "ftp" protocol tcp; }
  chain pre {
    type filter hook prerouting priority filter; policy accept;
    tcp dport 8080 ct helper set "ftp"
  }
  chain in {
    type filter hook input priority filter; policy accept;
    ct state established,related accept
  }
  chain out {
    type filter hook output priority filter; policy accept;
    ct state established,related accept
  }
}
"""

# What the host itself sends to its own address goes out to the client.
AWAY = """
table inet others {{
  chain out {{
    type nat hook output priority -100; policy accept;
    ip daddr {own} udp dport 8099 dnat ip to {client}:8098
  }}
}}
"""
SEEN = """
table inet others {
  chain pre {
    type filter hook prerouting priority raw; policy accept;
    udp dport 8098 counter
  }
}
"""
SEND = """
import socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    one.sendto(b"out", ("{own}", 8099))
except OSError:
    pass
"""

STANDING = ALL_8080 + [flow(protocol, "client", "server", port, version)
                       for port in (8085, 8086)
                       for protocol in ("tcp", "udp") for version in BOTH]


class Tracking(FenceTest):
    def meddle(self, host, text):
        netns.sh(host, "nft -f -", stdin=text)

    def expected(self):
        return netns.sh("server", "conntrack -L expect").stdout

    def leave(self, host):
        netns.sh(host, "nft delete table inet others")

    def untracked_sessions(self):
        """TCP at 8086, opened while nothing was tracked."""
        kinds = {}
        for version in BOTH:
            made = self.session("client", "server", 8086, version=version)
            self.assertEqual(made.open(), "ok")
            self.assertTrue(made.carries("back", SOON))
            kinds[f"untracked tcp IPv{version}"] = made
        return kinds

    def knock(self, what, fenced, expected):
        """At 8085 of the server, from the client: by TCP and UDP."""
        for protocol in ("tcp", "udp"):
            for version in BOTH:
                got = expected
                if expected == "closed":  # a datagram is told to nobody
                    got = "refused" if fenced == "client" and \
                        protocol == "tcp" else "nothing"
                self.attempt(what, got, "client", "server", 8085, protocol,
                             version)

    def test_what_is_not_tracked_does_not_slip_past(self):
        notrack = RAW.format(rule="notrack")
        for fenced in ("server", "client"):
            fence = {"server": self.server, "client": self.client}[fenced]
            self.state = f"open {fenced}, notrack"
            live = self.old_sessions("server")
            self.meddle(fenced, notrack)
            self.knock("without a fence", fenced, "ok")
            live |= self.untracked_sessions()
            self.state = f"quarantined {fenced}, notrack"
            fence.quarantine()
            self.dead(live)
            self.knock("a new one", fenced, "closed")
            self.attempt("the other way",
                         "refused" if fenced == "server" else "nothing",
                         "server", "client", 9090)
            # What the fence cannot judge it does not let pass.
            self.state = f"standing {fenced}, notrack"
            fence.quarantine(standing=STANDING)
            self.dead(live)
            self.knock("what stands, not tracked", fenced, "closed")
            self.state = f"standing {fenced}, tracked again"
            self.leave(fenced)
            self.dead(live)
            self.close_all()
            self.knock("what stands", fenced, "ok")
            fence.lift()

    def seen(self):
        listed = netns.sh("client", "nft list table inet others").stdout
        return int(re.search(r"counter packets (\d+)", listed)[1])

    def test_what_another_table_sends_away_is_refused(self):
        own, client = ADDRESSES["server"][V4], ADDRESSES["client"][V4]
        self.meddle("client", SEEN)
        self.meddle("server", AWAY.format(own=own, client=client))

        def send():
            netns.sh("server", "/usr/bin/python3 -", stdin=SEND.format(own=own))
        send()
        self.assertEqual(self.seen(), 1, "without a fence")
        self.server.quarantine()
        send()
        self.assertEqual(self.seen(), 1, "in quarantine")
        self.server.lift()
        send()
        self.assertEqual(self.seen(), 2, "open again")
        self.leave("server")
        self.leave("client")

    def test_sessions_of_another_zone_are_cut_as_well(self):
        for fenced in ("server", "client"):
            fence = {"server": self.server, "client": self.client}[fenced]
            self.meddle(fenced, RAW.format(rule="ct zone set 5"))
            self.state = f"quarantined {fenced}, zone 5"
            live = self.old_sessions("server")
            live |= self.silent_sessions(live)
            fence.quarantine()
            self.dead(live)
            self.knock("a new one", fenced, "closed")
            self.state = f"standing {fenced}, zone 5"
            fence.quarantine(standing=STANDING)
            self.dead(live)
            self.close_all()
            self.knock("what stands", fenced, "ok")
            self.leave(fenced)
            fence.lift()

    def test_what_a_helper_expects_is_not_open(self):
        """FTP over a flow that stands: the kernel expects the connection that
        the session speaks of, and other tables accept it as related."""
        for state in ("open", "standing"):
            self.state = f"{state} server, ftp"
            self.meddle("server", FTP)
            if state == "standing":
                self.server.quarantine(standing=STANDING)
            control = self.session("client", "server", 8080)
            self.assertEqual(control.open(), "ok")
            address = ADDRESSES["server"][V4].replace(".", ",")
            mine = ADDRESSES["client"][V4].replace(".", ",")
            high, low = divmod(8091, 256)
            for sender, receiver, line in (
                    # It reads from the second line on.
                    (control.far, control.near, "220 ready\r\n"),
                    (control.near, control.far, "PASV\r\n"),
                    (control.far, control.near, "227 Entering Passive Mode "
                     f"({address},{high},{low})\r\n")):
                sender.sendall(line.encode())
                self.assertTrue(netns.wait(receiver, 1, SOON))
                receiver.recv(256)
            self.case("the helper expects", True, "dport=8091" in self.expected())
            closed = {"open": "ok", "standing": "nothing"}[state]
            self.attempt("passive data", closed, "client", "server", 8091)
            control.near.sendall(f"PORT {mine},{high},{low}\r\n".encode())
            self.assertTrue(netns.wait(control.far, 1, SOON))
            control.far.recv(256)
            self.case("the helper expects another", True, "dport=8091" in
                      self.expected())
            self.attempt("active data",
                         "ok" if state == "open" else "refused",
                         "server", "client", 8091,
                         source=(ADDRESSES["server"][V4], 20))
            for way in ("out", "back"):
                self.carries(f"the session itself {way}", True, control, way)
            self.close_all()
            self.leave("server")
            netns.sh("server", "conntrack -F")


class Bridged(FenceTest):
    """Two containers on a bridge of the server's, whose frames the kernel
    shows to the fence as well (bridge-nf-call-iptables, as Docker sets it)."""

    pods = {"pod-a": ("10.66.7.2", "fd66:7::2"),
            "pod-b": ("10.66.7.3", "fd66:7::3")}

    def setUp(self):
        super().setUp()
        netns.sh("server", "ip link add pods0 type bridge && "
                           "ip link set pods0 up")
        self.addCleanup(netns.sh, "server", "ip link del pods0")
        netns.address("server", "pods0", "10.66.7.1/24", "fd66:7::1/64")
        for pod, (v4, v6) in self.pods.items():
            netns.add_host(pod)
            self.addCleanup(netns.run, "ip", "netns", "delete",
                            netns.PREFIX + pod)
            netns.link(pod, "eth0", "server", f"to-{pod}")
            netns.sh("server", f"ip link set to-{pod} master pods0")
            netns.address(pod, "eth0", f"{v4}/24", f"{v6}/64")
            netns.sh(pod, "ip route add default via 10.66.7.1 && "
                          "ip -6 route add default via fd66:7::1")
            ADDRESSES[pod] = dict(zip(BOTH, (v4, v6)))
            self.addCleanup(ADDRESSES.pop, pod)
        for version, net in zip(BOTH, ("10.66.7.0/24", "fd66:7::/64")):
            netns.sh("client", f"ip route add {net} via "
                               f"{ADDRESSES['server'][version]}")
            self.addCleanup(netns.sh, "client", f"ip route del {net}")
        netns.set_sysctl("server", "net.ipv4.ip_forward", 1)
        netns.set_sysctl("server", "net.ipv6.conf.all.forwarding", 1)

    def among(self, expected, ways):
        for client, server, what in ways:
            for version in BOTH:
                self.attempt(what, expected, client, server, 8088,
                             version=version)

    def test_containers_on_a_bridge_that_the_fence_is_shown(self):
        beside = [("pod-a", "pod-b", "container to container")]
        inward = [("client", "pod-a", "from outside to a container")]
        outward = [("pod-a", "client", "from a container to outside")]
        for shown in (0, 1):
            for name in ("iptables", "ip6tables"):
                netns.set_sysctl("server", f"net.bridge.bridge-nf-call-{name}",
                                 shown)
            self.state = f"open server, bridge-nf {shown}"
            self.among("ok", beside + inward + outward)
            self.state = f"quarantined, bridge-nf {shown}"
            fence = Fence("server", interior=["pods0"])
            fence.quarantine()
            self.among("ok", beside)
            self.among("nothing", inward)
            self.among("nothing", outward)
            fence.lift()
            # An interior that nobody declared is judged when it is shown.
            fence = Fence("server")
            fence.quarantine()
            self.state = f"not declared, bridge-nf {shown}"
            self.among("nothing" if shown else "ok", beside)
            fence.lift()
