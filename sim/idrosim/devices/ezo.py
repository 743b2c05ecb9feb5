"""What Atlas EZO circuits share: the command interpreter and its processing times.

Atlas EZO-pH and EZO-EC datasheets. A circuit works on one command at a time, for the time its
datasheet states, and measures at the end of it. How the answer travels is ezo_lines.py.
"""

OK, SYNTAX = 1, 2
SHORT_US = 300_000


class EzoCircuit:
    """One circuit. A subclass gives NAME, VERSION, CAL_WORD, WAITS_US and what it measures.

    fault: None, "unplugged" (silent), "stuck" (the last reading again) or "noisy" (damaged
    answers). `damage_count` is how many of the next answers are damaged.
    """

    NAME = VERSION = CAL_WORD = ""
    WAITS_US = {}

    def __init__(self, clock):
        self.clock = clock
        self.fault = None
        self.damage_count = 0
        self.supply_mv = 5_038
        self.points = {}
        self._last_reading = None
        self.power_cycle()

    def power_cycle(self):
        """Lose and regain the supply: the temperature is forgotten, the calibration is not."""
        self.temp_c = 25.0
        self.is_asleep = False
        self.busy_until_us = 0

    def start(self, command):
        """Begin to work on `command`; returns a callable that gives (code, text) when done."""
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
        """Return the text of a reading now."""
        if self.fault != "stuck" or self._last_reading is None:
            self._last_reading = self.measure()
        return self._last_reading

    def measure(self):
        """Return the text of what the probe shows; a subclass gives it."""
        raise AssertionError("ezo: a circuit measures something")

    def damage(self, content):
        """Return an answer as the line delivers it."""
        if content and (self.damage_count > 0 or self.fault == "noisy"):
            self.damage_count = max(0, self.damage_count - 1)
            return bytes((content[0] ^ 0x10,)) + content[1:]
        return content

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
        """Return how many points are calibrated."""
        return len(self.points)


def _short(value):
    """Return a number as the circuits echo it: one decimal where that is all of it."""
    text = f"{value:.2f}"
    return text[:-1] if text.endswith("0") else text
