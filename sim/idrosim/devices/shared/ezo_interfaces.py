"""The two interfaces of EZO circuits: I2C with a status byte, UART with CR and *OK.

Atlas EZO datasheets. I2C: 254 while a command is processed, 255 without an answer. UART: 9600
baud, 8N1, a reading every second until C,0, and unsolicited *RS, *RE, *SL, *WA.
"""

from idrosim.devices.shared.ezo import OK, SHORT_US
from idrosim.devices.shared.part_faults import ENODEV, acknowledge

_PENDING, _NO_DATA = b"\xfe", b"\xff"
_LONGEST_COMMAND = 32
_LONGEST_READ = 40
_BYTE_US = 1_042
_SECOND_US = 1_000_000
_RX_BYTES = 256


class _Interface:
    """Base of both. `early_read_count` counts reads before the answer was due."""

    def __init__(self, circuit):
        self.circuit = circuit
        self.early_read_count = 0

    @property
    def fault(self):
        return self.circuit.fault

    @fault.setter
    def fault(self, fault):
        self.circuit.fault = fault


class EzoI2c(_Interface):
    """A circuit as an I2C part."""

    def __init__(self, circuit):
        super().__init__(circuit)
        self._finish = None

    def power_cycle(self):
        """Reset, as when power returns: the command in progress is lost."""
        self.circuit.power_cycle()
        self._finish = None

    def write(self, data):
        """Handle one command."""
        acknowledge(self)
        circuit = self.circuit
        assert 0 < len(data) <= _LONGEST_COMMAND, f"ezo: command of {len(data)} bytes"
        assert all(32 <= byte < 127 for byte in data), f"ezo: {bytes(data)} is not ASCII"
        if circuit.is_asleep:
            circuit.is_asleep = False  # the command that wakes is lost
            self._finish = None
            return
        assert circuit.clock.now_us >= circuit.busy_until_us, "ezo: command while busy"
        self._finish = circuit.start(bytes(data).decode())

    def read(self, count):
        """Return `count` bytes: the status, then the answer and its NUL."""
        acknowledge(self)
        assert count <= _LONGEST_READ, f"ezo: read of {count} bytes"
        circuit = self.circuit
        if circuit.is_asleep:
            raise OSError(ENODEV)
        if self._finish is None:
            return _padded(_NO_DATA, count)
        if circuit.clock.now_us < circuit.busy_until_us:
            self.early_read_count += 1
            return _padded(_PENDING, count)
        code, text = self._finish()
        self._finish = None
        content = circuit.damage(text.encode())
        return _padded(bytes((code,)) + (content + b"\x00" if content else b""), count)


def _padded(content, count):
    return (content + bytes(count))[:count]


class EzoUart(_Interface):
    """A circuit as a UART part. Early reads return b"", as on a real UART."""

    def __init__(self, circuit):
        super().__init__(circuit)
        self._clock = circuit.clock
        self._has_ok = True
        self._is_continuous = True
        self._line = b""
        self._arriving = []  # (time of the last byte, bytes or a callable that returns them)
        self._next_us = _SECOND_US

    def power_cycle(self):
        """Reset, as when power returns: response codes and continuous mode are on."""
        self.circuit.power_cycle()
        self._has_ok = self._is_continuous = True
        self._line = b""
        self._next_us = self._clock.now_us + _SECOND_US
        self._send(self._clock.now_us, "*RS", "*RE")

    def write(self, data):
        """Receive bytes; a CR ends a command."""
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
        """Return the bytes that arrived since the last read."""
        if self.circuit.fault == "unplugged":
            return b""
        self._tick()
        now_us = self._clock.now_us
        if now_us < self.circuit.busy_until_us:
            self.early_read_count += 1
        arrived = [item[1] for item in self._arriving if item[0] <= now_us]
        self._arriving = [item for item in self._arriving if item[0] > now_us]
        return b"".join(part() if callable(part) else part for part in arrived)[:_RX_BYTES]

    def _take(self, line, at_us):
        circuit = self.circuit
        if circuit.is_asleep:
            circuit.is_asleep = False
            self._send(at_us, "*WA")
            return
        assert self._clock.now_us >= circuit.busy_until_us, "ezo: command while busy"
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
        """Send the readings of continuous mode that are due."""
        now_us = self._clock.now_us
        if not self._is_continuous or self.circuit.is_asleep or now_us < self._next_us:
            return
        missed = (now_us - self._next_us) // _SECOND_US + 1
        self._next_us += missed * _SECOND_US
        for _ in range(min(missed, 40)):
            self._send(now_us - 10 * _BYTE_US, self.circuit.reading())
