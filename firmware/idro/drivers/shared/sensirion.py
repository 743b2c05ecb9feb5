"""Sensirion protocol: 16-bit words, high byte first, each followed by a CRC-8.

SHT4x datasheet 4.4, SCD4x datasheet 3.11: polynomial 31, start FF; of BE EF it is 92.
"""

from idro.errors import SensorError


def words_of(part, answer):
    """Return the 16-bit words of `answer`. Raises SensorError if a CRC is wrong."""
    found = []
    for start in range(0, len(answer), 3):
        if crc8(answer[start:start + 2]) != answer[start + 2]:
            raise SensorError(part, "crc", bytes(answer).hex())
        found.append(answer[start] << 8 | answer[start + 1])
    return found


def crc8(data):
    """Return the CRC-8 of `data`."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31) & 0xFF if crc & 0x80 else crc << 1
    return crc
