"""The two clocks of the simulator, in integer microseconds since the start of the scenario.

VirtualClock advances only when something waits or spends time, and fires every alarm at its exact
microsecond. LiveClock follows the wall clock and fires alarms when the firmware waits. A small int
of MicroPython holds 62 bits: no float, no wrap.
"""

FOREVER_US = 1 << 60


class Alarms:
    """Callbacks ordered by due time, first in first out among equals."""

    def __init__(self):
        self.next_due_us = FOREVER_US
        self._pending = []  # [due_us, callback], the next last

    def at(self, due_us, callback):
        """Call `callback()` at `due_us`. Returns a handle for `cancel`."""
        alarm = [due_us, callback]
        pending = self._pending
        index = len(pending)
        while index and pending[index - 1][0] <= due_us:
            index -= 1
        pending.insert(index, alarm)
        self.next_due_us = pending[-1][0]
        return alarm

    def cancel(self, alarm):
        """Remove an alarm; one that has fired or was cancelled is ignored."""
        for index, other in enumerate(self._pending):
            if other is alarm:
                self._pending.pop(index)
                break
        self.next_due_us = self._pending[-1][0] if self._pending else FOREVER_US

    def _take(self):
        alarm = self._pending.pop()
        self.next_due_us = self._pending[-1][0] if self._pending else FOREVER_US
        return alarm


class VirtualClock(Alarms):
    """Virtual time. `now_us` is a plain attribute for speed."""

    is_live = False

    def __init__(self, now_us=0):
        super().__init__()
        self.now_us = now_us

    def advance_to(self, at_us):
        """Advance to `at_us`; fire each alarm at its due time."""
        while self.next_due_us <= at_us:
            due_us, callback = self._take()
            if due_us > self.now_us:
                self.now_us = due_us
            callback()
        if at_us > self.now_us:
            self.now_us = at_us

    def spend(self, duration_us):
        """Advance by `duration_us`, the cost of a bus transfer or a busy wait."""
        at_us = self.now_us + duration_us
        if at_us < self.next_due_us:
            self.now_us = at_us
        else:
            self.advance_to(at_us)


class LiveClock(Alarms):
    """Wall time. `ticks_us` and `ticks_diff` are those of the real time module."""

    is_live = True

    def __init__(self, ticks_us, ticks_diff, now_us=0):
        super().__init__()
        self._ticks_us = ticks_us
        self._ticks_diff = ticks_diff
        self._start_ticks = ticks_us()
        self._start_us = now_us

    @property
    def now_us(self):
        """Microseconds since the start of the scenario."""
        return self._start_us + self._ticks_diff(self._ticks_us(), self._start_ticks)

    def run_due(self):
        """Fire every alarm that is due."""
        while self.next_due_us <= self.now_us:
            self._take()[1]()

    def spend(self, duration_us):
        """Fire due alarms; wall time passes by itself."""
        self.run_due()
