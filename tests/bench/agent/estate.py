"""One host with a real agent, the services that its checks ask, and a real
orchestrator beside it, in network namespaces. REQUIRES: root."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "demo"))

import lab as lab_module  # noqa: E402  (the path above comes first)
import processes  # noqa: E402
import sluice as sluice_module  # noqa: E402

PREFIX = "sluice-bench-agent-"
HOST = "server-1"
ADDRESS = "10.80.0.11"
OFFICE = "10.80.0.1"
CLIENTS = [f"10.80.1.{n}" for n in range(1, 101)]
PORTS = list(range(20001, 20101))
WEB = {f"web-{n}": 8000 + n for n in range(1, 9)}
TLS = 8443
PLUGIN = "/usr/lib/nagios/plugins/check_procs"


def checks():
    """Thirty, of what a host is usually asked."""
    asked = [{"tcp": name} for name in WEB]
    asked += [{"http": {"port": name, "path": "/ready", "contains": "well"}}
              for name in WEB]
    asked += [{"https": {"port": "tls", "path": "/ready", "name": "web.test",
                         "min-days": days}} for days in (1, 5)]
    asked += [{"tls": {"port": "tls", "name": "web.test", "min-days": days}}
              for days in (1, 5)]
    asked += [{"tcp": "cache"}, {"tcp": "tls"}]
    asked += [{"process": name} for name in ("nginx", "redis-server")]
    asked += [{"mount": {"path": path}} for path in ("/", "/proc")]
    asked += [{"listeners": "declared-only"}]
    asked += [{"plugin": f"procs-{n}"} for n in (1, 2, 3)]
    return asked


def manifest():
    # The laboratory adds this person's key to the line.
    head = ("sluice: 1\nestate: agent\n"
            f'management: {{orchestrators: ["{OFFICE}:7443"]}}\n'
            "approvers:\n"
            "  duty-commander: {roles: [incident-commander]}\n")
    ports = {name: f"{port}/tcp" for name, port in WEB.items()}
    ports |= {"tls": f"{TLS}/tcp", "cache": "6379/tcp",
              "many": [f"{port}/tcp" for port in PORTS]}
    return head + yaml.safe_dump({
        "hosts": {HOST: {"address": [ADDRESS]}},
        "externals": {"floor": {"address": [f"{c}/32" for c in CLIENTS]}},
        "defaults": {"soak": "0s"},
        "systems": {"server": {
            "category": "system", "hosts": [HOST], "ports": ports,
            "serves": [{"external": "floor", "port": "many"}],
            "inspect": checks(), "health": [{"tcp": "cache"}]}},
        "stages": [
            {"name": "server", "systems": ["server"],
             "gate": {"approvals": {"incident-commander": 1}}},
            {"name": "outside", "flows": [{"external": "floor"}],
             "gate": {"approvals": {"incident-commander": 1}}}],
    }, sort_keys=False)


class Estate:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix=PREFIX)
        os.chmod(self.folder, 0o755)
        self.lab = lab_module.Lab(PREFIX)
        self.supervisor = processes.Supervisor(self.lab, self.folder)
        path = f"{self.folder}/manifest.yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(manifest())
        self.sluice = sluice_module.Sluice(self.lab, self.supervisor, path,
                                           [HOST])

    def __enter__(self):
        try:
            self.lab.open()
            self.lab.add_host("orchestrator", [f"{OFFICE}/16"])
            self.lab.add_host(HOST, [f"{ADDRESS}/16"])
            self._start_services()
            self.sluice.init(plugins={HOST: {
                f"procs-{n}": [PLUGIN, "-c", "1:"] for n in (1, 2, 3)}})
            self.sluice._change(f"agents/{HOST}/agent.yaml", {
                "tls-authorities": f"{self.folder}/web.pem"})
            self.sluice.start_orchestrator()
            self.sluice.start_agents()
            processes.wait_for(lambda: self.sluice.connected() == [HOST],
                               "the agent connected")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.supervisor.close()
        self.lab.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(f"{self.sluice.folder}-keys", ignore_errors=True)

    @property
    def agent(self):
        """The agent's process."""
        return self.supervisor.processes[f"agent-{HOST}"].pid

    def do(self, *arguments):
        return self.sluice.do("duty-commander", *arguments)

    def timed(self, *arguments):
        """Seconds that a whole command takes."""
        began = time.monotonic()
        self.do(*arguments)
        return time.monotonic() - began

    def asking(self, gate):
        """Waits until a gate asks."""
        processes.wait_for(
            lambda: any(g["id"] == gate and g.get("state") == "asking"
                        for g in self.sluice.status().get("gates", [])),
            f"gate {gate} asks", timeout=60)

    def until_back(self):
        processes.wait_for(
            lambda: all(step.get("state") == "reconnected" for step in
                        self.sluice.status().get("steps", [])),
            "everything back", timeout=60)

    def history(self):
        return sluice_module._plain(json.loads(
            self.do("history", "--json")))["entries"]

    def _start_services(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "9", "-subj",
             "/CN=web.test", "-addext", "subjectAltName=DNS:web.test",
             "-keyout", f"{self.folder}/web.key", "-out",
             f"{self.folder}/web.pem"], check=True, capture_output=True)
        listen = " ".join(f"listen {port};" for port in WEB.values())
        with open(f"{self.folder}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(f"""
daemon off; error_log {self.folder}/error.log; pid {self.folder}/pid;
events {{}}
http {{
  access_log off; client_body_temp_path {self.folder};
  server {{
    {listen} listen {TLS} ssl;
    ssl_certificate {self.folder}/web.pem;
    ssl_certificate_key {self.folder}/web.key;
    location = /ready {{ return 200 "all is well"; }}
  }}
}}
""")
        self.supervisor.start("nginx", HOST, [
            "/usr/sbin/nginx", "-c", f"{self.folder}/nginx.conf", "-e",
            f"{self.folder}/error.log"])
        self.supervisor.start("redis", HOST, [
            "/usr/bin/redis-server", "--port", "6379", "--save", "",
            "--protected-mode", "no"])
        for port in (TLS, 6379):
            processes.wait_for(
                lambda p=port: lab_module.reach(
                    self.lab, "orchestrator", ADDRESS, p, 0.5),
                f"the service on port {port}")
