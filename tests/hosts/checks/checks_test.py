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
        # It listens before all of its processes are there.
        self.passes("process", {"name": "postgres", "user": "postgres",
                                "min": 2}, attempts=100)
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
        plugins = {name: {"command": [
            f"{PLUGINS}/check_http", "-I", "127.0.0.1", "-p", "8080", "-u",
            path, "-s", "is well"], "user": "nobody"}
            for name, path in (("ready", "/ready"), ("broken", "/broken"))}
        reason = self.passes("plugin", {"name": "ready"}, plugins=plugins)
        self.assertNotIn("|", reason, "performance data is for machines")
        self.fails("plugin", {"name": "broken"}, "500", plugins=plugins)
        server.stop()
        self.fails("plugin", {"name": "ready"}, "refused", plugins=plugins)
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


    def test_rpm_of_a_real_package(self):
        """Built here, installed under a folder of its own."""
        top, root = f"{self.folder}/top", f"{self.folder}/root"
        os.makedirs(root)
        spec = f"{self.folder}/tool.spec"
        with open(spec, "w", encoding="utf-8") as file:
            file.write("Name: tool\nVersion: 1\nRelease: 1\nSummary: t\n"
                       "License: t\nBuildArch: noarch\n%description\nt\n"
                       "%install\nmkdir -p %{buildroot}/opt/tool\n"
                       "echo good > %{buildroot}/opt/tool/program\n"
                       "echo a=1 > %{buildroot}/opt/tool/settings\n"
                       "%files\n/opt/tool/program\n"
                       "%config /opt/tool/settings\n")
        subprocess.run(["rpmbuild", "-bb", "--quiet", "--define",
                        f"_topdir {top}", spec], check=True,
                       capture_output=True)
        package, = glob.glob(f"{top}/RPMS/noarch/*.rpm")
        subprocess.run(["rpm", "--root", root, "--install", "--nodeps",
                        package], check=True, capture_output=True)
        wrapper = f"{self.folder}/verify"
        with open(wrapper, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec rpm --root {root} "$@"\n')
        os.chmod(wrapper, 0o755)
        real = {"dpkg": "/no/dpkg", "rpm": wrapper, "timeout_ms": 20000}
        self.assertIn("weak evidence",
                      self.passes("packages", {"verify": "true"}, **real))
        with open(f"{root}/opt/tool/settings", "a", encoding="utf-8") as file:
            file.write("a=2\n")
        self.assertIn("1 configuration files are changed",
                      self.passes("packages", {"verify": "true"}, **real))
        with open(f"{root}/opt/tool/program", "w", encoding="utf-8") as file:
            file.write("evil\n")
        self.fails("packages", {"verify": "true"}, "/opt/tool/program", **real)
        os.remove(f"{root}/opt/tool/program")
        self.fails("packages", {"verify": "true"}, "/opt/tool/program", **real)

    def test_an_account_a_key_a_job_and_a_setuid_program(self):
        root = f"{self.folder}/root"
        for folder in ("etc/cron.d", "home/eve/.ssh", "usr/bin"):
            os.makedirs(f"{root}/{folder}")
        for name in ("passwd", "shadow", "group", "gshadow"):
            with open(f"{root}/etc/{name}", "w", encoding="utf-8") as file:
                file.write(f"root:x:0:{'0:root:/root:/bin/sh' * (name == 'passwd')}\n")
        with open(f"{root}/usr/bin/ls", "w", encoding="utf-8") as file:
            file.write("program")
        os.mkdir(f"{self.folder}/kept")
        more = {"folder": f"{self.folder}/kept", "baselines": {
            "accounts": {"paths": [f"{root}/etc/{name}" for name in (
                "passwd", "shadow", "group")]},
            "keys": {"paths": [f"{root}/home/*/.ssh"]},
            "cron": {"paths": [f"{root}/etc/cron.d"]},
            "setuid": {"paths": [f"{root}/usr"], "setuid": True}}}
        names = sorted(more["baselines"])
        self.passes("take", {}, **more)
        for name in names:
            self.passes("files", {"baseline": name}, **more)
        subprocess.run(["useradd", "--prefix", root, "mallory"], check=True,
                       capture_output=True)
        with open(f"{root}/home/eve/.ssh/authorized_keys", "w",
                  encoding="utf-8") as file:
            file.write("ssh-ed25519 AAAA mallory\n")
        with open(f"{root}/etc/cron.d/beacon", "w", encoding="utf-8") as file:
            file.write("* * * * * root curl http://192.0.2.1\n")
        os.chmod(f"{root}/usr/bin/ls", 0o4755)
        for name, why in {"accounts": "etc/passwd", "keys": "authorized_keys",
                          "cron": "beacon", "setuid": "usr/bin/ls"}.items():
            self.fails("files", {"baseline": name}, why, **more)


class Plugins(CheckTest):
    """Debian's own, and those that do not behave."""

    USER = "games"  # nothing else runs as this one

    def plugin(self, *command, user=None, **more):
        rule = {"command": list(command)}
        if user:
            rule["user"] = user
        return {"plugins": {"it": rule}, **more}

    def script(self, text, name="script"):
        path = f"{self.folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)
        return path

    def processes_of(self, user):
        done = subprocess.run(["ps", "-o", "pid=,args=", "-u", user],
                              check=False, capture_output=True, text=True)
        return done.stdout.strip()

    def test_of_a_real_package(self):
        it = {"name": "it"}
        self.assertIn("DISK OK", self.passes("plugin", it, **self.plugin(
            f"{PLUGINS}/check_disk", "-w", "0%", "-c", "0%", "-p", "/",
            user="nobody")))
        self.fails("plugin", it, "DISK CRITICAL", **self.plugin(
            f"{PLUGINS}/check_disk", "-c", "100%", "-p", "/"))
        self.passes("plugin", it, **self.plugin(
            f"{PLUGINS}/check_procs", "-c", "1:100000", user="nobody"))
        self.fails("plugin", it, "PROCS CRITICAL", **self.plugin(
            f"{PLUGINS}/check_procs", "-c", "1:", "-C", "no-such-program"))
        self.fails("plugin", it, "refused", **self.plugin(
            f"{PLUGINS}/check_tcp", "-H", "127.0.0.1", "-p", "1"))

    def test_are_tried_again(self):
        path = self.script(f"#!/bin/sh\necho x >> {self.folder}/count\n"
                           f'test "$(wc -l < {self.folder}/count)" -ge 3 ||\n'
                           "{ echo not yet; exit 2; }\necho here\n")
        self.fails("plugin", {"name": "it"}, r"not yet \(2 attempts\)",
                   attempts=2, **self.plugin(path))
        self.passes("plugin", {"name": "it"}, attempts=2, **self.plugin(path))

    def test_run_as_their_user_and_bounded(self):
        path = self.script(
            "#!/bin/bash\necho $(id -un) "
            "$(grep -c '^CapEff:.0*$' /proc/self/status) "
            "$(grep -c '^NoNewPrivs:.1$' /proc/self/status) "
            "$(ulimit -v) $(ulimit -u) $(nice) $(env | grep -c SECRET)\n")
        os.environ["SECRET"] = "x"
        self.assertEqual(
            self.passes("plugin", {"name": "it"},
                        **self.plugin(path, user=self.USER)),
            f"{self.USER} 1 1 1048576 128 10 0")
        hungry = self.script("#!/usr/bin/python3\nbytearray(2 << 30)\n")
        self.inconclusive("plugin", {"name": "it"}, "Traceback",
                          **self.plugin(hungry, user=self.USER))

    def test_that_print_a_gigabyte(self):
        self.inconclusive(
            "plugin", {"name": "it"}, "64 KiB", timeout_ms=10000,
            **self.plugin("/usr/bin/head", "-c", "1000000000", "/dev/zero"))

    def test_that_hang_and_hear_no_signal_leave_nothing(self):
        deaf = self.script(
            "#!/usr/bin/python3\n"
            "import os, signal, sys, time\n"
            "for number in range(1, 32):\n"
            "  try: signal.signal(number, signal.SIG_IGN)\n"
            "  except (OSError, ValueError): pass\n"
            "for _ in range(2):\n"  # orphaned twice, a session each
            "  if os.fork() == 0: os.setsid()\n"
            "  elif sys.argv[1] == 'leaves': os._exit(0)\n"
            "time.sleep(987)\n")
        for how, verdict in (("leaves", self.passes), ("hangs", None)):
            with self.subTest(how):
                more = self.plugin(deaf, how, user=self.USER, timeout_ms=1500)
                if verdict:
                    verdict("plugin", {"name": "it"}, **more)
                else:
                    self.inconclusive("plugin", {"name": "it"}, "was killed",
                                      **more)
                self.assertEqual(self.processes_of(self.USER), "")

    def test_that_fork_without_end_are_bounded_and_gone(self):
        bomb = self.script("#!/bin/bash\nb() { b | b & }\nb\nsleep 987\n")
        began = time.monotonic()
        self.inconclusive("plugin", {"name": "it"}, ".", timeout_ms=1500,
                          **self.plugin(bomb, user=self.USER))
        print(f"  a fork bomb was gone after {time.monotonic() - began:.1f} s")
        self.assertEqual(self.processes_of(self.USER), "")


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
