"""PCF8574 expander at byte level (NXP PCF8574/74A rev. 5), with the supply switch of its relays.

Eight quasi-bidirectional pins: a byte written is their level, and a high one is held by 100 uA
only, so that anything may pull it low; a byte read is what they are. High after power-up. It has
no reset and keeps its outputs through a reset of the chip.
"""

from idrosim.devices.shared.part_faults import acknowledge

_PINS = 8
_POWER_ON = 0xFF


class Pcf8574:
    """One part. `on_change(number, level)` is called when a pin changes; level None: without the
    supply of the relays, no level switches anything.

    fault: None, "unplugged" (no acknowledge, outputs stay) or "stuck" (acknowledges and ignores
    writes). `shorted` are the pins that a wire holds low, a bit each.
    """

    def __init__(self):
        self.on_change = None
        self.fault = None
        self.shorted = 0
        self._is_supplied = False
        self._latch = _POWER_ON
        self._reported = [None] * _PINS

    def power_cycle(self):
        """Set the pins as after power-up."""
        self._latch = _POWER_ON
        self._report_changes()

    def set_level(self, level):
        """Set the level of the switch of the relays' supply: high is on."""
        self._is_supplied = level == 1
        self._report_changes()

    def write(self, data):
        """Handle a write: one byte, the levels of the pins."""
        acknowledge(self)
        # By NXP each byte would be out for a moment, by TI a second one is ignored.
        assert len(data) == 1, f"pcf8574: {len(data)} bytes: it has no registers"
        if self.fault != "stuck":
            self._latch = data[0]
        self._report_changes()

    def read(self, count):
        """Return the levels of the pins, `count` times."""
        acknowledge(self)
        assert count, "pcf8574: empty read"
        return bytes((self._latch & ~self.shorted,)) * count

    def state(self):
        """Return the state that survives a reset of the board, JSON-able."""
        return self._latch

    def restore(self, state):
        """Restore what `state` returned."""
        self._latch = state
        self._report_changes()

    def _report_changes(self):
        now = [None] * _PINS
        if self._is_supplied:
            now = [(self._latch & ~self.shorted) >> number & 1 for number in range(_PINS)]
        before, self._reported = self._reported, now
        if self.on_change is None:
            return
        for number in range(_PINS):
            if now[number] != before[number]:
                self.on_change(number, now[number])
