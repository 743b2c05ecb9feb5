"""Tests of time and asyncio on the virtual clock: exact to the microsecond, with roll-over."""

import ast
import resource

from support.simulated_board import run


def printed(outcome):
    """Return the console lines as Python values."""
    return [ast.literal_eval(line) for line in outcome.console if line[:1] in "[({"]


def test_time_counts_as_on_the_esp32(tmp_path):
    outcome = run(tmp_path, """
        import time
        print([time.ticks_ms(), time.ticks_us(), time.time(), time.gmtime()[:4]])
        time.sleep_ms(1500)
        time.sleep_us(7)
        time.sleep(2)
        print([time.ticks_ms(), time.ticks_us(), time.time(), time.time_ns()])
        print([time.mktime((2000, 1, 1, 0, 0, 0, 0, 0)), time.mktime((2024, 2, 29, 12, 30, 5))])
        print([time.gmtime(762525005), time.ticks_add((1 << 30) - 1, 3), time.ticks_diff(2, -2)])
        while True:
            time.sleep(1)
        """)
    assert printed(outcome) == [
        [0, 0, 0, (2000, 1, 1, 0)],
        [3_500, 3_500_007, 3, 3_900_007_000],
        [0, 762_525_005],
        [(2024, 2, 29, 12, 30, 5, 3, 60), 2, 4],
    ]


def test_asyncio_runs_on_virtual_time(tmp_path):
    outcome = run(tmp_path, """
        import asyncio
        import time

        async def wait(ms, value):
            await asyncio.sleep_ms(ms)
            return value

        async def fail():
            await asyncio.sleep_ms(10)
            raise ValueError("spilt")

        async def main():
            found = []
            asyncio.get_event_loop().set_exception_handler(
                lambda loop, context: found.append(repr(context["exception"])))
            print([await asyncio.gather(wait(300, "a"), wait(100, "b"), wait(200, "c")),
                   time.ticks_ms()])
            try:
                await asyncio.wait_for_ms(wait(5000, "late"), 250)
            except asyncio.TimeoutError:
                print(["timeout", time.ticks_ms()])
            event = asyncio.Event()
            task = asyncio.create_task(event.wait())
            await asyncio.sleep_ms(1)
            event.set()
            print([await task, time.ticks_ms()])
            task = asyncio.create_task(wait(9999, None))
            await asyncio.sleep_ms(0)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                print(["cancelled", task.done(), time.ticks_ms()])
            asyncio.create_task(fail())
            await asyncio.sleep_ms(20)
            print(found)
            lock = asyncio.Lock()
            async with lock:
                print([lock.locked(), time.ticks_ms()])
            await asyncio.sleep(100)

        asyncio.run(main())
        """)
    assert printed(outcome) == [
        [["a", "b", "c"], 300],
        ["timeout", 550],
        [True, 551],
        ["cancelled", True, 551],
        ["ValueError('spilt',)"],
        [True, 571],
    ]


def test_sleepers_survive_the_roll_over_of_ticks(tmp_path):
    outcome = run(tmp_path, """
        import asyncio
        import time

        async def main():
            await asyncio.sleep_ms((1 << 29) - 1)
            await asyncio.sleep_ms((1 << 29) - 2000)
            before = time.ticks_ms()
            await asyncio.sleep_ms(5000)
            print([before, time.ticks_ms()])
            await asyncio.sleep_ms(60000)

        asyncio.run(main())
        """, duration_ms=(1 << 30) + 10_000, trace_every_ms=0)
    assert printed(outcome) == [[(1 << 30) - 2_001, 2_999]]


def test_a_bare_loop_wakes_in_microseconds(tmp_path):
    before_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    outcome = run(tmp_path, """
        import asyncio

        async def main():
            while True:
                await asyncio.sleep_ms(1000)

        asyncio.run(main())
        """, duration_ms=200_000_000, trace_every_ms=0)
    assert outcome.run.at_ms == 200_000_000
    spent_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before_s
    print(f"{spent_s * 1e6 / 200_000:.1f} us a wake-up")
    # 10 us each on the reference machine; three times that is a regression anywhere.
    assert spent_s < 6


def test_a_wait_longer_than_the_tick_range_blocks_no_other_task(tmp_path):
    outcome = run(tmp_path, """
        import asyncio
        import time

        async def work(event, times):
            await event.wait()
            times.append(time.time())

        async def main():
            event, times = asyncio.Event(), []
            for _ in range(2):
                asyncio.create_task(work(event, times))
            for _ in range(7):
                await asyncio.sleep(86_400)
            event.set()
            await asyncio.sleep(1)
            print([times, time.time()])
            while True:
                await asyncio.sleep(3_600)

        asyncio.run(main())
        """, duration_ms=8 * 86_400_000)
    week_s = 7 * 86_400
    assert printed(outcome) == [[[week_s, week_s], week_s + 1]]
