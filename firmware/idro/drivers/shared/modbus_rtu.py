"""Modbus RTU master on RS485: frames, CRC-16, silences and the pin of a half-duplex transceiver.

Modbus over Serial Line V1.02: a frame ends with a silence of 3.5 characters (t3.5; 1.75 ms above
19,200 baud) and its CRC, low byte first. An answer is taken only if it is whole, alone on the line
and that of the request. A frame has no number: after a failure, and before a request that the last
answer would fit too, the line is listened to for long enough that no old answer is left.
"""

import struct

from idro.errors import SensorError

# CRC-16 of four bits, polynomial 0xA001 (reflected 0x8005).
_CRC = (0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
        0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400)
_OVERHEAD = 5  # address, function, number of bytes, CRC
_EXCEPTION_BYTES = 5
_IS_EXCEPTION = 0x80
_ACKNOWLEDGE, _BUSY = 5, 6
_FAST_BAUD = 19_200
_FAST_SILENCE_US = 1_750
# A sleep may end up to one tick early.
_MARGIN_MS = 1
_POLL_MS = 2
_SLOW_POLL_MS = 10
_POLLS_FAST = 10
_DOUBLE_MS = 50  # a repeated answer comes within this time
_LATE_MS = 1_000  # a late answer comes within this time of its request
_BABBLE_MS = 200  # how long a line may go on talking


def crc16(data):
    """Return the CRC-16 of `data`."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        crc = crc >> 4 ^ _CRC[crc & 15]
        crc = crc >> 4 ^ _CRC[crc & 15]
    return crc


def request(address, function, start, count):
    """Return the frame that reads `count` registers from `start`."""
    body = struct.pack(">BBHH", address, function, start, count)
    return body + struct.pack("<H", crc16(body))


def registers(part, asked, answer):
    """Return the registers' bytes in `answer` to the frame `asked`. Raises SensorError."""
    if not answer:
        raise SensorError(part, "no_ack", f"address {asked[0]}")
    if len(answer) < _EXCEPTION_BYTES or crc16(answer):
        raise SensorError(part, "crc", answer.hex()[:60])
    count = asked[5]
    if answer[0] != asked[0] or answer[1] & ~_IS_EXCEPTION != asked[1]:
        raise SensorError(part, "crc", f"another answer: {answer.hex()[:60]}")
    if answer[1] & _IS_EXCEPTION and len(answer) == _EXCEPTION_BYTES:
        fault = "timeout" if answer[2] in (_ACKNOWLEDGE, _BUSY) else "mismatch"
        raise SensorError(part, fault, f"Modbus exception {answer[2]}")
    if answer[2] != 2 * count or len(answer) != _OVERHEAD + 2 * count:
        raise SensorError(part, "crc", f"another length: {answer.hex()[:60]}")
    return answer[3:-2]


def open_lines(board, machine, clock):
    """Return {"rs485.<name>": ModbusBus} of a board's RS485 lines, behind its UARTs."""
    lines = {}
    pin = machine.Pin
    for number, (name, spec) in enumerate(board["rs485"].items(), len(board["uart"]) + 1):
        de = pin(spec["de_pin"], pin.OUT, value=0) if "de_pin" in spec else None
        parity = spec.get("parity")  # None, or 0 for even, 1 for odd
        uart = machine.UART(
            number, baudrate=spec["baud"], parity=parity, tx=pin(spec["tx_pin"]),
            rx=pin(spec["rx_pin"]), timeout=0)
        char_bits = 10 if parity is None else 11
        lines["rs485." + name] = ModbusBus(uart, de, clock, spec["baud"], char_bits)
    return lines


class ModbusBus:
    """One line, of which the node is the master. `uart` is a machine.UART that never blocks
    (time-out 0); `de` the pin that enables the driver at 1, None for an automatic transceiver."""

    def __init__(self, uart, de, clock, baud, char_bits):
        self._uart = uart
        self._de = de
        self._clock = clock
        self._char_us = char_bits * 1_000_000 // baud
        silence_us = _FAST_SILENCE_US if baud > _FAST_BAUD else self._char_us * 7 // 2
        self._silence_ms = silence_us // 1_000 + 1 + _MARGIN_MS
        self._has_failed = True  # the last exchange
        self._owed = {}  # what tells an answer: (its request, until when one may come)

    async def read(self, part, asked, timeout_ms):
        """Return the bytes of the registers that the frame `asked` reads. Raises SensorError."""
        listen_ms = self._silence_ms if self._has_failed else 0
        # An answer has the address, the function and the length of its request, but no register.
        shape = asked[:2] + asked[4:6]
        older, until_ms = self._owed.get(shape, (asked, 0))
        if older != asked:
            listen_ms = max(listen_ms, until_ms - self._clock.now_ms())
        self._has_failed = True
        await self._listen(part, listen_ms)
        self._send(asked)
        sent_ms = self._clock.now_ms()
        self._owed[shape] = asked, sent_ms + _LATE_MS
        found = registers(part, asked, await self._receive(asked, timeout_ms))
        self._has_failed = False
        if until_ms <= sent_ms:  # else it may be the answer of an earlier try, and another comes
            self._owed[shape] = asked, self._clock.now_ms() + _DOUBLE_MS
        return found

    async def _listen(self, part, listen_ms):
        """Discard what arrives until the line was silent for so long. Raises SensorError."""
        until_ms = self._clock.now_ms() + listen_ms + _BABBLE_MS
        self._uart.read()
        while listen_ms:
            await self._clock.sleep_ms(listen_ms)
            if not self._uart.read():
                return
            if self._clock.now_ms() >= until_ms:
                raise SensorError(part, "timeout", "the line is never silent")

    def _send(self, frame):
        if self._de is None:
            self._uart.write(frame)
            return
        self._de.value(1)
        try:
            self._uart.write(frame)
            self._uart.flush()  # 17 ms at 4,800 baud; a driver that stays on cuts the answer
        finally:
            self._de.value(0)

    async def _receive(self, asked, timeout_ms):
        """Return what the line carries until it is silent behind an answer, or time is out."""
        wanted = _OVERHEAD + 2 * asked[5]
        sent_us = len(asked) * self._char_us if self._de is None else 0
        wait_ms = (sent_us + wanted * self._char_us) // 1_000 + self._silence_ms
        until_ms = self._clock.now_ms() + wait_ms + timeout_ms
        received = b""
        polls = 0
        while True:
            await self._clock.sleep_ms(wait_ms)
            new = self._uart.read()
            if new:
                received += new
                if received.startswith(asked):  # a transceiver that hears itself
                    received = received[len(asked):]
            elif received:
                return received
            if self._clock.now_ms() >= until_ms:
                return received
            polls += 1
            wait_ms = _POLL_MS if polls < _POLLS_FAST else _SLOW_POLL_MS
            if received:  # the rest of the answer, and its silence
                missing = max(0, wanted - len(received))
                wait_ms = missing * self._char_us // 1_000 + self._silence_ms
