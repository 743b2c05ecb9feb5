"""Tests of dosing authority: earned by three days of reduced dosing and lost by a latch."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idro.protocol import settings
from idro.protocol.reason import Reason
from idro.safety import limits
from idro.safety.dosing_authority import DosingAuthority
from idro.safety.ledger import CRASHES, NO_EFFECT, STOPPED
from idro.safety.limits import EARN_MS, REDUCED_PCT, derive
from support.safety_rig import Nvs, Rig

MINUTE_MS = 60_000
DOSING = settings.check({"dosing.enabled": True})


class Store(Nvs):
    """NVS with numbers; writes fail while `is_worn`."""

    def __init__(self):
        super().__init__()
        self.is_worn = False
        self.writes = []

    def number(self, key):
        return self.values.get(key)

    def put(self, **values):
        if self.is_worn:
            raise OSError(5)
        self.writes.append(values)
        super().put(**values)


class House:
    """Uptime and authority of a node; `restart` reads the authority from NVS."""

    def __init__(self):
        self.store = Store()
        self.chain_ms = 0
        self.restart()

    def restart(self) -> None:
        self.authority = DosingAuthority(self.store, lambda: self.chain_ms)

    def pass_ms(self, duration_ms: int, values=DOSING, latch_code: int = 0,
                is_proven: bool = True) -> None:
        end_ms = self.chain_ms + duration_ms
        while self.chain_ms < end_ms:
            self.chain_ms = min(end_ms, self.chain_ms + 60 * MINUTE_MS)
            self.authority.update(values, latch_code, is_proven)

    def granted_pct(self) -> int:
        return self.authority.granted_pct(DOSING)


def test_a_new_node_has_a_quarter_of_the_budget_for_three_days():
    house = House()
    house.pass_ms(EARN_MS - MINUTE_MS)
    assert house.granted_pct() == REDUCED_PCT
    house.pass_ms(MINUTE_MS)
    assert house.granted_pct() == 100
    house.restart()
    assert house.granted_pct() == 100


def test_only_dosing_without_a_latch_earns_authority():
    house = House()
    house.pass_ms(EARN_MS, settings.defaults())
    house.pass_ms(EARN_MS, DOSING | {"dosing.authority_pct": 0})
    house.pass_ms(EARN_MS, DOSING, STOPPED)
    assert house.authority.left_ms == EARN_MS


def test_days_without_plausible_readings_or_working_doses_earn_nothing():
    house = House()
    house.pass_ms(2 * EARN_MS, is_proven=False)
    assert house.authority.left_ms == EARN_MS
    house.pass_ms(EARN_MS - MINUTE_MS)
    house.pass_ms(EARN_MS, is_proven=False)
    assert house.authority.left_ms == MINUTE_MS
    house.pass_ms(EARN_MS, DOSING, NO_EFFECT, is_proven=False)
    assert house.authority.left_ms == EARN_MS


def test_the_gate_is_armed_while_every_doser_has_plausible_readings(tmp_path):
    rig = Rig(tmp_path)
    assert not rig.gate.is_armed
    rig.arm()
    assert rig.gate.is_armed
    rig.sense(ph="noisy")
    assert not rig.gate.is_armed


@pytest.mark.parametrize("latch", [CRASHES, NO_EFFECT])
def test_a_latch_revokes_authority_and_a_reset_does_not_restore_it(latch):
    house = House()
    house.pass_ms(EARN_MS)
    house.pass_ms(MINUTE_MS, DOSING, latch)
    assert house.granted_pct() == REDUCED_PCT
    house.restart()
    assert house.granted_pct() == REDUCED_PCT


def test_a_manual_stop_and_resume_loses_nothing():
    house = House()
    house.pass_ms(EARN_MS)
    house.pass_ms(EARN_MS, DOSING, STOPPED)
    assert house.granted_pct() == 100


def test_a_reset_loses_at_most_ten_minutes_and_worn_flash_is_safe():
    house = House()
    house.pass_ms(EARN_MS // 2)
    house.restart()
    assert house.authority.left_ms <= EARN_MS // 2 + 10 * MINUTE_MS
    house.store.is_worn = True
    house.pass_ms(EARN_MS)
    house.pass_ms(MINUTE_MS, DOSING, NO_EFFECT)
    assert house.granted_pct() == REDUCED_PCT


@pytest.mark.parametrize("earned_s", [-5, 0, 2**31 - 1])
def test_any_nvs_value_is_clamped_to_its_range(earned_s):
    store = Store()
    store.put(earned_s=earned_s)
    assert 0 <= DosingAuthority(store, lambda: 0).left_ms <= EARN_MS


def test_the_nvs_value_is_in_seconds():
    store = Store()
    assert DosingAuthority(store, lambda: 0).left_ms == EARN_MS
    store.put(earned_s=100)
    assert DosingAuthority(store, lambda: 0).left_ms == EARN_MS - 100_000


def test_flash_is_written_every_ten_minutes():
    house = House()
    for chain_ms, writes in (
        (600_000, []), (600_001, [600]), (1_200_001, [600]), (1_200_002, [600, 1_200]),
    ):
        house.chain_ms = chain_ms
        house.authority.update(DOSING, 0, True)
        assert house.store.writes == [{"earned_s": earned_s} for earned_s in writes]


def test_an_unchanged_value_is_not_written():
    house = House()
    house.authority.update(DOSING, NO_EFFECT, True)
    assert house.store.writes == []
    house.pass_ms(2 * EARN_MS)
    count = len(house.store.writes)
    house.pass_ms(EARN_MS)
    assert len(house.store.writes) == count


def test_full_authority_is_stored_immediately():
    house = House()
    house.chain_ms = EARN_MS - 1
    house.authority.update(DOSING, 0, True)
    assert house.authority.left_ms == 1
    house.chain_ms = EARN_MS
    house.authority.update(DOSING, 0, True)
    house.restart()
    assert house.authority.left_ms == 0


def test_a_loss_is_stored_immediately():
    house = House()
    house.store.put(earned_s=300)
    house.restart()
    house.chain_ms = 1_000
    house.authority.update(DOSING, NO_EFFECT, True)
    assert house.authority.left_ms == EARN_MS
    house.restart()
    assert house.authority.left_ms == EARN_MS


def test_a_failed_write_of_a_loss_is_retried(capsys):
    house = House()
    house.pass_ms(EARN_MS)
    house.store.is_worn = True
    house.pass_ms(MINUTE_MS, DOSING, NO_EFFECT)
    assert "dosing authority not saved" in capsys.readouterr().out
    house.store.is_worn = False
    house.pass_ms(MINUTE_MS, DOSING, NO_EFFECT)
    house.restart()
    assert house.authority.left_ms == EARN_MS


@given(
    volume_l=st.integers(5, 2_000), asked_pct=st.integers(0, 100),
    down=st.integers(500, 2_000_000), flow=st.integers(20, 20_000),
)
def test_no_share_or_setting_exceeds_a_ceiling(volume_l, asked_pct, down, flow):
    values = settings.check({"ph.down_ul_per_ph": down, "doser.ul_per_s": flow})
    caps = derive(values, volume_l, asked_pct).caps["ph_down"]
    full = derive(values, volume_l, 100).caps["ph_down"]
    assert caps.dose_ul <= min(limits.ACID_DOSE_UL_L * volume_l, 10 * flow)
    assert caps.hour_ul <= min(limits.ACID_HOUR_UL_L * volume_l, 30 * flow, full.hour_ul)
    assert caps.day_ul <= min(limits.ACID_DAY_UL_L * volume_l, 100 * flow, full.day_ul)


def test_the_reference_rig_has_the_documented_ceilings():
    caps = derive(settings.check({"ph.down_ul_per_ph": 2_000_000}), 100).caps["ph_down"]
    assert (caps.dose_ul, caps.hour_ul, caps.day_ul) == (3_000, 15_000, 50_000)


def test_advice_only_gives_no_budget_to_control_and_a_little_to_users(tmp_path):
    rig = Rig(tmp_path)
    rig.arm()
    rig.gate.set_limits(derive(rig.values, 100, 0))
    assert rig.gate.headroom("ph_down", rig.readings, "control") == (0, Reason("advice_only"))
    assert rig.gate.headroom("ph_down", rig.readings, "ann")[0] > 0


def test_the_reason_contains_the_share(tmp_path):
    rig = Rig(tmp_path)
    rig.arm()
    rig.gate.set_limits(derive(rig.values, 100, 25))
    asyncio.run(rig.dose("ph_down", 3_000))
    rig.wait(400_000)
    _, why = rig.gate.headroom("ph_down", rig.readings, "ann")
    assert why == Reason("hour_spent", volume_ul=3_750, share_pct=25)
