"""Simulated machine.Timer and WDT, with the faults of MicroPython up to 1.28 on an ESP32.

Each start of a timer acquires the peripheral of its group and never releases it, in a count of 8
bits by the parity of its number: after 255 the group is reset, and with it the clock or the
watchdog (ports/esp32/machine_timer.c, micropython#19162).

Callbacks wait in a queue of 8 (MICROPY_SCHEDULER_DEPTH) and run between bytecodes. During a call
in C (a transfer on a bus, a conversion, getaddrinfo) or another callback, or while the whole
virtual machine hangs, none runs, and what finds the queue full is lost; the watchdog needs none.
time.sleep_ms and sleep_us let them run (ports/esp32/mphalport.c).

While asyncio waits, only callbacks run. A periodic callback that returns a number of ms would do
nothing for so long: its calls are skipped until then or until the end of the wait.
"""

import sys

STARTS_PER_GROUP = 255
QUEUE_LENGTH = 8
TIMER_COUNTS = {"esp32": 4, "esp32s3": 4, "esp32s2": 4}  # hardware timers per chip


class Timer:
    """A hardware timer. The object is a handle: the timer belongs to the board."""

    ONE_SHOT, PERIODIC = 0, 1
    _runtime = None
    _alarms = {}
    _starts = [0, 0]  # since boot, by the parity of the timer's number

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
        self._count_start()
        if freq is not None:
            period_us = int(1_000_000 / freq)
        else:
            period_us = (1 if period is None else period) * 1_000_000 // tick_hz
        self._callback = callback
        self._period_us = max(1, period_us)
        self._is_periodic = mode == Timer.PERIODIC
        self._arm(Timer._runtime.clock.now_us + self._period_us)

    def deinit(self):
        """Stop."""
        alarm = Timer._alarms.pop(self._id, None)
        if alarm is not None:
            Timer._runtime.clock.cancel(alarm)

    def value(self):
        """Return the time to the next call, ms; 0 if stopped."""
        alarm = Timer._alarms.get(self._id)
        return 0 if alarm is None else (alarm[0] - Timer._runtime.clock.now_us) // 1_000

    def _count_start(self):
        starts = Timer._starts
        parity = self._id % 2
        starts[parity] += 1
        if starts[parity] == STARTS_PER_GROUP:
            Timer._runtime.misuse(AssertionError(
                f"Timer({self._id}): start {STARTS_PER_GROUP} of the timers of its parity: clock "
                "and watchdog stop (micropython#19162)"))

    def _arm(self, due_us):
        self._due_us = due_us
        Timer._alarms[self._id] = Timer._runtime.clock.at(due_us, self._fire)

    def _fire(self):
        alarms = Timer._alarms
        if not self._is_periodic:
            del alarms[self._id]
            schedule(self._callback, self)
            return
        fired = alarms[self._id]
        quiet_ms = schedule(self._callback, self)
        if alarms.get(self._id) is not fired:
            return  # the callback has stopped it or started it again
        ticks = 1
        if quiet_ms and _waits:
            ticks = max(1, quiet_ms * 1_000 // self._period_us)
            if ticks > 1 and self not in _waits:
                _waits.append(self)
        self._arm(self._due_us + ticks * self._period_us)

    def _resume(self):
        clock = Timer._runtime.clock
        skipped = (self._due_us - clock.now_us - 1) // self._period_us
        if skipped > 0 and self._id in Timer._alarms:
            clock.cancel(Timer._alarms[self._id])
            self._arm(self._due_us - skipped * self._period_us)


_waits = []  # while asyncio waits: None and the timers whose calls are skipped
_queue = []  # (callback, argument) while the virtual machine hangs


def begin_wait():
    """Let periodic callbacks skip calls: no program runs until end_wait()."""
    _waits.append(None)


def end_wait():
    """Call at every tick again."""
    while _waits:
        timer = _waits.pop()
        if timer is not None:
            timer._resume()


_calls = []  # in progress: callbacks, and blocking calls such as a transfer on an I2C bus


def begin_call():
    """Let callbacks wait: a call in C runs to its end."""
    _calls.append(None)


def end_call():
    """Call what waited for the end of the call."""
    _calls.pop()
    run_queued()


def block(duration_us):
    """Spend time in C: callbacks wait for the end of the call."""
    begin_call()
    try:
        Timer._runtime.clock.spend(duration_us)
    finally:
        end_call()


def schedule(callback, argument):
    """Call a callback of the firmware, and return its result; queue it while the virtual machine
    hangs or is in a call."""
    if not Timer._runtime.is_hung and not _calls:
        result = _call_back(callback, argument)
        run_queued()
        return result
    if len(_queue) < QUEUE_LENGTH:
        _queue.append((callback, argument))
    return None


def run_queued():
    """Call what waits in the queue, if the virtual machine runs again."""
    while _queue and not _calls and not Timer._runtime.is_dead:
        _call_back(*_queue.pop(0))


def _call_back(callback, argument):
    """Call, and print an exception on the console. Another callback waits until it has ended."""
    if callback is None:
        return None
    _calls.append(None)
    try:
        return callback(argument)
    except Exception as error:  # noqa: BLE001  as the port does
        sys.print_exception(error)
        return None
    finally:
        _calls.pop()


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
