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
    failure = None
    for _ in range(ATTEMPTS):
        try:
            return await attempt(*args)
        except OSError as error:
            failure = SensorError(part, _bus_fault(error), repr(error))
        except SensorError as error:
            if error.fault not in _RETRIED:
                raise
            failure = error
    raise failure


def _bus_fault(error):
    if error.args and error.args[0] in _TIMEOUT_ERRNOS:
        return "timeout"
    return "no_ack"
