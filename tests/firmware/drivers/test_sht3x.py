"""Tests of the SHT3x part: commands, timing and words of the datasheet."""

from idrosim.devices.sht3x import Sht3x
from support.portable_fakes import FakeClock, refusal_of


def bench(temp_c=22.4, rh_pct=61.7):
    clock = FakeClock()
    return Sht3x(clock, lambda: (temp_c, rh_pct)), clock


def test_words_match_the_datasheet():
    # Section 4.13: T = -45 + 175 * S / 65535, RH = 100 * S / 65535.
    part, clock = bench(25.0, 50.0)
    part.write(b"\x24\x00")
    clock.advance_ms(16)
    answer = part.read(6)
    assert answer[:2] + answer[3:5] == b"\x66\x66\x80\x00"


def test_an_early_read_is_not_acknowledged():
    part, clock = bench()
    part.write(b"\x24\x00")
    clock.advance_ms(15)
    assert "19" in refusal_of(OSError, part.read, 6)
    clock.advance_ms(1)
    assert len(part.read(6)) == 6
    assert "19" in refusal_of(OSError, part.read, 6)


def test_misuse_raises_an_assertion():
    part, _ = bench()
    assert "heater" in refusal_of(AssertionError, part.write, b"\x30\x6d")
    assert "holds the bus" in refusal_of(AssertionError, part.write, b"\x2c\x06")
    assert "not a command" in refusal_of(AssertionError, part.write, b"\x00\x00")
    assert "command of 1 bytes" in refusal_of(AssertionError, part.write, b"\x24")
    part.write(b"\x24\x00")
    assert "while it measures" in refusal_of(AssertionError, part.write, b"\x24\x00")


def test_the_status_can_be_read():
    part, clock = bench()
    part.write(b"\x30\xa2")
    clock.advance_ms(2)
    part.write(b"\xf3\x2d")
    clock.advance_ms(2)
    assert part.read(3)[:2] == b"\x80\x10"
