"""The two lines an EZO circuit can talk over: I2C with a status byte, UART with CR and *OK.

Atlas EZO datasheets. I2C: 254 while it works, 255 with nothing to say. UART: 9600 baud, 8N1, a
reading every second by itself until C,0, and *RS, *RE, *SL, *WA unasked.
"""

from idrosim.devices.ezo import OK, SHORT_US

_ENODEV = 19
_PENDING, _NO_DATA = b"\xfe", b"\xff"
_LONGEST_COMMAND = 32
_LONGEST_READ = 40
_BYTE_US = 1_042
_SECOND_US = 1_000_000
_RX_BYTES = 256


class EzoI2c:
    """A circuit as an I2C part. `early_read_count` counts reads before the answer was due."""

    def __init__(self, circuit):
        self.circuit = circuit
        self.early_read_count = 0
        self._finish = None

    @property
    def fault(self):
        return self.circuit.fault

    @fault.setter
    def fault(self, fault):
        self.circuit.fault = fault

    def power_cycle(self):
        """Lose and regain the supply: whatever it worked on is gone."""
        self.circuit.power_cycle()
        self._finish = None

    def write(self, data):
        """Take one command."""
        self._acknowledge()
        circuit = self.circuit
        assert 0 < len(data) <= _LONGEST_COMMAND, f"ezo: command of {len(data)} bytes"
        assert all(32 <= byte < 127 for byte in data), f"ezo: {bytes(data)} is not ASCII"
        if circuit.is_asleep:
            circuit.is_asleep = False  # the command that wakes is lost
            self._finish = None
            return
        assert circuit.clock.now_us >= circuit.busy_until_us, "ezo: command while it works"
        self._finish = circuit.start(bytes(data).decode())

    def read(self, count):
        """Return `count` bytes: the status, then the answer and its NUL."""
        self._acknowledge()
        assert count <= _LONGEST_READ, f"ezo: read of {count} bytes"
        circuit = self.circuit
        if circuit.is_asleep:
            raise OSError(_ENODEV)
        if self._finish is None:
            return _padded(_NO_DATA, count)
        if circuit.clock.now_us < circuit.busy_until_us:
            self.early_read_count += 1
            return _padded(_PENDING, count)
        code, text = self._finish()
        self._finish = None
        content = circuit.damage(text.encode())
        return _padded(bytes((code,)) + (content + b"\x00" if content else b""), count)

    def _acknowledge(self):
        if self.circuit.fault == "unplugged":
            raise OSError(_ENODEV)


def _padded(content, count):
    return (content + bytes(count))[:count]


class EzoUart:
    """A circuit as a UART part: `write` takes bytes, `read` gives those that have arrived.

    `early_read_count` counts reads while it works: on a real line they come back empty.
    """

    def __init__(self, circuit):
        self.circuit = circuit
        self.early_read_count = 0
        self._clock = circuit.clock
        self._has_ok = True
        self._is_continuous = True
        self._line = b""
        self._arriving = []  # (when its last byte is in, bytes)
        self._free_us = 0
        self._next_us = _SECOND_US

    @property
    def fault(self):
        return self.circuit.fault

    @fault.setter
    def fault(self, fault):
        self.circuit.fault = fault

    def power_cycle(self):
        """Lose and regain the supply; response codes and continuous mode come back on."""
        self.circuit.power_cycle()
        self._has_ok = self._is_continuous = True
        self._line = b""
        self._next_us = self._clock.now_us + _SECOND_US
        self._send(self._clock.now_us, "*RS", "*RE")

    def write(self, data):
        """Take bytes; a CR makes a command of those before it."""
        if self.circuit.fault == "unplugged":
            return
        self._tick()
        for byte in bytes(data):
            assert byte == 13 or 32 <= byte < 127, f"ezo: {bytes(data)} is not ASCII"
            if byte != 13:
                self._line += bytes((byte,))
                assert len(self._line) <= _LONGEST_COMMAND, "ezo: command too long"
                continue
            line, self._line = self._line.decode(), b""
            self._take(line, self._clock.now_us + len(data) * _BYTE_US)

    def read(self):
        """Return all bytes that have arrived since the last read."""
        if self.circuit.fault == "unplugged":
            return b""
        self._tick()
        now_us = self._clock.now_us
        if now_us < self.circuit.busy_until_us:
            self.early_read_count += 1
        arrived = [item for item in self._arriving if item[0] <= now_us]
        self._arriving = [item for item in self._arriving if item[0] > now_us]
        return b"".join(self._text_of(item[1]) for item in arrived)[:_RX_BYTES]

    def _text_of(self, content):
        # What needs time to be known is known when it is due: a reading, an answer.
        return content() if callable(content) else content

    def _take(self, line, at_us):
        circuit = self.circuit
        if circuit.is_asleep:
            circuit.is_asleep = False
            self._send(at_us, "*WA")
            return
        assert self._clock.now_us >= circuit.busy_until_us, "ezo: command while it works"
        words = line.upper().split(",")
        if words[0] in ("C", "*OK") and words[1:] in (["0"], ["1"]):
            circuit.busy_until_us = self._clock.now_us + SHORT_US
            if words[0] == "C":
                self._is_continuous = words[1] == "1"
                self._next_us = at_us + _SECOND_US
            else:
                self._has_ok = words[1] == "1"
            self._send(circuit.busy_until_us, *self._code(True))
            return
        finish = circuit.start(line)

        def answer():
            code, text = finish()
            lines = [text] if text else []
            lines += self._code(code == OK)
            content = circuit.damage("".join(line + "\r" for line in lines).encode())
            if circuit.is_asleep:
                content += b"*SL\r"
            return content

        self._arriving.append((circuit.busy_until_us + 16 * _BYTE_US, answer))

    def _code(self, is_good):
        if not self._has_ok:
            return []
        return ["*OK"] if is_good else ["*ER"]

    def _send(self, at_us, *lines):
        content = "".join(line + "\r" for line in lines).encode()
        self._arriving.append((at_us + len(content) * _BYTE_US, content))

    def _tick(self):
        """Say what continuous mode would have said since the last look."""
        now_us = self._clock.now_us
        if not self._is_continuous or self.circuit.is_asleep or now_us < self._next_us:
            return
        missed = (now_us - self._next_us) // _SECOND_US + 1
        self._next_us += missed * _SECOND_US
        for _ in range(min(missed, 40)):
            self._send(now_us - 10 * _BYTE_US, self.circuit.reading())
