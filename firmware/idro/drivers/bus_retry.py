"""When a bus transfer is tried again, and which fault it is when that did not help.

A missing acknowledge or a damaged message is often a spark from a relay next door: three attempts.
"""

from idro.errors import SensorError

ATTEMPTS = 3

_RETRIED = ("no_ack", "crc")
# ETIMEDOUT of Linux and of the ESP32's lwIP; drivers cannot import errno.
_TIMEOUT_ERRNOS = (110, 116)


async def with_retries(part, attempt, *args):
    """Return what `attempt(*args)` returns within three attempts. Raises SensorError."""
    left = ATTEMPTS
    while True:
        left -= 1
        try:
            return await attempt(*args)
        except OSError as error:
            if left == 0:
                raise SensorError(part, _bus_fault(error), repr(error)) from None
        except SensorError as error:
            if left == 0 or error.fault not in _RETRIED:
                raise


def _bus_fault(error):
    if error.args and error.args[0] in _TIMEOUT_ERRNOS:
        return "timeout"
    return "no_ack"
