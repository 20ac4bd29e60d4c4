#!/usr/bin/python3
"""One TCP session that lives as long as this program does.

  session.py tcp ADDRESS PORT
  session.py modbus ADDRESS PORT
  session.py tls ADDRESS PORT CERTIFICATE NAME

Each line on standard input is one question asked over the session (an HTTP
request over TLS, a register's value by Modbus, else the line itself); one line
of JSON on standard output says how many bytes came back. The session is never
opened again.
"""

import json
import select
import socket
import ssl
import sys
import time

PATIENCE = 2.5


def connect(arguments):
    kind, address, port = arguments[:3]
    connection = socket.create_connection((address, int(port)), 5)
    if kind == "tls":
        certificate, name = arguments[3:5]
        context = ssl.create_default_context(cafile=certificate)
        connection = context.wrap_socket(connection, server_hostname=name)
    connection.setblocking(False)
    return connection


def question(arguments, line):
    if arguments[0] == "tls":
        return f"GET / HTTP/1.1\r\nHost: {arguments[4]}\r\n\r\n".encode()
    if arguments[0] == "modbus":
        return bytes.fromhex("000100000006010300000001")
    return line.encode()


def ask(connection, text):
    """How many bytes came back, and what went wrong if anything did."""
    received, problem = 0, ""
    try:
        connection.send(text)
    except (OSError, ssl.SSLError) as error:
        problem = str(error)
    deadline = time.monotonic() + PATIENCE
    while not received and time.monotonic() < deadline:
        select.select([connection], [], [], deadline - time.monotonic())
        try:
            block = connection.recv(65536)
            received += len(block)
            if not block:
                problem = "closed by the other end"
                break
        except (BlockingIOError, ssl.SSLWantReadError):
            continue
        except (OSError, ssl.SSLError) as error:
            problem = str(error)
            break
    return {"received": received, "problem": problem}


def main():
    arguments = sys.argv[1:]
    connection = connect(arguments)
    print(json.dumps({"open": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(ask(connection, question(arguments, line))),
              flush=True)


main()
