"""The simulator's two clocks, in integer microseconds since the scenario began.

VirtualClock moves only when something waits or spends time, and fires every alarm at its exact
microsecond on the way. LiveClock follows the wall and fires alarms when the firmware waits.
Both run on MicroPython, where a small int holds 62 bits: no float, no wrap.
"""

FOREVER_US = 1 << 60


class Alarms:
    """Callbacks by due time, first in first out among equals."""

    def __init__(self):
        self.next_due_us = FOREVER_US
        self._pending = []  # [due_us, callback], the next one last

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
        """Forget an alarm; one that fired or was cancelled before is passed over."""
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
    """Time that passes only here. `now_us` is an attribute, cheap to read."""

    is_live = False

    def __init__(self, now_us=0):
        super().__init__()
        self.now_us = now_us

    def advance_to(self, at_us):
        """Move to `at_us`, firing what falls due on the way at its own time."""
        while self.next_due_us <= at_us:
            due_us, callback = self._take()
            if due_us > self.now_us:
                self.now_us = due_us
            callback()
        if at_us > self.now_us:
            self.now_us = at_us

    def spend(self, duration_us):
        """Let `duration_us` pass: what a bus transfer or a busy wait costs."""
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
        """Microseconds since the scenario began."""
        return self._start_us + self._ticks_diff(self._ticks_us(), self._start_ticks)

    def run_due(self):
        """Fire every alarm whose time has come."""
        while self.next_due_us <= self.now_us:
            self._take()[1]()

    def spend(self, duration_us):
        """A bus transfer: the wall moves by itself, so only alarms are looked after."""
        self.run_due()
