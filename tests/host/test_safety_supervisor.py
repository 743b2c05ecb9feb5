"""The supervisor: a dead task is restarted, a silent one lets the watchdog bite (hazard H3)."""

import asyncio
import heapq

import pytest

from idro.safety.supervisor import Supervisor


class Turn:
    """Awaited, it lets every other task have a turn."""

    def __await__(self):
        yield


class VirtualTime:
    """A clock whose sleepers wake in order of their time, without any waiting."""

    def __init__(self):
        self._now_ms = 0
        self._sleepers = []
        self._count = 0

    def now_ms(self):
        return self._now_ms

    async def sleep_ms(self, duration_ms):
        wake = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._now_ms + duration_ms, self._count, wake))
        await wake

    async def run_until(self, end_ms):
        """Let every sleeper wake at its time, up to `end_ms`."""
        while True:
            for _ in range(20):
                await Turn()
            if not self._sleepers or self._sleepers[0][0] > end_ms:
                break
            self._now_ms, _, wake = heapq.heappop(self._sleepers)
            if not wake.done():
                wake.set_result(None)
        self._now_ms = end_ms


class World:
    """A supervisor, the times its watchdog was fed, what it made safe and what it told."""

    def __init__(self):
        self.clock = VirtualTime()
        self.fed_ms = []
        self.made_safe_ms = []
        self.late = None
        self.events = []
        self.supervisor = Supervisor(
            self.clock, lambda: self.fed_ms.append(self.clock.now_ms()),
            lambda: self.made_safe_ms.append(self.clock.now_ms()),
            lambda kind, detail: self.events.append((self.clock.now_ms(), kind, detail)),
        )

    def run(self, end_ms):
        async def play():
            running = asyncio.create_task(self.supervisor.run())
            await self.clock.run_until(end_ms)
            self.late = self.supervisor.late()
            running.cancel()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        asyncio.run(play())

    async def living(self):
        while True:
            self.supervisor.beat("living", 15_000)
            await self.clock.sleep_ms(10_000)

    def longest_fast_ms(self, until_ms):
        times = [0, *[at_ms for at_ms in self.fed_ms if at_ms <= until_ms], until_ms]
        return max(later - earlier for earlier, later in zip(times, times[1:], strict=False))


@pytest.fixture
def world():
    return World()


def test_the_watchdog_is_fed_while_all_are_well(world):
    world.supervisor.add("living", world.living, is_critical=True)
    world.run(600_000)
    assert world.longest_fast_ms(600_000) <= 4_000


def test_a_silent_task_lets_the_watchdog_bite(world):
    async def hangs():
        world.supervisor.beat("hangs", 5_000)
        await world.clock.sleep_ms(10_000_000)

    world.supervisor.add("living", world.living)
    world.supervisor.add("hangs", hangs)
    world.run(60_000)
    assert max(world.fed_ms) <= 5_000
    assert world.late == "hangs"


def test_a_task_that_waits_for_work_may_be_silent(world):
    async def waits():
        world.supervisor.beat("waits")
        await world.clock.sleep_ms(10_000_000)

    world.supervisor.add("waits", waits)
    world.run(600_000)
    assert world.longest_fast_ms(600_000) <= 4_000


def test_a_failed_task_is_told_made_safe_and_started_again(world):
    starts = []

    async def fails():
        starts.append(world.clock.now_ms())
        await world.clock.sleep_ms(100)
        if len(starts) < 3:
            raise ValueError("a\nbad day")
        await world.living()

    world.supervisor.add("living", world.living)
    world.supervisor.add("fails", fails, is_critical=True)
    world.run(60_000)
    assert starts == [0, 1_100, 3_200]
    assert world.made_safe_ms == [100, 1_200]
    told = [detail for _, kind, detail in world.events if kind == "restarted"]
    assert told[0]["task"] == "fails"
    assert "ValueError" in told[0]["error"]
    assert "\n" not in told[0]["error"]
    assert world.longest_fast_ms(60_000) <= 4_000


def test_a_critical_task_that_keeps_failing_ends_in_a_reset(world):
    async def fails():
        raise OSError(5)

    world.supervisor.add("fails", fails, is_critical=True)
    world.run(300_000)
    assert max(world.fed_ms) < 100_000
    assert len(world.events) == 7


def test_a_network_that_keeps_failing_never_resets(world):
    async def fails():
        raise OSError(5)

    world.supervisor.add("living", world.living)
    world.supervisor.add("link", fails)
    world.run(3_600_000)
    assert world.longest_fast_ms(3_600_000) <= 4_000
    assert world.made_safe_ms == []


def test_a_hung_link_is_started_again_and_costs_no_reset(world):
    starts = []

    async def hangs():
        starts.append(world.clock.now_ms())
        for _ in range(3):
            world.supervisor.beat("link")
            await world.clock.sleep_ms(10_000)
        await world.clock.sleep_ms(10_000_000)

    world.supervisor.add("living", world.living, is_critical=True)
    world.supervisor.add("link", hangs, silent_ms=60_000)
    world.run(300_000)
    assert starts[0] == 0
    assert 80_000 < starts[1] < 90_000
    assert len(starts) == 4
    told = [(at_ms, detail) for at_ms, kind, detail in world.events if kind == "restarted"]
    assert told[0][1] == {"task": "link", "error": "silent for 60 s"}
    assert world.longest_fast_ms(300_000) <= 4_000
    assert world.made_safe_ms == []


def test_one_that_never_says_a_word_is_started_again(world):
    starts = []

    async def mute():
        starts.append(world.clock.now_ms())
        await world.clock.sleep_ms(10_000_000)

    world.supervisor.add("wifi", mute, silent_ms=60_000)
    world.run(200_000)
    assert len(starts) == 4
    assert world.longest_fast_ms(200_000) <= 4_000


def test_one_that_does_not_even_end_when_told_to_is_left_behind(world):
    starts = []

    async def stubborn():
        starts.append(world.clock.now_ms())
        while True:
            try:
                await world.clock.sleep_ms(10_000_000)
            except asyncio.CancelledError:
                if world.clock.now_ms() >= 190_000:
                    raise

    world.supervisor.add("link", stubborn, silent_ms=60_000)
    world.run(190_000)
    assert len(starts) == 3


def test_a_link_that_fails_is_told_and_started_again(world):
    async def fails():
        world.supervisor.beat("link")
        await world.clock.sleep_ms(1_000)
        raise OSError(5)

    world.supervisor.add("link", fails, silent_ms=60_000)
    world.run(4_000_000)
    errors = {detail["error"] for _, kind, detail in world.events if kind == "restarted"}
    assert errors == {"OSError(5)"}
    assert world.longest_fast_ms(4_000_000) <= 4_000


def test_a_cancelled_task_is_not_restarted_but_missed(world):
    async def cancels():
        raise asyncio.CancelledError

    world.supervisor.add("cancels", cancels)
    world.run(30_000)
    assert max(world.fed_ms, default=0) == 0
    assert world.late == "cancels"
