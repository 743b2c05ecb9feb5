"""Water and nutrient balance of a tank: exact daily sums, no estimates."""

import random
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from itertools import count, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idro.protocol import messages, settings, system_host
from idroserra.core.reasons import Reason
from idroserra.history import paging
from idroserra.history.models import EventPoint, SamplePoint
from idroserra.history.sqlite.store import SqliteStore
from idroserra.i18n.reasons import english
from idroserra.inventory import water_steps
from idroserra.inventory.balance import MOST_DOSERS, balance_of, days_of
from idroserra.inventory.stock_solutions import STOCKS
from idroserra.nodes.node import Node
from idroserra.setpoints.series import SettingsSeries
from idrosim.greenhouse.water import STOCKS as SIMULATED
from support.samples import write_samples

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
T0 = 20_783 * DAY_MS
NODE, LEVEL = "idro-a", "reservoir.level_mm"
STRONG = {"ph_down": [(T0 - DAY_MS, 1.0), (T0 + DAY_MS, 2.0)]}
OUTPUTS = {"ph_down": "doser", "nutrient_a": "doser", "top_off": "switch"}


class Tank:
    """A node in a registry and a store, with one level reading a minute."""

    def __init__(self, folder, outputs=None, channels=(LEVEL,)):
        self.store = SqliteStore(folder / "store.db")
        self.node = Node(NODE, "test", info=messages.Info(
            "0.1.0", "esp32-reservoir", "esp32", "7f3a11aa", 0, T0, "host", "power_on", "ab" * 32,
            channels, outputs or OUTPUTS, (), False, 100, 0, messages.AS_FLASHED,
            system_host.UNKNOWN_SYSTEM),
            report=messages.ConfigReport(0, None, settings.defaults()))
        self.settings = SettingsSeries((T0,), (settings.defaults(),))
        self._events, self._levels, self._numbers = [], [], count()

    def tell(self, kind, at_ms, **detail):
        number = next(self._numbers)
        self._events.append(EventPoint(NODE, (T0 + at_ms) * 1_000 + number, number, "7f3a11aa",
                                       kind, detail))

    def dose(self, at_ms, actuator, volume_ml):
        self.tell("dosed", at_ms, actuator=actuator, volume_ul=round(volume_ml * 1_000),
                  on_ms=1_000, by="control")

    def level(self, from_ms, to_ms, from_mm, to_mm, noise_mm=0.0):
        """The level goes from one depth to another, in a straight line and some noise."""
        noise = random.Random(7)
        for at_ms in range(from_ms, to_ms, MINUTE_MS):
            mm = from_mm + (to_mm - from_mm) * (at_ms - from_ms) / (to_ms - from_ms)
            self._levels.append((at_ms, mm + noise.uniform(-noise_mm, noise_mm)))

    def balance(self, to_ms=2 * DAY_MS, from_ms=0, zone=UTC, strengths=STRONG):
        write_samples(
            self.store,
            [SamplePoint(NODE, LEVEL, T0 + at_ms, mm) for at_ms, mm in self._levels],
            self._events)
        self._levels, self._events = [], []
        return balance_of(self.store, self.node, self.settings, T0 + from_ms, T0 + to_ms, zone,
                          strengths)


@pytest.fixture
def tank(tmp_path):
    return Tank(tmp_path)


def test_doses_are_summed_by_bottle_and_day_and_meq_by_the_stock_of_their_time(tank):
    tank.dose(HOUR_MS, "ph_down", 2.5)
    tank.dose(23 * HOUR_MS, "ph_down", 1.5)
    tank.dose(25 * HOUR_MS, "ph_down", 3.0)
    tank.dose(30 * HOUR_MS, "nutrient_a", 10)
    found = tank.balance()
    assert [day.dosed_ul for day in found.days] == [
        {"ph_down": 4_000, "nutrient_a": 0}, {"ph_down": 3_000, "nutrient_a": 10_000}]
    assert [day.dosed_meq for day in found.days] == [{"ph_down": 4.0}, {"ph_down": 6.0}]
    assert found.total.dosed_ul == {"ph_down": 7_000, "nutrient_a": 10_000}
    assert found.total.dosed_meq == {"ph_down": 10.0}


def test_without_the_strength_of_every_dose_there_are_no_meq(tank):
    tank.dose(HOUR_MS, "ph_down", 2.5)
    tank.dose(25 * HOUR_MS, "ph_down", 2.5)
    found = tank.balance(strengths={"ph_down": [(T0 + DAY_MS, 2.0)]})
    assert [day.dosed_meq["ph_down"] for day in found.days] == [None, 5.0]
    assert found.total.dosed_meq == {"ph_down": None}
    assert Reason("strength_unknown", actuator="ph_down") in found.unknown


