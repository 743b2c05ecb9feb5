"""Tests of the settings on flash: two slots, and rejection of damaged bytes."""

import random
from pathlib import Path

import pytest

from idro.app.settings import Settings
from idro.errors import SettingsError
from idro.protocol import settings as table
from idro.protocol.reason import Reason


@pytest.fixture
def paths(tmp_path):
    return tuple(str(tmp_path / name) for name in ("settings.a", "settings.b"))


def test_a_new_board_uses_defaults_and_does_not_dose(paths):
    settings = Settings(paths)
    assert settings.values == table.defaults()
    assert settings.values["dosing.enabled"] is False
    assert (settings.rev, settings.error) == (0, None)


def test_applied_settings_survive_a_reset(paths):
    settings = Settings(paths)
    live = settings.values
    changed = settings.apply(3, "ann", {"ph.target": 6.1})
    assert changed == {"ph.target": 6.1}
    assert live["ph.target"] == 6.1, "drivers hold the same dict"
    again = Settings(paths)
    assert (again.rev, again.by, again.values["ph.target"]) == (3, "ann", 6.1)


def test_the_rev_must_rise(paths):
    settings = Settings(paths)
    settings.apply(3, "ann", {})
    for rev in (3, 2, 0):
        with pytest.raises(SettingsError) as refused:
            settings.apply(rev, "ann", {"ph.target": 6.1})
        assert refused.value.reason == Reason("old_rev", rev=rev, current_rev=3)
    assert settings.values["ph.target"] == 5.8


@pytest.mark.parametrize("values", [
    {"ph.target": 9.0}, {"ph.targett": 5.8}, {"level.low_mm": 220}, {"ph.target": float("nan")},
    {"dosing.enabled": 1}, {"sample.every_ms": 10_000.5},
])
def test_a_refused_value_changes_nothing(paths, values):
    settings = Settings(paths)
    settings.apply(1, "ann", {"ph.target": 6.1})
    with pytest.raises(SettingsError):
        settings.apply(2, "ann", values)
    assert (settings.rev, settings.values["ph.target"]) == (1, 6.1)
    assert Settings(paths).rev == 1


def test_writing_does_not_touch_the_last_valid_slot(paths):
    settings = Settings(paths)
    for rev in range(1, 6):
        settings.apply(rev, "ann", {"ph.target": 5.0 + rev / 10})
        newest = Settings(paths)
        assert newest.rev == rev
        if rev > 1:
            kept = [Path(path).read_bytes() for path in paths]
            newer = 0 if b'"rev": %d' % rev in kept[0] else 1
            with open(paths[newer], "wb") as file:
                file.write(kept[newer][: len(kept[newer]) // 2])
            fallback = Settings(paths)
            assert fallback.rev == rev - 1
            assert fallback.error == Reason("settings_damaged")
            with open(paths[newer], "wb") as file:
                file.write(kept[newer])


def test_flipped_bytes_fall_back_to_the_last_valid_slot(paths):
    settings = Settings(paths)
    settings.apply(1, "ann", {"ph.target": 6.1})
    settings.apply(2, "ann", {"ph.target": 6.2})
    good = [Path(path).read_bytes() for path in paths]
    known = {0: 5.8, 1: 6.1, 2: 6.2}
    randomness = random.Random(20_260_802)
    for _ in range(1_000):
        slots = [bytearray(data) for data in good]
        for _ in range(randomness.choice((1, 2, 8))):
            slot = randomness.choice(slots)
            slot[randomness.randrange(len(slot))] ^= 1 << randomness.randrange(8)
        for path, data in zip(paths, slots, strict=True):
            with open(path, "wb") as file:
                file.write(data)
        found = Settings(paths)
        assert found.values["ph.target"] == known[found.rev]
        assert found.values == table.check({"ph.target": known[found.rev]})


def test_a_write_error_keeps_the_old_settings(tmp_path):
    nowhere = tuple(str(tmp_path / "missing" / name) for name in ("a", "b"))
    settings = Settings(nowhere)
    with pytest.raises(SettingsError) as refused:
        settings.apply(1, "ann", {"ph.target": 6.1})
    assert refused.value.reason.code == "settings_not_written"
    assert settings.values["ph.target"] == 5.8
