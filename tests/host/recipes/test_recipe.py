"""Recipes: what a file may say, which settings hold on which day, what the gate needs days for."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idroserra.core import protocol
from idroserra.core.errors import RecipeError
from idroserra.core.reasons import Reason
from idroserra.recipes import describe, feasibility, model
from idroserra.recipes.feasibility import Headroom

HEAD = """
[recipe]
name = "mine"
text = "One of mine."
crop = "lettuce"
ppfd_umol_m2_s = 250
source = ["my own beds"]
"""
FIRST = """
[[stage]]
name = "young"
days = 4
text = ""
source = "my own beds"
settings = { "ph.target" = 5.8, ec = { target_us_cm = 1_200 }, light.on_minutes = 960 }
"""
SECOND = """
[[stage]]
name = "old"
days = 6
ramp_days = 3
text = ""
source = "my own beds"
settings = { ec.target_us_cm = 1_800 }
"""
VALUES = protocol.check_settings({"dosing.enabled": True})


def parse(text):
    return model.parse(text.encode(), "mine.toml")


def room(volume_l=100, authority_pct=100, **values):
    settings = protocol.check_settings(
        VALUES | {key.replace("__", "."): value for key, value in values.items()})
    return Headroom(settings, volume_l, authority_pct)


# Texts of 64 kB and less whose keys took the parser seconds, and the line that is named.
LONG_KEYS = {
    "key": (".".join(["a"] * 32_000) + "=1", 1),
    "header": ("[" + ".".join(["a"] * 20_000) + "]\n", 1),
    "list header": ("\n[[" + " . ".join(["a"] * 10_000) + "]]\n", 2),
    "quoted": (".".join(['"a"'] * 10_000) + "=1", 1),
    "inline table": ("a = { b = 1, " + ".".join(["a"] * 20_000) + "=1 }", 1),
    "after a string of many quotes": ('a = { b = """x"""", ' + ".".join(["a"] * 9_000) + "=1}", 1),
    "after a comment": ('# """\n' + ".".join(["a"] * 9_000) + "=1", 2),
    "after a string of lines": ("a = '''\nx\n'''\n" + ".".join(["a"] * 9_000) + "=1", 4),
}


@pytest.mark.parametrize("form", LONG_KEYS)
def test_a_key_of_very_many_parts_is_refused_before_it_is_parsed(form):
    text, line = LONG_KEYS[form]
    with pytest.raises(RecipeError) as caught:
        parse(text)
    assert f"line {line}: a key has at most 4 dots" in str(caught.value)


@pytest.mark.parametrize("text", [
    '"""' + "\\\"\"\"" * 8_000, "'" * 60_000, '"' * 60_000, "." * 60_000 + '"', "[" * 60_000])
def test_a_text_of_quotes_is_refused_at_once(text):
    with pytest.raises(RecipeError):
        parse(text)


@given(st.text("a.\\\"'= {},#[]\n"))
def test_dots_in_strings_are_no_keys(text):
    string = json.dumps(text + "a.b.c.d.e.f.g=1")
    lines = '"""\na.b.c.d.e.f.g = 1\n"""'
    head = HEAD.replace('["my own beds"]', f"[{string}, {lines}]  # a.b.c.d.e.f.g = 1")
    assert parse(head + FIRST).source[0] == json.loads(string)


def test_settings_hold_until_a_later_stage_changes_them_and_ramps_arrive_day_by_day():
    found = parse(HEAD + FIRST + SECOND)
    assert found.days == 10
    assert [found.settings_at(day)["ec.target_us_cm"] for day in range(12)] == [
        1_200, 1_200, 1_200, 1_200, 1_400, 1_600, 1_800, 1_800, 1_800, 1_800, 1_800, 1_800]
    assert found.settings_at(9) == {
        "ph.target": 5.8, "ec.target_us_cm": 1_800, "light.on_minutes": 960}
    assert found.changes()[1:] == [
        (4, {"ec.target_us_cm": 1_400}), (5, {"ec.target_us_cm": 1_600}),
        (6, {"ec.target_us_cm": 1_800})]
    assert found.place(3) == (0, 3)
    assert found.place(4) == (1, 0)
    assert found.place(99) == (1, 5)


