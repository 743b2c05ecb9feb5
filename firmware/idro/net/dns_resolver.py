"""Looks up names without blocking.

The port's own getaddrinfo blocks for 19 s where no name server answers (micropython issue 4801),
longer than the watchdog waits. Here it is one question for an A record over UDP (RFC 1035). Names
that end in .local are asked of everybody on the link (multicast DNS, RFC 6762, section 6.7).
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
_QR = 0x80  # of the third byte: it is an answer
_RCODE = 0x0F  # of the fourth byte: 0 is no error


def is_address(host):
    """True for an address in numbers, which needs no lookup."""
    parts = host.split(".")
    return len(parts) == 4 and all(part.isdigit() for part in parts)


async def resolve(host, server):
    """Return the address of `host` as text, asked of the name server at address `server`.

    Raises OSError where nobody answers or the name does not exist, ValueError for no name.
    """
    place = (LOCAL_GROUP, LOCAL_PORT) if host.endswith(LOCAL) else (server, PORT)
    for _ in range(TRIES):
        number = os.urandom(2)
        question = query(number, host)
        try:
            found = await asyncio.wait_for(_ask(question, number, place), WAIT_S)
        except asyncio.TimeoutError:  # noqa: UP041  (MicroPython has no such built-in)
            continue
        if found:
            return found
        raise OSError(f"no such name: {host}")
    raise OSError(f"no name server answers for {host}")


def query(number, host):
    """Return the question for the A record of `host`; `number` is two bytes. Raises ValueError."""
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
    """Return the address in an answer, "" where it says there is none, None where it is no answer
    to the question `number`."""
    if len(data) < _HEADER_BYTES or data[:2] != number or not data[2] & _QR:
        return None
    if data[3] & _RCODE:
        return ""
    try:
        return _first_address(data)
    except IndexError:
        return None


async def _ask(question, number, place):
    """Return the first answer to `question`: an address, or "" where there is none."""
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        link.setblocking(False)
        link.sendto(question, socket.getaddrinfo(place[0], place[1])[0][-1])
        reader = asyncio.StreamReader(link)
        while True:
            found = answer(number, await reader.read(_MAX_BYTES))
            if found is not None:
                return found
    finally:
        link.close()


def _first_address(data):
    at = _HEADER_BYTES
    for _ in range(data[4] << 8 | data[5]):
        at = _behind_name(data, at) + 4
    for _ in range(data[6] << 8 | data[7]):
        at = _behind_name(data, at)
        kind, space = data[at] << 8 | data[at + 1], data[at + 2] << 8 | data[at + 3]
        size = data[at + 8] << 8 | data[at + 9]
        at += 10
        if kind == _A and space & 0x7FFF == _IN and size == 4:
            return f"{data[at]}.{data[at + 1]}.{data[at + 2]}.{data[at + 3]}"
        at += size
    return ""


def _behind_name(data, at):
    while True:
        size = data[at]
        if size >= 0xC0:
            return at + 2
        at += 1 + size
        if not size:
            return at
