#!/usr/bin/python3
"""The pumps' controller, an appliance: Modbus/TCP and nothing else. Its first
holding register is the tank's level in millimetres."""

import json
import socket
import socketserver
import struct
import sys

REGISTERS = [4215, 1, 0, 1]  # level, pump one, pump two, pump three
READ_HOLDING = 3
WRONG_FUNCTION, WRONG_ADDRESS = 1, 2


def answer(body):
    """What a request (function code first) is answered."""
    function = body[0]
    if function != READ_HOLDING or len(body) != 5:
        return bytes([function | 0x80, WRONG_FUNCTION])
    start, count = struct.unpack(">HH", body[1:])
    values = REGISTERS[start:start + count]
    if not values or len(values) != count:
        return bytes([function | 0x80, WRONG_ADDRESS])
    return struct.pack(f">BB{count}H", function, 2 * count, *values)


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while len(head := self.rfile.read(7)) == 7:
            number, protocol, length, unit = struct.unpack(">HHHB", head)
            if protocol != 0 or not 2 <= length <= 254:
                return
            body = self.rfile.read(length - 1)
            if len(body) != length - 1:
                return
            said = answer(body)
            self.wfile.write(struct.pack(">HHHB", number, 0, len(said) + 1,
                                         unit) + said)


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


with open(sys.argv[1], encoding="utf-8") as file:
    Server(("::", json.load(file)["listen"]), Handler).serve_forever()