def test_water_that_left_and_water_that_the_valve_let_in(tank):
    # Two days of 20 mm a day; 20 mm by the valve at 12:00 of each, in 5 minutes.
    noon = 12 * HOUR_MS
    for day_ms in (0, DAY_MS):
        tank.level(day_ms, day_ms + noon, 200, 190, noise_mm=1.0)
        tank.level(day_ms + noon, day_ms + noon + 5 * MINUTE_MS, 190, 210)
        tank.level(day_ms + noon + 5 * MINUTE_MS, day_ms + DAY_MS, 210, 200, noise_mm=1.0)
        tank.tell("ran", day_ms + noon + 5 * MINUTE_MS, actuator="top_off", on_ms=5 * MINUTE_MS)
    found = tank.balance()
    for day in found.days:
        assert day.water.topped_up_ml == pytest.approx(20 * 200, abs=300)
        assert day.water.left_ml == pytest.approx(20 * 200, abs=300)
        assert day.water.poured_ml == 0
        assert (day.valve_ms, day.water.unread_ms) == (5 * MINUTE_MS, 0)
    total = found.total.water
    assert total.topped_up_ml - total.left_ml == pytest.approx(0, abs=150)
    assert found.unknown == []


def test_what_rises_by_itself_was_poured_and_noise_is_nothing(tank):
    tank.level(0, DAY_MS, 200, 200, noise_mm=2.0)
    tank.level(DAY_MS, DAY_MS + HOUR_MS, 200, 230)
    tank.level(DAY_MS + HOUR_MS, 2 * DAY_MS, 230, 230, noise_mm=2.0)
    first, second = tank.balance().days
    # Where the rise begins is known to a wave of the noise: less than a millimetre.
    assert first.water.poured_ml < 200
    assert first.water.left_ml < 200
    assert second.water.poured_ml == pytest.approx(30 * 200, abs=300)
    assert second.water.topped_up_ml == 0


def test_a_level_without_a_reading_is_said_and_not_guessed(tank):
    tank.level(0, 20 * HOUR_MS, 200, 190)
    tank.level(23 * HOUR_MS, 2 * DAY_MS, 180, 170)
    found = tank.balance()
    first = found.days[0].water
    assert first.unread_ms == pytest.approx(3 * HOUR_MS, abs=20 * MINUTE_MS)
    assert first.unseen_ml == pytest.approx(-10 * 200, abs=150)
    assert first.left_ml == pytest.approx(10 * 200, abs=150)
    [gap] = [reason for reason in found.unknown if reason.code == "level_gap"]
    assert "the water changed by -2.0 L meanwhile" in english(gap)


def test_a_day_without_a_reading_has_no_sums(tank):
    tank.level(0, 10 * HOUR_MS, 200, 190)
    tank.level(2 * DAY_MS, 3 * DAY_MS, 180, 170)
    found = tank.balance(3 * DAY_MS)
    assert [day.water is None for day in found.days] == [False, True, False]
    assert tank.balance(2 * DAY_MS, DAY_MS).total.water is None


def test_floods_of_the_roots_are_no_water_that_left(tmp_path):
    tank = Tank(tmp_path, OUTPUTS | {"irrigation": "switch"})
    for at_ms in range(0, DAY_MS, 30 * MINUTE_MS):
        now_mm = 200 - 10 * at_ms / DAY_MS
        tank.level(at_ms, at_ms + 15 * MINUTE_MS, now_mm, now_mm - 60)
        tank.level(at_ms + 15 * MINUTE_MS, at_ms + 20 * MINUTE_MS, now_mm - 60, now_mm)
        tank.level(at_ms + 20 * MINUTE_MS, at_ms + 30 * MINUTE_MS, now_mm, now_mm)
    water = tank.balance(DAY_MS).total.water
    assert water.left_ml == pytest.approx(10 * 200, abs=200)
    assert water.poured_ml == 0


def test_without_a_level_or_before_the_host_knew_it_that_is_said(tmp_path):
    tank = Tank(tmp_path, channels=("reservoir.ph",))
    tank.dose(30 * HOUR_MS, "ph_down", 1)
    found = tank.balance()
    assert found.total.water is None
    assert found.unknown[:2] == [
        Reason("history_begins", when="2026-11-27 06:00"), Reason("level_unmeasured")]
    assert [day.from_unix_ms - T0 for day in found.days] == [DAY_MS]


