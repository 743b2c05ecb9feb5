"""A 1-Wire bus: time slots go to every device, answers are wired-AND.

The methods are those of MicroPython's `_onewire`, without the pin. With one device, whole bytes
replace eight slots for speed.
"""


class OneWireBus:
    """The bus with its devices."""

    def __init__(self, devices):
        self.devices = list(devices)
        self._only = self.devices[0] if len(self.devices) == 1 else None

    def reset(self):
        """Send a reset pulse. Return True if a device answers with a presence pulse."""
        present = [device.reset() for device in self.devices]
        return any(present)

    def writebit(self, bit):
        """Send one write slot."""
        for device in self.devices:
            device.write_bit(bit)

    def readbit(self):
        """Send one read slot. Return 0 or 1; an idle line is 1."""
        if self._only is None:
            senders = sum([device.is_sending for device in self.devices])
            assert senders < 2, "onewire: parts answer at once: address one by its ROM code"
        bit = 1
        for device in self.devices:
            bit &= device.read_bit()
        return bit

    def writebyte(self, byte):
        """Send eight write slots, lowest bit first."""
        if self._only is not None:
            self._only.write_byte(byte)
            return
        for shift in range(8):
            self.writebit(byte >> shift & 1)

    def readbyte(self):
        """Send eight read slots. Return the byte."""
        if self._only is not None:
            return self._only.read_byte()
        byte = 0
        for shift in range(8):
            byte |= self.readbit() << shift
        return byte


def crc8(data):
    """Return the 1-Wire CRC (Maxim AN27): x^8 + x^5 + x^4 + 1, lowest bit first."""
    crc = 0
    for byte in data:
        crc = _CRC_OF[crc ^ byte]
    return crc


def _shifted_out(byte):
    for _ in range(8):
        byte = byte >> 1 ^ (0x8C if byte & 1 else 0)
    return byte


_CRC_OF = bytes(_shifted_out(byte) for byte in range(256))