@pytest.mark.parametrize(("minutes", "ramp", "lit_h"), [
    (960, 0, 16), (960, 60, 15), (60, 60, 0.5), (1_440, 60, 24)])
def test_the_light_of_a_day_is_less_by_its_sunrise_and_sunset(minutes, ramp, lit_h):
    lamps = f"light.on_minutes = {minutes}, light.ramp_minutes = {ramp}, light.duty_pct = 50"
    found = parse(HEAD + FIRST.replace("light.on_minutes = 960", lamps))
    assert found.dli_mol_m2(0) == pytest.approx(lit_h * 3_600 * 250 * 0.5 / 1e6)


@pytest.mark.parametrize(("old", "new", "key", "words"), [
    ("[recipe]", "[recipe", "", "not TOML"),
    ('name = "mine"', 'name = "other"', "recipe.name", "must be the file's name, mine"),
    ('source = ["my own beds"]', "source = []", "recipe.source", "at least one source"),
    ("ppfd_umol_m2_s = 250", "ppfd_umol_m2_s = 0", "recipe.ppfd_umol_m2_s", "1 to 2500"),
    ("ppfd_umol_m2_s = 250", 'ppfd_umol_m2_s = "much"', "recipe.ppfd_umol_m2_s", "expected `int`"),
    ("days = 4", "days = 0", "stage[0].days", "1 to 400"),
    ("days = 4", "days = 4\nweeks = 4", "stage[0].weeks", "unknown key"),
    ("days = 4\n", "", "stage[0].days", "is missing"),
    ("days = 4", "days = 4\nramp_days = 2", "stage[0].ramp_days", "has no ramp"),
    ("ramp_days = 3", "ramp_days = 7", "stage[1].ramp_days", "1 to its 6 days"),
    ("days = 6", "days = 400", "stage", "404 days"),
    ('"ph.target" = 5.8', '"ph.target" = 9', "stage[0].settings.ph.target", "4.5..7.5"),
    ('"ph.target" = 5.8', '"ph.trget" = 5', "stage[0].settings.ph.trget",
     "not a setting of a node"),
    ('"ph.target" = 5.8', "dosing.enabled = true", "stage[0].settings.dosing.enabled",
     "a recipe cannot set this"),
    ('"ph.target" = 5.8', '"ph.target" = 5.8, ph.target = 6.4', "stage[0].settings.ph.target",
     "is set twice"),
    ('"ph.target" = 5.8', '"ph.target" = 5.8, air = {}', "stage[0].settings.air",
     "not a setting of a node"),
    ("= 1_800", "= 1_800.5", "stage[1].settings.ec.target_us_cm", "whole number"),
    ("{ ec.target_us_cm = 1_800 }", "{ light.duty_pct = 50 }", "stage[1].settings.light.duty_pct",
     "is not in the first stage"),
])
def test_a_mistake_is_one_error_that_names_file_and_key(old, new, key, words):
    text = HEAD + FIRST + SECOND
    assert old in text
    with pytest.raises(RecipeError) as caught:
        parse(text.replace(old, new, 1))
    assert (caught.value.file, caught.value.key) == ("mine.toml", key)
    assert words in caught.value.why


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: (HEAD + FIRST + t).encode()))
def test_whatever_the_bytes_are_it_is_a_recipe_or_one_error(data):
    try:
        outcome = model.parse(data, "mine.toml")
    except RecipeError as error:
        outcome = error
    if isinstance(outcome, RecipeError):
        assert str(outcome).startswith("mine.toml: ")
    else:
        assert outcome.days >= 4


days = st.integers(1, 40)


