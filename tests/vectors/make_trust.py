#!/usr/bin/python3
"""Makes the rotations and delegations in trust/ anew, good and bad ones, each
signed by the real ssh-keygen.

  tests/vectors/make_trust.py [FOLDER]     (default: trust/ beside this file)

The hosts of these vectors believe `pinned`: host db-1 of estate city-utility,
serial 1, a commander, an owner and an officer, at least one commander and one
owner. Private keys are thrown away.

`cases.txt` has one case a line:
  NAME PURPOSE TEXT-FILE KEY:SIGNATURE[,KEY:SIGNATURE…] WHO=good|bad…

agent         whether the host does as it says (agents/core/trust.cc)
orchestrator  whether it is handed on: whether the signatures are enough is for
              the hosts to say
send          whether `sluice send` hands it in
openssh       whether ssh-keygen verifies each signature by that key
"""

import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROTATION = "rotation@sluice"
DELEGATION = "delegation@sluice"
FROM = "from 2026-11-22T02:00:00Z\n"
UNTIL = "until 2026-11-22T10:00:00Z\n"


class Maker:
    def __init__(self, folder, scratch):
        self.folder = folder
        self.scratch = scratch
        self.cases = []
        self.keys = {}

    def write(self, name, data):
        (self.folder / name).write_text(data, newline="")

    def key(self, name, *options):
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", name, "-f",
                        f"{self.scratch}/{name}", *options], check=True)
        public = pathlib.Path(f"{self.scratch}/{name}.pub").read_text()
        self.write(f"{name}.pub", public)
        self.keys[name] = " ".join(public.split()[:2])

    def sign(self, name, text, purpose):
        return subprocess.run(
            ["ssh-keygen", "-q", "-Y", "sign", "-n", purpose, "-f",
             f"{self.scratch}/{name}"], input=text.encode(), check=True,
            stdout=subprocess.PIPE).stdout.decode()

    # The text, signed by these; `signed` instead of it, and for another
    # purpose, where a case is about that.
    def case(self, name, text, signers, agent, orchestrator, openssh="good",
             purpose=ROTATION, signed=None, signed_for=None, send=None):
        self.write(f"{name}.txt", text)
        pairs = []
        for nth, signer in enumerate(signers):
            value = self.sign(signer, text if signed is None else signed,
                              signed_for or purpose)
            file = f"{name}-{nth + 1}.sig"
            self.write(file, value)
            pairs.append(f"{signer}:{file}")
        self.cases.append(f"{name} {purpose} {name}.txt {','.join(pairs)} "
                          f"agent={agent} orchestrator={orchestrator} "
                          f"send={send or orchestrator} openssh={openssh}")


def rotation(maker, serial=2, estate="city-utility", hosts=("app-1", "db-1"),
             people=None, quorum="quorum incident-commander=1 system-owner=1\n"):
    keys = maker.keys
    people = people or [("commander", "incident-commander", keys["next"]),
                        ("officer", "security", keys["officer"]),
                        ("owner", "system-owner", keys["owner"])]
    return (f"sluice rotation 1\nestate {estate}\nserial {serial}\n" +
            "".join(f"host {host}\n" for host in hosts) +
            "".join(f"approver {name} roles={roles} key={key}\n"
                    for name, roles, key in people) + quorum)


def delegation(delegator="owner", deputy="officer", roles=("system-owner",),
               begin=FROM, end=UNTIL, estate="city-utility", more=""):
    return (f"sluice delegation 1\nestate {estate}\ndelegator {delegator}\n"
            f"deputy {deputy}\n" + "".join(f"role {one}\n" for one in roles) +
            more + begin + end)


def make_rotations(maker):
    good = rotation(maker)
    case = maker.case
    case("rotation", good, ["commander", "owner"], "good", "good")
    case("rotation-by-all", good, ["commander", "officer", "owner"], "good",
         "good")
    case("rotation-of-one-host", rotation(maker, hosts=["db-1"]),
         ["commander", "owner"], "good", "good")
    # Too few, or not of the people who are believed now.
    case("rotation-by-one", good, ["commander"], "bad", "good")
    case("rotation-by-one-twice", good, ["commander", "commander"], "bad",
         "good")
    case("rotation-by-the-new-key", good, ["next", "owner"], "bad", "good")
    case("rotation-by-strangers", good, ["stranger", "next"], "bad", "good")
    case("rotation-serial-in-force", rotation(maker, serial=1),
         ["commander", "owner"], "bad", "good")
    case("rotation-of-another-host", rotation(maker, hosts=["app-1"]),
         ["commander", "owner"], "bad", "good")
    # Signatures that are not over this, for this.
    case("rotation-signed-as-decision", good, ["commander", "owner"], "bad",
         "bad", "bad", signed_for="decision@sluice")
    case("rotation-signed-as-delegation", good, ["commander", "owner"], "bad",
         "bad", "bad", signed_for=DELEGATION)
    case("rotation-serial-raised", rotation(maker, serial=3),
         ["commander", "owner"], "bad", "bad", "bad", signed=good)
    case("rotation-host-added", rotation(maker, hosts=["app-1", "db-1"]),
         ["commander", "owner"], "bad", "bad", "bad",
         signed=rotation(maker, hosts=["app-1"]))
    # Texts that nobody should sign; here somebody has.
    both = ["commander", "owner"]
    case("rotation-other-estate", rotation(maker, estate="other"), both, "bad",
         "bad", send="good")
    case("rotation-no-such-host", rotation(maker, hosts=["db-1", "db-9"]),
         both, "good", "bad", send="good")
    case("rotation-hosts-unsorted", rotation(maker, hosts=["db-1", "app-1"]),
         both, "bad", "bad")
    case("rotation-crlf", good.replace("\n", "\r\n"), both, "bad", "bad")
    case("rotation-no-end", good[:-1], both, "bad", "bad")
    case("rotation-version", good.replace("rotation 1", "rotation 2", 1), both,
         "bad", "bad")
    case("rotation-without-quorum", rotation(maker, quorum=""), both, "bad",
         "bad")
    case("rotation-quorum-never-met",
         rotation(maker, quorum="quorum incident-commander=2\n"), both, "bad",
         "bad")
    case("rotation-quorum-none", rotation(maker, quorum="quorum none\n"), both,
         "bad", "bad")
    # Each role has somebody, and there is one person for two seats.
    case("rotation-one-key-twice", rotation(maker, people=[
        ("commander", "incident-commander", maker.keys["next"]),
        ("owner", "system-owner", maker.keys["next"])]), both, "bad", "bad")
    case("rotation-weak-key", rotation(maker, people=[
        ("commander", "incident-commander", maker.keys["weak"]),
        ("owner", "system-owner", maker.keys["owner"])]), both, "bad", "bad")
    # One flipped bit in the second signature.
    file = maker.folder / "rotation-2.sig"
    lines = file.read_text().splitlines()
    at = len(lines[3]) // 2
    lines[3] = (lines[3][:at] + ("A" if lines[3][at] != "A" else "B") +
                lines[3][at + 1:])
    maker.write("rotation-damaged-2.sig", "\n".join(lines) + "\n")
    maker.cases.append(f"rotation-damaged {ROTATION} rotation.txt "
                       "commander:rotation-1.sig,owner:rotation-damaged-2.sig "
                       "agent=bad orchestrator=bad send=bad openssh=bad")


