#!/usr/bin/python3
"""The offline kit in a root that holds glibc and busybox and nothing else: it
installs itself, isolates a host, is not removed while that is isolated, and
leaves no host open that was not.

Exit code 77 when namespaces cannot be made here.
"""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(f"{HERE}/../../..")
sys.path.insert(0, f"{ROOT}/demo")

import lab as lab_module  # noqa: E402  (the path above comes first)
import processes  # noqa: E402

BUILD = os.path.abspath(os.environ.get("SLUICE_BUILD_DIR", f"{ROOT}/build"))
PREFIX = "sluice-kit-"
ADDRESS, OTHER, PORT = "10.81.0.11", "10.81.0.12", 7001
AGENT_YAML = f"""
estate: small
host: bare-1
orchestrators: ["10.81.0.1:7443"]
certificate: agent.crt
key: agent.key
authority: ca.crt
management: ["tcp {ADDRESS} 10.81.0.1 7443"]
"""


def glibc():
    """The system's own part of what the kit needs, by where it has to lie."""
    said = subprocess.run(["ldd", f"{BUILD}/bin/sluice-agent"], check=True,
                          capture_output=True, text=True).stdout
    for line in said.splitlines():
        words = line.split()
        name = os.path.basename(words[0])
        if name.startswith(("ld-linux", "libc.so", "libm.so", "libresolv.so")):
            yield next(word for word in words if word.startswith("/"))


class Kit(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix=PREFIX)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.root = f"{self.folder}/root"
        for name in ("bin", "dev", "proc", "etc", "tmp", "var/lib"):
            os.makedirs(f"{self.root}/{name}")
        shutil.copy("/bin/busybox", f"{self.root}/bin/busybox")
        for name in ("sh", "cp", "mv", "rm", "ln", "id", "cat", "chmod",
                     "mkdir", "uname", "dirname", "basename", "tar", "gzip"):
            os.symlink("busybox", f"{self.root}/bin/{name}")
        for path in glibc():
            os.makedirs(os.path.dirname(self.root + path), exist_ok=True)
            shutil.copy(path, self.root + path)
        for name, minor in (("null", 3), ("urandom", 9)):
            os.mknod(f"{self.root}/dev/{name}", 0o20666, os.makedev(1, minor))
        self.lab = lab_module.Lab(PREFIX)
        self.addCleanup(self.lab.close)
        self.lab.open()
        self.lab.add_host("bare", [f"{ADDRESS}/24"])
        self.lab.add_host("other", [f"{OTHER}/24"])
        self.supervisor = processes.Supervisor(self.lab, self.folder)
        self.addCleanup(self.supervisor.close)

    def inside(self, *argv, env=None):
        """Runs in the bare root, in the host's network: (exit code, said)."""
        done = subprocess.run(
            self.lab.enter("bare") +
            ["unshare", "--mount", "--pid", "--fork", "sh", "-c",
             'mount -t proc proc "$1/proc" && shift && exec "$@"', "sh",
             self.root, "env", "-i", "PATH=/bin:/usr/sbin",
             *(f"{name}={value}" for name, value in (env or {}).items()),
             shutil.which("chroot"), self.root, *argv],
            capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def succeeds(self, *argv, **more):
        code, said = self.inside(*argv, **more)
        self.assertEqual(code, 0, said)
        return said

    def unpack(self):
        made = subprocess.run([f"{ROOT}/packaging/kit/make", "--build", BUILD],
                              capture_output=True, text=True, check=False)
        self.assertEqual(made.returncode, 0, made.stderr)
        print(made.stdout)
        self.assertRegex(made.stdout, r"needs glibc 2\.\d+ or newer")
        archive = glob.glob(f"{BUILD}/packages/sluice-agent-*.tar.gz")
        self.assertEqual(len(archive), 1, archive)
        shutil.copy(archive[0], f"{self.root}/tmp/kit.tar.gz")
        self.succeeds("tar", "-xzf", "/tmp/kit.tar.gz", "-C", "/tmp")
        return "/tmp/" + os.path.basename(archive[0])[:-len(".tar.gz")]

    def reaches(self):
        return lab_module.reach(self.lab, "other", ADDRESS, PORT, 0.5)

    def fence(self):
        return self.lab.run("bare", ["nft", "list", "table", "inet", "sluice"],
                            check=False)

    def test_isolates_a_bare_host_and_never_opens_it(self):
        self.supervisor.start("echo", "bare", [
            "/usr/bin/python3", f"{HERE}/../estate/echo_server.py", str(PORT)])
        processes.wait_for(self.reaches, "the service answers")
        kit = self.unpack()
        self.assertIn("is installed", self.succeeds(f"{kit}/install"))
        self.assertRegex(self.succeeds("/usr/sbin/sluice-agent", "--version"),
                         r"^sluice-agent \d")
        self.assertTrue(self.reaches(), "installing closed something")
        driver = f"{self.root}/usr/lib/sluice/drivers/linux-router"
        self.assertTrue(os.access(driver, os.X_OK))

        with open(f"{self.root}/etc/sluice/agent.yaml", "w",
                  encoding="utf-8") as file:
            file.write(AGENT_YAML)
        os.chmod(f"{self.root}/etc/sluice/agent.yaml", 0o600)
        self.succeeds("/usr/sbin/sluice-agent", "isolate")
        self.assertIn("policy drop", self.fence())
        self.assertFalse(self.reaches())

        # Upgraded while isolated: nothing opens.
        self.succeeds(f"{kit}/install")
        self.assertFalse(self.reaches())
        code, said = self.inside("/usr/lib/sluice-agent/uninstall")
        self.assertEqual(code, 1, said)
        self.assertIn("Nothing was changed", said)
        self.assertIn("sluice-agent release --everything", said)
        self.succeeds("/usr/sbin/sluice-agent", "--version")
        self.assertIn("this host is OPEN", self.succeeds(
            "/usr/lib/sluice-agent/uninstall",
            env={"SLUICE_REMOVE": "rules-stay-until-reboot"}))
        self.assertFalse(os.path.lexists(f"{self.root}/usr/sbin/sluice-agent"))
        self.assertTrue(
            os.path.exists(f"{self.root}/var/lib/sluice-agent/state"))
        self.assertIn("policy drop", self.fence())
        self.assertFalse(self.reaches())

    def test_goes_from_a_host_that_was_never_isolated(self):
        kit = self.unpack()
        self.succeeds(f"{kit}/install")
        self.succeeds("/usr/lib/sluice-agent/uninstall")
        for name in ("sluice-agent", "sluice/drivers"):
            self.assertFalse(os.path.exists(f"{self.root}/usr/lib/{name}"))


def main():
    reason = lab_module.why_not()
    if reason:
        print(f"kit_test: skipped: {reason}")
        return 77
    return 0 if unittest.main(exit=False, verbosity=2).result \
        .wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
