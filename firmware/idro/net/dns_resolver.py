"""Resolves host names without blocking: one query for an A record over UDP (RFC 1035).

The port's own getaddrinfo blocks for 19 s without a name server (micropython issue 4801), longer
than the watchdog allows. Names ending in .local use multicast DNS (RFC 6762, section 6.7).
"""

import asyncio
import os
import socket

PORT = 53
LOCAL = ".local"
LOCAL_GROUP, LOCAL_PORT = "224.0.0.251", 5_353
WAIT_S = 2
TRIES = 2
_MAX_BYTES = 512
_MAX_LABEL_BYTES = 63
_HEADER_BYTES = 12
_A, _IN = 1, 1
_QR = 0x80  # of the third byte: a response
_RCODE = 0x0F  # of the fourth byte: 0 is success


def is_address(host):
    """True for an IPv4 address, which needs no lookup."""
    parts = host.split(".")
    return len(parts) == 4 and all(part.isdigit() for part in parts)


async def resolve(host, server):
    """Return the address of `host` as text from the name server at address `server`.

    Raises OSError without an answer or if the name does not exist, ValueError if it is invalid.
    """
    endpoint = (LOCAL_GROUP, LOCAL_PORT) if host.endswith(LOCAL) else (server, PORT)
    for _ in range(TRIES):
        number = os.urandom(2)
        question = query(number, host)
        try:
            found = await asyncio.wait_for(_ask(question, number, endpoint), WAIT_S)
        except asyncio.TimeoutError:  # noqa: UP041  (MicroPython has no such built-in)
            continue
        if found:
            return found
        raise OSError(f"no such name: {host}")
    raise OSError(f"no name server answers for {host}")


def query(number, host):
    """Return the query for the A record of `host`; `number` is two bytes. Raises ValueError."""
    packet = bytearray(number + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00")
    for label in host.split("."):
        data = label.encode()
        if not 1 <= len(data) <= _MAX_LABEL_BYTES:
            raise ValueError(f"no host name: {host}")
        packet.append(len(data))
        packet += data
    packet += b"\x00\x00\x01\x00\x01"
    if len(packet) > _MAX_BYTES:
        raise ValueError("no host name: too long")
    return bytes(packet)


def answer(number, data):
    """Return an address in the response to query `number`, of several one by chance: the first may
    be that of a broker that is down.

    Returns "" if the name does not exist, None if `data` is not that response.
    """
    if len(data) < _HEADER_BYTES or data[:2] != number or not data[2] & _QR:
        return None
    if data[3] & _RCODE:
        return ""
    try:
        return _address(number, data)
    except IndexError:
        return None


async def _ask(question, number, endpoint):
    """Send a query; return the address of the first response, "" if the name does not exist."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.sendto(question, socket.getaddrinfo(endpoint[0], endpoint[1])[0][-1])
        reader = asyncio.StreamReader(sock)
        while True:
            found = answer(number, await reader.read(_MAX_BYTES))
            if found is not None:
                return found
    finally:
        sock.close()


def _address(number, data):
    """Return one of the addresses, "" if there is none. Raises IndexError if `data` is cut off."""
    found = ""
    count = 0
    at = _HEADER_BYTES
    for _ in range(data[4] << 8 | data[5]):
        at = _after_name(data, at) + 4
    for _ in range(data[6] << 8 | data[7]):
        at = _after_name(data, at)
        kind, space = data[at] << 8 | data[at + 1], data[at + 2] << 8 | data[at + 3]
        size = data[at + 8] << 8 | data[at + 9]
        at += 10
        if kind == _A and space & 0x7FFF == _IN and size == 4:
            count += 1
            if number[1] % count == 0:  # it is random
                found = "{}.{}.{}.{}".format(*data[at : at + 4])
        at += size
    return found


def _after_name(data, at):
    while True:
        size = data[at]
        if size >= 0xC0:
            return at + 2
        at += 1 + size
        if not size:
            return at
