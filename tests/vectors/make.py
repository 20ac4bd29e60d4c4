#!/usr/bin/python3
"""Makes the signatures in sshsig/ anew: good ones and every way to be bad.

  tests/vectors/make.py [FOLDER]     (default: sshsig/ beside this file)

ed25519, ecdsa-p256 and rsa keys and their signatures are made by the real
ssh-keygen. Hardware keys need hardware, and ssh-keygen writes neither SHA-1 nor
a damaged signature: those are put together here from the published format
(OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f) with python3-cryptography. Private
keys are thrown away, so every run makes other vectors with the same names.

`cases.txt` has one case a line:
  NAME KEY-FILE NAMESPACE BODY-FILE SIGNATURE-FILE ours=good|bad openssh=good|bad
"""

import base64
import hashlib
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (ec, ed25519, padding,
                                                       utils)

NAMESPACE = "decision@sluice"
# A whole release order, so that an agent can be asked about it as it is.
BODY = f"""sluice release order 1
estate city-utility
run 2026-11-21-1
plan sha256:{"1" * 64}
stage data
stage-digest sha256:{"2" * 64}
round 1
started-by it-lead
quorum incident-commander=1
no-self-approval no
journal-head sha256:{"3" * 64}
valid-seconds 1800
confirm automatic
step billing-db
host db-1 quarantine=1 evidence=sha256:{"4" * 64} flows=sha256:{"5" * 64} \
lease=60 soak=300
""".encode()
OTHER = BODY.replace(b"round 1", b"round 2")
HERE = pathlib.Path(__file__).resolve().parent


def text(value):
    return struct.pack(">I", len(value)) + value


def integer(value):
    raw = value.to_bytes((value.bit_length() + 7) // 8 or 1, "big")
    return text(b"\0" + raw if raw[0] & 0x80 else raw)


def armour(blob):
    lines = base64.b64encode(blob).decode()
    return ("-----BEGIN SSH SIGNATURE-----\n" +
            "".join(lines[i:i + 70] + "\n" for i in range(0, len(lines), 70)) +
            "-----END SSH SIGNATURE-----\n")


def unarmour(armoured):
    return base64.b64decode("".join(armoured.splitlines()[1:-1]))


def signed_bytes(body, namespace=NAMESPACE, name="sha512"):
    digest = hashlib.new(name, body).digest()
    return (b"SSHSIG" + text(namespace.encode()) + text(b"") +
            text(name.encode()) + text(digest))


def blob(key, signature, namespace=NAMESPACE, name="sha512", magic=b"SSHSIG",
         version=1):
    return (magic + struct.pack(">I", version) + text(key) +
            text(namespace.encode()) + text(b"") + text(name.encode()) +
            text(signature))


class Maker:
    def __init__(self, folder):
        self.folder = folder
        self.cases = []
        self.write("body", BODY)
        self.write("other-body", OTHER)

    def write(self, name, data):
        mode = "wb" if isinstance(data, bytes) else "w"
        with open(self.folder / name, mode) as file:
            file.write(data)

    def case(self, name, key, signature, ours, openssh, body="body",
             namespace=NAMESPACE):
        self.write(f"{name}.sig", signature)
        self.cases.append(f"{name} {key}.pub {namespace} {body} {name}.sig "
                          f"ours={ours} openssh={openssh}")

    def key(self, scratch, name, *options):
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", name, "-f",
                        f"{scratch}/{name}", *options], check=True)
        public = pathlib.Path(f"{scratch}/{name}.pub").read_text()
        self.write(f"{name}.pub", public)
        return base64.b64decode(public.split()[1])

    def sign(self, scratch, name, body=BODY, namespace=NAMESPACE, *options):
        return subprocess.run(
            ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f",
             f"{scratch}/{name}", *options], input=body, check=True,
            stdout=subprocess.PIPE).stdout.decode()


def hardware_bytes(application, flags, counter, message):
    return (hashlib.sha256(application).digest() + bytes([flags]) +
            struct.pack(">I", counter) + hashlib.sha256(message).digest())


