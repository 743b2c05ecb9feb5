"""Results of many random cells as a distribution, and the promises they are held to.

CPython only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from idrosim.benchmark import firmware_policy, tables
from idrosim.benchmark.cases import Cell
from idrosim.benchmark.causes import causes
from idrosim.benchmark.measures import Measures
from idrosim.benchmark.tables import COLUMNS, Column, by_policy, misses

GOOD_SHARE = 0.98  # of the cells must meet every aim
MEDIAN_TO_BAND_H = 2.0
BETTER_SHARE, BETTER_BY = 0.01, 0.01  # of the cells, and of the time in band
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
QUANTILE_TITLES = ("measure", "policy", "5 %", "25 %", "median", "75 %", "95 %", "worst", "aim")


class Promise(NamedTuple):
    """One promise about all cells: what was found, and whether it is kept."""

    text: str
    found: float
    is_kept: bool


class BetterPeer(NamedTuple):
    """A cell where a peer is in band for over one point more of the time."""

    cell: str
    peer: str
    ours: float
    theirs: float

    @property
    def gain(self) -> float:
        """By how much the peer is better."""
        return self.theirs - self.ours


def promises(board: list[Measures]) -> list[Promise]:
    """Return the promises of our own policy; [] if it did not run."""
    weeks = by_policy(board)
    ours = weeks.get(firmware_policy.NAME, [])
    if not ours:
        return []
    good = sum(not misses(week) for week in ours) / len(ours)
    median_h = quantile(_sorted(_TO_BAND, ours), 0.5)
    found = [
        Promise(f"every aim is met in at least {100 * GOOD_SHARE:g} % of the greenhouses",
                good, good >= GOOD_SHARE),
        Promise(f"the median of the hours to band is at most {MEDIAN_TO_BAND_H:.1f}",
                median_h, round(median_h, 1) <= MEDIAN_TO_BAND_H)]
    if len(weeks) > 1:
        share = len(better_peers(board)) / len(ours)
        found.append(Promise(
            f"in at most {100 * BETTER_SHARE:g} % of the greenhouses a peer is in band over "
            f"{100 * BETTER_BY:g} % more of the time since both entered it",
            share, share <= BETTER_SHARE))
    return found


def better_peers(board: list[Measures]) -> list[BetterPeer]:
    """Return the cells where a peer is better in time in band, with the best peer of each.

    Both in the same hours, since the later of the two was in band: with its own hours each, a
    policy would win by coming late.
    """
    ours = {week.cell: week for week in board if week.policy == firmware_policy.NAME}
    best: dict[str, BetterPeer] = {}
    for week in board:
        if week.policy == firmware_policy.NAME or week.cell not in ours or week.to_band_h is None:
            continue
        from_h = max(week.to_band_h, ours[week.cell].to_band_h or 0.0)
        row = BetterPeer(week.cell, week.policy, ours[week.cell].in_band_ratio_since(from_h),
                         week.in_band_ratio_since(from_h))
        if row.gain > max(BETTER_BY, best[week.cell].gain if week.cell in best else 0.0):
            best[week.cell] = row
    return sorted(best.values(), key=lambda row: -row.gain)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of ordered numbers, by linear interpolation."""
    place = share * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low if low == high else low + (high - low) * (place - math.floor(place))


def quantiles(board: list[Measures]) -> dict[str, dict[str, list[float | None]]]:
    """Return {measure: {policy: quantiles and worst}}; None is never in band."""
    found: dict[str, dict[str, list[float | None]]] = {}
    for column in COLUMNS:
        found[column.title] = {}
        for policy, weeks in by_policy(board).items():
            ordered = _sorted(column, weeks)
            if ordered:
                worst = ordered[-1] if column.is_high_worse else ordered[0]
                values = [*(quantile(ordered, share) for share in QUANTILES), worst]
                found[column.title][policy] = [
                    value if math.isfinite(value) else None for value in values]
    return found


def _sorted(column: Column, weeks: list[Measures]) -> list[float]:
    """Return the values of a measure; a cell never in band is the worst of time and share."""
    values = [column.read(week) for week in weeks]
    if column is _TO_BAND:
        return sorted(math.inf if value is None else value for value in values)
    if column is _IN_BAND:
        return sorted(0.0 if value is None else value for value in values)
    if column is _WORST_PH:  # of cells that were never in band there is none
        return sorted(abs(week.worst_ph - week.target_ph) for week in weeks
                      if week.to_band_h is not None)
    return sorted(value for value in values if value is not None)


_TO_BAND, _IN_BAND, *_, _WORST_PH = COLUMNS


def quantile_rows(board: list[Measures]) -> list[list[str]]:
    """Return the table of quantiles as texts."""
    rows = []
    found = quantiles(board)
    for column in COLUMNS:
        aim = "" if column.aim is None else f"{column.aim:.{column.decimals}f}"
        rows += [[column.title, policy, *(_shown(column, value) for value in values), aim]
                 for policy, values in found[column.title].items()]
    return rows


