"""A laboratory of network namespaces: hosts on one bridge, nothing outside.

Owns the namespaces whose names start with its prefix, the bridge in the one
called `wire`, and the counters on that bridge. Touches nothing of the
machine's own network: every interface is made inside a namespace. Used by the
demonstration and by tests/hosts; needs root.
"""

import contextlib
import ipaddress
import json
import os
import signal
import subprocess
import time

MANAGEMENT_PORT = 7443


class LabError(Exception):
    """A sentence that says what could not be made."""


def run(argv, text_in=None, check=True):
    """Runs a command to its end and returns what it printed."""
    done = subprocess.run(argv, input=text_in, capture_output=True, text=True,
                          check=False)
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LabError(f"'{' '.join(argv[:6])}' failed: "
                       f"{said[-1] if said else done.returncode}")
    return done.stdout


def why_not():
    """None when namespaces can be made here, else a sentence saying why."""
    if os.geteuid() != 0:
        return ("network namespaces need root; run this as root or with "
                "sudo.")
    probe = f"sluice-probe-{os.getpid()}"
    try:
        run(["ip", "netns", "add", probe])
    except (LabError, FileNotFoundError) as error:
        return f"network namespaces cannot be made here: {error}"
    try:
        run(["ip", "-n", probe, "link", "add", "probe0", "type", "bridge"])
        run(["ip", "netns", "exec", probe, "nft", "-f", "-"],
            "table inet probe { chain c { type filter hook input priority 0; "
            "ct state new accept; }; }\n"
            "table bridge probe { chain c { type filter hook prerouting "
            "priority -300; }; }\n")
    except (LabError, FileNotFoundError) as error:
        return f"this kernel or its tools lack what the hosts need: {error}"
    finally:
        run(["ip", "netns", "del", probe], check=False)
    return None


def namespaces(prefix):
    listed = run(["ip", "netns", "list"], check=False)
    names = [line.split()[0] for line in listed.splitlines() if line.strip()]
    return [name for name in names if name.startswith(prefix)]


def processes_in(namespace):
    listed = run(["ip", "netns", "pids", namespace], check=False)
    return [int(pid) for pid in listed.split()]


def remove_namespaces(prefix):
    """Ends every process in the prefix's namespaces, then removes them."""
    names = namespaces(prefix)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        left = [pid for name in names for pid in processes_in(name)]
        if not left:
            break
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    for name in names:
        run(["ip", "netns", "del", name], check=False)
    return len(names)