def make_hardware(maker):
    application = b"ssh:"
    soft = ed25519.Ed25519PrivateKey.generate()
    point = soft.public_key().public_bytes(serialization.Encoding.Raw,
                                           serialization.PublicFormat.Raw)
    kind = b"sk-ssh-ed25519@openssh.com"
    key = text(kind) + text(point) + text(application)
    maker.write("sk-ed25519.pub", f"{kind.decode()} "
                f"{base64.b64encode(key).decode()} sk-ed25519\n")

    def touch(flags, said=None):
        value = soft.sign(hardware_bytes(application, flags, 7,
                                         signed_bytes(BODY)))
        said = flags if said is None else said
        return armour(blob(key, text(kind) + text(value) + bytes([said]) +
                           struct.pack(">I", 7)))

    maker.case("sk-ed25519", "sk-ed25519", touch(1), "good", "good")
    maker.case("sk-ed25519-verified", "sk-ed25519", touch(5), "good", "good")
    # ssh-keygen itself leaves it to its caller whether a touch is wanted.
    maker.case("sk-ed25519-untouched", "sk-ed25519", touch(0), "bad", "good")
    maker.case("sk-ed25519-touch-claimed", "sk-ed25519", touch(0, 1), "bad",
               "bad")

    hard = ec.generate_private_key(ec.SECP256R1())
    numbers = hard.public_key().public_numbers()
    curve_point = (b"\x04" + numbers.x.to_bytes(32, "big") +
                   numbers.y.to_bytes(32, "big"))
    kind2 = b"sk-ecdsa-sha2-nistp256@openssh.com"
    key2 = (text(kind2) + text(b"nistp256") + text(curve_point) +
            text(application))
    maker.write("sk-ecdsa.pub", f"{kind2.decode()} "
                f"{base64.b64encode(key2).decode()} sk-ecdsa\n")

    def touch2(flags):
        r, s = utils.decode_dss_signature(hard.sign(
            hardware_bytes(application, flags, 9, signed_bytes(BODY)),
            ec.ECDSA(hashes.SHA256())))
        return armour(blob(key2, text(kind2) + text(integer(r) + integer(s)) +
                           bytes([flags]) + struct.pack(">I", 9)))

    maker.case("sk-ecdsa", "sk-ecdsa", touch2(1), "good", "good")
    maker.case("sk-ecdsa-untouched", "sk-ecdsa", touch2(0), "bad", "good")


def make_rsa_hashes(maker, scratch, key):
    private = serialization.load_ssh_private_key(
        pathlib.Path(f"{scratch}/rsa").read_bytes(), None)

    def rsa(name, algorithm):
        value = private.sign(signed_bytes(BODY), padding.PKCS1v15(), algorithm)
        return armour(blob(key, text(name) + text(value)))

    maker.case("rsa-sha2-256", "rsa", rsa(b"rsa-sha2-256", hashes.SHA256()),
               "good", "good")
    maker.case("rsa-sha1", "rsa", rsa(b"ssh-rsa", hashes.SHA1()), "bad", "bad")
    maker.case("rsa-sha1-renamed", "rsa",
               rsa(b"rsa-sha2-512", hashes.SHA1()), "bad", "bad")


def make_damaged(maker, scratch, good):
    whole = unarmour(good)
    def bad(name, data, openssh="bad"):
        maker.case(name, "ed25519", data, "bad", openssh)

    bad("truncated", armour(whole[:-9]))
    bad("extra-bytes", armour(whole + b"\0"))
    bad("flipped-bit", armour(whole[:-1] + bytes([whole[-1] ^ 1])))
    bad("other-version", armour(whole[:9] + b"\2" + whole[10:]))
    bad("other-magic", armour(b"SSHSIH" + whole[6:]))
    bad("empty", "")
    bad("not-armoured", base64.b64encode(whole).decode())
    # ssh-keygen reads the first block and looks no further.
    bad("two-blocks", good + good, "good")
    bad("text-before", "go\n" + good)
    maker.case("wrong-namespace", "ed25519",
               maker.sign(scratch, "ed25519", BODY, "login@sluice"), "bad",
               "bad")
    maker.case("other-key", "other", good, "bad", "bad")
    maker.case("changed-body", "ed25519", good, "bad", "bad",
               body="other-body")
    inner = (text(b"ssh-ed25519") + text(b"\0" * 64))
    key = base64.b64decode((maker.folder / "ed25519.pub").read_text()
                           .split()[1])
    bad("nothing-signed", armour(blob(key, inner)))
    bad("md5", armour(blob(key, inner, name="md5")))
    huge = blob(key, inner)
    bad("length-beyond", armour(huge[:10] + b"\xff\xff\xff\xff" + huge[14:]))


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else \
        HERE / "sshsig"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    maker = Maker(folder)
    os.umask(0o077)
    with tempfile.TemporaryDirectory() as scratch:
        maker.key(scratch, "ed25519", "-t", "ed25519")
        maker.key(scratch, "other", "-t", "ed25519")
        maker.key(scratch, "ecdsa", "-t", "ecdsa", "-b", "256")
        rsa = maker.key(scratch, "rsa", "-t", "rsa", "-b", "2048")
        for name in ("ed25519", "ecdsa", "rsa"):
            maker.case(name, name, maker.sign(scratch, name), "good", "good")
            maker.case(f"{name}-hash-256", name,
                       maker.sign(scratch, name, BODY, NAMESPACE, "-O",
                                  "hashalg=sha256"), "good", "good")
        make_rsa_hashes(maker, scratch, rsa)
        make_damaged(maker, scratch, maker.sign(scratch, "ed25519"))
    make_hardware(maker)
    maker.write("cases.txt", "\n".join(maker.cases) + "\n")
    print(f"{len(maker.cases)} cases in {folder}")


main()
