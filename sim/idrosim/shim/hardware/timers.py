"""Simulated machine.Timer and WDT, which act at their exact time.

While the whole virtual machine hangs, no callbacks run; the watchdog needs none.
"""

import sys

TIMER_COUNTS = {"esp32": 4, "esp32s3": 4, "esp32c3": 2}  # hardware timers per chip


class Timer:
    """A hardware timer. The object is a handle: the timer belongs to the board."""

    ONE_SHOT, PERIODIC = 0, 1
    _runtime = None
    _alarms = {}

    def __init__(self, id, **settings):
        count = TIMER_COUNTS[Timer._runtime.job["board"]["chip"]]
        if not isinstance(id, int) or not 0 <= id < count:
            raise ValueError("invalid Timer number")
        self._id = id
        if settings:
            self.init(**settings)

    def init(self, *, mode=PERIODIC, period=None, callback=None, freq=None, tick_hz=1_000,
             hard=False):
        """Start: call `callback(timer)` after `period` ticks of 1/`tick_hz` s, or periodically.

        Raises ValueError for a hard interrupt, which the ESP32 does not have.
        """
        if hard:
            raise ValueError("hard Timers are not implemented")
        self.deinit()
        if freq is not None:
            period_us = int(1_000_000 / freq)
        else:
            period_us = (1 if period is None else period) * 1_000_000 // tick_hz
        self._callback = callback
        self._period_us = max(1, period_us)
        self._is_periodic = mode == Timer.PERIODIC
        self._arm()

    def deinit(self):
        """Stop."""
        alarm = Timer._alarms.pop(self._id, None)
        if alarm is not None:
            Timer._runtime.clock.cancel(alarm)

    def value(self):
        """Return the time to the next call, ms; 0 if stopped."""
        alarm = Timer._alarms.get(self._id)
        return 0 if alarm is None else (alarm[0] - Timer._runtime.clock.now_us) // 1_000

    def _arm(self):
        clock = Timer._runtime.clock
        Timer._alarms[self._id] = clock.at(clock.now_us + self._period_us, self._fire)

    def _fire(self):
        Timer._alarms.pop(self._id, None)
        if self._is_periodic:
            self._arm()
        if self._callback is not None and not Timer._runtime.is_hung:
            call_back(self._callback, self)


def call_back(callback, argument):
    """Call a callback of the firmware; print its exception on the console."""
    try:
        callback(argument)
    except Exception as error:  # noqa: BLE001  as the port does
        sys.print_exception(error)


class WDT:
    """The watchdog. It cannot be stopped; a second object only changes the time-out."""

    _runtime = None
    _timeout_us = None
    _deadline_us = 0

    def __init__(self, id=0, timeout=5_000):
        if id != 0:
            raise ValueError(f"WDT({id}) doesn't exist")
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        is_first = WDT._timeout_us is None
        WDT._timeout_us = timeout * 1_000
        self.feed()
        if is_first:
            WDT._runtime.clock.at(WDT._deadline_us, _bite)

    def feed(self):
        """Restart the time-out."""
        WDT._deadline_us = WDT._runtime.clock.now_us + WDT._timeout_us


def _bite():
    # feed() moves only the deadline; an early alarm is set again here.
    runtime = WDT._runtime
    if WDT._deadline_us <= runtime.clock.now_us:
        runtime.reset("wdt")
    runtime.clock.at(WDT._deadline_us, _bite)
