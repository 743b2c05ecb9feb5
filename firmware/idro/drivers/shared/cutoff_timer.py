"""Cut-off of outputs: a timer drives each safe at its deadline, whatever the program does.

One periodic timer, started once, checks the deadlines of all outputs. Up to MicroPython 1.28 each
start of a timer takes one of 255 that the chip has: after them its clock and watchdog stop
(micropython#19162). Where a check comes late or is lost, the next one cuts.

A cut-off also measures the real on-time for the ledger: a run ends when the output is driven safe.
"""

from idro.errors import FAILURES, ActuatorError

CHECK_MS = 50
_SILENT_MS = 2_000
_QUIET_MS = 1_000


class CutoffTimer:
    """Checks the deadlines of a board's outputs every CHECK_MS; `timer` is a machine.Timer.

    `periodic` is the timer mode constant, 1 on every port."""

    def __init__(self, timer, clock, periodic=1):
        self._clock = clock
        self._cutoffs = []
        self._checked_ms = clock.now_ms()
        timer.init(mode=periodic, period=CHECK_MS, callback=self._check)

    @property
    def is_silent(self):
        """True if no check has run for two seconds: no output may start."""
        return self._clock.now_ms() - self._checked_ms > _SILENT_MS

    def add(self, cutoff):
        """Check `cutoff` from now on."""
        self._cutoffs.append(cutoff)

    def _check(self, timer):
        """Cut what is due. Returns the ms without work while the program sleeps: a machine.Timer
        ignores it, the simulator skips those checks."""
        try:
            now_ms = self._clock.now_ms()
            next_ms = now_ms + _QUIET_MS
            for cutoff in self._cutoffs:
                until_ms = cutoff.until_ms
                if until_ms is None:
                    continue
                if until_ms <= now_ms:
                    until_ms = self._cut(cutoff, now_ms)
                if until_ms < next_ms:
                    next_ms = until_ms
            self._checked_ms = now_ms
            return next_ms - now_ms
        except MemoryError:  # after 12 days, uptime takes memory
            for cutoff in self._cutoffs:
                if cutoff.until_ms is not None:
                    cutoff.until_ms = 0  # the next check that has memory ends the run
                    self._drive_safe(cutoff)
            raise

    def _drive_safe(self, cutoff):
        """Drive an output safe without memory. One that fails keeps no other on."""
        try:
            cutoff.drive_safe()
        except (MemoryError, OSError):
            return

    def _cut(self, cutoff, now_ms):
        """Cut a run; return when to check it again. One that fails delays no other."""
        try:
            cutoff.halt()
        except OSError:
            return now_ms
        return now_ms + _QUIET_MS


class Cutoff:
    """Base of outputs, safe from construction on, which limits their runs: at the deadline the
    timer calls `drive_safe`.

    `spec` is the board's actuator entry: name, max_on_ms, safe_level; `timer` the CutoffTimer.
    """

    def __init__(self, spec, drive_safe, timer, clock):
        self._name = spec["name"]
        self._max_on_ms = spec["max_on_ms"]
        self.drive_safe = drive_safe
        self._timer = timer
        self._clock = clock
        self._started_ms = None
        self.until_ms = None  # uptime at which the run is cut; None between runs
        self._unclaimed_ms = 0
        self._past_ms = 0
        drive_safe()
        timer.add(self)

    @property
    def is_on(self):
        """True while the output is driven: from start() until the cut or off()."""
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

        Raises ActuatorError, with the output safe, if the time is out of range, the timer is
        silent or driving fails.
        """
        is_driven = False
        try:
            if not isinstance(for_ms, int) or not 1 <= for_ms <= self._max_on_ms:
                self.refuse(f"{for_ms} ms is not in 1..{self._max_on_ms}")
            if self._timer.is_silent:
                self.refuse("the timer of its cut-off does not run")
            now_ms = self._clock.now_ms()
            # First, so that no check ends the run any more; driving takes time on an expander.
            self.until_ms = now_ms + self._max_on_ms
            if self._started_ms is None:
                self._started_ms = now_ms
            drive_on()
            if self._started_ms is None:
                self._started_ms = now_ms
                self.refuse("its expander failed while it was driven")
            self.until_ms = self._clock.now_ms() + for_ms
            is_driven = True
        except FAILURES as error:
            raise ActuatorError(self._name, f"cannot be driven: {error!r}") from None
        finally:
            if not is_driven:
                self.halt()

    def off(self):
        """Drive the output safe. Return the ms it was on since the last off(), cut or not."""
        self.halt()
        unclaimed_ms = self._unclaimed_ms
        self._unclaimed_ms = 0
        return unclaimed_ms

    def halt(self):
        """Drive the output safe; the next off() returns its on-time."""
        self.drive_safe()
        self.lost()

    def lost(self):
        """End the run of an output that its expander has switched off."""
        # The timer may cut at any branch here: the run then counts twice, never zero times.
        started_ms = self._started_ms
        if started_ms is not None:
            elapsed_ms = self._clock.now_ms() - started_ms
            self._unclaimed_ms += elapsed_ms
            self._past_ms += elapsed_ms
            self._started_ms = None
        self.until_ms = None

    def refuse(self, detail):
        """Drive the output safe and raise ActuatorError."""
        self.halt()
        raise ActuatorError(self._name, detail)
