#!/usr/bin/python3
"""Before an incident: what agents see of real servers and their clients becomes
a manifest that holds what was done and nothing else; and seeing it refuses
nothing.

Exit code 77 when namespaces cannot be made here.
"""

import glob
import json
import os
import shutil
import sys
import tempfile
import unittest

import small_estate
from small_estate import SmallEstate, lab_module, processes

PREFIX = "sluice-look-"
SQL, HTTP = 5432, 8080
POSTGRES = (glob.glob("/usr/lib/postgresql/*/bin") or [""])[-1]
# The echo servers of the small estate, tried as it opens, and what is below.
EXERCISED = {
    ("engine-1", "store-1", "7001/tcp"), ("front-1", "engine-1", "7002/tcp"),
    ("198.51.100.10", "front-1", "7003/tcp"),
    ("engine-1", "store-1", "5432/tcp"), ("front-1", "engine-1", "8080/tcp"),
    ("front-1", "198.51.100.10", "8443/tcp")}


def missing():
    for program in (f"{POSTGRES}/initdb", "/usr/sbin/nginx", "/usr/bin/psql",
                    "/usr/bin/curl"):
        if not os.path.exists(program):
            return f"{program} is not here"
    return ""


class Observe(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix=PREFIX)
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.chmod(self.folder, 0o755)
        self.estate = SmallEstate(PREFIX)
        self.addCleanup(self.estate.close)
        self.estate.open()

    def database(self):
        data = f"{self.folder}/pg"
        os.mkdir(data, 0o700)
        shutil.chown(data, "postgres", "postgres")
        start = self.estate.supervisor.start
        made = start("initdb", "store-1", [
            f"{POSTGRES}/initdb", "-D", data, "--username=app", "--no-sync",
            "--auth=trust", "--locale=C"], user="postgres")
        self.assertEqual(made.popen.wait(), 0, made.tail())
        self.estate.supervisor.forget("initdb")
        with open(f"{data}/pg_hba.conf", "w", encoding="utf-8") as file:
            file.write("host all all all trust\n")
        start("postgres", "store-1", [
            f"{POSTGRES}/postgres", "-D", data, "-h", "*", "-p", str(SQL),
            "-k", "", "-F"], user="postgres")

    def web(self, host, port):
        config = f"{self.folder}/nginx-{host}.conf"
        paths = "".join(f"  {kind}_temp_path {self.folder};\n" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""daemon off; pid {self.folder}/{host}.pid;
user www-data; worker_processes 1; error_log {self.folder}/{host}.log;
events {{}}
http {{
{paths}  access_log off;
  server {{ listen {port}; location / {{ return 200 "well"; }} }}
}}
""")
        self.estate.supervisor.start(f"nginx-{host}", host, [
            "/usr/sbin/nginx", "-c", config, "-e",
            f"{self.folder}/{host}.log"])

    def query(self, host, address):
        """Long enough for its process to be found."""
        return lab_module.run(self.estate.lab.enter(host) + [
            "psql", "-h", address, "-U", "app", "-tAc",
            "select 6*7 from pg_sleep(1)", "postgres"], check=False).strip()

    def fetch(self, host, address, port):
        return lab_module.run(self.estate.lab.enter(host) + [
            "curl", "-sS", "-m", "3", "--noproxy", "*",
            f"http://{address}:{port}/"], check=False)

    def seen(self):
        draft = json.loads(self.estate.command("duty-commander", "observe",
                                               "draft", "--json"))
        return draft, {(flow["client"].removesuffix("/32"),
                        flow["server"].removesuffix("/32"), flow["port"])
                       for flow in draft["flows"]}

    def until_seen(self, flows):
        def all_there():
            try:
                draft, seen = self.seen()
                return seen >= flows and len(draft["heard"]) == 3
            except small_estate.sluice_module.Refused:
                return False  # nobody has said anything yet
        processes.wait_for(all_there, f"{flows} were seen", timeout=60,
                           every=0.5)

    def test_a_draft_holds_what_was_done_and_nothing_else(self):
        estate, lab = self.estate, self.estate.lab
        self.database()
        self.web("engine-1", HTTP)
        self.web("visitor", 8443)
        # On the hosts themselves first: that is no talk between hosts.
        processes.wait_for(lambda: self.query("store-1", "127.0.0.1") == "42",
                           "the database answers")
        for host, port in (("engine-1", HTTP), ("visitor", 8443)):
            processes.wait_for(
                lambda h=host, p=port: self.fetch(h, "127.0.0.1", p) == "well",
                f"nginx on {host} answers")
        store = estate.address("store-1")
        self.assertEqual(self.query("engine-1", store), "42")
        self.assertEqual(self.fetch("front-1", estate.address("engine-1"),
                                    HTTP), "well")
        self.assertEqual(self.fetch("front-1", "198.51.100.10", 8443), "well")
        self.until_seen(EXERCISED)
        draft, seen = self.seen()
        self.assertEqual(seen, EXERCISED)
        by_port = {flow["port"]: flow for flow in draft["flows"]}
        self.assertEqual(by_port["5432/tcp"]["command"], "psql")
        self.assertGreaterEqual(by_port["5432/tcp"]["times"], 1)
        self.assertIn("postgres:\n", draft["manifest"])
        self.assertIn("nginx:\n", draft["manifest"])

        # It is a manifest, and its plan opens exactly these flows.
        path = f"{self.folder}/draft.yaml"
        estate.command("duty-commander", "observe", "draft", "--out", path)
        estate.command("duty-commander", "validate", path)
        names = {address: name for name, pair in small_estate.HOSTS.items()
                 for address in pair}
        plan = json.loads(estate.command("duty-commander", "plan", path,
                                         "--format", "json"))
        lines = {flow for step in plan["steps"] for flow in flows_in(step)}
        lines |= set(flows_in(plan))
        opened = set()
        for line in lines:
            protocol, client, server, port = line.split()
            opened.add((names.get(client, client), names.get(server, server),
                        f"{port}/{protocol}"))
        self.assertEqual(opened, EXERCISED)

        # Against the manifest that is there.
        diff = json.loads(estate.command("duty-commander", "observe", "diff",
                                         small_estate.MANIFEST, "--json"))
        self.assertEqual(diff["never_seen"], [])
        self.assertEqual({flow["port"] for flow in diff["undeclared"]},
                         {"5432/tcp", "8080/tcp", "8443/tcp"})
        with open(small_estate.MANIFEST, encoding="utf-8") as file:
            text = file.read()
        more = f"{self.folder}/more.yaml"
        with open(more, "w", encoding="utf-8") as file:
            file.write(text.replace("needs: [engine:api]",
                                    "needs: [engine:api, store:data]"))
        said = estate.command("duty-commander", "observe", "diff", more)
        self.assertRegex(said, r"never seen\n  front>store:data")

        # A full set refuses nothing, and takes nothing longer than before.
        for host, name in (("engine-1", "tried_out4"), ("store-1",
                                                        "tried_in4")):
            elements = ", ".join(f"10.9.{i // 250}.{i % 250} . tcp . 1"
                                 for i in range(1024))
            for some in ("asked" + name.removeprefix("tried"), name):
                lab.run(host, ["nft", "flush", "set", "inet", "sluice_observe",
                               some])
                lab.run(host, ["nft", "-f", "-"],
                        f"add element inet sluice_observe {some} "
                        f"{{ {elements} }}\n")
        self.assertEqual(self.query("engine-1", store), "42")

        # Kept over a restart, and in quarantine, where nothing records.
        estate.supervisor.stop("agent-engine-1")
        estate.sluice.start_agent("engine-1")
        self.until_seen(EXERCISED)
        estate.isolate_all()
        processes.wait_for(
            lambda: "sluice_observe" not in lab.run(
                "engine-1", ["nft", "list", "tables"]),
            "the recording ended", timeout=30)
        self.assertLessEqual(EXERCISED, self.seen()[1])


def flows_in(value):
    """Every text in it that is a flow's line."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [line for item in value for line in flows_in(item)]
    if isinstance(value, str) and value.startswith(("tcp ", "udp ")) and \
            len(value.split()) == 4:
        return [value]
    return []


if __name__ == "__main__":
    sys.exit(small_estate.run_tests("observe_test", missing))
