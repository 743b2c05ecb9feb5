"""Reads custom cells of the scoreboard from a TOML file.

bench/score.md describes the format. Every mistake raises a ScenarioError that names file and key.
CPython only.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from idrosim.benchmark.cases import (
    ION_CHARGES,
    PH_STOCKS,
    PROBES,
    RECIPE,
    TARGET_PH,
    TEMP_C,
    Cell,
    Ions,
    TooWeakError,
    alkalinity_meq_l,
    nutrients,
    raw_ph,
)
from idrosim.greenhouse.chemistry import IONS
from idrosim.greenhouse.water import RECIPES, STOCKS, WATERS
from idrosim.scenarios.toml_table import ScenarioError, Table, is_number

ACIDS = ("h3po4", "hno3", *(name for name in PH_STOCKS if "K" not in STOCKS[name]))
BASES = tuple(name for name in PH_STOCKS if "K" in STOCKS[name])
ALKALINITY = "alkalinity_meq_l"
MAX_MMOL_L = 100.0
# Acceptance criterion of laboratories (Standard Methods 1030 E), and a tolerance for rounding.
_UNBALANCED_RATIO, _UNBALANCED_MEQ_L = 0.05, 0.05
_WATER_PH, _RECIPE_PH = (4.0, 9.5), (2.5, 8.5)


def load(file: Path) -> list[Cell]:
    """Return the cells of `file`. Raises ScenarioError."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScenarioError(file, "", str(error)) from None
    for key in content:
        if key != "cell":
            raise ScenarioError(file, key, "unknown key: expected [[cell]] tables")
    rows = content.get("cell", [])
    if not isinstance(rows, list) or not rows:
        raise ScenarioError(file, "cell", "expected at least one table [[cell]]")
    cells = [_cell(Table(file, f"cell-{index + 1}", row), f"cell-{index + 1}")
             for index, row in enumerate(rows)]
    names = [cell.name for cell in cells]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ScenarioError(file, f"cell-{index + 1}.name", f"{name!r} is used twice")
    return cells


def _cell(table: Table, title: str) -> Cell:
    title = table.text("name", title)
    if not title.strip():
        raise table.error("name", "is empty")
    temp_c = _number(table, "temp_c", 5.0, 35.0, TEMP_C)
    water, recipe = _water(table, temp_c), _recipe(table, temp_c)
    cell = Cell(
        water, table.choice("acid", ACIDS), _volume(table), _probes(table), recipe,
        table.choice("base", BASES) if table.has("base") else None, temp_c,
        _number(table, "target_ph", 4.5, 7.5, TARGET_PH),
        _optional(table, "target_us_cm", 200.0, 5_000.0),
        _optional(table, "crop_m2", 0.0, 1_000.0), _optional(table, "days", 0.1, 60.0), title,
        table.whole("seed", 1, 2**31) if table.has("seed") else None)
    table.finish()
    try:
        _ = cell.target_us_cm, cell.titration
    except TooWeakError as error:
        raise table.error(error.side, str(error)) from None
    except ValueError as error:
        raise table.error("target_us_cm", str(error)) from None
    return cell


def _number(
    table: Table, key: str, low: float, high: float, default: float | None = None
) -> float:
    value = table.take(key, (int, float), "a number", default)
    if not is_number(value) or not low <= value <= high:
        raise table.error(key, f"expected {low:g} to {high:g}, got {value!r}")
    return float(value)


def _optional(table: Table, key: str, low: float, high: float) -> float | None:
    return _number(table, key, low, high) if table.has(key) else None


def _volume(table: Table) -> float:
    return _number(table, "volume_l", 5.0, 2_000.0)


def _probes(table: Table) -> str | float:
    value = table.take("probe_age", (str, int, float), "fresh, aged or days", "fresh")
    if isinstance(value, str):
        if value not in PROBES:
            raise table.error("probe_age", f"expected {', '.join(PROBES)} or days, got {value!r}")
        return value
    if not is_number(value) or not 0 <= value <= 730:
        raise table.error("probe_age", f"expected 0 to 730 days, got {value!r}")
    return float(value)


def _water(table: Table, temp_c: float) -> str | Ions:
    value = table.take("water", (str, dict), "a name or a table of ions")
    if isinstance(value, str):
        return _named(table, "water", value, WATERS)
    ions = _ions(table, "water", value, (*IONS, ALKALINITY))
    carbon, alkalinity = ions.get("C"), ions.pop(ALKALINITY, None)
    if alkalinity is None:
        alkalinity = carbon or 0.0
    elif carbon is None:
        ions["C"] = alkalinity
    _check_balance(table, "water", ions, alkalinity, "alkalinity")
    _check_ph(table, "water", raw_ph(ions, temp_c=temp_c), _WATER_PH)
    return _in_order(ions)


def _recipe(table: Table, temp_c: float) -> str | Ions:
    value = table.take("recipe", (str, dict), "a name or a table of ions", RECIPE)
    known = {name: row for name, row in RECIPES.items() if row}
    if isinstance(value, str):
        return _named(table, "recipe", value, known)
    ions = _ions(table, "recipe", value, tuple(ION_CHARGES))
    if sum(ions.values()) < 1.0:
        raise table.error("recipe", "expected at least 1 mmol/L in total")
    _check_balance(table, "recipe", ions, 0.0, "expected")
    _check_ph(table, "recipe", raw_ph("ro", ions, temp_c), _RECIPE_PH)
    try:
        nutrients(ions, 1.0)
    except ValueError as error:
        raise table.error("recipe", str(error)) from None
    return _in_order(ions)


def _named(table: Table, key: str, value: str, known: dict[str, Any]) -> str:
    if value not in known:
        raise table.error(key, f"{value!r} is not one of {', '.join(known)}, or a table of ions")
    return value


def _ions(table: Table, key: str, row: dict[str, Any], known: tuple[str, ...]) -> Ions:
    for ion, amount in row.items():
        if ion not in known:
            raise table.error(f"{key}.{ion}", f"is not one of {', '.join(known)}")
        if not is_number(amount) or not 0.0 <= amount <= MAX_MMOL_L:
            raise table.error(f"{key}.{ion}",
                              f"expected 0 to {MAX_MMOL_L:g} mmol/L, got {amount!r}")
    return {ion: float(amount) for ion, amount in row.items()}


def _check_balance(table: Table, key: str, ions: Ions, given_meq_l: float, name: str) -> None:
    off = alkalinity_meq_l(ions) - given_meq_l
    charges = given_meq_l + sum(abs(charge) * ions.get(ion, 0.0)
                                for ion, charge in ION_CHARGES.items())
    if abs(off) > max(_UNBALANCED_MEQ_L, _UNBALANCED_RATIO * charges):
        raise table.error(key, f"the charges do not balance: cations less anions are "
                               f"{off + given_meq_l:.2f} meq/l, {name} {given_meq_l:.2f}")


def _check_ph(table: Table, key: str, ph: float, within: tuple[float, float]) -> None:
    if not within[0] <= ph <= within[1]:
        raise table.error(key, f"its pH would be {ph:.1f}, outside {within[0]:g} to "
                               f"{within[1]:g}: check for missing or wrong ions")


def _in_order(ions: Ions) -> Ions:
    return {ion: ions[ion] for ion in IONS if ions.get(ion)}
