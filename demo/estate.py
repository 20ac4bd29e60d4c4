"""The city utility's estate, alive: every host of the manifest a network
namespace, every system of it real software that needs what the manifest says.

Reads hosts, addresses and ports from the manifest; what a system *is* (which
server, which data) is written here and in data/. Starts everything, answers
whether a system works, knows nothing of Sluice.
"""

import glob
import json
import os
import shutil
import signal

import yaml

import lab as lab_module
from processes import wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
DOMAIN = "city-utility.test"
PYTHON = "/usr/bin/python3"
ROUTER = ["10.77.0.254", "fd77::fe"]
ORCHESTRATOR = ["10.77.0.1", "fd77::1"]
ESTATE = ["10.77.0.0/24", "fd77::/64", "10.79.0.0/24", "fd79::/64"]
# Who lives outside: addresses, and the router's beside them.
OUTSIDE = {
    "bank": (["203.0.113.10/24", "2001:db8:203::10/64"],
             ["203.0.113.1", "2001:db8:203::1"]),
    "pilot-office": (["10.90.3.10/24", "fd90:3::10/64"],
                     ["10.90.3.1", "fd90:3::1"]),
    "citizen": (["198.51.100.10/24", "2001:db8:100::10/64"],
                ["198.51.100.1", "2001:db8:100::1"]),
}
# Systems that are a small service of ours, and the program each is.
SERVICES = {
    "billing-engine": "billing_engine.py",
    "customer-information": "customer_information.py",
    "debt-collection": "debt_collection.py",
    "payment-gateway": "payment_gateway.py",
    "customer-portal": "customer_portal.py",
    "document-management": "document_management.py",
    "reporting": "reporting.py",
    "pump-controller": "pump_controller.py",
    "control-room": "control_room.py",
}
BANK_PORT = 8443


