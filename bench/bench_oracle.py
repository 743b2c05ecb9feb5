"""Compares the water chemistry with the oracle tables: rms and largest error.

    python bench/bench_oracle.py [FOLDER] [--record]

FOLDER holds the tables, tests/oracle by default. The problems go through the solver of `idroserra
chem`. Exit code 1 if a tolerance of the README of the tables is exceeded.
"""

import argparse
import csv
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from idrosim.water_solver.solve import answer

TABLES = Path(__file__).resolve().parents[1] / "tests" / "oracle"
IONS = {"P_total": "P", "DIC_mmol_kgw": "C"}
# table: (pH rms, pH max, EC rms, EC max) in the working region
LIMITS = (0.02, 0.05, 0.02, 0.04)
EC_ANYWHERE = 0.10


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of a table."""
    with (folder / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Tables:
    """The tables of a folder as problems."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._salts = {row["solution"]: self._ions(row) for row in rows(folder, "compositions")}
        self._waters = {row["water"]: self._ions(row) for row in rows(folder, "waters")
                        if row["mode"] == "closed"}

    @staticmethod
    def _ions(row: dict[str, str]) -> dict[str, float]:
        named = {IONS.get(key, key): value for key, value in row.items()}
        return {ion: float(named[ion]) for ion in
                ("K", "Na", "NH4", "Ca", "Mg", "NO3", "Cl", "SO4", "P", "C") if ion in named}

    def _problem(self, row: dict[str, str], strength: float) -> dict[str, Any]:
        water = dict(self._waters[row["water"]])
        for ion, mmol in self._salts.get(row.get("solution", ""), {}).items():
            water[ion] = water.get(ion, 0.0) + mmol * strength
        return {"water": water, "temp_c": float(row["temp_C"]), "co2": row["mode"]}

    def waters(self) -> Iterator[tuple[dict[str, Any], dict[str, str], float]]:
        """Yield (problem, row with the truth, strength)."""
        for row in rows(self._folder, "waters"):
            yield self._problem(row, 0.0), row, 0.0

    def dilution(self) -> Iterator[tuple[dict[str, Any], dict[str, str], float]]:
        """Yield (problem, row with the truth, strength)."""
        for row in rows(self._folder, "nutrient_dilution"):
            strength = float(row["strength"])
            yield self._problem(row, strength), row, strength

    def titration(self) -> Iterator[tuple[dict[str, Any], dict[str, str], float]]:
        """Yield (problem, row with the truth, strength)."""
        for row in rows(self._folder, "titration_khco3_1M"):
            strength = float(row["strength"])
            problem = self._problem(row, strength)
            problem["add"] = [{"stock": row["stock"], "ml_per_l": float(row["mL_stock_per_kgw"])}]
            yield problem, row, strength

    def ratios(self) -> Iterator[float]:
        """Yield the error of conductivity at a temperature over that at 25 C."""
        for row in rows(self._folder, "ec_temperature"):
            strength = float(row["strength"])
            found = answer(self._problem({**row, "water": "ro", "mode": "closed"}, strength))
            yield found["ec_us_cm_at_t"] / found["ec_us_cm"] / float(row["ratio_to_25C"]) - 1.0


def rms(errors: list[float]) -> float:
    """Return the root mean square."""
    return math.sqrt(sum(error * error for error in errors) / max(len(errors), 1))


def largest(errors: list[float]) -> float:
    """Return the largest absolute value."""
    return max(map(abs, errors), default=0.0)


def measure(tables: Tables) -> tuple[list[str], bool]:
    """Return the lines of the result as a Markdown table, and whether every tolerance is met."""
    lines, is_good = ["| table | rows | pH rms | pH max | EC rms | EC max | EC max anywhere |",
                      "|---|---|---|---|---|---|---|"], True
    for name in ("waters", "dilution", "titration"):
        ph, working, anywhere = [], [], []
        for problem, row, strength in getattr(tables, name)():
            found = answer(problem)
            ph.append(found["ph"] - float(row["pH"]))
            anywhere.append(found["ec_us_cm_at_t"] / float(row["SC_uS_cm"]) - 1.0)
            if 0.25 <= strength <= 2.0:
                working.append(anywhere[-1])
        figures = (rms(ph), largest(ph), rms(working), largest(working))
        is_good &= all(f <= limit for f, limit in zip(figures, LIMITS, strict=True))
        is_good &= largest(anywhere) <= EC_ANYWHERE
        lines.append(f"| {name} | {len(ph)} | {figures[0]:.4f} | {figures[1]:.4f}"
                     f" | {100 * figures[2]:.2f} % | {100 * figures[3]:.2f} %"
                     f" | {100 * largest(anywhere):.2f} % |")
    ratios = list(tables.ratios())
    is_good &= largest(ratios) <= 0.015
    lines.append(f"| ratio to 25 °C | {len(ratios)} | | | {100 * rms(ratios):.2f} %"
                 f" | {100 * largest(ratios):.2f} % | |")
    return lines, is_good


def main() -> None:
    """Print a line per table; exit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=TABLES)
    parser.add_argument("--record", action="store_true", help="write the section of RESULTS.md")
    asked = parser.parse_args()
    if not (asked.folder / "waters.csv").exists():
        sys.exit(f"bench_oracle: no tables in {asked.folder}")
    lines, is_good = measure(Tables(asked.folder))
    print("\n".join(lines))
    if asked.record:
        from results import write_section  # found beside this script

        write_section("oracle", ".venv/bin/python bench/bench_oracle.py", lines)
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
