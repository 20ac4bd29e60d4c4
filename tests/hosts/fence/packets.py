"""Packets by hand, for what sockets would not send: odd flags, options,
extension headers, fragments, other protocols, lies about the sender."""

import ipaddress
import itertools
import struct

ICMP, IGMP, IPIP, TCP, UDP, DCCP, IP6IN, GRE, ESP, ICMP6, SCTP, UDPLITE = (
    1, 2, 4, 6, 17, 33, 41, 47, 50, 58, 132, 136)
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32

_identities = itertools.count(1000)


def is6(address):
    return ":" in address


def raw(address):
    return ipaddress.ip_address(address).packed


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xffff)
    return ~total & 0xffff


def pseudo(source, to, protocol, body):
    if is6(source):
        return (raw(source) + raw(to) +
                struct.pack("!II", len(body), protocol) + body)
    return (raw(source) + raw(to) +
            struct.pack("!BBH", 0, protocol, len(body)) + body)


def ip(source, to, protocol, body, hops=64, options=b"", fragment=(0, 0, 0)):
    """The whole packet. `options`: IPv4 options, or IPv6 extension headers
    that end in `protocol`, given as (first header, bytes). `fragment`: IPv4's
    identity, offset in bytes, more-follow."""
    if is6(source):
        first, headers = options or (protocol, b"")
        return (struct.pack("!IHBB", 6 << 28, len(headers) + len(body), first,
                            hops) + raw(source) + raw(to) + headers + body)
    identity, offset, more = fragment
    length = 20 + len(options)
    head = struct.pack("!BBHHHBBH", 0x40 | length // 4, 0,
                       length + len(body), identity,
                       offset // 8 | (0x2000 if more else 0), hops, protocol,
                       0) + raw(source) + raw(to) + options
    filled = checksum(head)
    return head[:10] + struct.pack("!H", filled) + head[12:] + body


def fragments(source, to, protocol, body, size):
    """The packet in pieces of `size` bytes (a multiple of 8)."""
    identity = next(_identities)
    made = []
    for offset in range(0, len(body), size):
        piece, more = body[offset:offset + size], offset + size < len(body)
        if is6(source):
            head = struct.pack("!BBHI", protocol, 0, offset | more, identity)
            made.append(ip(source, to, protocol, piece,
                           options=(FRAGMENT, head)))
        else:
            made.append(ip(source, to, protocol, piece,
                           fragment=(identity, offset, more)))
    return made


def tcp(source, to, ports, flags, data):
    head = struct.pack("!HHIIBBHHH", *ports, 1000, 2000 if flags & ACK else 0,
                       5 << 4, flags, 64240, 0, 0)
    filled = checksum(pseudo(source, to, TCP, head + data))
    return head[:16] + struct.pack("!H", filled) + head[18:] + data


def udp(source, to, ports, data, protocol=UDP):
    length = 8 + len(data)
    head = struct.pack("!HHHH", *ports, length, 0)
    filled = checksum(pseudo(source, to, protocol, head + data)) or 0xffff
    return head[:6] + struct.pack("!H", filled) + data


def icmp(source, to, kind, code, rest, data):
    """`rest`: the four bytes after the checksum."""
    body = struct.pack("!BBH", kind, code, 0) + rest + data
    filled = checksum(pseudo(source, to, ICMP6, body) if is6(source) else body)
    return body[:2] + struct.pack("!H", filled) + body[4:]


def redirect(source, to, gateway, about):
    """Tells `to` to send what `about` (a whole packet) was to `gateway`."""
    if is6(source):
        option = struct.pack("!BBH", 4, (len(about) + 15) // 8, 0) + bytes(4)
        return icmp(source, to, 137, 0, bytes(4),
                    raw(gateway) + about[24:40] + option + about)
    return icmp(source, to, 5, 1, raw(gateway), about)


def too_big(source, to, mtu, about):
    if is6(source):
        return icmp(source, to, 2, 0, struct.pack("!I", mtu), about)
    return icmp(source, to, 3, 4, struct.pack("!HH", 0, mtu), about)


def sctp_init(ports, data):
    chunk = struct.pack("!BBHIIHHI", 1, 0, 20, 7, 65535, 1, 1, 1)
    head = struct.pack("!HHI", *ports, 0)
    note = struct.pack("!HH", 0x8008, 4 + len(data)) + data
    chunk = chunk[:2] + struct.pack("!H", 20 + len(note)) + chunk[4:] + note
    made = head + bytes(4) + chunk
    return head + struct.pack("<I", crc32c(made)) + chunk


def crc32c(data):
    value = 0xffffffff
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
    return value ^ 0xffffffff
