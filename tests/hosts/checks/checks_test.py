#!/usr/bin/python3
"""The agent's checks against real software: PostgreSQL, Redis, nginx with TLS,
slapd, dnsmasq, Debian's Nagios plugins, YARA and dpkg, every claim both ways.

  checks_test.py --probe PROGRAM [unittest arguments]

Everything listens on loopback, in a network namespace of this test's own.
Exit code 77 where that cannot be made.
"""

import ctypes
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PROBE = ""
PLUGINS = "/usr/lib/nagios/plugins"
_CLONE_NEWNET = 0x40000000


def own_network():
    """None, or why this process could not get a network of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        return os.strerror(ctypes.get_errno())
    done = subprocess.run(["ip", "link", "set", "lo", "up"], check=False,
                          capture_output=True, text=True)
    return done.stderr.strip() or None


def listens(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A process of the test's, in a session of its own, ended with all that
    it started."""

    def __init__(self, argv, log, user=None):
        command = ["setpriv", "--pdeathsig", "KILL"]
        if user:
            command += ["--reuid", user, "--regid", user, "--init-groups"]
        with open(log, "ab") as output:
            self.popen = subprocess.Popen(
                command + argv, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True, cwd="/")
        self.log = log

    def until_it_listens(self, port, seconds=20):
        deadline = time.monotonic() + seconds
        while not listens(port):
            if self.popen.poll() is not None or time.monotonic() > deadline:
                with open(self.log, encoding="utf-8") as file:
                    raise AssertionError(f"port {port}: {file.read()[-800:]}")
            time.sleep(0.02)
        return self

    def stop(self):
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait()


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-checks-")
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.probe = subprocess.Popen(
            [PROBE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end_probe)

    def end_probe(self):
        self.probe.stdin.close()
        self.probe.stdout.close()
        self.probe.wait()

    def start(self, name, argv, user=None):
        server = Server(argv, f"{self.folder}/{name}.log", user)
        self.addCleanup(server.stop)
        return server

    def ask(self, kind, args, **more):
        question = {"kind": kind, "args": {name: str(value) for name, value
                                           in args.items()}, **more}
        self.probe.stdin.write(json.dumps(question) + "\n")
        self.probe.stdin.flush()
        answer = json.loads(self.probe.stdout.readline())
        print(f"  {kind:9} {answer['verdict']:12} {answer['reason']}")
        return answer

    def passes(self, kind, args, **more):
        answer = self.ask(kind, args, **more)
        self.assertEqual(answer["verdict"], "pass", answer["reason"])
        return answer["reason"]

    def fails(self, kind, args, why, **more):
        answer = self.ask(kind, args, **more)
        self.assertEqual(answer["verdict"], "fail", answer["reason"])
        self.assertRegex(answer["reason"], why)

    def inconclusive(self, kind, args, why, **more):
        answer = self.ask(kind, args, **more)
        self.assertEqual(answer["verdict"], "inconclusive", answer["reason"])
        self.assertRegex(answer["reason"], why)


class Databases(CheckTest):
    def test_postgresql(self):
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        data = f"{self.folder}/pg"
        os.mkdir(data, 0o700)
        shutil.chown(data, "postgres", "postgres")
        subprocess.run(
            ["setpriv", "--reuid=postgres", "--regid=postgres",
             "--init-groups", f"{programs}/initdb", "-D", data, "-A", "trust",
             "--no-sync"], check=True, capture_output=True, cwd="/")
        self.fails("tcp", {"port": 5432}, "refuses")
        server = self.start("postgres", [
            f"{programs}/postgres", "-D", data, "-k", data, "-h", "127.0.0.1",
            "-p", "5432", "-F"], "postgres").until_it_listens(5432)
        self.passes("tcp", {"port": 5432})
        self.passes("process", {"name": "postgres", "user": "postgres",
                                "min": 2})
        self.fails("process", {"name": "postgres", "user": "nobody"},
                   "0 of postgres as nobody run")
        plugins = {"db": {"command": ["/usr/bin/pg_isready", "-h",
                                      "127.0.0.1", "-p", "5432"],
                          "user": "nobody"}}
        self.passes("plugin", {"name": "db"}, plugins=plugins)
        server.stop()
        self.fails("tcp", {"port": 5432}, "refuses")
        self.fails("plugin", {"name": "db"}, "no response", plugins=plugins)

    def test_redis_by_a_nagios_plugin(self):
        server = self.start("redis", [
            "/usr/bin/redis-server", "--port", "6379", "--save", "",
            "--bind", "127.0.0.1"]).until_it_listens(6379)
        plugins = {
            "ping": {"command": [f"{PLUGINS}/check_tcp", "-H", "127.0.0.1",
                                 "-p", "6379", "-E", "-s", "PING\\r\\n",
                                 "-e", "+PONG"], "user": "nobody"},
            "wrong": {"command": [f"{PLUGINS}/check_tcp", "-H", "127.0.0.1",
                                  "-p", "6379", "-E", "-s", "PING\\r\\n",
                                  "-e", "+PANG", "-M", "crit"]},
            "slow": {"command": [f"{PLUGINS}/check_tcp", "-H", "127.0.0.1",
                                 "-p", "6379", "-w", "0.0000001"]}}
        reason = self.passes("plugin", {"name": "ping"}, plugins=plugins)
        self.assertNotIn("|", reason, "performance data is for machines")
        self.fails("plugin", {"name": "wrong"}, "Unexpected response",
                   plugins=plugins)
        self.inconclusive("plugin", {"name": "slow"}, "^warning: TCP WARNING",
                          plugins=plugins)
        self.inconclusive("plugin", {"name": "other"}, "not among the plugins",
                          plugins=plugins)
        server.stop()
        self.fails("plugin", {"name": "ping"}, "refused", plugins=plugins)

    def test_slapd(self):
        for name in ("db", "run"):
            os.mkdir(f"{self.folder}/{name}")
        with open(f"{self.folder}/slapd.conf", "w", encoding="utf-8") as file:
            file.write("include /etc/ldap/schema/core.schema\n"
                       "modulepath /usr/lib/ldap\nmoduleload back_mdb\n"
                       f"pidfile {self.folder}/run/slapd.pid\n"
                       "database mdb\nsuffix dc=test\n"
                       f"directory {self.folder}/db\n")
        server = self.start("slapd", [
            "/usr/sbin/slapd", "-d", "0", "-f", f"{self.folder}/slapd.conf",
            "-h", "ldap://127.0.0.1:389/"]).until_it_listens(389)
        self.passes("tcp", {"port": 389})
        self.passes("process", {"name": "slapd"})
        server.stop()
        self.fails("tcp", {"port": 389}, "refuses")
        self.fails("process", {"name": "slapd"}, "0 of slapd run")


class Web(CheckTest):
    def certificates(self, days):
        def run(*argv):
            subprocess.run(["openssl", *argv], check=True, capture_output=True,
                           cwd=self.folder)
        ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        if not os.path.exists(f"{self.folder}/ca.pem"):
            run("req", "-x509", *ec, "-keyout", "ca.key", "-out", "ca.pem",
                "-subj", "/CN=test authority", "-days", "30")
        run("req", *ec, "-keyout", "web.key", "-out", "web.csr", "-subj",
            "/CN=portal.test")
        with open(f"{self.folder}/names", "w", encoding="utf-8") as file:
            file.write("subjectAltName=DNS:portal.test")
        run("x509", "-req", "-in", "web.csr", "-CA", "ca.pem", "-CAkey",
            "ca.key", "-CAcreateserial", "-days", str(days), "-extfile",
            "names", "-out", "web.pem")

    def nginx(self):
        config = f"""
daemon off; master_process off; error_log {self.folder}/error.log;
pid {self.folder}/pid;
events {{}}
http {{
  access_log off; client_body_temp_path {self.folder};
  server {{
    listen 127.0.0.1:8443 ssl; listen 127.0.0.1:8080;
    ssl_certificate {self.folder}/web.pem;
    ssl_certificate_key {self.folder}/web.key;
    location = /ready {{ return 200 "all is well"; }}
    location = /broken {{ return 500 "no"; }}
  }}
}}
"""
        with open(f"{self.folder}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(config)
        return self.start("nginx", [
            "/usr/sbin/nginx", "-c", f"{self.folder}/nginx.conf", "-e",
            f"{self.folder}/error.log"]).until_it_listens(8443)

    def test_nginx_with_tls(self):
        self.certificates(days=10)
        server = self.nginx()
        trust = {"tls_authorities": f"{self.folder}/ca.pem"}
        tls = {"port": 8443, "name": "portal.test"}
        self.passes("http", {"port": 8080, "path": "/ready",
                             "contains": "is well"})
        self.passes("https", {**tls, "path": "/ready", "min-days": 9}, **trust)
        self.fails("https", {**tls, "path": "/broken"}, "answered 500",
                   **trust)
        self.fails("https", {**tls, "path": "/ready", "min-days": 20},
                   "ends in 9 days", **trust)
        self.assertIn("for 9 days", self.passes("tls", tls, **trust))
        self.fails("tls", {**tls, "min-days": 20}, "ends in 9 days", **trust)
        self.fails("tls", {**tls, "name": "other.test"}, "(?i)name|SSL",
                   **trust)
        self.fails("tls", tls, "(?i)certificate")  # the system's authorities
        self.fails("tls", {**tls, "port": 8080}, "(?i)SSL|TLS", **trust)
        server.stop()
        self.certificates(days=0)
        time.sleep(1)
        self.nginx()
        self.fails("tls", tls, "(?i)expired", **trust)


class Names(CheckTest):
    def test_dnsmasq(self):
        server = self.start("dnsmasq", [
            "/usr/sbin/dnsmasq", "--keep-in-foreground", "--no-resolv",
            "--no-hosts", "--conf-file=/dev/null", "--port=53", "--user=root",
            "--listen-address=127.0.0.1", "--bind-interfaces",
            "--address=/store.test/10.78.0.11"]).until_it_listens(53)
        self.passes("dns", {"ask": "store.test", "port": 53,
                            "expect": "10.78.0.11"})
        self.fails("dns", {"ask": "store.test", "port": 53,
                           "expect": "10.78.0.12"}, "expected")
        server.stop()
        self.fails("dns", {"ask": "store.test", "port": 53}, "no name server",
                   timeout_ms=500)


class Files(CheckTest):
    def test_a_yara_rule_on_a_file_that_matches_it(self):
        rules = f"{self.folder}/webshells.yar"
        with open(rules, "w", encoding="utf-8") as file:
            file.write('rule eval_of_post { strings: $a = "eval($_POST[" '
                       "condition: $a }\n")
        web = f"{self.folder}/www"
        os.makedirs(f"{web}/images")
        with open(f"{web}/index.php", "w", encoding="utf-8") as file:
            file.write("<?php echo 'hello'; ?>\n")
        yara = {"yara": {"webshells": {"rules": rules, "paths": [web]}}}
        self.passes("yara", {"rules": "webshells"}, **yara)
        with open(f"{web}/images/x.php", "w", encoding="utf-8") as file:
            file.write("<?php eval($_POST['c']); ?>\n")
        self.fails("yara", {"rules": "webshells"},
                   f"eval_of_post in {web}/images/x.php", **yara)
        self.fails("yara", {"rules": "webshells", "path": f"{web}/images"},
                   "eval_of_post", **yara)
        self.inconclusive("yara", {"rules": "webshells", "path": "/etc"},
                          "outside what", **yara)
        self.inconclusive("yara", {"rules": "webshells",
                                   "path": f"{web}/../../etc"},
                          "outside what", **yara)
        self.inconclusive("yara", {"rules": "others"}, "not among", **yara)
        with open(rules, "w", encoding="utf-8") as file:
            file.write("rule broken {")
        self.inconclusive("yara", {"rules": "webshells"}, "yara:", **yara)

    def test_dpkg_of_a_real_package(self):
        """A copy of dpkg's records, so that nothing of this machine changes."""
        package = "monitoring-plugins-basic"
        admin = f"{self.folder}/dpkg"
        os.makedirs(f"{admin}/info")
        os.mkdir(f"{admin}/updates")
        with open(f"{admin}/status", "w", encoding="utf-8") as file:
            subprocess.run(["dpkg-query", "--status", package], stdout=file,
                           check=True)
        for path in glob.glob(f"/var/lib/dpkg/info/{package}.*"):
            shutil.copy(path, f"{admin}/info/")
        wrapper = f"{self.folder}/verify"
        with open(wrapper, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nexec /usr/bin/dpkg "
                       f"--admindir={admin} \"$@\"\n")
        os.chmod(wrapper, 0o755)
        real = {"dpkg": wrapper, "timeout_ms": 20000}
        self.passes("packages", {"verify": "true"}, **real)
        sums = f"{admin}/info/{package}.md5sums"
        with open(sums, encoding="utf-8") as file:
            text = file.read()
        victim = next(line for line in text.splitlines()
                      if line.endswith("/check_tcp"))
        with open(sums, "w", encoding="utf-8") as file:
            file.write(text.replace(victim, "0" * 32 + victim[32:]))
        self.fails("packages", {"verify": "true"}, "check_tcp", **real)


class Machine(CheckTest):
    def test_a_mount_and_its_room(self):
        where = f"{self.folder}/disk"
        os.mkdir(where)
        self.fails("mount", {"path": where}, "nothing is mounted")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none",
                           where], check=False).returncode != 0:
            self.skipTest("nothing can be mounted here")
        self.addCleanup(subprocess.run, ["umount", where], check=False)
        self.passes("mount", {"path": where, "min-free": 90})
        with open(f"{where}/full", "wb") as file:
            file.write(b"x" * 600000)
        self.fails("mount", {"path": where, "min-free": 90},
                   r"\d+ % of it free, at least 90")


def main():
    global PROBE
    if len(sys.argv) > 2 and sys.argv[1] == "--probe":
        PROBE = os.path.abspath(sys.argv[2])
        del sys.argv[1:3]
    else:
        print("checks_test.py: name the program with --probe", file=sys.stderr)
        return 2
    reason = "it needs root" if os.geteuid() != 0 else own_network()
    if reason:
        print(f"checks_test.py: skipped: no network of its own: {reason}")
        return 77
    return 0 if unittest.main(exit=False, verbosity=2).result \
        .wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
