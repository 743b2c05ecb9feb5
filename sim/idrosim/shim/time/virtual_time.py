"""Simulated `time` module on the virtual clock.

As on the ESP32, ticks wrap at 2^30 (the unix port wraps at 2^62 and would hide roll-over bugs),
`time()` is an int of seconds since 2000, and the clock starts at 2000 after power-on.
"""

TICKS_PERIOD = 1 << 30
_MASK = TICKS_PERIOD - 1
_HALF = TICKS_PERIOD >> 1
_DAYS_0000_TO_2000 = 730_425  # from 1 March of year 0 to 1 January 2000
UNIX_2000_S = 946_684_800


def ticks_add(ticks, delta):
    """Return `ticks` plus `delta`, modulo 2^30."""
    return (ticks + delta) & _MASK


def ticks_diff(ticks, earlier):
    """Return the signed difference of two ticks, valid below 2^29."""
    return ((ticks - earlier + _HALF) & _MASK) - _HALF


def mktime(when):
    """Return (year, month, day, hour, minute, second, ...) as seconds since 2000."""
    year, month, day, hour, minute, second = when[:6]
    month += 9
    year += month // 12 - 1
    month %= 12
    days = year * 365 + year // 4 - year // 100 + year // 400 + (month * 306 + 5) // 10 + day - 1
    return (days - _DAYS_0000_TO_2000) * 86_400 + hour * 3_600 + minute * 60 + second


def functions(runtime, real_gmtime):
    """Return the public names of `time` for lockstep mode."""
    clock = runtime.clock
    boot_us = runtime.boot_us - runtime.job.get("ticks_start_ms", 0) * 1_000

    def ticks_ms():
        return (clock.now_us - boot_us) // 1_000 & _MASK

    def ticks_us():
        return (clock.now_us - boot_us) & _MASK

    def sleep(duration_s):
        clock.spend(int(duration_s * 1_000_000))

    def sleep_ms(duration_ms):
        clock.spend(max(0, duration_ms) * 1_000)

    def sleep_us(duration_us):
        clock.spend(max(0, duration_us))

    def time_ns():
        return (clock.now_us + runtime.rtc_offset_us) * 1_000

    def time():
        return (clock.now_us + runtime.rtc_offset_us) // 1_000_000

    def gmtime(at_s=None):
        return real_gmtime(UNIX_2000_S + (time() if at_s is None else at_s))[:8]

    return {
        "ticks_ms": ticks_ms, "ticks_us": ticks_us, "ticks_cpu": ticks_us,
        "ticks_add": ticks_add, "ticks_diff": ticks_diff,
        "sleep": sleep, "sleep_ms": sleep_ms, "sleep_us": sleep_us,
        "time": time, "time_ns": time_ns, "gmtime": gmtime, "localtime": gmtime, "mktime": mktime}
