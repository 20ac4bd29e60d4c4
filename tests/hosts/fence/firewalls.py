"""What other software puts beside the fence: Docker's rules and ufw's, by
iptables-nft as those programs call it, and firewalld's table in its own words.
All accept; none may bring back what the fence cut, and the fence changes none.
"""

import netns
from estate import INNER, NAT, PUBLISHED

DOCKER = """
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d {loopback} -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s {net} ! -o inner0 -j MASQUERADE
-A DOCKER -i inner0 -j RETURN
{published}
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o inner0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o inner0 -j DOCKER
-A FORWARD -i inner0 ! -o inner0 -j ACCEPT
-A FORWARD -i inner0 -o inner0 -j ACCEPT
{accepted}
-A DOCKER-ISOLATION-STAGE-1 -i inner0 ! -o inner0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o inner0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""

UFW = """
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:{u}-before-input - [0:0]
:{u}-before-output - [0:0]
:{u}-before-forward - [0:0]
:{u}-user-input - [0:0]
-A INPUT -j {u}-before-input
-A OUTPUT -j {u}-before-output
-A FORWARD -j {u}-before-forward
-A {u}-before-input -i lo -j ACCEPT
-A {u}-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A {u}-before-input -m conntrack --ctstate INVALID -j DROP
-A {u}-before-input -p {icmp} -j ACCEPT
-A {u}-before-input -j {u}-user-input
-A {u}-user-input -p tcp --dport 8080 -j ACCEPT
-A {u}-user-input -p udp --dport 8080 -j ACCEPT
-A {u}-before-output -o lo -j ACCEPT
-A {u}-before-output -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A {u}-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"""

# firewalld 1.3 with its backend nftables, the zone `trusted` on eth0.
FIREWALLD = """
table inet firewalld {
  chain mangle_PREROUTING {
    type filter hook prerouting priority mangle + 10; policy accept;
    jump mangle_PREROUTING_ZONES
  }
  chain mangle_PREROUTING_ZONES { return; }
  chain nat_POSTROUTING {
    type nat hook postrouting priority srcnat + 10; policy accept;
  }
  chain filter_PREROUTING {
    type filter hook prerouting priority filter + 10; policy accept;
    icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
    meta nfproto ipv6 fib saddr . mark . iif oif missing drop
  }
  chain filter_INPUT {
    type filter hook input priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    jump filter_INPUT_ZONES
    ct state invalid drop
    reject with icmpx admin-prohibited
  }
  chain filter_FORWARD {
    type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    jump filter_FORWARD_ZONES
    ct state invalid drop
    reject with icmpx admin-prohibited
  }
  chain filter_OUTPUT {
    type filter hook output priority filter + 10; policy accept;
    ct state { established, related } accept
    oifname "lo" accept
  }
  chain filter_INPUT_ZONES {
    iifname "eth0" goto filter_IN_trusted
    goto filter_IN_trusted
  }
  chain filter_IN_trusted { accept; }
  chain filter_FORWARD_ZONES {
    iifname "eth0" goto filter_FWD_trusted
    goto filter_FWD_trusted
  }
  chain filter_FWD_trusted { accept; }
}
"""

ALL = ("none", "docker", "firewalld", "ufw")
HOSTS = ("server", "router")


def _iptables(host, text, six):
    tool = "ip6tables-nft-restore" if six else "iptables-nft-restore"
    netns.sh(host, f"{tool} -w", stdin=text)


def _docker(host):
    for six in (False, True):
        to = "fd66:9::2" if six else "10.66.9.2"
        ports = [(p, PUBLISHED + n, INNER + n) for p in ("tcp", "udp")
                 for n in (0, 1)]
        shown = f"[{to}]" if six else to
        _iptables(host, DOCKER.format(
            loopback="::1/128" if six else "127.0.0.0/8",
            net="fd66:9::/64" if six else "10.66.9.0/24",
            published="\n".join(
                f"-A DOCKER ! -i inner0 -p {p} --dport {outside} -j DNAT "
                f"--to-destination {shown}:{inside}"
                for p, outside, inside in ports),
            accepted="\n".join(
                f"-A DOCKER -d {to} ! -i inner0 -o inner0 -p {p} "
                f"--dport {inside} -j ACCEPT"
                for p, _, inside in ports)), six)


def put_up(kind):
    """In the place of the router's plain NAT where it brings its own."""
    if kind == "docker":
        netns.sh("router", "nft flush ruleset")
        _docker("router")
    for host in HOSTS:
        if kind == "firewalld":
            netns.sh(host, "nft -f -", stdin=FIREWALLD)
        elif kind == "ufw":
            for six in (False, True):
                _iptables(host, UFW.format(
                    u="ufw6" if six else "ufw",
                    icmp="ipv6-icmp" if six else "icmp"), six)


def take_down():
    for host in HOSTS:
        netns.sh(host, "nft flush ruleset")
    netns.sh("router", "nft -f -", stdin=NAT)


def others(host):
    """The rules of every table but the fence's, without what counts."""
    listed = netns.sh(host, "nft -s list ruleset").stdout
    return "\ntable ".join(
        part.strip() for part in ("\n" + listed).split("\ntable ")
        if not part.startswith(("inet sluice ", "netdev sluice ")))
