"""Tests of the DS18B20 driver and part: time slots and the bytes of the datasheet."""

from idro.drivers import ds18b20 as driver
from idrosim.devices import ds18b20 as device
from idrosim.devices.shared.onewire_bus import OneWireBus, crc8
from support.portable_fakes import (
    FakeClock,
    FakeOneWire,
    fault_of,
    oracle,
    refusal_of,
    run,
    single,
)

ROMS = ("2800000000000140", "280A1B2C3D4E5FAC", "28FF010203040562")
# temperature, resolution, what must be read, scratchpad
READINGS = (
    (85.0, 12, 85.0, "50054B467FFF0C101C"), (125.0, 12, 125.0, "D0074B467FFF0C10F4"),
    (25.0625, 12, 25.0625, "91014B467FFF0C1070"), (25.0625, 9, 25.0, "90014B461FFF0C10A3"),
    (20.3, 12, 20.3125, "45014B467FFF0C10EA"), (26.44, 10, 26.25, "A4014B463FFF0C103A"),
    (-10.125, 12, -10.125, "5EFF4B467FFF0C106A"), (-10.125, 9, -10.5, "58FF4B461FFF0C1069"),
    (-55.0, 12, -55.0, "90FC4B467FFF0C104F"), (0.0, 12, 0.0, "00004B467FFF0C10C8"),
)


def bench(temp_c=20.3):
    clock = FakeClock()
    part = device.Ds18b20(clock, bytes.fromhex(ROMS[1]), lambda: temp_c)
    bus = FakeOneWire(OneWireBus([part]))
    return driver.build({"part": "ds18b20"}, bus, clock, {}), part, bus, clock


def send(bus, *data):
    bus.reset()
    bus.write(data)


def check_reading(temp_c, resolution, expected_c, scratchpad_hex, conversion_us=750_000):
    _, _, bus, clock = bench(temp_c)
    send(bus, 0xCC, 0x4E, 0x4B, 0x46, 0x1F | (resolution - 9) << 5)
    send(bus, 0xCC, 0x44)
    clock.spend(conversion_us - 1)
    assert bus.readbit() == (0 if conversion_us == 93_750 << resolution - 9 else 1)
    clock.spend(1)
    assert bus.readbit() == 1
    send(bus, 0xCC, 0xBE)
    content = bytearray(9)
    bus.readinto(content)
    assert content == bytes.fromhex(scratchpad_hex), (temp_c, resolution, content)
    assert driver.raw_temperature(content) / 16 == expected_c


def test_readings_match_the_datasheet():
    for row in READINGS:
        check_reading(*row)


def test_readings_match_the_oracle():
    for temp_c, resolution, expected_c, scratchpad_hex, longest_ms in oracle("hw_ds18b20.csv"):
        check_reading(float(temp_c), int(resolution), float(expected_c), scratchpad_hex,
                      int(1000 * float(longest_ms)))


def test_undefined_bits_are_cleared():
    content = bytearray.fromhex("97014B461FFF0C1000")
    assert driver.raw_temperature(content) / 16 == 25.0


def test_crc_matches_application_note_27():
    assert crc8(bytes.fromhex("021CB801000000")) == 0xA2
    for rom in ROMS:
        assert crc8(bytes.fromhex(rom)) == 0


def test_reads_the_water():
    sensor, _, _, clock = bench(20.3)
    assert run(sensor.read({})) == {"temp_c": 20.3125}
    assert 750 <= clock.now_ms() < 760
    assert sensor.spread_uv is None


def test_a_reading_is_exact_in_single_precision():
    for sixteenths in range(-55 * 16, 85 * 16):
        temp_c = sixteenths / 16
        assert single(temp_c) == temp_c


def test_the_power_on_value_is_a_fault():
    sensor, _, _, _ = bench(85.0)
    assert fault_of(sensor.read({})) == "power_on_value"


