"""Tests of timers, watchdog, resets, NVS and pins of the simulated board."""

import pytest

from idrosim.runner.process import SimulatorError
from support.simulated_board import run


def test_a_timer_cuts_an_output_off_while_the_firmware_is_busy(tmp_path):
    outcome = run(tmp_path, """
        import machine
        import time
        pin = machine.Pin(25, machine.Pin.OUT, value=0)
        timer = machine.Timer(0)
        pin.value(1)
        timer.init(mode=machine.Timer.ONE_SHOT, period=700, callback=lambda t: pin.value(0))
        while True:
            time.sleep_us(3_333_333)
        """)
    edges = [(line["name"], line["level"]) for line in outcome.of("pin")]
    assert edges == [("ph_down", 1), ("ph_down", 0)]
    on, off = outcome.of("pin")
    assert off["at_us"] - on["at_us"] == 700_000


@pytest.mark.parametrize("numbers", [(0,), (1, 3), (0, 1)])
def test_timers_that_are_started_too_often_stop_the_clock(tmp_path, numbers):
    """ports/esp32/machine_timer.c up to 1.28, micropython#19162."""
    with pytest.raises(SimulatorError, match="start 255 of the timers of its parity"):
        run(tmp_path, f"""
            import machine
            for start in range(600):
                number = {numbers}[start % {len(numbers)}]
                machine.Timer(number).init(period=1_000, callback=lambda t: None)
            """)


def test_a_timer_that_is_started_once_runs_for_ever(tmp_path):
    outcome = run(tmp_path, """
        import machine
        import time
        calls = []
        machine.Timer(0).init(period=50, callback=lambda t: calls.append(1))
        time.sleep(20)
        print(len(calls))
        time.sleep(60)
        """)
    assert outcome.console == ["400"]


def test_callbacks_that_find_the_queue_full_are_lost(tmp_path):
    outcome = run(tmp_path, """
        import asyncio
        import machine
        import time
        calls = []
        machine.Timer(0).init(period=50, callback=lambda t: calls.append(time.ticks_ms()))
        async def main():
            await asyncio.sleep(5)
            print(len(calls), calls[19] - calls[18], calls[27] - calls[20])
            await asyncio.sleep(60)
        asyncio.run(main())
        """, timeline=[{"at_ms": 1_425, "fault": "hang", "args": {"for_ms": 2_000}}])
    assert outcome.console == ["68 50 0"]


def test_callbacks_wait_for_the_end_of_a_call_in_c(tmp_path):
    outcome = run(tmp_path, """
        import machine
        import socket
        import time
        calls = []
        machine.Timer(0).init(period=1, callback=lambda timer: calls.append(time.ticks_us()))
        i2c = machine.I2C(0, scl=machine.Pin(22), sda=machine.Pin(21))
        def during(call, *args):
            calls.clear()
            began = time.ticks_us()
            call(*args)
            end = time.ticks_us()
            print(end - began > 900, len([at for at in calls if at < end]))
        during(i2c.scan)
        during(socket.getaddrinfo, "broker.example", 1883)
        during(time.sleep_ms, 5)
        while True:
            time.sleep(1)
        """, duration_ms=5_000)
    assert outcome.console == ["True 0", "True 0", "True 5"]


def test_a_periodic_callback_skips_calls_only_while_the_program_sleeps(tmp_path):
    outcome = run(tmp_path, """
        import asyncio
        import machine
        import time
        calls = []
        def tick(timer):
            calls.append(time.ticks_ms())
            return 1_000  # nothing to do for so long
        machine.Timer(0).init(period=50, callback=tick)
        async def main():
            await asyncio.sleep_ms(10_000)
            print(len(calls), all(ms % 50 == 0 for ms in calls))
            calls.clear()
            began = time.ticks_ms()
            time.sleep_ms(200)  # the program runs
            print([ms - began for ms in calls])
            await asyncio.sleep(60)
        asyncio.run(main())
        """)
    assert outcome.console == ["10 True", "[50, 100, 150, 200]"]


