"""Cut-off of an output: a one-shot hardware timer that drives it safe, whatever the program does.

It also measures the real on-time for the ledger: a run ends when the output is driven safe. Only a
running cut-off uses its timer, so outputs that never run at the same time may share one (an ESP32
has four).
"""

from idro.errors import ActuatorError


class CutoffTimer:
    """Limits the runs of one output; the timer calls `drive_safe`."""

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
        """On-time since boot in ms, including the current run."""
        started_ms = self._started_ms
        if started_ms is None:
            return self._past_ms
        return self._past_ms + self._clock.now_ms() - started_ms

    def start(self, for_ms, drive_on):
        """Call `drive_on()` and cut off after `for_ms`; a running output gets the new end.

        Raises ActuatorError, with the output safe, if the time is out of range or driving fails.
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
        except (OSError, MemoryError) as error:
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
        """Drive the output safe; the next stop() returns its on-time."""
        self._drive_safe()
        self.lost()

    def lost(self):
        """End the run of an output that its expander has switched off."""
        if self._started_ms is not None:
            self._end_run()
            self._timer.deinit()

    def refuse(self, detail):
        """Drive the output safe and raise ActuatorError."""
        self.halt()
        raise ActuatorError(self._name, detail)

    def _cut(self, timer):
        self._drive_safe()
        self._end_run()

    def _end_run(self):
        # The timer may fire inside stop(): the run then counts twice, never zero times.
        started_ms = self._started_ms
        if started_ms is not None:
            elapsed_ms = self._clock.now_ms() - started_ms
            self._unclaimed_ms += elapsed_ms
            self._past_ms += elapsed_ms
            self._started_ms = None