def _shown(column: Column, value: float | None) -> str:
    return "never" if value is None else f"{value:.{column.decimals}f}"


POLICY_TITLES = ("policy", "greenhouses", "every aim met, %")


def policy_rows(board: list[Measures]) -> list[list[str]]:
    """Return a row per policy: cells, and the share that meets every aim."""
    return [[policy, str(len(weeks)),
             f"{100 * sum(not misses(week) for week in weeks) / len(weeks):.1f}"]
            for policy, weeks in by_policy(board).items()]


class Missed(NamedTuple):
    """A cell that our own policy missed."""

    cell: Cell
    week: Measures
    causes: list[str]


def missed(board: list[Measures], cells: list[Cell]) -> list[Missed]:
    """Return the cells that our own policy missed, worst first."""
    by_name = {cell.name: cell for cell in cells}
    found = [Missed(by_name[week.cell], week,
                    [cause.text for cause in causes(by_name[week.cell], week)])
             for week in board if week.policy == firmware_policy.NAME and misses(week)]
    return sorted(found, key=lambda row: -_severity(row.week))


def _severity(week: Measures) -> float:
    """Return how far a week is from its aims: 1 is as far again as the aim allows."""
    off = (1.0 - (week.in_band_ratio or 0.0)) / (1.0 - tables.IN_BAND) - 1.0
    return (max(0.0, off) + max(0.0, week.over_ph / tables.OVER_PH - 1.0)
            + max(0.0, week.over_ms_cm / tables.OVER_MS_CM - 1.0)
            + max(0.0, ((week.reagent_ratio or 1.0) - tables.REAGENT) / (tables.REAGENT - 1.0))
            + (100.0 if week.locked else 0.0))


MISSED_TITLES = ("greenhouse", "what it is", "misses", "cause")


def missed_rows(rows: list[Missed]) -> list[list[str]]:
    """Return the table of missed cells as texts."""
    return [[row.cell.name, described(row.cell), "; ".join(misses(row.week)),
             "; ".join(row.causes)] for row in rows]


def described(cell: Cell) -> str:
    """Return a cell in a few words."""
    acid, base = (_stock(cell.stocks[name]) for name in ("ph_down", "ph_up"))
    probes = f"{cell.probes:g} days old" if isinstance(cell.probes, float) else cell.probes
    text = (f"{cell.volume_l:g} l, {cell.crop_m2 or 0.0:g} m2, {cell.temp_c:g} C, alkalinity "
            f"{cell.alkalinity_meq_l:.1f} meq/l, pH {cell.fill_ph:.1f} to {cell.target_ph:g}, EC "
            f"{1e-3 * cell.target_us_cm:.2f} mS/cm, {acid}, {base}, pumps {cell.pump_ml_s:g} "
            f"ml/s, mixed in {cell.mixing_s / 60.0:.0f} min, probes {probes}")
    events = ", ".join(
        f"{event.kind} of {event.what} at hour {event.at_h:g} ({event.amount:g}"
        f"{' ml' if event.kind == 'pour' else ' times'})" for event in cell.disturbances)
    return f"{text}; {events}" if events else text


_STOCK_NAMES = {"P": "H3PO4", "NO3": "HNO3", "K": "KOH"}


def _stock(stock: Any) -> str:
    if isinstance(stock, str):
        return stock
    (ion, molar), *carbon = stock.items()
    name = _STOCK_NAMES[ion]
    if carbon:
        name = "KHCO3" if carbon[0][1] == molar else "K2CO3"
    return f"{molar:g} eq/l {name}"


def cause_counts(board: list[Measures], cells: list[Cell]) -> Counter[str]:
    """Return how many missed cells have each kind of cause."""
    by_name = {cell.name: cell for cell in cells}
    return Counter(cause.kind for week in board if week.policy == firmware_policy.NAME
                   for cause in causes(by_name[week.cell], week))


def to_json(
    board: list[Measures], cells: list[Cell], seed: int, refused: Counter[str]
) -> dict[str, Any]:
    """Return everything as plain data."""
    rows = missed(board, cells)
    return {
        "seed": seed, "are_promises_kept": all(row.is_kept for row in promises(board)),
        "promises": [row._asdict() for row in promises(board)],
        "refused": dict(refused.most_common()),
        "quantiles_of": list(QUANTILES), "quantiles": quantiles(board),
        "better_peers": [row._asdict() for row in better_peers(board)],
        "causes": dict(cause_counts(board, cells).most_common()),
        "missed": [{"cell": row.cell.name, "misses": misses(row.week), "causes": row.causes}
                   for row in rows],
        "drawn": [asdict(cell) for cell in cells],
        **tables.to_json(board, cells),
    }
