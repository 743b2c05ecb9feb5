"""JSN-SR04T: waterproof ultrasonic ranger above the water, with trigger and echo lines or a UART.

Vendor pages: trigger 20 us, blind zone 200 mm (version 3) or 250 mm (version 2), 4.5 m. With
120 k at R27 it answers 0x55 on a UART with FF, high byte, low byte and their sum: mm at 340 m/s, 0
for no echo. Inside the blind zone it constantly reports 200 to 250 mm.
"""

from idro.drivers.shared.bus_retry import with_retries
from idro.drivers.shared.ultrasonic import PINGS, EchoLine, UltrasonicLevel, require_echoes
from idro.errors import SensorError

PART = "jsn_sr04t"

_TRIGGER_US = 20
# The longer blind zone, 5 % for the air temperature, and a margin for waves.
_BLIND_MM = 280
_RANGE_MM = 4_500
_ASK = b"\x55"
_ANSWER_MS = 120


def build(spec, bus, clock, settings):
    """Return the UltrasonicLevel of a board's sensor entry; `bus` is a machine.UART or gpio."""
    pinger = UartRanger(bus, clock) if "bus" in spec else EchoLine(spec, bus, clock, _TRIGGER_US)
    return UltrasonicLevel(spec, pinger, _BLIND_MM, _RANGE_MM)


class UartRanger:
    """Reads distances over a UART that never blocks, and converts them to echo times."""

    def __init__(self, uart, clock):
        self._uart = uart
        self._clock = clock

    async def echoes_us(self):
        """Return the echo times of five frames in us. Raises SensorError."""
        found = []
        for _ in range(PINGS):
            distance_mm = await with_retries(PART, self._ask)
            if distance_mm:
                found.append((distance_mm * 100 + 8) // 17)  # 0.17 mm per us, both ways
        return require_echoes(PART, found, True)

    async def _ask(self):
        self._uart.read()
        self._uart.write(_ASK)
        await self._clock.sleep_ms(_ANSWER_MS)
        answer = self._uart.read()
        if answer is None:
            raise SensorError(PART, "no_ack", "no frame")
        return distance_of(answer)


def distance_of(frame):
    """Return the distance in a frame in mm, 0 for no echo. Raises SensorError."""
    if len(frame) != 4 or frame[0] != 0xFF or sum(frame[:3]) & 0xFF != frame[3]:
        raise SensorError(PART, "crc", bytes(frame).hex())
    return frame[1] << 8 | frame[2]