def make_delegations(maker):
    def case(name, text, signers, agent, orchestrator, openssh="good",
             **options):
        maker.case(name, text, signers, agent, orchestrator, openssh,
                   purpose=DELEGATION, **options)

    good = delegation()
    case("delegation", good, ["owner"], "good", "good")
    case("delegation-of-tasks-too", delegation(more="tasks yes\n"), ["owner"],
         "good", "good")
    case("delegation-taken-back", delegation(roles=[]), ["owner"], "good",
         "good")
    case("delegation-of-a-week", delegation(
        end="until 2026-11-29T02:00:00Z\n"), ["owner"], "good", "good")
    # By somebody else, or for something else.
    case("delegation-by-the-deputy", good, ["officer"], "bad", "bad",
         send="good")
    case("delegation-by-a-stranger", good, ["stranger"], "bad", "bad",
         send="good")
    # Hosts want the one signature that counts; only that is handed on.
    case("delegation-by-two", good, ["owner", "commander"], "bad", "good")
    case("delegation-signed-as-rotation", good, ["owner"], "bad", "bad", "bad",
         signed_for=ROTATION)
    case("delegation-stretched", delegation(
        end="until 2026-11-22T12:00:00Z\n"), ["owner"], "bad", "bad", "bad",
        signed=good)
    case("delegation-newer", delegation(begin="from 2026-11-22T03:00:00Z\n"),
         ["owner"], "bad", "bad", "bad", signed=good)
    case("delegation-tasks-added", delegation(more="tasks yes\n"), ["owner"],
         "bad", "bad", "bad", signed=good)
    case("delegation-other-deputy", delegation(deputy="commander"), ["owner"],
         "bad", "bad", "bad", signed=good)
    # Texts that nobody should sign.
    case("delegation-other-estate", delegation(estate="other"), ["owner"],
         "bad", "bad", send="good")
    case("delegation-of-anothers-role", delegation(
        roles=["incident-commander", "system-owner"]), ["owner"], "bad", "bad",
        send="good")
    case("delegation-to-a-stranger", delegation(deputy="stranger"), ["owner"],
         "bad", "bad", send="good")
    case("delegation-to-oneself", delegation(deputy="owner"), ["owner"], "bad",
         "bad")
    case("delegation-too-long", delegation(
        end="until 2026-11-29T02:00:01Z\n"), ["owner"], "bad", "bad")
    case("delegation-ends-first", delegation(
        end="until 2026-11-22T01:00:00Z\n"), ["owner"], "bad", "bad")
    case("delegation-no-such-day", delegation(
        end="until 2026-11-31T01:00:00Z\n"), ["owner"], "bad", "bad")
    case("delegation-role-twice", delegation(
        roles=["system-owner", "system-owner"]), ["owner"], "bad", "bad")
    case("delegation-tasks-maybe", delegation(more="tasks maybe\n"), ["owner"],
         "bad", "bad")
    case("delegation-more-facts", delegation(more="host db-1\n"), ["owner"],
         "bad", "bad")


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "trust"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    os.umask(0o077)
    with tempfile.TemporaryDirectory() as scratch:
        maker = Maker(folder, scratch)
        maker.key("commander", "-t", "ed25519")
        maker.key("owner", "-t", "ecdsa", "-b", "256")
        maker.key("officer", "-t", "rsa", "-b", "2048")
        maker.key("next", "-t", "ed25519")
        maker.key("stranger", "-t", "ed25519")
        maker.key("weak", "-t", "rsa", "-b", "1024")
        keys = maker.keys
        maker.write("pinned", rotation(maker, serial=1, hosts=["db-1"], people=[
            ("commander", "incident-commander", keys["commander"]),
            ("officer", "security", keys["officer"]),
            ("owner", "system-owner", keys["owner"])]))
        make_rotations(maker)
        make_delegations(maker)
    maker.write("cases.txt", "\n".join(maker.cases) + "\n")
    print(f"{len(maker.cases)} cases in {folder}")


main()
