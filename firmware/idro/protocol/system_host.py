"""What a node runs on, as the host reads it; a node never loads this module."""

from collections import namedtuple

from idro.errors import ProtocolError
from idro.protocol import validation

# The values of messages.SYSTEM; None: not reported, as by older firmware.
System = namedtuple("System", ("micropython", "psram_bytes", "cpu_hz"))
UNKNOWN_SYSTEM = System(None, None, None)
MAX_PSRAM_BYTES = 2**26
CPU_HZ = (1_000_000, 1_000_000_000)
_MAX_RELEASE_CHARS = 20
_MAX_DIGITS = 3


def unpack_system(obj):
    """Return the System under "system"; what is missing or null is None. Raises ProtocolError."""
    system = validation.mapping(obj, "system", 16)
    release = psram_bytes = cpu_hz = None
    if system.get("micropython") is not None:
        release = validation.text(system, "micropython", _MAX_RELEASE_CHARS)
        release_numbers(release)
    if system.get("psram_bytes") is not None:
        psram_bytes = validation.integer(system, "psram_bytes", 0, MAX_PSRAM_BYTES)
    if system.get("cpu_hz") is not None:
        cpu_hz = validation.integer(system, "cpu_hz", *CPU_HZ)
    return System(release, psram_bytes, cpu_hz)


def release_numbers(release):
    """Return (1, 28, 0) of "1.28.0" or "1.28.0-preview". Raises ProtocolError."""
    numbers = release.split("-")[0].split(".")
    if len(numbers) != 3 or not all(
            0 < len(one) <= _MAX_DIGITS and not one.encode().strip(b"0123456789")
            for one in numbers):
        raise ProtocolError(f"micropython: {release!r} is not a release such as 1.28.0")
    return tuple([int(one) for one in numbers])
