"""Tests of the supervisor: a failed task is restarted, a silent one triggers the watchdog (H3)."""

import asyncio

import pytest

from idro.protocol.reason import Reason
from idro.safety.supervisor import Supervisor, printable
from support.virtual_time import VirtualTime


class World:
    """A supervisor with recorded watchdog feeds, safe-state calls and events."""

    def __init__(self, wakes_together=False):
        self.clock = VirtualTime(wakes_together)
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


def test_the_watchdog_is_fed_while_all_tasks_are_healthy(world):
    world.supervisor.add("living", world.living, is_critical=True)
    world.run(600_000)
    assert world.longest_fast_ms(600_000) <= 4_000


def test_a_silent_task_triggers_the_watchdog(world):
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


def test_a_failed_task_is_reported_made_safe_and_restarted(world):
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
    restarts = [detail for _, kind, detail in world.events if kind == "restarted"]
    assert restarts[0]["task"] == "fails"
    assert "ValueError" in restarts[0]["error"]
    assert "\n" not in restarts[0]["error"]
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


def test_a_hung_link_is_restarted_without_a_reset(world):
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
    restarts = [(at_ms, detail) for at_ms, kind, detail in world.events if kind == "restarted"]
    assert restarts[0][1] == silence(60_000)
    assert world.longest_fast_ms(300_000) <= 4_000
    assert world.made_safe_ms == []


def test_a_task_that_never_reports_is_restarted(world):
    starts = []

    async def mute():
        starts.append(world.clock.now_ms())
        await world.clock.sleep_ms(10_000_000)

    world.supervisor.add("wifi", mute, silent_ms=60_000)
    world.run(200_000)
    assert len(starts) == 4
    assert world.longest_fast_ms(200_000) <= 4_000


def test_a_task_that_ignores_cancellation_is_abandoned(world):
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


def test_a_failed_link_is_reported_and_restarted(world):
    async def fails():
        world.supervisor.beat("link")
        await world.clock.sleep_ms(1_000)
        raise OSError(5)

    world.supervisor.add("link", fails, silent_ms=60_000)
    world.run(4_000_000)
    errors = {detail["error"] for _, kind, detail in world.events if kind == "restarted"}
    assert errors == {"OSError(5)"}
    assert world.longest_fast_ms(4_000_000) <= 4_000


def test_a_cancelled_task_is_not_restarted_and_becomes_late(world):
    async def cancels():
        raise asyncio.CancelledError

    world.supervisor.add("cancels", cancels)
    world.run(30_000)
    assert max(world.fed_ms, default=0) == 0
    assert world.late == "cancels"


def starts_of(world, name, until_ms, is_critical=False):
    """Run a task that fails at every start; return the times of its starts."""
    starts = []

    async def fails():
        starts.append(world.clock.now_ms())
        raise OSError(5)

    world.supervisor.add(name, fails, is_critical)
    world.run(until_ms)
    return starts


def silence(for_ms):
    reason = Reason("task_silent", for_ms=for_ms)
    return {"task": "link", "reason": reason}


def errors(world):
    return [detail["error"] for _, kind, detail in world.events if kind == "restarted"]


def test_the_watchdog_is_fed_every_four_seconds(world):
    world.supervisor.add("living", world.living)
    world.run(12_000)
    assert world.fed_ms == [0, 4_000, 8_000, 12_000]


def test_before_it_runs_every_task_is_late(world):
    world.supervisor.add("living", world.living)
    assert world.supervisor.late() == "living"


def test_the_retry_delay_doubles_up_to_30_s(world):
    starts = starts_of(world, "link", 200_000)
    assert starts == [0, 1_000, 3_000, 7_000, 15_000, 31_000, 63_000, 95_000, 127_000, 159_000,
                      191_000]


def test_a_critical_task_is_started_seven_times(world):
    starts = starts_of(world, "control", 200_000, is_critical=True)
    assert starts == [0, 1_000, 3_000, 7_000, 15_000, 31_000, 63_000]
    assert world.made_safe_ms == starts
    assert world.late == "control"
    assert world.fed_ms[-1] == 60_000


