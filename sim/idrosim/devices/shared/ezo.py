"""Common command interpreter of Atlas EZO circuits, with its processing times.

Atlas EZO datasheets. A circuit processes one command at a time, for the time its
datasheet states, and measures at the end. ezo_interfaces.py carries the answers.
"""

from idrosim.devices.shared.part_faults import damaged

OK, SYNTAX = 1, 2
SHORT_US = 300_000


class EzoCircuit:
    """One circuit. A subclass defines NAME, VERSION, CAL_WORD, WAITS_US, `measure`, `calibrate`.

    fault: None, "unplugged" (silent), "stuck" (repeats the last reading) or "noisy" (damaged
    answers). `damage_count` is the number of next answers to damage.
    """

    NAME = VERSION = CAL_WORD = ""
    WAITS_US = {}
    DEFAULT_C = 25.0

    def __init__(self, clock):
        self.clock = clock
        self.fault = None
        self.damage_count = 0
        self.supply_mv = 5_038
        self.points = {}
        self._last_reading = None
        self.power_cycle()

    def power_cycle(self):
        """Reset, as when power returns: the temperature is lost, the calibration is not."""
        self.temp_c = self.DEFAULT_C
        self.is_asleep = False
        self.busy_until_us = 0

    def start(self, command):
        """Start `command`; return a callable that returns (code, text) when it is done."""
        words = command.upper().split(",")
        is_query = words[-1] == "?"
        wait_us = SHORT_US if is_query else self.WAITS_US.get(words[0], SHORT_US)
        self.busy_until_us = self.clock.now_us + wait_us
        self.is_asleep = words == ["SLEEP"]
        handler = getattr(self, "_on_" + words[0].lower(), None)

        def finish():
            try:
                text = None if handler is None else handler(words[1:])
            except (ValueError, IndexError):
                text = None
            return (SYNTAX, "") if text is None else (OK, text)

        return finish

    def reading(self):
        """Return the text of a new reading."""
        if self.fault != "stuck" or self._last_reading is None:
            self._last_reading = self.measure()
        return self._last_reading

    def measure(self):
        """Return the text of a measurement; implemented by subclasses."""
        raise AssertionError("ezo: measure() is not implemented")

    def damage(self, content):
        """Return an answer as the interface delivers it."""
        return damaged(self, content)

    def _on_r(self, words):
        return None if words else self.reading()

    def _on_t(self, words):
        if words[0] == "?":
            return f"?T,{_short(self.temp_c)}"
        self.temp_c = float(words[0])
        return ""

    def _on_i(self, words):
        return f"?i,{self.NAME},{self.VERSION}"

    def _on_status(self, words):
        return f"?Status,P,{self.supply_mv / 1000:.3f}"

    def _on_sleep(self, words):
        return ""

    def _on_cal(self, words):
        if words[0] == "?":
            return f"?{self.CAL_WORD},{self.point_count()}"
        if words[0] == "CLEAR":
            self.points = {}
            return ""
        return self.calibrate(words)

    def point_count(self):
        """Return the number of calibrated points."""
        return len(self.points)


class EzoOutputs(EzoCircuit):
    """A circuit with several outputs: OUTPUTS, in the order of a reading; `outputs` are those that
    are on, in capitals."""

    OUTPUTS = ()

    def enabled(self, shown):
        """Return the texts of the enabled outputs of {output: text}, separated by commas."""
        return ",".join([shown[name] for name in self.OUTPUTS if name.upper() in self.outputs])

    def _on_o(self, words):
        if words[0] == "?":
            return "?,O," + self.enabled({name: name for name in self.OUTPUTS})
        if words[0] not in [name.upper() for name in self.OUTPUTS] or words[1] not in ("0", "1"):
            return None
        self.outputs = [name for name in self.outputs if name != words[0]]
        if words[1] == "1":
            self.outputs.append(words[0])
        return ""


def _short(value):
    """Return a number as the circuits echo it: two decimals, without a final zero."""
    text = f"{value:.2f}"
    return text[:-1] if text.endswith("0") else text