class Estate:
    def __init__(self, manifest, lab, supervisor):
        with open(manifest, encoding="utf-8") as file:
            self.manifest = yaml.safe_load(file)
        self.lab = lab
        self.supervisor = supervisor
        self.folder = supervisor.folder
        self.hosts = {name: [str(a) for a in host["address"]]
                      for name, host in self.manifest["hosts"].items()}
        self.systems = self.manifest["systems"]
        self.certificate = f"{self.folder}/web.crt"
        self.key = f"{self.folder}/web.key"

    def hosts_of(self, system):
        return self.systems[system]["hosts"]

    def port(self, system):
        first = next(iter(self.systems[system]["ports"].values()))
        first = first[0] if isinstance(first, list) else first
        return int(str(first).split("/", maxsplit=1)[0])

    def open(self):
        """Brings up the network and everything on it; ready when it
        returns."""
        self._network()
        self._certificate()
        databases = [("billing-db", "billing.sql"),
                     ("meter-readings", "readings.sql")]
        made = [self._make_database(system) for system, _ in databases]
        self._name_service()
        self._directory()
        self._document_index()
        for process in made:
            if process.popen.wait() != 0:
                raise lab_module.LabError(
                    f"initdb failed: {process.tail(1)}")
            self.supervisor.forget(process.name)
        for system, _ in databases:
            self._start_database(system)
        for system, script in databases:
            self._fill_database(system, script)
        self._bank()
        for system, program in SERVICES.items():
            self._service(system, program)
        self._portal()
        self._intranet()
        for system in ("debt-collection", "document-management", "reporting",
                       "billing-engine", "control-room"):
            wait_for(lambda s=system: self.ready(s), f"{system} ready")
        wait_for(lambda: self.get("citizen", "/ready") is not None,
                 "the portal for citizens")

    # What works, asked on the hosts themselves or from outside.

    def ready(self, system):
        """Whether the system's /ready says so, on each of its hosts."""
        return all(self.ready_on(system, host)
                   for host in self.hosts_of(system))

    def ready_on(self, system, host):
        url = f"http://{self.hosts[host][0]}:{self.port(system)}/ready"
        return self.lab.run(
            host, ["curl", "-s", "-m", "5", "-o", "/dev/null", "-w",
                   "%{http_code}", url], check=False) == "200"

    def get(self, who, path, post=False, version=4, timeout=6):
        """What the portal answers somebody outside; None when nothing."""
        web = self.hosts[self.hosts_of("customer-portal")[0]]
        address = web[0] if version == 4 else f"[{web[1]}]"
        name, port = f"customer-portal.{DOMAIN}", self.port("customer-portal")
        argv = ["curl", "-s", "-m", str(timeout), "--fail", "--cacert",
                self.certificate, "--resolve", f"{name}:{port}:{address}",
                f"https://{name}:{port}{path}"]
        if post:
            argv += ["-d", "{}", "-H", "Content-Type: application/json"]
        said = self.lab.run(who, argv, check=False)
        try:
            return json.loads(said)
        except ValueError:
            return None

    def sql(self, system, text):
        """Runs SQL on a database's own host, as its administrator would."""
        return self.lab.run(
            self.hosts_of(system)[0],
            ["psql", "-w", "-h", "127.0.0.1", "-U", "utility", "-d",
             "utility", "-v", "ON_ERROR_STOP=1", "-Atq"], text)

    # The network.

    def _network(self):
        self.lab.open()
        self.lab.add_router("outside", [f"{ROUTER[0]}/24", f"{ROUTER[1]}/64"])
        self.lab.add_host("orchestrator",
                          [f"{ORCHESTRATOR[0]}/24", f"{ORCHESTRATOR[1]}/64"])
        behind = {name: host["behind"][0] for name, host in
                  self.manifest["hosts"].items() if "behind" in host}
        for name, (v4, v6, *_) in self.hosts.items():
            if name in behind.values():
                self.lab.add_router(name, [f"{v4}/24", f"{v6}/64"], ROUTER)
            elif name not in behind:
                self.lab.add_host(name, [f"{v4}/24", f"{v6}/64"], ROUTER)
        for name, router in behind.items():
            self._segment(name, router, [host for host in self.lab.hosts
                                         if host != router])
        for name, (addresses, gateways) in OUTSIDE.items():
            self.lab.add_outside(name, "outside", addresses, gateways)
        self.lab.watch_wire(ESTATE, ORCHESTRATOR)
        names = self.hosts[self.hosts_of("name-service")[0]]
        self.supervisor.use_names(names[:1], DOMAIN)

    def _segment(self, name, router, others):
        """A host in a segment of its own, and everybody's way to it."""
        self.lab.add_outside(name, router, [
            f"{address}/{length}" for address, length in
            zip(self.hosts[name], (24, 64))], self.hosts[router][2:])
        for host in others:
            for target, via in zip(ESTATE[2:], self.hosts[router]):
                self.lab.run(host, ["ip", "route", "add", target, "via", via])

    def _certificate(self):
        lab_module.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "7",
             "-subj", "/CN=city-utility", "-addext",
             f"subjectAltName=DNS:*.{DOMAIN},DNS:bank.example",
             "-keyout", self.key, "-out", self.certificate])

    # Foundations.

    def _name_service(self):
        lines = ["no-resolv", "no-hosts", "no-daemon", "user=root",
                 "pid-file=", "bind-interfaces", "interface=eth0",
                 "local=/test/", "local=/example/"]
        for host, addresses in self.hosts.items():
            lines.append(f"host-record={host}.{DOMAIN},"
                         f"{','.join(addresses[:2])}")
        for system, spec in self.systems.items():
            lines += [f"address=/{system}.{DOMAIN}/{address}"
                      for host in spec["hosts"]
                      for address in self.hosts[host]]
        for address in OUTSIDE["bank"][0]:
            lines.append(f"address=/bank.example/{address.split('/')[0]}")
        path = self._write("dnsmasq.conf", "\n".join(lines) + "\n")
        self._start("name-service", ["dnsmasq", f"--conf-file={path}"])

    def _directory(self):
        base = "dc=city-utility,dc=test"
        data = self._folder("directory")
        config = self._write("slapd.conf", f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {data}/slapd.pid
# Only hosts of the utility may read, and the name service says who they are.
reverse-lookup on
access to * by domain.subtree={DOMAIN} read by * none
database mdb
suffix "{base}"
rootdn "cn=admin,{base}"
directory {data}
""")
        shutil.copy(f"{HERE}/data/directory.ldif", self.folder)
        lab_module.run(["/usr/sbin/slapadd", "-f", config, "-l",
                        f"{self.folder}/directory.ldif"])
        self._start("directory", ["/usr/sbin/slapd", "-d", "0", "-f", config,
                                  "-h", f"ldap://:{self.port('directory')}"])

    # Data.

    @staticmethod
    def _postgres(program):
        found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{program}"))
        if not found:
            raise lab_module.LabError(
                "PostgreSQL is not here; run scripts/install-dependencies.")
        return found[-1]

    def _make_database(self, system):
        data = self._folder(system)
        shutil.chown(data, "postgres", "postgres")
        return self.supervisor.start(
            f"initdb-{system}", self.hosts_of(system)[0],
            [self._postgres("initdb"), "-D", data, "--username=utility",
             "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"],
            user="postgres", names=True)

    def _start_database(self, system):
        data = f"{self.folder}/{system}"
        # Others are let in by name: without the name service, nobody is.
        hba = (f"host all all 127.0.0.1/32 trust\n"
               f"host all all .{DOMAIN} scram-sha-256\n")
        with open(f"{data}/pg_hba.conf", "w", encoding="utf-8") as file:
            file.write(hba)
        options = {
            "listen_addresses": "*", "port": self.port(system),
            "unix_socket_directories": "", "fsync": "off",
            "dynamic_shared_memory_type": "mmap", "shared_buffers": "16MB",
            "max_connections": 50, "autovacuum": "off",
            "log_connections": "on"}
        argv = [self._postgres("postgres"), "-D", data]
        for key, value in options.items():
            argv += ["-c", f"{key}={value}"]
        self._start(system, argv, user="postgres",
                    stop_signal=signal.SIGQUIT)

    def _fill_database(self, system, script):
        host = self.hosts_of(system)[0]
        admin = ["psql", "-w", "-h", "127.0.0.1", "-p",
                 str(self.port(system)), "-U", "utility", "-d"]
        wait_for(lambda: self.lab.run(
            host, admin + ["postgres", "-Atqc", "SELECT 1"],
            check=False).strip() == "1", f"PostgreSQL on {host}")
        self.lab.run(host, admin + ["postgres", "-q"],
                     "CREATE DATABASE utility;\n"
                     "ALTER ROLE utility PASSWORD 'demonstration';\n")
        with open(f"{HERE}/data/{script}", encoding="utf-8") as file:
            self.sql(system, file.read())

    def _document_index(self):
        data = self._folder("document-index")
        port = self.port("document-index")
        self._start("document-index", [
            "redis-server", "--port", str(port), "--bind", "*", "-::*",
            "--protected-mode", "no", "--save", "", "--dir", data])
        host = self.hosts_of("document-index")[0]
        client = ["redis-cli", "-p", str(port)]
        wait_for(lambda: "PONG" in self.lab.run(host, client + ["PING"],
                                                check=False), "Redis")
        self.lab.run(host, client + [
            "RPUSH", "documents", "Meter exchange, how to",
            "Tariffs from July", "Emergency water supply plan"])

    # Applications.

    def _service(self, system, program):
        listen = self.port(system)
        if system == "customer-portal":
            listen = f"{self.folder}/portal.sock"
        ports = {name: self.port(name) for name in self.systems}
        settings = self._write(f"{system}.json", json.dumps({
            "listen": listen, "domain": DOMAIN,
            "ports": {**ports, "bank": BANK_PORT},
            "certificate": self.certificate, "key": self.key,
            "tls": system == "payment-gateway"}))
        self._start(system, [PYTHON, f"{HERE}/services/{program}", settings])

    def _bank(self):
        settings = self._write("bank.json", json.dumps({
            "listen": BANK_PORT, "domain": DOMAIN, "ports": {},
            "certificate": self.certificate, "key": self.key, "tls": True}))
        self.supervisor.start(
            "bank", "bank", [PYTHON, f"{HERE}/services/bank.py", settings])

    def _portal(self):
        port = self.port("customer-portal")
        self._nginx("customer-portal", "nginx-portal", f"""
    listen {port} ssl;
    listen [::]:{port} ssl;
    ssl_certificate {self.certificate};
    ssl_certificate_key {self.key};
    location / {{ proxy_pass http://unix:{self.folder}/portal.sock:; }}
""")

    def _intranet(self):
        port = self.port("intranet")
        names = self.hosts[self.hosts_of("name-service")[0]][0]
        documents = f"document-management.{DOMAIN}"
        documents = f"{documents}:{self.port('document-management')}"
        # A name in a variable is asked for again, not once at the start.
        self._nginx("intranet", "nginx-intranet", f"""
    listen {port};
    listen [::]:{port};
    resolver {names} valid=2s ipv6=off;
    resolver_timeout 2s;
    set $documents {documents};
    location / {{ proxy_pass http://$documents$request_uri; }}
""")

    def _nginx(self, system, name, server):
        data = self._folder(name)
        temporary = "".join(
            f"  {kind}_temp_path {data}/{kind};\n" for kind in
            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = self._write(f"{name}.conf", f"""
daemon off;
worker_processes 1;
user www-data;
pid {data}/pid;
error_log {data}/error.log;
events {{ worker_connections 256; }}
http {{
{temporary}  access_log off;
  keepalive_timeout 3600s;
  keepalive_requests 100000;
  proxy_connect_timeout 3s;
  proxy_read_timeout 8s;
  server {{{server}  }}
}}
""")
        self._start(system, ["nginx", "-c", config, "-e",
                             f"{data}/error.log"], name=name)

    # Small things.

    def _start(self, system, argv, name=None, **options):
        for host in self.hosts_of(system):
            label = f"{name or system}"
            if len(self.hosts_of(system)) > 1:
                label += f"-{host}"
            self.supervisor.start(label, host, argv, names=True, **options)

    def _write(self, name, text):
        path = f"{self.folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _folder(self, name):
        path = f"{self.folder}/{name}"
        os.makedirs(path, exist_ok=True)
        return path
