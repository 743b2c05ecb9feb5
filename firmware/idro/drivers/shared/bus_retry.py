"""Retries bus transfers, and maps their last error to a fault.

A missing acknowledge or a damaged message is often interference from a relay: three attempts.
"""

from idro.errors import SensorError

ATTEMPTS = 3

_RETRIED = ("no_ack", "crc")
# ETIMEDOUT of Linux and of lwIP on the ESP32; drivers cannot import errno.
_TIMEOUT_ERRNOS = (110, 116)


async def with_retries(part, attempt, *args):
    """Return the result of `attempt(*args)`, retried twice. Raises SensorError."""
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
