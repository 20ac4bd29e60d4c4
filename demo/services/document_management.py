#!/usr/bin/python3
"""Documents by title, from the index in Redis, for people the directory
knows."""

import socket

import ldap3
import service

BASE = "dc=city-utility,dc=test"


def index(settings, *words):
    """One Redis command, as its protocol wants it, and the lines it gives."""
    text = f"*{len(words)}\r\n" + "".join(
        f"${len(word.encode())}\r\n{word}\r\n" for word in words)
    address = (settings.name("document-index"),
               settings.ports["document-index"])
    try:
        with socket.create_connection(address, service.TIMEOUT) as connection:
            connection.sendall(text.encode() + b"*1\r\n$4\r\nQUIT\r\n")
            answer = b""
            while block := connection.recv(65536):
                answer += block
    except OSError as error:
        raise service.Problem(f"document-index: {error}") from error
    lines = answer.decode().split("\r\n")
    if lines[0].startswith("-"):
        raise service.Problem(f"document-index: {lines[0][1:]}")
    return lines


def people(settings):
    server = ldap3.Server(settings.name("directory"),
                          port=settings.ports["directory"], get_info=None,
                          connect_timeout=service.TIMEOUT)
    try:
        with ldap3.Connection(server, auto_bind=True,
                              receive_timeout=service.TIMEOUT) as connection:
            connection.search(f"ou=people,{BASE}",
                              "(objectClass=inetOrgPerson)",
                              attributes=["cn"])
            return sorted(str(entry.cn) for entry in connection.entries)
    except ldap3.core.exceptions.LDAPException as error:
        raise service.Problem(
            f"directory: {service.one_line(error)}") from error


def documents(settings, _, __):
    lines = index(settings, "LRANGE", "documents", "0", "99")
    return {"documents": [line for line in lines[1:]
                          if line and line[0] not in "$*+"],
            "readers": people(settings)}


def ready(settings, _, __):
    found = documents(settings, "", None)
    if not found["readers"]:
        raise service.Problem("the directory shows nobody")
    return {"ready": True, "documents": len(found["documents"])}


service.serve({
    ("GET", "/ready"): ready,
    ("GET", "/"): documents,
})