class Lab:
    """Hosts on one bridge.

    with Lab("sluice-test-") as lab:
        lab.add_host("a", ["10.77.0.11/24", "fd77::11/64"])
    """

    def __init__(self, prefix):
        self.prefix = prefix
        self.hosts = {}

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *_):
        self.close()

    def open(self):
        remove_namespaces(self.prefix)
        self._add_namespace("wire")
        self._ip("wire", "link add br0 type bridge stp_state 0 "
                 "forward_delay 0 mcast_snooping 0", "link set br0 up")

    def close(self):
        remove_namespaces(self.prefix)
        self.hosts.clear()

    def namespace(self, name):
        return self.prefix + name

    def path(self, name):
        return f"/run/netns/{self.namespace(name)}"

    def enter(self, name):
        """The argv that runs what follows inside a host's namespace."""
        return ["nsenter", f"--net={self.path(name)}", "--"]

    def run(self, name, argv, text_in=None, check=True):
        return run(self.enter(name) + argv, text_in, check)

    def add_host(self, name, addresses, gateways=()):
        """A namespace with one leg, eth0, on the bridge."""
        self._add_namespace(name)
        self.plug(name, addresses, gateways)
        self.hosts[name] = [a.split("/")[0] for a in addresses]

    def unplug(self, name):
        """Takes its leg away, and with it all that it ever sent."""
        self._ip("wire", f"link del {name[:15]}")

    def plug(self, name, addresses, gateways=()):
        port = name[:15]
        self._ip("wire", f"link add {port} type veth peer name eth0 netns "
                 f"{self.namespace(name)}", f"link set {port} master br0 up")
        self._address(name, "eth0", addresses)
        for gateway in gateways:
            self._ip(name, f"route add default via {gateway}")

    def add_router(self, name, addresses, gateways=()):
        """A host that forwards between the bridge and what is behind it."""
        self.add_host(name, addresses, gateways)
        self._sysctl(name, {"net.ipv4.ip_forward": 1,
                            "net.ipv6.conf.all.forwarding": 1})

    def add_outside(self, name, router, addresses, gateways):
        """A namespace behind the router, in a network of its own.

        `gateways` are the router's addresses there, one a family.
        """
        self._add_namespace(name)
        leg = f"to-{name}"[:15]
        self._ip(router, f"link add {leg} type veth peer name eth0 netns "
                 f"{self.namespace(name)}")
        lengths = [a.split("/")[1] for a in addresses]
        self._address(router, leg, [f"{g}/{length}" for g, length in
                                    zip(gateways, lengths)])
        self._address(name, "eth0", addresses)
        for gateway in gateways:
            self._ip(name, f"route add default via {gateway}")
        self.hosts[name] = [a.split("/")[0] for a in addresses]

    def watch_wire(self, estate, orchestrator):
        """Counts what passes the bridge, from now on.

        `estate`: the prefixes the hosts live in; `orchestrator`: the addresses
        whose management flow is told apart. Neighbour discovery and multicast
        listener reports are not counted: IPv6 cannot live without them.
        """
        rules = [
            "ip6 nexthdr icmpv6 icmpv6 type { nd-neighbor-solicit, "
            "nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept",
            # Listener reports travel behind a hop-by-hop header.
            "ip6 nexthdr hopopt ip6 daddr ff00::/8 accept",
        ]
        for address in orchestrator:
            ip = _family(address)
            rules += [
                f"{ip} saddr {address} tcp sport {MANAGEMENT_PORT} "
                "counter name management accept",
                f"{ip} daddr {address} tcp dport {MANAGEMENT_PORT} "
                "counter name management accept"]
        for prefix in estate:
            ip = _family(prefix)
            rules.append(f"{ip} saddr {prefix} {ip} daddr {prefix} "
                         "counter name between accept")
        for prefix in estate:
            rules.append(f"{_family(prefix)} saddr {prefix} "
                         "counter name outward accept")
        for prefix in estate:
            rules.append(f"{_family(prefix)} daddr {prefix} "
                         "counter name inward accept")
        names = ("management", "between", "outward", "inward")
        text = ["add table bridge lab", "delete table bridge lab",
                "table bridge lab {"]
        text += [f"  counter {name} {{ }}" for name in names]
        text += ["  chain seen {",
                 "    type filter hook prerouting priority -300"]
        text += [f"    {rule}" for rule in rules]
        text += ["  }", "}"]
        self.run("wire", ["nft", "-f", "-"], "\n".join(text) + "\n")

    def counters(self):
        """Packets since watch_wire(): management, between, outward, inward."""
        listed = json.loads(self.run("wire", ["nft", "-j", "list",
                                              "counters"]))
        return {item["counter"]["name"]: item["counter"]["packets"]
                for item in listed["nftables"] if "counter" in item}

    def _add_namespace(self, name):
        run(["ip", "netns", "add", self.namespace(name)])
        self._sysctl(name, {"net.ipv6.conf.all.accept_dad": 0,
                            "net.ipv6.conf.default.accept_dad": 0,
                            "net.ipv6.conf.default.accept_ra": 0,
                            "net.ipv6.conf.default.router_solicitations": 0})
        self._ip(name, "link set lo up")

    def _address(self, name, device, addresses):
        commands = [f"link set {device} up"]
        for address in addresses:
            nodad = " nodad" if ":" in address else ""
            commands.append(f"addr add {address} dev {device}{nodad}")
        self._ip(name, *commands)

    def _ip(self, name, *commands):
        for command in commands:
            family = ["-6"] if command.startswith("route") and \
                ":" in command else []
            run(["ip", *family, "-n", self.namespace(name), *command.split()])

    def _sysctl(self, name, values):
        self.run(name, ["sysctl", "-q", "-w"] +
                 [f"{key}={value}" for key, value in values.items()])


def _family(prefix):
    version = ipaddress.ip_network(prefix, strict=False).version
    return "ip6" if version == 6 else "ip"


def reach(lab, host, address, port, timeout=1.0):
    """Whether a TCP connection from `host` to `address` comes about."""
    # The child enters the namespace and says so by its exit code: this
    # process must never change namespaces itself.
    code = ("import socket,sys\n"
            "try:\n"
            " socket.create_connection((sys.argv[1],int(sys.argv[2])),"
            "float(sys.argv[3])).close()\n"
            "except OSError: sys.exit(1)\n")
    done = subprocess.run(
        lab.enter(host) + ["/usr/bin/python3", "-Sc", code, address, str(port),
                           str(timeout)], capture_output=True, check=False)
    return done.returncode == 0
