"""Recipes: what a crop wants, stage by stage over days, as settings of a node.

    [recipe]   name (that of the file), text, crop, ppfd_umol_m2_s, source
    [[stage]]  name, days, text, source, ramp_days and [stage.settings]

The first stage says every setting the recipe has to do with; a later one only what changes. With
`ramp_days = n` numbers move there in n equal steps, one a day, the last one on day n of the stage.
Days are counted from 0 here and from 1 for people. Pure: text in, values out.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from idroserra.core import protocol
from idroserra.core.errors import RecipeError

MAX_FILE_BYTES = 65_536
MOST_STAGES = 20
MOST_DAYS = 400
DAY_MS = 86_400_000
MINUTE_MS = 60_000

# What a crop may ask for. All else belongs to the tank, the pumps, the probes or the operator: a
# recipe switches no dosing on and moves no calibration.
KEYS = (
    "ph.target", "ph.deadband", "ec.target_us_cm", "ec.deadband_us_cm", "level.target_mm",
    "circulation.on_ms", "circulation.off_ms", "light.on_minute", "light.on_minutes",
    "light.ramp_minutes", "light.duty_pct", "irrigation.on_s", "irrigation.off_s",
    "irrigation.night_off_s", "climate.heat_day_c", "climate.cool_day_c", "climate.heat_night_c",
    "climate.cool_night_c", "climate.rh_max_pct", "climate.vpd_low_day_pa",
    "climate.vpd_high_day_pa", "climate.vpd_low_night_pa", "climate.vpd_high_night_pa",
)
_NAME = re.compile(r"[a-z][a-z0-9-]{1,19}")
_FORM = "docs/recipes.md shows the form"


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    text: str
    crop: str
    ppfd_umol_m2_s: int
    source: list[str]


class _StageTable(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    days: int
    text: str
    source: str
    settings: dict[str, Any] = {}
    ramp_days: int = 1


class _File(msgspec.Struct, forbid_unknown_fields=True):
    recipe: _Head
    stage: list[_StageTable]


class Stage(NamedTuple):
    """One stage. `settings` are all that hold at its end, those of stages before included."""

    name: str
    text: str
    source: str
    first_day: int
    days: int
    ramp_days: int
    settings: Mapping[str, Any]


class Place(NamedTuple):
    """Where a day lies: index of the stage, and the day in it from 0."""

    stage: int
    day: int


class Recipe(NamedTuple):
    """A checked recipe. `ppfd_umol_m2_s` is what its lamps are to give at full duty."""

    name: str
    text: str
    crop: str
    ppfd_umol_m2_s: int
    source: tuple[str, ...]
    stages: tuple[Stage, ...]
    toml: str

    @property
    def days(self) -> int:
        """How long it takes from its first day to the end of its last."""
        last = self.stages[-1]
        return last.first_day + last.days

    def place(self, day: int) -> Place:
        """Return where `day` lies; one past the end is the last day of the last stage."""
        if day < 0:
            raise ValueError(f"day {day}: the first is 0")
        inside = min(day, self.days - 1)
        index = max(i for i, stage in enumerate(self.stages) if stage.first_day <= inside)
        return Place(index, inside - self.stages[index].first_day)

    def settings_at(self, day: int) -> dict[str, Any]:
        """Return the settings of `day`; past the end those of the last day stay."""
        at = self.place(day)
        stage = self.stages[at.stage]
        if at.stage == 0:
            return dict(stage.settings)
        before = self.stages[at.stage - 1].settings
        done = min(at.day + 1, stage.ramp_days)
        return {
            key: _between(key, before[key], value, done, stage.ramp_days)
            for key, value in stage.settings.items()
        }

    def changes(self) -> list[tuple[int, dict[str, Any]]]:
        """Return (day, what is new on it) of every day that changes something; day 0 is whole."""
        found: list[tuple[int, dict[str, Any]]] = []
        last: dict[str, Any] = {}
        for day in range(self.days):
            now = self.settings_at(day)
            new = {key: value for key, value in now.items() if last.get(key) != value}
            if new:
                found.append((day, new))
            last = now
        return found

    def dli_mol_m2(self, stage: int) -> float:
        """Return the light of a day at the end of a stage, by the lamps it counts on."""
        settings = self.stages[stage].settings
        lit_s = settings.get("light.on_minutes", 0) * 60
        return float(settings.get("light.duty_pct", 0) / 100 * lit_s * self.ppfd_umol_m2_s / 1e6)


def names() -> list[str]:
    """Return the names of the recipes that come with the host."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load(name: str) -> Recipe:
    """Return the recipe `name` that comes with the host. Raises RecipeError."""
    if name not in names():
        raise RecipeError(name, "", f"no such recipe; there are: {', '.join(names())}")
    return load_file(_folder() / f"{name}.toml")


def load_file(path: Path) -> Recipe:
    """Return the recipe in `path`, which may lie anywhere. Raises RecipeError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        why = f"cannot be read ({error.strerror}): check the path"
        raise RecipeError(str(path), "", why) from error
    return parse(data, path.name)


def find(name_or_file: str) -> Recipe:
    """Return a recipe that comes with the host, or of a file of one's own. Raises RecipeError."""
    if name_or_file.endswith(".toml") or "/" in name_or_file:
        return load_file(Path(name_or_file))
    return load(name_or_file)