def test_the_watchdog_resets_and_only_saved_state_survives(tmp_path):
    outcome = run(tmp_path, """
        import esp32
        import machine
        import os
        import time
        nvs = esp32.NVS("test")
        try:
            boots = nvs.get_i32("boots")
        except OSError:
            boots = 0
        try:
            nvs.get_i32("lost")
            print("kept what was not committed")
        except OSError as error:
            print(error.args[0])
        print(machine.reset_cause() == machine.WDT_RESET, boots, machine.RTC().memory(),
              "note" in os.listdir("/"))
        nvs.set_i32("boots", boots + 1)
        nvs.commit()
        nvs.set_i32("lost", 1)
        machine.RTC().memory(b"magic")
        with open("/note", "w") as file:
            file.write("x")
        machine.Pin(32, machine.Pin.OUT, value=1)
        dog = machine.WDT(timeout=8000)
        if boots < 2:
            time.sleep(6)
            dog.feed()
            try:
                time.sleep(60)
            finally:
                open("/finally", "w")
        print(sorted(os.listdir("/")))
        while True:
            dog.feed()
            time.sleep(1)
        """)
    assert outcome.console == [
        "-4354", "False 0 b'' False", "-4354", "True 1 b'magic' True",
        "-4354", "True 2 b'magic' True", "['main.py', 'note']",
    ]
    assert outcome.run.resets == ["wdt", "wdt"]
    first = outcome.of("reset")[0]
    assert first["at_ms"] == 400 + 6_000 + 8_000
    circulation = [(line["at_us"], line["level"]) for line in outcome.of("pin")]
    assert circulation[:3] == [(400_000, 1), (14_400_000, 0), (14_800_000, 1)]


def test_a_power_cut_clears_the_rtc(tmp_path):
    outcome = run(tmp_path, """
        import machine
        import time
        print(machine.reset_cause() == machine.PWRON_RESET, machine.RTC().memory(), time.time())
        machine.RTC().memory(b"magic")
        while True:
            time.sleep(1)
        """, timeline=[{"at_ms": 20_000, "fault": "power_cut", "args": {"for_ms": 10_000}},
                       {"at_ms": 40_000, "fault": "reset"}])
    assert outcome.console == ["True b'' 0", "True b'' 0", "False b'magic' 10"]
    assert outcome.run.resets == ["power", "reset"]


@pytest.mark.parametrize(("fault", "cause", "is_rtc_kept"), [
    ("power_cut", "PWRON_RESET", False), ("brown_out", "PWRON_RESET", True),
    ("reset", "HARD_RESET", True), ("panic", "HARD_RESET", True),
    ("console", 0, True),  # by an opened USB-Serial-JTAG port
])
def test_reset_causes_are_those_of_the_port(tmp_path, fault, cause, is_rtc_kept):
    outcome = run(tmp_path, """
        import machine
        import time
        names = {getattr(machine, name): name for name in dir(machine) if "_RESET" in name}
        print(names.get(machine.reset_cause(), 0), machine.RTC().memory() == b"magic")
        machine.RTC().memory(b"magic")
        while True:
            time.sleep(1)
        """, timeline=[{"at_ms": 20_000, "fault": fault, "args": {"for_ms": 1_000}}])
    assert outcome.console == ["PWRON_RESET False", f"{cause} {is_rtc_kept}"]


@pytest.mark.parametrize(("call", "cause"), [
    ("machine.reset()", "HARD_RESET"), ("machine.soft_reset()", "SOFT_RESET"),
    ("machine.WDT(timeout=1_000)", "WDT_RESET"),
])
def test_the_program_resets_the_chip(tmp_path, call, cause):
    outcome = run(tmp_path, f"""
        import machine
        import time
        names = {{getattr(machine, name): name for name in dir(machine) if "_RESET" in name}}
        print(names[machine.reset_cause()])
        if machine.reset_cause() == machine.PWRON_RESET:
            {call}
        while True:
            time.sleep(1)
        """)
    assert outcome.console == ["PWRON_RESET", cause]


def test_a_break_at_the_console_ends_the_program(tmp_path):
    outcome = run(tmp_path, """
        import machine
        import time
        print(machine.reset_cause() == machine.HARD_RESET)
        while True:
            time.sleep(1)
        """, timeline=[{"at_ms": 20_000, "fault": "break", "args": {"for_ms": 5_000}}])
    assert [outcome.console[0], outcome.console[-1]] == ["False", "True"]
    assert "KeyboardInterrupt: " in outcome.console
    assert [line["at_ms"] for line in outcome.of("reset")] == [25_000]


def test_nvs_checks_types_and_sizes(tmp_path):
    outcome = run(tmp_path, """
        import esp32
        nvs = esp32.NVS("idro")
        buffer = bytearray(32)
        print(nvs.get_blob("key", buffer), len(set(buffer)) > 4, nvs.get_i32("broker_port"))
        count = nvs.get_blob("node_id", buffer)
        print(bytes(buffer[:count]))
        for call in (lambda: nvs.get_i32("node_id"), lambda: nvs.get_blob("key", bytearray(31)),
                     lambda: nvs.erase_key("nothing"),
                     lambda: nvs.set_i32("much_too_long_key", 1)):
            try:
                call()
            except OSError as error:
                print(error.args[0])
        import time
        while True:
            time.sleep(1)
        """, duration_ms=2_000)
    assert outcome.console == [
        "32 True 1883", "b'node-1'", "-4354", "-4364", "-4354", "-4361",
    ]


