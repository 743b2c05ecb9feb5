"""An RS485 line with Modbus RTU slaves, byte by byte in time, and what a master may do on it.

Modbus over Serial Line V1.02: a frame starts after a silence of 3.5 characters (1.75 ms above
19,200 baud); a slave ignores a frame with a wrong CRC or another address, carries out a broadcast
without an answer, and answers a request it cannot serve with an exception. Misuse of the line,
such as a driver that is enabled too late, too long or not at all, raises an AssertionError.
"""

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, BUSY = 1, 2, 3, 6
MAX_REGISTERS = 125
# Faults of a slave, or of its cable.
FAULTS = ("unplugged", "noisy", "cut", "late", "doubled", "foreign", "occupied", "refused")
LATE_US = 450_000


def crc_of(data):
    """Return the two bytes of the CRC-16 of `data`, bit by bit as in the standard's appendix B.

    The driver takes it from a table: neither checks itself."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return bytes((crc & 0xFF, crc >> 8))


class ModbusSlave:
    """One slave. `words_of(function)` returns its {register: word}, read at each request."""

    def __init__(self, words_of):
        self._words_of = words_of
        self.turnaround_us = 0  # beyond the silence that every slave waits for
        self.fault = None
        self.request_count = 0
        self._flipped = 0

    def answer(self, address, body):
        """Return the body of the answer to `body`, the request without its CRC, or None."""
        self.request_count += 1
        if self.fault == "unplugged":
            return None
        function = body[1]
        words = self._words_of(function)
        if self.fault in ("occupied", "refused"):
            code = BUSY if self.fault == "occupied" else ILLEGAL_ADDRESS
            return bytes((address, function | 0x80, code))
        if words is None:
            return bytes((address, function | 0x80, ILLEGAL_FUNCTION))
        start, count = body[2] << 8 | body[3], body[4] << 8 | body[5]
        if len(body) != 6 or not 1 <= count <= MAX_REGISTERS:
            return bytes((address, function | 0x80, ILLEGAL_VALUE))
        data = b""
        for register in range(start, start + count):
            if register not in words:
                return bytes((address, function | 0x80, ILLEGAL_ADDRESS))
            data += bytes((words[register] >> 8, words[register] & 0xFF))
        if self.fault == "foreign":
            address = address % 247 + 1
        return bytes((address, function, len(data))) + data

    def on_the_wire(self, frame):
        """Return [(delay in us, bytes)] of an answer, as its fault leaves it."""
        if self.fault == "noisy":
            self._flipped += 1
            place = self._flipped % len(frame)
            frame = frame[:place] + bytes((frame[place] ^ 1 << self._flipped % 8,)) \
                + frame[place + 1:]
        if self.fault == "cut":
            frame = frame[:len(frame) // 2]
        if self.fault == "doubled":
            return [(0, frame), (20_000, frame)]
        return [(LATE_US if self.fault == "late" else 0, frame)]


class ModbusLine:
    """One line. `slaves` is {address: ModbusSlave}; `has_driver_pin`: set_level() is its DE."""

    def __init__(self, clock, baud, parity=None, has_driver_pin=False):
        self._clock = clock
        self.parity = parity
        self.slaves = {}
        self.char_us = (10 if parity is None else 11) * 1_000_000 / baud
        self.silence_us = 1_750 if baud > 19_200 else 3.5 * self.char_us
        self._has_driver_pin = has_driver_pin
        self._is_driven = not has_driver_pin
        self._sent_us = 0  # end of the master's last frame
        self._quiet_us = 0  # end of the last byte of anybody
        self._arriving = []  # (time of its last bit, byte, whether it is outside its time)
        self._answer_us = None  # when the next answer begins
        self.wire_us = 0.0  # that the frames and their silences took
        self.broadcasts = []
        self.silent_count = 0  # requests without an answer

    def set_level(self, level):
        """Enable or disable the driver of the master's transceiver."""
        now_us = self._clock.now_us
        if not level and self._is_driven:
            assert now_us >= self._sent_us, "modbus: driver disabled before the last bit was sent"
            self._collision(now_us)
            self._answer_us = None
        self._is_driven = bool(level)

    def write(self, data):
        """Carry a frame of the master."""
        now_us = self._clock.now_us
        assert self._is_driven, "modbus: the driver is not enabled, so nothing is sent"
        is_busy = any([not is_stray and at_us > now_us for at_us, _, is_stray in self._arriving])
        assert not is_busy, "modbus: request while a slave answers"
        silent_us = now_us - max(self._sent_us, self._quiet_us)
        assert silent_us >= self.silence_us or self._sent_us == 0, \
            f"modbus: request after {silent_us:.0f} us of silence, not {self.silence_us:.0f}"
        self._sent_us = now_us + len(data) * self.char_us
        self.wire_us += len(data) * self.char_us + self.silence_us
        self._take(bytes(data))

    def read(self):
        """Return the bytes that arrived since the last read."""
        now_us = self._clock.now_us
        if self._has_driver_pin and self._is_driven:
            self._collision(now_us)
        arrived = bytes([byte for at_us, byte, _ in self._arriving if at_us <= now_us])
        self._arriving = [item for item in self._arriving if item[0] > now_us]
        return arrived

    def _collision(self, now_us):
        """Check that no answer has begun while the master's driver held the line."""
        if self._has_driver_pin and self._is_driven and self._answer_us is not None:
            assert now_us <= self._answer_us, "modbus: driver enabled while a slave answers"

    def _take(self, data):
        self._answer_us = None
        address = data[0]
        if crc_of(data[:-2]) != data[-2:]:
            self.silent_count += 1
            return
        if address == 0:
            assert data[1] not in (3, 4), "modbus: a read by broadcast has no answer"
            self.broadcasts.append(data[:-2])
            return
        slave = self.slaves.get(address)
        body = None if slave is None else slave.answer(address, data[:-2])
        if body is None:
            self.silent_count += 1
            return
        at_us = self._sent_us + self.silence_us + slave.turnaround_us
        for delay_us, frame in slave.on_the_wire(body + crc_of(body)):
            end_us = self._carry(at_us + delay_us, frame, delay_us > 0)
            if not delay_us:
                self._answer_us, self._quiet_us = at_us, end_us
                self.wire_us += len(frame) * self.char_us + self.silence_us

    def _carry(self, at_us, frame, is_stray):
        """Let a frame arrive from `at_us` on; return when it ends."""
        for byte in frame:
            at_us += self.char_us
            self._arriving.append((at_us, byte, is_stray))
        return at_us
