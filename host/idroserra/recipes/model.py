"""The recipe model: what a crop needs, stage by stage over days, as settings of a node. Pure.

    [recipe]   name (that of the file), text, crop, ppfd_umol_m2_s, source
    [[stage]]  name, days, text, source, ramp_days and [stage.settings]

The first stage sets every setting of the recipe; a later one only what changes. With
`ramp_days = n` numbers change in n equal steps, one a day, the last on day n of the stage. Days
count from 0 here and from 1 for people.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from idroserra.core import protocol
from idroserra.core.computed import dli_mol_per_m2, full_light_s
from idroserra.core.errors import RecipeError
from idroserra.core.text import Text
from idroserra.core.toml_text import MOST_DOTS, line_of_long_key
from idroserra.i18n.errors import error_english
from idroserra.i18n.marker import N_

MAX_FILE_BYTES = 65_536
MOST_STAGES = 20
MOST_DAYS = 400
DAY_MS = 86_400_000
MINUTE_MS = 60_000

# The settings a recipe may set. All others belong to the tank, the pumps, the probes or the
# operator: a recipe does not enable dosing and changes no calibration.
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
    """One stage. `settings`: all that are active at its end, including earlier stages'."""

    name: str
    text: str
    source: str
    first_day: int
    days: int
    ramp_days: int
    settings: Mapping[str, Any]


class StagePosition(NamedTuple):
    """The position of a day: index of the stage, and the day in it from 0."""

    stage: int
    day: int


class Recipe(NamedTuple):
    """A checked recipe. `ppfd_umol_m2_s`: the light of its lamps at full duty."""

    name: str
    text: str
    crop: str
    ppfd_umol_m2_s: int
    source: tuple[str, ...]
    stages: tuple[Stage, ...]
    toml: str

    @property
    def days(self) -> int:
        """The duration in days."""
        last = self.stages[-1]
        return last.first_day + last.days

    @property
    def digest(self) -> str:
        """A hash of the file's text, which tells an edited recipe from the one before."""
        return digest_of(self.toml)

    def place(self, day: int) -> StagePosition:
        """Return the position of `day`; a day past the end is the last day of the last stage."""
        if day < 0:
            raise ValueError(f"day {day}: the first is 0")
        inside = min(day, self.days - 1)
        index = max(i for i, stage in enumerate(self.stages) if stage.first_day <= inside)
        return StagePosition(index, inside - self.stages[index].first_day)

    def settings_at(self, day: int) -> dict[str, Any]:
        """Return the settings of `day`; past the end those of the last day."""
        at = self.place(day)
        stage = self.stages[at.stage]
        if at.stage == 0:
            return dict(stage.settings)
        before = self.stages[at.stage - 1].settings
        done = min(at.day + 1, stage.ramp_days)
        return {key: _between(key, before[key], value, done, stage.ramp_days)
                for key, value in stage.settings.items()}

    def changes(self) -> list[tuple[int, dict[str, Any]]]:
        """Return (day, changed settings) of every day that changes something; day 0 has all."""
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
        """Return the daily light integral in mol/m2 at the end of a stage, with its lamps."""
        settings = self.stages[stage].settings
        lit_s = full_light_s(settings.get("light.on_minutes", 0),
                             settings.get("light.ramp_minutes", 0))
        return dli_mol_per_m2(
            self.ppfd_umol_m2_s, lit_s * settings.get("light.duty_pct", 0) / 100)


def names() -> list[str]:
    """Return the names of the shipped recipes."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load(name: str) -> Recipe:
    """Return the shipped recipe `name`. Raises RecipeError."""
    if name not in names():
        raise RecipeError(name, "", f"no such recipe; there are: {', '.join(names())}")
    return load_file(_folder() / f"{name}.toml")


def load_file(path: Path) -> Recipe:
    """Return the recipe in the file `path`. Raises RecipeError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        why = f"cannot be read ({error.strerror}): check the path"
        raise RecipeError(str(path), "", why) from error
    return parse(data, path.name)


def find(name_or_file: str) -> Recipe:
    """Return a shipped recipe, or the one in a file. Raises RecipeError."""
    return load_file(Path(name_or_file)) if is_file(name_or_file) else load(name_or_file)


def is_file(name_or_file: str) -> bool:
    """Return whether it names a file, not a recipe."""
    return name_or_file.endswith(".toml") or "/" in name_or_file


