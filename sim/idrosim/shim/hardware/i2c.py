"""machine.I2C and SoftI2C on the simulated buses.

Every byte takes 100 us, as at 100 kHz, so blocking drivers show.
"""

from idrosim.shim.hardware.pins import pin_id
from idrosim.shim.hardware.timers import begin_call, block, end_call

ENODEV = 19
BYTE_US = 100
_REGISTERS = [bytes((address,)) for address in range(256)]
_DEFAULT_PINS = {0: (18, 19), 1: (25, 26)}


class I2C:
    """A controller on the pins (scl, sda), with the devices that the board has there."""

    _runtime = None

    def __init__(self, id=-1, *, scl=None, sda=None, freq=400_000, timeout=50_000):
        if id not in _DEFAULT_PINS:
            raise ValueError(f"I2C({id}) doesn't exist")
        self._open(scl, sda, _DEFAULT_PINS[id])

    def _open(self, scl, sda, pins):
        scl_pin = pins[0] if scl is None else pin_id(scl)
        sda_pin = pins[1] if sda is None else pin_id(sda)
        self._devices = I2C._runtime.world.i2c_buses.get((scl_pin, sda_pin), {})
        self._clock = I2C._runtime.clock

    def init(self, *args, **kwargs):
        """Accepted and ignored."""

    def deinit(self):
        """Release the bus."""
        self._devices = {}

    def scan(self):
        """Return the addresses that acknowledge."""
        block(BYTE_US * 0x70)
        # Only addresses are sent; nothing is written to the parts.
        return sorted(
            address for address, device in self._devices.items()
            if 0x08 <= address <= 0x77 and device.fault != "unplugged")

    def writeto(self, addr, buf, stop=True):
        """Write `buf`; return the number of acknowledged bytes. Raises OSError."""
        self._transfer(addr, bytes(buf), 0)
        return len(buf)

    def writevto(self, addr, vector, stop=True):
        """Write several buffers as one message."""
        return self.writeto(addr, b"".join(bytes(part) for part in vector))

    def readfrom(self, addr, nbytes, stop=True):
        """Return `nbytes` bytes. Raises OSError."""
        return self._transfer(addr, None, nbytes)

    def readfrom_into(self, addr, buf, stop=True):
        """Fill `buf`. Raises OSError."""
        buf[:] = self._transfer(addr, None, len(buf))

    def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
        """Return `nbytes` bytes from register `memaddr`. Raises OSError."""
        return self._transfer(addr, _register(memaddr, addrsize), nbytes)

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        """Fill `buf` from register `memaddr`. Raises OSError."""
        buf[:] = self._transfer(addr, _register(memaddr, addrsize), len(buf))

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        """Write `buf` to register `memaddr`. Raises OSError."""
        self._transfer(addr, _register(memaddr, addrsize) + bytes(buf), 0)

    def _transfer(self, address, data, count):
        """Write `data` unless None, then read `count` bytes. Raises OSError."""
        begin_call()
        try:
            return self._transferred(address, data, count)
        finally:
            end_call()

    def _transferred(self, address, data, count):
        device = self._devices.get(address)
        clock = self._clock
        if device is None:
            clock.spend(BYTE_US)
            raise OSError(ENODEV)
        try:
            if data is not None:
                clock.spend(BYTE_US * (1 + len(data)))
                device.write(data)
            if count:
                clock.spend(BYTE_US * (1 + count))
                return device.read(count)
        except AssertionError as error:
            I2C._runtime.misuse(error)
        return b""


class SoftI2C(I2C):
    """A bit-banged controller on any pins."""

    def __init__(self, scl, sda, *, freq=400_000, timeout=50_000):
        self._open(scl, sda, (None, None))


def _register(address, bits):
    if bits == 8:
        return _REGISTERS[address]
    return bytes((address >> shift) & 0xFF for shift in range(bits - 8, -8, -8))