@st.composite
def recipes(draw):
    """A recipe of any stages, as its file would be parsed."""
    text = HEAD
    for index in range(draw(st.integers(1, 6))):
        length = draw(days)
        ramp = draw(st.integers(1, length)) if index else 1
        ph, ec = draw(st.floats(4.5, 7.5)), draw(st.integers(0, 5_000))
        text += (f'[[stage]]\nname = "s{index}"\ndays = {length}\nramp_days = {ramp}\n'
                 f'text = ""\nsource = "drawn"\n'
                 f'settings = {{ ph.target = {ph!r}, ec.target_us_cm = {ec} }}\n')
    return parse(text)


@given(recipes())
def test_every_day_has_its_place_and_settings_a_node_would_take(found):
    expected = [(i, d) for i, stage in enumerate(found.stages) for d in range(stage.days)]
    assert [tuple(found.place(day)) for day in range(found.days)] == expected
    for day in range(found.days):
        protocol.check_settings({**VALUES, **found.settings_at(day)})
    for stage in found.stages:
        last = stage.first_day + stage.days - 1
        assert found.settings_at(stage.first_day + stage.ramp_days - 1) == stage.settings
        assert found.settings_at(last) == stage.settings


@given(recipes())
def test_a_ramp_goes_one_way_and_never_past_its_end(found):
    for index, stage in enumerate(found.stages[1:], 1):
        before = found.stages[index - 1].settings["ec.target_us_cm"]
        ramp = [found.settings_at(stage.first_day + day)["ec.target_us_cm"]
                for day in range(stage.ramp_days)]
        after = stage.settings["ec.target_us_cm"]
        steps = [before, *ramp]
        assert steps == sorted(steps, reverse=after < before)
        assert ramp[-1] == after


@given(recipes())
def test_the_changes_replayed_are_the_settings(found):
    changes, now = dict(found.changes()), {}
    for day in range(found.days):
        now |= changes.get(day, {})
        assert now == found.settings_at(day)


@given(st.integers(0, 4_102_444_800_000), st.integers(-720, 840))
def test_a_day_begins_at_midnight_of_the_place(unix_ms, offset_min):
    day = model.local_day(unix_ms, offset_min)
    start = model.day_start_unix_ms(day, offset_min)
    assert start <= unix_ms < start + model.DAY_MS
    assert model.local_day(start, offset_min) == day
    assert (start + offset_min * model.MINUTE_MS) % model.DAY_MS == 0


@pytest.mark.parametrize(("values", "text"), [
    ({"ph.target": 5.8, "ph.deadband": 0.2, "ec.target_us_cm": 1_200},
     "pH 5.80 ± 0.20; EC 1.20 mS/cm"),
    ({"ph.deadband": 0.2, "ec.deadband_us_cm": 80},
     "pH unchanged ± 0.20; EC unchanged ± 0.08 mS/cm"),
    ({"light.on_minute": 390, "light.on_minutes": 930, "light.duty_pct": 80,
      "light.ramp_minutes": 15}, "Light 15.5 h from 06:30 at 80 % with 15 min of dawn"),
    ({"light.on_minutes": 0, "light.duty_pct": 80}, "Light off"),
    ({"circulation.off_ms": 0, "circulation.on_ms": 60_000}, "Circulation all the time"),
    ({"circulation.off_ms": 60_000, "circulation.on_ms": 900_000},
     "Circulation 15 min on, 1 min off"),
    ({"irrigation.on_s": 0, "level.target_mm": 180}, "Irrigation never; Water level 180 mm"),
    ({"irrigation.on_s": 300, "irrigation.off_s": 1_200, "irrigation.night_off_s": 0},
     "Irrigation 5 min on, 20 min off"),
    ({"irrigation.off_s": 0}, "Irrigation all the time"),
    ({"climate.heat_day_c": 18.0, "climate.cool_day_c": 24.5, "climate.cool_night_c": 22.0},
     "Air 18 to 24.5 °C by day, at most 22 °C at night"),
    ({"climate.heat_night_c": 16.0, "climate.rh_max_pct": 85},
     "Air at least 16 °C at night; Humidity at most 85 %"),
    ({"climate.vpd_low_day_pa": 400, "climate.vpd_high_day_pa": 1_200},
     "VPD 0.4 to 1.2 kPa by day"),
])
def test_setpoints_are_described_in_words(values, text):
    assert "; ".join(f"{line.label} {line.text}" for line in describe.lines(values)) == text