def parse(data: bytes, file: str) -> Recipe:
    """Return the recipe in `data`. `file` names it in errors. Raises RecipeError."""
    if len(data) > MAX_FILE_BYTES:
        raise RecipeError(file, "", f"{len(data)} bytes: keep it under {MAX_FILE_BYTES}")
    try:
        text = data.decode()
        _check_keys(text, file)
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise RecipeError(file, "", f"not UTF-8 at byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(file, "", f"not TOML, check the syntax: {error}") from error
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
        raise RecipeError(file, "stage", Text(
            N_("{days} days: {most} at most"), days=recipe.days, most=MOST_DAYS))
    return recipe


def digest_of(toml: str) -> str:
    """Return a hash of the text of a recipe's file."""
    return hashlib.sha256(toml.encode()).hexdigest()[:16]


def local_day(unix_ms: int, utc_offset_min: int) -> int:
    """Return the number of the local day of the node at a wall time."""
    return (unix_ms + utc_offset_min * MINUTE_MS) // DAY_MS


def day_start_unix_ms(day: int, utc_offset_min: int) -> int:
    """Return the wall time at which a local day begins."""
    return day * DAY_MS - utc_offset_min * MINUTE_MS


def _folder() -> Path:
    return Path(__file__).resolve().parent / "library"


def _shape_error(file: str, message: str) -> RecipeError:
    """Return msgspec's message as a RecipeError with file, key and why."""
    why, _, path = message.partition(" - at ")
    key = path.strip("`").removeprefix("$").removeprefix(".")
    field = re.search(r"field `(\w+)`", why)
    if field:
        key = f"{key}.{field[1]}".lstrip(".")
        why = "unknown key" if "unknown" in why else "is missing"
    return RecipeError(file, key, f"{why[:1].lower()}{why[1:]}: {_FORM}")


def _check_keys(text: str, file: str) -> None:
    line = line_of_long_key(text)
    if line is not None:
        raise RecipeError(file, "", Text(
            N_("line {line}: a key has at most {most} dots"), line=line, most=MOST_DOTS))


def _check_head(head: _Head, file: str) -> None:
    if not _NAME.fullmatch(head.name):
        raise RecipeError(file, "recipe.name", N_("2 to 20 of a-z, 0-9 and - are needed"))
    if file.endswith(".toml") and Path(file).stem != head.name:
        raise RecipeError(file, "recipe.name", Text(
            N_("must be the file's name, {name}"), name=Path(file).stem))
    if not 1 <= head.ppfd_umol_m2_s <= 2_500:
        raise RecipeError(file, "recipe.ppfd_umol_m2_s", Text(
            N_("{low} to {high} is needed"), low=1, high=2_500))
    if not head.source or not all(text.strip() for text in head.source):
        raise RecipeError(file, "recipe.source", N_("at least one source is needed"))


def _stages(tables: list[_StageTable], file: str) -> tuple[Stage, ...]:
    if not 1 <= len(tables) <= MOST_STAGES:
        raise RecipeError(file, "stage", Text(
            N_("1 to {most} are needed, not {count}"), most=MOST_STAGES, count=len(tables)))
    stages: list[Stage] = []
    first_day = 0
    for index, table in enumerate(tables):
        place = f"stage[{index}]"
        if not 1 <= table.days <= MOST_DAYS:
            raise RecipeError(file, f"{place}.days", Text(
                N_("{low} to {high} is needed"), low=1, high=MOST_DAYS))
        if not 1 <= table.ramp_days <= table.days:
            raise RecipeError(file, f"{place}.ramp_days", Text(
                N_("1 to its {days} days is needed"), days=table.days))
        for field in ("name", "source"):
            if not getattr(table, field).strip():
                raise RecipeError(file, f"{place}.{field}", N_("must not be empty"))
        settings = _settings(table.settings, file, f"{place}.settings")
        before = stages[-1].settings if stages else None
        if before is None:
            if table.ramp_days != 1:
                raise RecipeError(file, f"{place}.ramp_days", N_(
                    "the first stage has no ramp"))
            if not settings:
                raise RecipeError(file, f"{place}.settings", N_(
                    "the first stage must set them all"))
        else:
            for key in settings:
                if key not in before:
                    why = N_("is not in the first stage, which sets all that later ones change")
                    raise RecipeError(file, f"{place}.settings.{key}", why)
        stages.append(Stage(table.name, table.text, table.source, first_day, table.days,
                            table.ramp_days, {**(before or {}), **settings}))
        first_day += table.days
    return tuple(stages)


def _settings(tables: dict[str, Any], file: str, place: str) -> dict[str, Any]:
    """Return the settings of a stage, checked against the node's table. Raises RecipeError."""
    settings: dict[str, Any] = {}
    for key, value in _flat(tables):
        if key in settings:  # "ph.target" and ph.target are two keys of TOML
            raise RecipeError(file, f"{place}.{key}", N_("is set twice"))
        if key not in KEYS:
            why = (f"a recipe cannot set this; it can set {', '.join(KEYS)}"
                   if key in protocol.SETTINGS else "not a setting of a node")
            raise RecipeError(file, f"{place}.{key[:60]}", why)
        try:
            protocol.check_setting(key, value)
        except protocol.SettingsError as error:
            raise RecipeError(
                file, f"{place}.{key}", error_english(error), is_setting=True) from error
        settings[key] = value
    return settings


def _flat(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tables.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _between(key: str, before: float, after: float, done: int, steps: int) -> Any:
    """Return `before` moved by `done` of `steps` towards `after`, in the setting's type."""
    if done >= steps:
        return after
    value = before + (after - before) * done / steps
    return round(value) if protocol.SETTINGS[key].kind == "int" else round(value, 3)