@pytest.mark.parametrize(("lives_ms", "waits_ms"), [(599_000, 2_000), (599_001, 1_000)])
def test_failures_are_reset_after_ten_minutes(world, lives_ms, waits_ms):
    starts = []

    async def fails():
        starts.append(world.clock.now_ms())
        await world.clock.sleep_ms(lives_ms)
        raise OSError(5)

    world.supervisor.add("link", fails)
    world.run(1_300_000)
    assert starts == [0, lives_ms + 1_000, 2 * lives_ms + 1_000 + waits_ms]


def test_a_deadline_holds_up_to_its_last_millisecond(world):
    async def speaks():
        world.supervisor.beat("speaks", 8_000)
        await world.clock.sleep_ms(8_001)
        world.supervisor.beat("speaks")
        await world.clock.sleep_ms(10_000_000)

    world.supervisor.add("speaks", speaks)
    world.run(8_000)
    assert world.late is None
    assert world.fed_ms == [0, 4_000, 8_000]


def test_a_deadline_is_missed_a_millisecond_later(world):
    async def speaks():
        world.supervisor.beat("speaks", 7_999)
        await world.clock.sleep_ms(10_000_000)

    world.supervisor.add("speaks", speaks)
    world.run(8_000)
    assert world.late == "speaks"
    assert world.fed_ms == [0, 4_000]


def test_the_deadline_of_a_failed_task_is_void_while_it_waits(world):
    async def fails():
        world.supervisor.beat("link", 100)
        raise OSError(5)

    world.supervisor.add("link", fails)
    world.run(200_000)
    assert world.longest_fast_ms(200_000) == 4_000


def test_a_task_that_returns_is_reported_and_restarted(world):
    async def ends():
        await world.clock.sleep_ms(1_000)

    world.supervisor.add("ends", ends)
    world.run(2_500)
    assert [detail for _, _, detail in world.events] == [{"task": "ends", "error": "ended"}]


def test_a_long_error_is_truncated_to_one_line(world):
    async def fails():
        raise ValueError("x" * 300)

    world.supervisor.add("fails", fails)
    world.run(100)
    assert errors(world) == ["ValueError('" + "x" * 108]


def test_only_control_characters_become_blanks():
    assert printable("a\x00b\nc\x1fd e\x7f") == "a b c d e\x7f"


@pytest.mark.parametrize(("silent_ms", "told_ms"), [(63_999, 64_000), (64_000, 68_000)])
def test_a_silent_link_is_abandoned_at_its_deadline(world, silent_ms, told_ms):
    async def mute():
        await world.clock.sleep_ms(10_000_000)

    world.supervisor.add("link", mute, silent_ms=silent_ms)
    world.run(70_000)
    assert [at_ms for at_ms, _, _ in world.events] == [told_ms]
    assert [detail for _, _, detail in world.events] == [silence(silent_ms)]
    assert world.late is None
    assert world.longest_fast_ms(70_000) == 4_000


def test_errors_of_an_abandoned_link_are_not_reported(world):
    async def polite():
        try:
            await world.clock.sleep_ms(10_000_000)
        except asyncio.CancelledError:
            await world.clock.sleep_ms(1_000)  # cleans up, then returns normally

    world.supervisor.add("link", polite, silent_ms=60_000)
    world.run(70_000)
    assert [detail for _, _, detail in world.events] == [silence(60_000)]


def test_an_abandoned_task_has_no_effect(world):
    did_ms = []

    async def slow():
        await world.clock.sleep_ms(65_000)
        did_ms.append(world.clock.now_ms())

    world.supervisor.add("link", slow, silent_ms=60_000)
    world.run(200_000)
    assert did_ms == []


def test_a_link_that_fails_at_its_deadline_reports_its_error():
    world = World(wakes_together=True)

    async def fails():
        await world.clock.sleep_ms(64_000)
        raise OSError(5)

    world.supervisor.add("link", fails, silent_ms=60_000)
    world.run(65_000)
    assert errors(world) == ["OSError(5)"]


def test_an_abandoned_critical_link_is_made_safe(world):
    async def mute():
        await world.clock.sleep_ms(10_000_000)

    world.supervisor.add("link", mute, is_critical=True, silent_ms=60_000)
    world.run(70_000)
    assert world.made_safe_ms == [64_000]