def test_days_end_at_midnight_of_the_time_zone_with_summer_time():
    rome = timezone(timedelta(hours=1))
    assert days_of(T0, T0 + DAY_MS, rome) == [
        (T0, T0 + 23 * HOUR_MS), (T0 + 23 * HOUR_MS, T0 + DAY_MS)]
    zone = ZoneInfo("Europe/Rome")
    begin = round(datetime(2026, 10, 24, tzinfo=zone).timestamp() * 1_000)
    end = round(datetime(2026, 10, 27, tzinfo=zone).timestamp() * 1_000)
    assert [(to - since) / HOUR_MS for since, to in days_of(begin, end, zone)] == [24, 25, 24]


def test_all_steps_together_are_the_change_from_first_to_last():
    noise = random.Random(3)
    points, ml = [], 40_000.0
    for at in range(500):
        ml += noise.uniform(-900, 850)
        points.append((at * 600_000, ml / 200))
    runs = [water_steps.ValveRun(at * 600_000, at * 600_000 + 60_000) for at in range(40, 480, 60)]
    steps = water_steps.steps_of(points, (0, 500 * 600_000), runs, 600_000, lambda unix_ms: 200)
    whole = steps.within(0, 500 * 600_000)
    moved = whole.topped_up_ml + whole.poured_ml - whole.left_ml + whole.unseen_ml
    assert whole.topped_up_ml == 0 or moved == pytest.approx(
        200 * (points[-1][1] - points[0][1]), abs=1)


@given(runs=st.lists(st.tuples(st.integers(-2, 60), st.integers(-2, 60))),
       begins=st.sets(st.integers(0, 9), max_size=6))
def test_a_step_is_topped_up_if_the_valve_was_open_in_it(runs, begins):
    width_ms = 5
    points = [(at * width_ms, 100.0 + at) for at in sorted(begins)]
    steps = water_steps.steps_of(
        points, (0, 50), [water_steps.ValveRun(*run) for run in runs], width_ms, lambda _: 1)
    for (before_ms, before), (after_ms, after) in pairwise(points):
        found = steps.within(after_ms, after_ms + 1)
        is_gap = after_ms - before_ms > water_steps.HOLE_STEPS * width_ms
        is_open = any(min(end, after_ms + width_ms) > max(begin, before_ms) for begin, end in runs)
        assert found.topped_up_ml == (after - before if is_open and not is_gap else 0)


@pytest.mark.usefixtures("any_number_of_events")
def test_a_flood_of_doses_and_runs_is_summed_in_little_memory(tank):
    many = 10 * paging.PAGE
    tank.level(0, 2 * HOUR_MS, 200, 240)
    for number in range(many // 2):
        tank.dose(HOUR_MS + number, f"pump_{number % 3}", 0.001)
        tank.tell("ran", HOUR_MS + number, actuator="top_off", on_ms=5)
    tank.balance(1)  # writes
    tracemalloc.start()
    try:
        found = tank.balance()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    thirds = {f"pump_{number}": (many // 2 - number + 2) // 3 for number in range(3)}
    assert found.days[0].dosed_ul == found.total.dosed_ul == {
        "ph_down": 0, "nutrient_a": 0, **thirds}
    assert (found.days[0].valve_ms, found.total.valve_ms) == (many // 2 * 5,) * 2
    assert found.total.water.topped_up_ml > 0
    assert peak < 5_000_000


def test_a_run_is_counted_in_each_day_and_one_of_more_than_a_day_in_none(tank):
    tank.dose(0, "ph_down", 1)
    tank.tell("ran", DAY_MS + HOUR_MS, actuator="top_off", on_ms=2 * HOUR_MS)
    tank.tell("ran", DAY_MS + 2 * HOUR_MS, actuator="top_off", on_ms=2**50)
    found = tank.balance()
    assert [day.valve_ms for day in found.days] == [HOUR_MS, HOUR_MS]
    assert found.total.valve_ms == 2 * HOUR_MS


def test_more_dosers_than_a_node_has_are_refused(tank):
    for number in range(MOST_DOSERS + 1):
        tank.dose(HOUR_MS, f"pump_{number}", 1)
    with pytest.raises(paging.TooManyEvents, match=f"more than {MOST_DOSERS} dosing pumps"):
        tank.balance()


def test_the_stocks_are_those_of_the_simulator():
    kinds = {"P": 1, "NO3": 1, "K": 1}  # one proton of the acid, one base of each potassium
    for stock in STOCKS.values():
        ions = SIMULATED[stock.name]
        assert stock.meq_per_ml == sum(ions.get(ion, 0.0) for ion in kinds)