def parse(data: bytes, file: str) -> Recipe:
    """Return the recipe in `data`. `file` names it in errors. Raises RecipeError."""
    if len(data) > MAX_FILE_BYTES:
        raise RecipeError(file, "", f"{len(data)} bytes: keep it under {MAX_FILE_BYTES}")
    try:
        text = data.decode()
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise RecipeError(file, "", f"not UTF-8 at byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(file, "", f"not TOML, mend the syntax: {error}") from error
    try:
        content = msgspec.convert(table, _File)
    except msgspec.ValidationError as error:
        raise _shape_error(file, str(error)) from error
    _check_head(content.recipe, file)
    stages = _stages(content.stage, file)
    head = content.recipe
    recipe = Recipe(head.name, head.text, head.crop, head.ppfd_umol_m2_s, tuple(head.source),
                    stages, text)
    if recipe.days > MOST_DAYS:
        raise RecipeError(file, "stage", f"{recipe.days} days: {MOST_DAYS} at most")
    return recipe


def local_day(unix_ms: int, utc_offset_min: int) -> int:
    """Return the number of the day at a wall time, by the clock of the node's place."""
    return (unix_ms + utc_offset_min * MINUTE_MS) // DAY_MS


def day_start_unix_ms(day: int, utc_offset_min: int) -> int:
    """Return the wall time at which a day of `local_day` begins."""
    return day * DAY_MS - utc_offset_min * MINUTE_MS


def _folder() -> Path:
    return Path(__file__).resolve().parent / "library"


def _shape_error(file: str, message: str) -> RecipeError:
    """Return msgspec's words as file, key and why."""
    why, _, path = message.partition(" - at ")
    key = path.strip("`").removeprefix("$").removeprefix(".")
    field = re.search(r"field `(\w+)`", why)
    if field:
        key = f"{key}.{field[1]}".lstrip(".")
        why = "unknown key" if "unknown" in why else "is missing"
    return RecipeError(file, key, f"{why[:1].lower()}{why[1:]}: {_FORM}")


def _check_head(head: _Head, file: str) -> None:
    if not _NAME.fullmatch(head.name):
        raise RecipeError(file, "recipe.name", "2 to 20 of a-z, 0-9 and - are needed")
    if file.endswith(".toml") and Path(file).stem != head.name:
        raise RecipeError(file, "recipe.name", f"must be the file's name, {Path(file).stem}")
    if not 1 <= head.ppfd_umol_m2_s <= 2_500:
        raise RecipeError(file, "recipe.ppfd_umol_m2_s", "1 to 2500 is needed")
    if not head.source or not all(text.strip() for text in head.source):
        raise RecipeError(file, "recipe.source", "at least one is needed: where is it from?")


def _stages(tables: list[_StageTable], file: str) -> tuple[Stage, ...]:
    if not 1 <= len(tables) <= MOST_STAGES:
        raise RecipeError(file, "stage", f"1 to {MOST_STAGES} are needed, not {len(tables)}")
    stages: list[Stage] = []
    first_day = 0
    for index, table in enumerate(tables):
        place = f"stage[{index}]"
        if not 1 <= table.days <= MOST_DAYS:
            raise RecipeError(file, f"{place}.days", f"1 to {MOST_DAYS} is needed")
        if not 1 <= table.ramp_days <= table.days:
            raise RecipeError(file, f"{place}.ramp_days", f"1 to its {table.days} days is needed")
        if not (table.name.strip() and table.source.strip()):
            raise RecipeError(file, f"{place}", "name and source must say something")
        said = _said(table.settings, file, f"{place}.settings")
        before = stages[-1].settings if stages else None
        if before is None:
            if table.ramp_days != 1:
                raise RecipeError(file, f"{place}.ramp_days", "the first stage begins at once")
            if not said:
                raise RecipeError(file, f"{place}.settings", "the first stage must say them all")
        else:
            for key in said:
                if key not in before:
                    why = "is not in the first stage, which says all that later ones change"
                    raise RecipeError(file, f"{place}.settings.{key}", why)
        stages.append(Stage(table.name, table.text, table.source, first_day, table.days,
                            table.ramp_days, {**(before or {}), **said}))
        first_day += table.days
    return tuple(stages)


def _said(tables: dict[str, Any], file: str, place: str) -> dict[str, Any]:
    """Return what a stage sets, each within the node's table. Raises RecipeError."""
    said = _flat(tables)
    for key, value in said.items():
        if key not in KEYS:
            why = (f"a recipe sets none such: it may set {', '.join(KEYS)}"
                   if key in protocol.SETTINGS else "no setting of a node")
            raise RecipeError(file, f"{place}.{key[:60]}", why)
        try:
            protocol.check_setting(key, value)
        except protocol.SettingsError as error:
            raise RecipeError(file, f"{place}.{key}", error.why) from error
    return said


def _flat(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tables.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _between(key: str, before: float, after: float, done: int, steps: int) -> Any:
    """Return `before` moved `done` of `steps` towards `after`, as the setting's kind."""
    if done >= steps:
        return after
    value = before + (after - before) * done / steps
    return round(value) if protocol.SETTINGS[key].kind == "int" else round(value, 3)
