#!/usr/bin/python3
"""A file system whose server is this program: one folder with one file, spoken
over /dev/fuse. It answers until it is told not to; then its mount is dead, as a
network's is whose server went away.

  file_server.py FOLDER

Prints "mounted" once FOLDER is. SIGUSR1: from now on it hears what is asked and
says nothing, so that who asks cannot even be killed. SIGUSR2: the same, once
nobody has asked for a second, so that of a round of checks all find it silent or
none. SIGSTOP: it hears nothing. When it ends, whoever waits gets an error.
REQUIRES: root, and a mount namespace of the caller's own.
"""

import ctypes
import errno
import os
import signal
import stat
import struct
import sys
import time

FILE, TEXT = b"settings", b"a=1\n"
ROOT_NODE, FILE_NODE = 1, 2
LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 14, 15, 17, 18
INIT, OPENDIR, READDIR, RELEASEDIR = 26, 27, 28, 29
INTERRUPT, BATCH_FORGET = 36, 42
HEAD = struct.Struct("<IIQQIIIHH")


def attributes(node):
    folder = node == ROOT_NODE
    mode = (stat.S_IFDIR | 0o755) if folder else (stat.S_IFREG | 0o644)
    return struct.pack("<6Q3I7I", node, 0 if folder else len(TEXT), 1, 0, 0, 0,
                       0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def entry(name, node, number):
    kind = stat.S_IFDIR if node == ROOT_NODE else stat.S_IFREG
    record = struct.pack("<QQII", node, number, len(name), kind >> 12) + name
    return record + b"\0" * (-len(record) % 8)


def answer(code, node, body):
    """What is asked, answered; a number is an error's, None is no answer."""
    if code == INIT:
        return struct.pack("<IIIIHHIIHHI7I", 7, 31, 0, 0, 8, 8, 65536, 1, 0, 0,
                           0, *[0] * 7)
    if code == LOOKUP:
        if body.rstrip(b"\0") != FILE:
            return errno.ENOENT
        # Good for no time at all: whoever asks again, asks here.
        return struct.pack("<4Q2I", FILE_NODE, 1, 0, 0, 0, 0) + \
            attributes(FILE_NODE)
    if code == GETATTR:
        return struct.pack("<QII", 0, 0, 0) + attributes(node)
    if code in (OPEN, OPENDIR):
        return struct.pack("<QII", 0, 0, 0)
    if code == READ:
        offset, size = struct.unpack_from("<QI", body, 8)
        return TEXT[offset:offset + size]
    if code == READDIR:
        offset, = struct.unpack_from("<Q", body, 8)
        return b"" if offset else entry(b".", ROOT_NODE, 1) + \
            entry(b"..", ROOT_NODE, 2) + entry(FILE, FILE_NODE, 3)
    if code == STATFS:
        return struct.pack("<5Q4I6I", 100, 60, 60, 10, 5, 4096, 255, 4096, 0,
                           *[0] * 6)
    if code in (RELEASE, RELEASEDIR):
        return b""
    return None if code in (FORGET, BATCH_FORGET, INTERRUPT) else errno.ENOSYS


def main():
    folder = sys.argv[1]
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = (f"fd={device},rootmode=40755,user_id=0,group_id=0,allow_other")
    if libc.mount(b"sluice-test", folder.encode(), b"fuse.sluice-test", 0,
                  options.encode()) != 0:
        sys.exit(f"{folder}: {os.strerror(ctypes.get_errno())}")
    silent, after_a_pause = [], []
    signal.signal(signal.SIGUSR1, lambda *_: silent.append(True))
    signal.signal(signal.SIGUSR2, lambda *_: after_a_pause.append(True))
    last = time.monotonic()
    print("mounted", flush=True)
    while True:
        try:
            asked = os.read(device, 1 << 20)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                continue  # taken back meanwhile
            return  # unmounted
        _, code, unique, node, *_ = HEAD.unpack_from(asked)
        pause, last = time.monotonic() - last, time.monotonic()
        if after_a_pause and pause > 1:
            silent.append(True)
        if silent:
            continue
        said = answer(code, node, asked[HEAD.size:])
        if said is None:
            continue
        failed = isinstance(said, int)
        body = b"" if failed else said
        os.write(device, struct.pack(
            "<IiQ", 16 + len(body), -said if failed else 0, unique) + body)


if __name__ == "__main__":
    main()