def test_a_supply_loss_during_conversion_is_a_fault():
    sensor, part, _, clock = bench()

    async def sleep_ms(duration_ms):
        clock.advance_ms(duration_ms // 2)
        part.power_cycle()
        clock.advance_ms(duration_ms - duration_ms // 2)

    clock.sleep_ms = sleep_ms
    assert fault_of(sensor.read({})) == "power_on_value"


def test_an_early_read_returns_the_previous_reading():
    _, part, bus, clock = bench(20.0)
    assert part.scratchpad()[:2] == b"\x50\x05"
    send(bus, 0xCC, 0x44)
    clock.advance_ms(749)
    assert bus.readbit() == 0
    assert part.scratchpad()[:2] == b"\x50\x05"
    clock.advance_ms(1)
    assert bus.readbit() == 1
    assert part.scratchpad()[:2] == b"\x40\x01"


def test_two_damaged_messages_are_read_again():
    sensor, part, _, _ = bench(20.0)
    part.damage_count = 2
    assert run(sensor.read({})) == {"temp_c": 20.0}


def test_three_damaged_messages_are_a_fault():
    sensor, part, _, _ = bench()
    part.damage_count = 3
    assert fault_of(sensor.read({})) == "crc"
    part.fault = "noisy"
    assert fault_of(sensor.read({})) == "crc"


def test_an_absent_part_does_not_answer():
    sensor, part, _, _ = bench()
    part.fault = "unplugged"
    assert fault_of(sensor.read({})) == "no_ack"


def test_a_shorted_line_is_a_fault_not_0():
    sensor, part, _, _ = bench()
    part.fault = "shorted"
    assert fault_of(sensor.read({})) == "no_ack"


def test_a_broken_cable_during_conversion_is_a_fault():
    sensor, part, _, clock = bench()

    async def sleep_ms(duration_ms):
        clock.advance_ms(duration_ms)
        part.fault = "unplugged"

    clock.sleep_ms = sleep_ms
    assert fault_of(sensor.read({})) == "no_ack"


def test_a_slow_part_is_a_timeout():
    sensor, _, _, clock = bench()

    async def sleep_ms(duration_ms):
        clock.advance_ms(duration_ms // 2)

    clock.sleep_ms = sleep_ms
    assert fault_of(sensor.read({})) == "timeout"


def test_a_stuck_part_repeats_itself():
    sensor, part, _, _ = bench()
    run(sensor.read({}))
    part.fault = "stuck"
    part._temp = lambda: 30.0
    assert run(sensor.read({})) == {"temp_c": 20.3125}


def test_slots_out_of_order_raise_an_assertion():
    _, _, bus, _ = bench()
    bus.reset()
    assert "read slot" in refusal_of(AssertionError, bus.readbit)
    assert "not a ROM command" in refusal_of(AssertionError, bus.writebyte, 0x44)
    send(bus, 0xCC)
    assert "not a function command" in refusal_of(AssertionError, bus.writebyte, 0xCC)
    send(bus, 0xCC, 0xBE)
    assert "write slot" in refusal_of(AssertionError, bus.writebit, 1)
    send(bus, 0xCC, 0x44)
    assert "during another" in refusal_of(AssertionError, send, bus, 0xCC, 0x44)


def test_a_part_is_addressed_by_its_rom_code():
    clock = FakeClock()
    parts = [
        device.Ds18b20(clock, bytes.fromhex(rom), lambda index=index: 20.0 + index)
        for index, rom in enumerate(ROMS)
    ]
    bus = FakeOneWire(OneWireBus(parts))
    send(bus, 0xCC, 0x44)
    clock.advance_ms(750)
    for index, rom in enumerate(ROMS):
        bus.select_rom(bytes.fromhex(rom))
        bus.writebyte(0xBE)
        content = bytearray(9)
        bus.readinto(content)
        assert driver.raw_temperature(content) == (20 + index) * 16
        assert crc8(content) == 0


def test_a_search_finds_every_rom_code():
    clock = FakeClock()
    parts = [device.Ds18b20(clock, bytes.fromhex(rom), lambda: 20.0) for rom in ROMS]
    found = search(FakeOneWire(OneWireBus(parts)))
    assert sorted(found) == sorted(bytes.fromhex(rom) for rom in ROMS)


def search(bus):
    """Return every ROM code on the line, by depth-first search over the branches met."""
    found = []
    branches = [()]
    while branches:
        path = branches.pop()
        bus.reset()
        bus.writebyte(0xF0)
        bits = []
        for position in range(64):
            bit, complement = bus.readbit(), bus.readbit()
            assert not (bit and complement), "no part answers"
            if position < len(path):
                bit = path[position]
            elif bit == complement:
                branches.append(tuple(bits) + (1,))
            bus.writebit(bit)
            bits.append(bit)
        found.append(bytes(
            sum(bits[8 * index + shift] << shift for shift in range(8)) for index in range(8)
        ))
    return found


def test_a_bad_rom_code_raises_an_assertion():
    message = refusal_of(AssertionError, device.Ds18b20, None, b"\x28" + b"\x01" * 7, None)
    assert "CRC" in message


def test_the_rom_code_of_a_single_part_can_be_read():
    _, _, bus, _ = bench()
    send(bus, 0x33)
    assert bytes(bus.readbyte() for _ in range(8)) == bytes.fromhex(ROMS[1])
    bus.write(b"\xbe")
    assert bus.readbyte() == 0x50


def test_rom_codes_match_the_oracle():
    for row in oracle("hw_ds18b20_rom.csv"):
        rom = bytes.fromhex(row[0])
        assert crc8(rom) == 0
        assert search(FakeOneWire(OneWireBus([device.Ds18b20(None, rom, None)]))) == [rom]


def line_of(*roms, on_board=None):
    """Return drivers for `on_board` (else all), the parts with `roms`, and their line."""
    clock = FakeClock()
    parts = [device.Ds18b20(clock, bytes.fromhex(rom), lambda at=at: 20.0 + at)
             for at, rom in enumerate(roms)]
    bus = FakeOneWire(OneWireBus(parts))
    sensors = [driver.build({"part": "ds18b20", "rom": rom}, bus, clock, {})
               for rom in on_board or roms]
    return sensors, parts, bus


def test_parts_of_one_line_are_told_apart_by_their_rom_codes():
    sensors, _, _ = line_of(*ROMS)
    for _ in range(2):
        assert [run(sensor.read({}))["temp_c"] for sensor in sensors] == [20.0, 21.0, 22.0]
    # In another order on the board: the code decides, not the place.
    sensors, _, _ = line_of(*ROMS, on_board=tuple(reversed(ROMS)))
    assert [run(sensor.read({}))["temp_c"] for sensor in sensors] == [22.0, 21.0, 20.0]


def test_a_missing_part_does_not_stop_the_others():
    sensors, parts, _ = line_of(*ROMS)
    parts[1].fault = "unplugged"
    assert fault_of(sensors[1].read({})) == "no_ack"
    assert run(sensors[0].read({})) == {"temp_c": 20.0}
    assert run(sensors[2].read({})) == {"temp_c": 22.0}


def test_a_part_that_was_exchanged_is_missing_and_never_taken_for_the_old_one():
    other = "28AABBCCDDEEFF"
    other += f"{crc8(bytes.fromhex(other)):02X}"
    [lone], _, _ = line_of(other, on_board=ROMS[1:2])
    assert fault_of(lone.read({})) == "no_ack"
    [first, second], _, _ = line_of(ROMS[0], other, on_board=ROMS[:2])
    assert fault_of(second.read({})) == "no_ack"
    assert run(first.read({})) == {"temp_c": 20.0}


def test_a_damaged_message_is_a_fault_of_its_part_only():
    sensors, parts, _ = line_of(*ROMS)
    parts[0].fault = "noisy"
    assert fault_of(sensors[0].read({})) == "crc"
    assert run(sensors[1].read({})) == {"temp_c": 21.0}


def test_a_short_is_a_fault_of_every_part_of_the_line():
    sensors, parts, _ = line_of(*ROMS)
    parts[2].fault = "shorted"
    assert [fault_of(sensor.read({})) for sensor in sensors] == ["no_ack"] * 3


def test_parts_that_answer_at_once_raise_an_assertion():
    _, parts, bus = line_of(*ROMS[:2])
    for command in (b"\xcc\xbe", b"\x33"):  # the scratchpad of all, the code of a single part
        send(bus, *command)
        assert "at once" in refusal_of(AssertionError, bus.readbyte)
    parts[1].fault = "unplugged"
    send(bus, 0xCC, 0xBE)
    assert bus.readbyte() == 0x50