def test_all_that_a_recipe_may_set_has_words():
    values = {key: protocol.SETTINGS[key].default for key in model.KEYS}
    assert {key for line in describe.lines(values) for key in line.keys} == set(model.KEYS)


def test_every_shipped_recipe_fits_a_commissioned_node_and_says_its_sources():
    assert model.names() == ["basil", "lettuce", "microgreens", "strawberry", "tomato"]
    for name in model.names():
        found = model.load(name)
        assert [
            n for n in feasibility.check(found, room()) if n.level == feasibility.REFUSED
        ] == []
        assert all(len(source) > 20 for source in found.source)
        assert set(found.stages[0].settings) <= set(model.KEYS)
    with pytest.raises(RecipeError, match="there are: basil, lettuce"):
        model.load("bananas")
    with pytest.raises(RecipeError, match="cannot be read"):
        model.find("nowhere/mine.toml")


def test_a_step_that_takes_days_of_the_budget_is_said():
    found = parse(HEAD + FIRST + SECOND.replace("ramp_days = 3\n", ""))
    assert feasibility.check(found, room(doser__ul_per_s=20_000)) == []  # 1,000 uS/cm a day
    [note] = feasibility.check(found, room(doser__ul_per_s=20_000, authority_pct=25))
    assert (note.level, note.stage) == (feasibility.WARNING, 1)
    assert note.reason == Reason(
        "ec_rise_days", rise_us_cm=600, days=3, volume_ul=120_000, day_ul=50_000)
    # A pump that gives little bounds it by its time on, whatever the budget in ml.
    [note] = feasibility.check(found, room(doser__ul_per_s=100))
    assert (note.level, note.reason.code, note.reason.values["why"].values["days"]) == (
        feasibility.REFUSED, "stage_too_short", 12)


def test_what_the_node_would_refuse_is_refused():
    text = HEAD + FIRST.replace("light.on_minutes = 960", "level.target_mm = 150") + SECOND
    notes = feasibility.check(parse(text), room(level__full_mm=140, level__target_mm=130))
    assert [(n.level, n.stage, n.reason) for n in notes] == [
        (feasibility.REFUSED, 0, Reason("level_order", setting="level.target_mm")),
        (feasibility.REFUSED, 1, Reason("level_order", setting="level.target_mm"))]


def test_only_water_lowers_ec_and_an_idle_node_is_reported():
    found = parse(HEAD + FIRST + SECOND.replace("1_800", "900"))
    reasons = [note.reason for note in feasibility.check(found, room(dosing__enabled=False))]
    assert reasons == [
        Reason("ph_and_ec_stay"), Reason("ec_fall", fall_us_cm=300, share_pct=25)]
    notes = feasibility.check(found, room(volume_l=None, authority_pct=0))
    assert [note.reason.code for note in notes][:2] == ["litres_unknown", "doses_by_hand"]


@given(st.floats(4.5, 7.5), st.sampled_from([20, 100, 1_000]), st.sampled_from([25, 100]))
def test_the_days_said_are_those_of_the_gates_own_budget(ph, litres, pct):
    second = SECOND.replace("{ ec.target_us_cm = 1_800 }", f"{{ ph.target = {ph!r} }}")
    found = parse(HEAD + FIRST + second)
    needs = feasibility.demands(found, 1, room(litres, pct, doser__ul_per_s=20_000))
    change = abs(round(ph - 5.8, 3))
    day_ph = min(1.5, 500 * litres / 40_000) * pct / 100
    assert sum(need.days for need in needs) == pytest.approx(change / day_ph, rel=0.001)
    assert all(math.isfinite(need.days) for need in needs)
