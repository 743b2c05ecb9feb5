"""MCP23017 I/O expander at register level (Microchip DS20001952C), with its RESET line.

Reset state: every pin an input, registers of both ports interleaved, pointer increments. In reset
it does not acknowledge, and its pins float.
"""

from idrosim.devices.shared.part_faults import ENODEV

_REGISTERS = 0x16
_DIRECTION, _PORT, _LATCH = 0x00, 0x12, 0x14
_USED = (_DIRECTION, _DIRECTION + 1, _PORT, _PORT + 1, _LATCH, _LATCH + 1)
_PINS = 16


class Mcp23017:
    """One part. `on_change(number, level)` is called when a pin changes; level None: it floats.

    fault: None, "unplugged" (no acknowledge, outputs stay) or "stuck" (acknowledges and ignores
    writes).
    """

    def __init__(self):
        self.on_change = None
        self.fault = None
        self._is_reset = True
        self._pointer = 0
        self._registers = bytearray(_REGISTERS)
        self._clear()

    def set_level(self, level):
        """Set the level of the RESET line."""
        before = self._pins()
        self._is_reset = level == 0
        if self._is_reset:
            self._clear()
        self._report_changes(before)

    def write(self, data):
        """Handle a write: the pointer, and bytes for the registers from there."""
        self._acknowledge()
        assert data, "mcp23017: empty write"
        assert data[0] < _REGISTERS, f"mcp23017: no register {data[0]:02x}"
        self._pointer = data[0]
        before = self._pins()
        for byte in data[1:]:
            assert self._pointer in _USED, f"mcp23017: register {self._pointer:02x} written"
            # Writing a port writes its latch.
            place = self._pointer + 2 if self._pointer in (_PORT, _PORT + 1) else self._pointer
            if self.fault != "stuck":
                self._registers[place] = byte
            self._pointer += 1
        self._report_changes(before)

    def read(self, count):
        """Return `count` registers, starting at the pointer."""
        self._acknowledge()
        assert self._pointer + count <= _REGISTERS, f"mcp23017: read of {count} registers"
        content = bytes(self._registers[self._pointer:self._pointer + count])
        self._pointer += count
        return content

    def _clear(self):
        self._registers[:] = bytes(_REGISTERS)
        self._registers[_DIRECTION] = self._registers[_DIRECTION + 1] = 0xFF

    def _acknowledge(self):
        if self.fault == "unplugged" or self._is_reset:
            raise OSError(ENODEV)

    def _pins(self):
        found = []
        for number in range(_PINS):
            port, bit = number >> 3, number & 7
            is_input = self._registers[_DIRECTION + port] >> bit & 1
            found.append(None if is_input else self._registers[_LATCH + port] >> bit & 1)
        return found

    def _report_changes(self, before):
        if self.on_change is None:
            return
        now = self._pins()
        for number in range(_PINS):
            if now[number] != before[number]:
                self.on_change(number, now[number])