def test_bus_transfers_take_time(tmp_path):
    outcome = run(tmp_path, """
        import machine
        import onewire
        import time
        i2c = machine.I2C(0, scl=machine.Pin(22), sda=machine.Pin(21))
        print([hex(address) for address in i2c.scan()])
        before = time.ticks_us()
        i2c.writeto(0x44, b"\\xfd")
        print(time.ticks_diff(time.ticks_us(), before))
        time.sleep_ms(10)
        print(len(i2c.readfrom(0x44, 6)))
        try:
            i2c.writeto(0x50, b"x")
        except OSError as error:
            print(error.errno)
        wire = onewire.OneWire(machine.Pin(4))
        roms = wire.scan()
        print(len(roms), roms[0][0], wire.crc8(roms[0]))
        before = time.ticks_us()
        wire.reset()
        wire.select_rom(roms[0])
        wire.writebyte(0xBE)
        data = bytearray(9)
        wire.readinto(data)
        print(wire.crc8(data), time.ticks_diff(time.ticks_us(), before))
        while True:
            time.sleep(1)
        """, duration_ms=5_000)
    assert outcome.console == [
        "['0x44', '0x48']", "200", "6", "19", "1 40 0", f"0 {2 * 960 + 8 * 70 * (9 + 1 + 9)}",
    ]


def test_a_driver_that_violates_the_datasheet_ends_the_run(tmp_path):
    with pytest.raises(SimulatorError, match="code 4"):
        run(tmp_path, """
            import machine
            i2c = machine.I2C(0, scl=machine.Pin(22), sda=machine.Pin(21))
            try:
                i2c.writeto(0x48, bytes(9))
            except Exception:
                print("swallowed")
            """)


def test_firmware_that_ends_without_a_watchdog_is_a_dead_board(tmp_path):
    with pytest.raises(SimulatorError, match="sits at its prompt") as caught:
        run(tmp_path, "raise ValueError('spilt')")
    assert "ValueError: spilt" in str(caught.value)


def test_an_exception_in_a_timer_is_printed(tmp_path):
    outcome = run(tmp_path, """
        import machine
        import time

        def tick(timer):
            raise ValueError("spilt")

        machine.Timer(3).init(period=400, callback=tick)
        time.sleep(1)
        print("alive")
        machine.WDT(timeout=100_000)
        """)
    assert "alive" in outcome.console
    assert outcome.console.count("ValueError: spilt") >= 2


def test_invalid_hardware_settings_are_refused(tmp_path):
    outcome = run(tmp_path, """
        import machine
        for call in (lambda: machine.Timer(4), lambda: machine.Timer(0, hard=True),
                     lambda: machine.Pin(34, machine.Pin.OUT), lambda: machine.I2C(7),
                     lambda: machine.RTC().memory(bytes(2049)),
                     lambda: machine.PWM(machine.Pin(19), duty_u16=70_000)):
            try:
                call()
                print("accepted")
            except ValueError:
                print("refused")
        import time
        while True:
            time.sleep(1)
        """, duration_ms=2_000)
    assert outcome.console == ["refused"] * 6


FREQUENCIES = """
    import machine
    import time
    print(machine.freq())
    for hz in (240_000_000, 80_000_000, 100_000_000):
        try:
            machine.freq(hz)
        except ValueError:
            print("refused", hz)
        print(machine.freq())
    time.sleep(100)
    """


def test_the_cpu_takes_the_frequencies_of_its_chip(tmp_path):
    console = ["160000000", "240000000", "80000000", "refused 100000000", "80000000"]
    assert run(tmp_path, FREQUENCIES).console[: len(console)] == console


def test_the_regions_of_the_heap_tell_the_psram(tmp_path):
    outcome = run(tmp_path, """
        import esp32
        for capabilities in (1 << 10, esp32.HEAP_DATA, esp32.HEAP_EXEC, esp32.HEAP_EXEC | 1 << 10):
            print([region[0] for region in esp32.idf_heap_info(capabilities)])
        import time
        time.sleep(60)
        """)
    assert outcome.console == ["[4194304]", "[113840, 4194304]", "[113840]", "[]"]
