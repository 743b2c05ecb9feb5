"""The cut-off every output has: a one-shot timer that makes it safe, whatever the loop does.

It also keeps the time an output was really on, for the ledger: cut or stopped, the end counts when
the output was driven safe. Only a running cut-off touches its timer, so outputs that never run at
the same time may share one (an ESP32 has four).
"""

from idro.errors import ActuatorError


class CutoffTimer:
    """Bounds the runs of one output. `drive_safe` is what the timer calls."""

    def __init__(self, spec, drive_safe, timer, clock, one_shot):
        self._name = spec["name"]
        self._max_on_ms = spec["max_on_ms"]
        self._drive_safe = drive_safe
        self._timer = timer
        self._clock = clock
        self._one_shot = one_shot
        self._started_ms = None
        self._unclaimed_ms = 0
        self._past_ms = 0

    @property
    def is_running(self):
        """True from start() until the cut or stop()."""
        return self._started_ms is not None

    @property
    def on_ms_total(self):
        """Time on since boot, in ms, the present run included."""
        started_ms = self._started_ms
        if started_ms is None:
            return self._past_ms
        return self._past_ms + self._clock.now_ms() - started_ms

    def start(self, for_ms, drive_on):
        """Call `drive_on()` and cut off `for_ms` later; a running output gets the new end.

        Raises ActuatorError, with the output safe, for a time out of bounds or a failed timer.
        """
        is_armed = False
        try:
            if not isinstance(for_ms, int) or not 1 <= for_ms <= self._max_on_ms:
                self.refuse(f"{for_ms} ms is not in 1..{self._max_on_ms}")
            if self._started_ms is None:
                self._started_ms = self._clock.now_ms()
            drive_on()
            self._timer.init(mode=self._one_shot, period=for_ms, callback=self._cut)
            is_armed = True
        except OSError as error:
            raise ActuatorError(self._name, f"cannot be driven: {error!r}") from None
        finally:
            if not is_armed:
                self.halt()

    def stop(self):
        """Drive the output safe. Return the ms it was on since the last stop()."""
        self.halt()
        unclaimed_ms = self._unclaimed_ms
        self._unclaimed_ms = 0
        return unclaimed_ms

    def halt(self):
        """Drive the output safe; what it ran stays to be claimed by stop()."""
        self._drive_safe()
        if self._started_ms is not None:
            self._book()
            self._timer.deinit()

    def refuse(self, detail):
        """Drive the output safe and raise ActuatorError."""
        self.halt()
        raise ActuatorError(self._name, detail)

    def _cut(self, timer):
        self._drive_safe()
        self._book()

    def _book(self):
        # The timer may strike inside stop(): the run then counts twice, never not at all.
        started_ms = self._started_ms
        if started_ms is not None:
            elapsed_ms = self._clock.now_ms() - started_ms
            self._unclaimed_ms += elapsed_ms
            self._past_ms += elapsed_ms
            self._started_ms = None
