"""Simulated machine.UART, connected to the part at its pins.

A write takes almost no time, as on the ESP32, whose driver buffers it. Received bytes beyond the
size of the buffer are lost.
"""

from idrosim.shim.hardware.pins import pin_id
from idrosim.shim.hardware.timers import block

UART_COUNTS = {"esp32": 3, "esp32s3": 3, "esp32s2": 2}
_CALL_US = 20
_DEFAULT_PINS = {0: (1, 3), 1: (33, 32), 2: (17, 16)}


class UART:
    """One port; 0 is the console. Reads never block (time-out 0)."""

    _runtime = None

    def __init__(self, id, baudrate=115_200, bits=8, parity=None, stop=1, *, tx=None, rx=None,
                 txbuf=256, rxbuf=256, timeout=0, timeout_char=0):
        count = UART_COUNTS[UART._runtime.job["board"]["chip"]]
        if not isinstance(id, int) or not 0 <= id < count:
            raise ValueError(f"UART({id}) does not exist")
        if timeout:
            raise ValueError("timeout: the simulated port never blocks")
        tx_pin, rx_pin = _DEFAULT_PINS[id]
        tx_pin = tx_pin if tx is None else pin_id(tx)
        rx_pin = rx_pin if rx is None else pin_id(rx)
        bound = UART._runtime.world.uart_parts.get((tx_pin, rx_pin))
        # At a wrong baud rate or parity nothing is understood.
        is_right = (bound is not None and bound[1] == baudrate
                    and getattr(bound[0], "parity", None) == parity)
        self._part = bound[0] if is_right else None
        char_bits = 1 + bits + (0 if parity is None else 1) + stop
        self._char_us = char_bits * 1_000_000 / baudrate
        self._sent_us = 0  # when the last bit has left
        self._rx_bytes = rxbuf
        self._waiting = b""

    def deinit(self):
        """Release the port."""
        self._part = None

    def any(self):
        """Return the number of received bytes."""
        self._take()
        return len(self._waiting)

    def read(self, nbytes=-1):
        """Return up to `nbytes` bytes, or None without any."""
        self._take()
        count = len(self._waiting) if nbytes < 0 else nbytes
        found, self._waiting = self._waiting[:count], self._waiting[count:]
        return found or None

    def readinto(self, buf, nbytes=-1):
        """Read into `buf`; return the number of bytes, or None without any."""
        found = self.read(len(buf) if nbytes < 0 else nbytes)
        if found is None:
            return None
        buf[:len(found)] = found
        return len(found)

    def readline(self):
        """Return the bytes up to a line feed, or all; None without any."""
        self._take()
        return self.read(self._waiting.find(b"\n") + 1 or -1)

    def write(self, buf):
        """Send `buf`; return its length."""
        block(_CALL_US)
        now_us = UART._runtime.clock.now_us
        self._sent_us = max(now_us, self._sent_us) + len(buf) * self._char_us
        if self._part is not None:
            try:
                self._part.write(bytes(buf, "utf-8") if isinstance(buf, str) else bytes(buf))
            except AssertionError as error:
                UART._runtime.misuse(error)
        return len(buf)

    def txdone(self):
        """Return whether the last bit has left."""
        block(_CALL_US)
        return UART._runtime.clock.now_us >= self._sent_us

    def flush(self):
        """Wait until the last bit has left: callbacks wait too (ports/esp32/machine_uart.c)."""
        block(_CALL_US + max(0, int(self._sent_us) + 1 - UART._runtime.clock.now_us))

    def _take(self):
        block(_CALL_US)
        if self._part is not None:
            try:
                self._waiting = (self._waiting + self._part.read())[:self._rx_bytes]
            except AssertionError as error:
                UART._runtime.misuse(error)
