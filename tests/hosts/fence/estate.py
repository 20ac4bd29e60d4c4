"""The estate that the fence's tests stand on, and the fence itself.

   client ──┐                        ┌── router ── guest (behind NAT)
   server ──┤ bridge (own namespace) ├── hop ── far  (a narrow path)
   boss ────┘                        │
"""

import json
import subprocess

import netns

V4, V6 = 4, 6
ADDRESSES = {
    "client": {V4: "10.66.0.1", V6: "fd66::1"},
    "server": {V4: "10.66.0.2", V6: "fd66::2"},
    "router": {V4: "10.66.0.3", V6: "fd66::3"},
    "hop": {V4: "10.66.0.4", V6: "fd66::4"},
    "boss": {V4: "10.66.0.9", V6: "fd66::9"},
    "guest": {V4: "10.66.9.2", V6: "fd66:9::2"},
    "far": {V4: "10.66.8.2", V6: "fd66:8::2"},
}
ON_BRIDGE = ("client", "server", "router", "hop", "boss")
MANAGEMENT_PORT = 7443
PUBLISHED, INNER = 8080, 80  # the guest's port, outside and inside

NAT = f"""
table ip guests {{
  chain pre {{ type nat hook prerouting priority dstnat;
    ip daddr 10.66.0.3 tcp dport {PUBLISHED} dnat to 10.66.9.2:{INNER}
    ip daddr 10.66.0.3 udp dport {PUBLISHED} dnat to 10.66.9.2:{INNER}
    ip daddr 10.66.0.3 tcp dport {PUBLISHED + 1} dnat to 10.66.9.2:{INNER + 1}
    ip daddr 10.66.0.3 udp dport {PUBLISHED + 1} dnat to 10.66.9.2:{INNER + 1}
  }}
  chain post {{ type nat hook postrouting priority srcnat;
    ip saddr 10.66.9.0/24 oifname "eth0" masquerade
  }}
}}
table ip6 guests {{
  chain pre {{ type nat hook prerouting priority dstnat;
    ip6 daddr fd66::3 tcp dport {PUBLISHED} dnat to [fd66:9::2]:{INNER}
    ip6 daddr fd66::3 udp dport {PUBLISHED} dnat to [fd66:9::2]:{INNER}
    ip6 daddr fd66::3 tcp dport {PUBLISHED + 1} dnat to [fd66:9::2]:{INNER + 1}
    ip6 daddr fd66::3 udp dport {PUBLISHED + 1} dnat to [fd66:9::2]:{INNER + 1}
  }}
  chain post {{ type nat hook postrouting priority srcnat;
    ip6 saddr fd66:9::/64 oifname "eth0" masquerade
  }}
}}
"""

# What other software puts beside ours: accepts, also of the established.
OTHERS = """
table inet others {
  chain in { type filter hook input priority filter; policy accept;
    ct state established,related accept
    accept
  }
  chain out { type filter hook output priority filter - 100; policy accept;
    accept
  }
  chain early { type filter hook input priority filter - 100; policy accept;
    ct state established,related accept
  }
  chain through { type filter hook forward priority filter; policy accept;
    ct state established,related accept
    accept
  }
}
"""


def build():
    netns.remove_all()
    netns.add_host("bridge")
    netns.sh("bridge", "ip link add br0 type bridge && ip link set br0 up")
    for host in ON_BRIDGE + ("guest", "far"):
        netns.add_host(host)
    for host in ON_BRIDGE:
        netns.link(host, "eth0", "bridge", f"to-{host}")
        netns.sh("bridge", f"ip link set to-{host} master br0")
        own = ADDRESSES[host]
        netns.address(host, "eth0", own[V4] + "/24", own[V6] + "/64")
    for behind, host, mtu, net in (("guest", "router", 1500, 9),
                                   ("far", "hop", 1300, 8)):
        netns.link(host, "inner0", behind, "eth0", mtu)
        netns.address(host, "inner0", f"10.66.{net}.1/24", f"fd66:{net}::1/64")
        netns.address(behind, "eth0", f"10.66.{net}.2/24", f"fd66:{net}::2/64")
        netns.sh(behind, f"ip route add default via 10.66.{net}.1 && "
                         f"ip -6 route add default via fd66:{net}::1")
        netns.set_sysctl(host, "net.ipv4.ip_forward", 1)
        netns.set_sysctl(host, "net.ipv6.conf.all.forwarding", 1)
    for host in ("client", "server", "boss"):
        netns.sh(host, "ip route add 10.66.8.0/24 via 10.66.0.4 && "
                       "ip -6 route add fd66:8::/64 via fd66::4")
    netns.sh("client", "ip route add 10.66.9.0/24 via 10.66.0.3 && "
                       "ip -6 route add fd66:9::/64 via fd66::3")
    netns.sh("router", "nft -f -", stdin=NAT)


def flow(protocol, client, server, port, version=V4):
    """A flow's line; client and server are hosts or address ranges."""
    def text(one):
        return ADDRESSES[one][version] if one in ADDRESSES else one
    return f"{protocol} {text(client)} {text(server)} {port}"


def digest(letter):
    return "sha256:" + letter * 64


class FenceError(Exception):
    def __init__(self, answer):
        super().__init__(answer["error"])
        self.code = answer["code"]


class Fence:
    """One host's fence; a new process for each call and none in between, or
    one that lives until close()."""

    program = None  # set by the test's main

    def __init__(self, host, interior=(), lasting=False):
        self.host = host
        self.lasting = lasting
        self.process = None
        self.options = [word for name in interior
                        for word in ("--interior", name)]
        self.ms = 0.0

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()
            self.process = None

    def ask(self, **command):
        if self.process is None:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", netns.PREFIX + self.host,
                 self.program, *self.options],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line or not self.lasting:
            self.close()
        if not line:
            raise RuntimeError("fence-probe ended without an answer")
        answer = json.loads(line)
        self.ms = answer.get("ms", 0.0)
        if not answer["ok"]:
            raise FenceError(answer)
        return answer["reading"]

    def management(self):
        return [flow("tcp", self.host, "boss", MANAGEMENT_PORT, version)
                for version in (V4, V6)]

    def quarantine(self, **rules):
        return self.ask(do="replace", mode="quarantined",
                        management=self.management(), **rules)

    def lift(self):
        return self.ask(do="replace", mode="open")

    def lease(self, name, lease_ms, *flows):
        return self.ask(do="open", digest=digest(name), lease_ms=lease_ms,
                        flows=list(flows))

    def remove(self, name, *flows):
        return self.ask(do="remove", digest=digest(name) if name else "",
                        flows=list(flows))

    def renew(self, **leases):
        return self.ask(do="renew", leases={
            digest(name): ms for name, ms in leases.items()})

    def confirm(self, name, *flows):
        return self.ask(do="confirm", digest=digest(name), flows=list(flows))

    def read(self):
        return self.ask(do="read")

    def lease_left(self, name):
        for release in self.read()["releases"]:
            if release["digest"] == digest(name):
                return release["remaining_ms"]
        return None
