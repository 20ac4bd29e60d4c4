#!/usr/bin/python3
"""What the control room sees of the pumps, asked of their controller."""

import socket
import struct

import service

FIRST_REGISTER = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, 1)


def level(settings, _, __):
    where = settings.name("pump-controller"), settings.ports["pump-controller"]
    try:
        with socket.create_connection(where, service.TIMEOUT) as connection:
            connection.sendall(FIRST_REGISTER)
            said = connection.recv(64)
        return {"level": f"{struct.unpack('>9xH', said)[0] / 1000:.2f} m"}
    except (OSError, struct.error) as error:
        raise service.Problem("pump-controller: "
                              f"{service.one_line(error)}") from error


def ready(settings, _, __):
    return {"ready": True, **level(settings, "", None)}


service.serve({
    ("GET", "/ready"): ready,
    ("GET", "/level"): level,
})
