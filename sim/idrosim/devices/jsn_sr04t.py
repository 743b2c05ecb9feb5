"""JSN-SR04T waterproof ultrasonic range finder, with trigger and echo lines or on a UART.

Vendor pages, version 2: in its blind zone of 250 mm it reports 250 mm; range 4.5 m. With 120 k at
R27 it is a UART part: request 0x55, answer FF high low sum, mm at 340 m/s; 0 means no echo.
"""

from idrosim.devices.shared.ultrasonic import Ultrasonic, echo_us

BLIND_MM = 250
_FAR_MM = 4_500
_ASK = 0x55
_ANSWER_US = 60_000
_FRAME_US = 4 * 1_042


class JsnSr04t(Ultrasonic):
    """One part with trigger and echo lines."""

    LIMITS = (10, BLIND_MM, _FAR_MM, 60_000)


class JsnUart:
    """One part on a UART at 9600 baud; faults of Ultrasonic, and "noisy" (damaged frames)."""

    def __init__(self, clock, distance_mm, air_c):
        self._clock = clock
        self._distance_mm = distance_mm
        self._air_c = air_c
        self._due_us = None
        self._last_mm = None
        self.fault = None

    def write(self, data):
        """Handle a request: 0x55."""
        if self.fault == "unplugged":
            return
        assert bytes(data) == bytes((_ASK,)), f"jsn_sr04t: {bytes(data)} is not a command"
        assert self._due_us is None, "jsn_sr04t: request before it answered"
        if self.fault != "stuck" or self._last_mm is None:
            self._last_mm = self._measured_mm()
        self._due_us = self._clock.now_us + _ANSWER_US + _FRAME_US

    def read(self):
        """Return the bytes that arrived since the last read."""
        if self.fault == "unplugged" or self._due_us is None or self._clock.now_us < self._due_us:
            return b""
        self._due_us = None
        content = frame(self._last_mm)
        return content[:2] + b"\xee" + content[3:] if self.fault == "noisy" else content

    def _measured_mm(self):
        distance_mm = self._distance_mm()
        if distance_mm > _FAR_MM:
            return 0
        width_us = echo_us(max(distance_mm, BLIND_MM), self._air_c())
        return int(width_us * 0.17 + 0.5)


def frame(distance_mm):
    """Return the four bytes of a distance."""
    high, low = distance_mm >> 8, distance_mm & 0xFF
    return bytes((0xFF, high, low, (0xFF + high + low) & 0xFF))
