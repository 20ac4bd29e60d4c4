#!/usr/bin/python3
"""The drivers that were never tried on the real thing, each against a recorded
dialogue: a fake endpoint plays it and refuses every step beside it. And what
all of them make of a request that is none."""

import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
DRIVERS = os.path.join(HERE, "..", "..", "drivers")
FLOW = "tcp 10.77.0.21 10.9.0.5 5432"
OTHER = "udp 10.77.0.22 10.9.0.5 4000-4010"


class DriverTest(unittest.TestCase):
    name = ""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sluice-drivers-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, value):
        path = f"{self.folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(value if isinstance(value, str) else json.dumps(value))
        return path

    def call(self, file, verb, flows=None, **more):
        asked = {"sluice": 1, "verb": verb, "host": "plc-1",
                 "addresses": ["10.9.0.5"], **more}
        if flows is not None:
            asked["flows"] = flows
        return self.say(json.dumps(asked), file)

    def say(self, text, *arguments):
        done = subprocess.run(
            ["/usr/bin/python3", f"{DRIVERS}/{self.name}", *arguments],
            input=text, capture_output=True, text=True, timeout=30,
            check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def recorded(self, steps):
        """The argv of a program that plays these steps."""
        record = self.write("record.json", steps)
        self.addCleanup(self.all_played, record, len(steps))
        return ["/usr/bin/python3", f"{HERE}/replay.py", record]

    def all_played(self, record, steps):
        with open(f"{record}.at", encoding="utf-8") as file:
            self.assertEqual(int(file.read()), steps, "steps were left out")


def switchport(vlan):
    return ("Name: Gi1/0/7\nSwitchport: Enabled\nAdministrative Mode: static "
            f"access\nAccess Mode VLAN: {vlan} (X)\nTrunking Native Mode "
            "VLAN: 1 (default)\n")


class SwitchVlan(DriverTest):
    name = "switch-vlan"
    SHOW = ("terminal length 0\nshow interfaces GigabitEthernet1/0/7 "
            "switchport\nexit\n")

    @staticmethod
    def move(vlan):
        return ("configure terminal\ninterface GigabitEthernet1/0/7\nshutdown"
                f"\nswitchport access vlan {vlan}\nno shutdown\nend\nexit\n")

    def file(self, steps):
        return self.write("file.json", {
            "ssh": self.recorded(steps), "port": "GigabitEthernet1/0/7",
            "vlan": 20, "nowhere": 999, "flows": [FLOW]})

    def test_moves_the_port_and_reads_where_it_is(self):
        file = self.file([
            {"stdin": self.move(999)},
            {"stdin": self.SHOW, "stdout": switchport(999)},
            {"stdin": self.SHOW, "stdout": switchport(999)},
            {"stdin": self.move(20)},
            {"stdin": self.SHOW, "stdout": switchport(20)},
            {"stdin": self.SHOW, "stdout": switchport(20)},
            {"stdin": self.move(999)}])
        self.assertTrue(self.call(file, "isolate", [])["ok"])
        self.assertEqual(self.call(file, "read"), {
            "ok": True, "isolated": True, "flows": [],
            "cuts_sessions": False})
        self.assertTrue(self.call(file, "open", [FLOW])["ok"])
        self.assertEqual(self.call(file, "read")["flows"], [FLOW])
        self.assertTrue(self.call(file, "close", [FLOW])["ok"])

    def test_opens_no_part_of_what_the_port_lets_through(self):
        file = self.file([{"stdin": self.SHOW, "stdout": switchport(999)},
                          {"stdin": self.move(999)}])
        said = self.call(file, "open", [OTHER])
        self.assertFalse(said["ok"])
        self.assertIn("is shut", said["error"])

    def test_passes_on_what_the_switch_refuses(self):
        file = self.file([
            {"stdin": self.move(999),
             "stdout": "sw1(config-if)#\n% Invalid input detected\n"},
            {"stdin": self.SHOW, "stdout": switchport(30)},
            {"stdin": self.SHOW, "stderr": "Connection refused\n",
             "exit": 255}])
        self.assertIn("% Invalid input".strip("% "),
                      self.call(file, "isolate", [])["error"])
        self.assertIn("in VLAN 30", self.call(file, "read")["error"])
        self.assertIn("Connection refused", self.call(file, "read")["error"])


class PortGroup(DriverTest):
    name = "port-group"

    @staticmethod
    def info(group):
        return {"argv": ["device.info", "-json", "-vm", "plc-1",
                         "ethernet-0"],
                "stdout": json.dumps({"devices": [{"deviceInfo": {
                    "label": "Network adapter 1", "summary": group}}]})}

    @staticmethod
    def move(group):
        return {"argv": ["vm.network.change", "-vm", "plc-1", "-net", group,
                         "ethernet-0"]}

    def file(self, steps):
        return self.write("file.json", {
            "govc": self.recorded(steps), "machine": "plc-1",
            "card": "ethernet-0", "group": "field",
            "nowhere": "sluice-nowhere", "flows": [FLOW, OTHER]})

    def test_moves_the_card_and_reads_where_it_is(self):
        file = self.file([
            self.move("sluice-nowhere"), self.info("sluice-nowhere"),
            self.info("sluice-nowhere"), self.move("field"),
            self.info("field")])
        self.assertTrue(self.call(file, "isolate", [])["ok"])
        self.assertEqual(self.call(file, "read")["flows"], [])
        self.assertTrue(self.call(file, "open", [FLOW, OTHER])["ok"])
        self.assertEqual(self.call(file, "read")["flows"],
                         sorted([FLOW, OTHER]))

    def test_passes_on_what_fails(self):
        file = self.file([
            {**self.move("sluice-nowhere"), "exit": 1,
             "stderr": "govc: network 'sluice-nowhere' not found\n"},
            self.info("somewhere")])
        self.assertIn("not found", self.call(file, "isolate", [])["error"])
        self.assertIn("'somewhere'", self.call(file, "read")["error"])


class WindowsFirewall(DriverTest):
    name = "windows-firewall"
    ARGV = ["powershell", "-NoProfile", "-NonInteractive", "-File",
            '"C:\\Sluice\\sluice-firewall.ps1"']

    def step(self, verb, flows, said, lease=0):
        asked = {"verb": verb, "keep": ["10.77.0.254"], "lease": lease,
                 "addresses": ["10.9.0.5"], "flows": [
                     {"line": FLOW, "protocol": "tcp",
                      "client": "10.77.0.21/32", "server": "10.9.0.5/32",
                      "ports": "5432"} for _ in flows]}
        return {"argv": self.ARGV, "stdin": json.dumps(asked) + "\n",
                "stdout": json.dumps(said) + "\r\n"}

    def file(self, steps):
        return self.write("file.json", {
            "ssh": self.recorded(steps), "keep": ["10.77.0.254"],
            "script": "C:\\Sluice\\sluice-firewall.ps1"})

    def test_asks_its_script_and_hands_leases_on(self):
        file = self.file([
            self.step("isolate", [], {"ok": True}),
            self.step("open", [FLOW], {"ok": True}, lease=60),
            self.step("read", [], {"ok": True, "isolated": True,
                                   "flows": [FLOW]}),
            self.step("close", [FLOW], {"ok": False, "error": "denied"})])
        self.assertTrue(self.call(file, "isolate", [])["ok"])
        self.assertTrue(self.call(file, "open", [FLOW], lease=60)["ok"])
        self.assertEqual(self.call(file, "read"), {
            "ok": True, "isolated": True, "flows": [FLOW],
            "cuts_sessions": False, "holds_leases": True})
        self.assertIn("denied", self.call(file, "close", [FLOW])["error"])


class Firewall(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers["Content-Length"])
        asked = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode()))
        server = self.server
        step = server.steps[server.at] if server.at < len(server.steps) else (
            None, "")
        good = (self.path == "/api/" and asked == step[0] and
                self.headers["X-PAN-KEY"] == "secret")
        if good:
            server.at += 1
        else:
            server.beside.append((asked, step[0]))
        text = step[1].encode() if good else b"beside the record"
        self.send_response(200 if good else 500)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class FirewallTags(DriverTest):
    name = "firewall-tags"
    DONE = '<response status="success"><result/></response>'
    SHOW = {"type": "op", "cmd": "<show><object><registered-ip><ip>10.9.0.5"
            "</ip></registered-ip></object></show>"}

    @staticmethod
    def tags(*tags):
        members = "".join(f"<member>{tag}</member>" for tag in tags)
        return ('<response status="success"><result><entry ip="10.9.0.5">'
                f"<tag>{members}</tag></entry><count>1</count></result>"
                "</response>")

    @staticmethod
    def update(verb, *tags):
        members = "".join(f"<member>{tag}</member>" for tag in tags)
        return {"type": "user-id", "cmd": "<uid-message><version>2.0"
                f"</version><type>update</type><payload><{verb}><entry "
                f'ip="10.9.0.5"><tag>{members}</tag></entry></{verb}>'
                "</payload></uid-message>"}

    def clear(self):
        return [({"type": "op", "cmd": "<clear><session><all><filter>"
                  f"<{end}>10.9.0.5</{end}></filter></all></session>"
                  "</clear>"}, self.DONE)
                for end in ("source", "destination")]

    def file(self, steps):
        server = http.server.HTTPServer(("127.0.0.1", 0), Firewall)
        server.steps, server.at, server.beside = steps, 0, []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def end():
            server.shutdown()
            thread.join()
            server.server_close()
            self.assertEqual(server.beside, [])
            self.assertEqual(server.at, len(steps), "steps were left out")
        self.addCleanup(end)
        return self.write("file.json", {
            "url": f"http://127.0.0.1:{server.server_port}",
            "key": self.write("key", "secret\n"), "isolated": "shut",
            "flows": {FLOW: "f1", OTHER: "f2"}})

    def test_tags_the_address_and_reads_its_tags(self):
        file = self.file([
            (self.update("unregister", "f1", "f2"), self.DONE),
            (self.update("register", "shut"), self.DONE), *self.clear(),
            (self.SHOW, self.tags("shut", "somebody-else-s")),
            (self.SHOW, self.tags("shut")),
            (self.update("unregister", "f2"), self.DONE),
            (self.update("register", "f1", "shut"), self.DONE),
            *self.clear(), (self.SHOW, self.tags("shut", "f1"))])
        self.assertTrue(self.call(file, "isolate", [])["ok"])
        self.assertEqual(self.call(file, "read"), {
            "ok": True, "isolated": True, "flows": [],
            "cuts_sessions": True})
        self.assertTrue(self.call(file, "open", [FLOW])["ok"])
        self.assertEqual(self.call(file, "read")["flows"], [FLOW])

    def test_passes_on_what_the_firewall_refuses(self):
        file = self.file([
            (self.SHOW, '<response status="error"><msg><line>Invalid '
             "Credential</line></msg></response>"),
            (self.SHOW, "<html>"),
            (self.SHOW, self.tags("shut"))])
        self.assertIn("Invalid Credential", self.call(file, "read")["error"])
        self.assertIn("no XML", self.call(file, "read")["error"])
        self.assertIn("no tag", self.call(
            file, "open", ["tcp 10.0.0.1 10.9.0.5 1"])["error"])


class BadRequests(DriverTest):
    name = "linux-router"

    def test_are_refused_in_a_sentence(self):
        good = {"sluice": 1, "verb": "isolate", "host": "plc-1",
                "addresses": ["10.9.0.5"], "flows": []}
        for change in ({"sluice": 2}, {"verb": "drop"}, {"verb": None},
                       {"host": "a b; reboot"}, {"host": ""},
                       {"addresses": ["plc"]}, {"flows": ["all"]},
                       {"flows": ["tcp 10.0.0.1 fd00::1 5"]},
                       {"flows": ["tcp 10.0.0.1 10.0.0.2 1-2-3"]},
                       {"flows": [7]}, {"flows": None}):
            with self.subTest(change):
                said = self.say(json.dumps({**good, **change}))
                self.assertIs(said["ok"], False)
                self.assertTrue(said["error"])
        for text in ("", "[]", "nonsense", "[" * 100000):
            self.assertIs(self.say(text)["ok"], False)


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False).result.wasSuccessful() else 1)
