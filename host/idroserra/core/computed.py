"""Channels that the host computes from readings: VPD of the air and DLI of the lamps. Pure.

VPD: saturation minus actual vapour pressure, with the saturation over water of Buck's equation of
1996 (Buck Research CR-1A manual, appendix), as the firmware controls by. Of a column of a chart it
is computed from the means of its temperature and humidity.

DLI: daily light integral, mol/m2 of photosynthetic photons (400 to 700 nm) within the last 24
hours: the level of the lamps times their PPFD at full level, over time (Faust and Logan 2018,
HortScience 53:1250). A level is known for its column only; without nine tenths of the 24 hours
there is no DLI.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

DLI = "light.dli_mol_per_m2"
LIGHT_LEVELS = ("light.duty_pct", "light.on_pct")  # the first that a node has
DAY_MS = 86_400_000
KNOWN_SHARE = 0.9

Row = tuple[int, float, float, float]  # start of the column in Unix ms, minimum, mean, maximum


class LampPpfd(NamedTuple):
    """The PPFD of the lamps of a node at full level, and from when on it is declared."""

    umol_m2_s: float
    since_unix_ms: int


class Inputs(NamedTuple):
    """The channels that a VPD is computed from."""

    temp: str
    humidity: str


def vpd_pa(temp_c: float, rh_pct: float) -> int:
    """Return the vapour pressure deficit of air, Pa."""
    saturated_pa = 611.21 * math.exp((18.678 - temp_c / 234.5) * temp_c / (257.14 + temp_c))
    return int(saturated_pa * (100 - rh_pct) * 0.01 + 0.5)


def full_light_s(on_minutes: int, ramp_minutes: int) -> int:
    """Return the time at full level that gives the light of a day with a ramp at each end, of
    half the light each; a day of 24 h has none. In s."""
    lit_s = on_minutes * 60
    return lit_s if lit_s >= DAY_MS // 1_000 else lit_s - min(ramp_minutes * 60, lit_s // 2)


def dli_mol_per_m2(ppfd_umol_m2_s: float, lit_s: float) -> float:
    """Return the light integral of `lit_s` at a PPFD in umol/m2/s, mol/m2."""
    return ppfd_umol_m2_s * lit_s / 1e6


def vpd_inputs(channel: str, channels: Collection[str]) -> Inputs | None:
    """Return the inputs of a VPD channel that the host computes from `channels`, else None."""
    place, _, quantity = channel.partition(".")
    inputs = Inputs(f"{place}.temp_c", f"{place}.rh_pct")
    is_computed = quantity == "vpd_pa" and channel not in channels
    return inputs if is_computed and all(one in channels for one in inputs) else None


def vpd_channels(channels: Collection[str]) -> list[str]:
    """Return the VPD channels that the host computes from `channels`."""
    places = sorted(one.partition(".")[0] for one in channels if one.endswith(".rh_pct"))
    names = [f"{place}.vpd_pa" for place in places]
    return [one for one in names if vpd_inputs(one, channels) is not None]


def light_level(channels: Collection[str]) -> str | None:
    """Return the channel of the level of the lamps in percent, None without one."""
    return next((one for one in LIGHT_LEVELS if one in channels), None)


def with_vpd(
    values: Mapping[str, float], faults: Mapping[str, str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the values and faults of a record with the VPDs: a fault of an input is theirs."""
    more_values, more_faults = dict(values), dict(faults)
    for channel in vpd_channels([*values, *faults]):
        temp, humidity = f"{channel[:-6]}temp_c", f"{channel[:-6]}rh_pct"
        fault = faults.get(temp) or faults.get(humidity)
        if fault is None:
            more_values[channel] = vpd_pa(values[temp], values[humidity])
        else:
            more_faults[channel] = fault
    return more_values, more_faults


def vpd_rows(temps: Iterable[Row], humidities: Iterable[Row]) -> list[Row]:
    """Return the VPD of each column that has both readings."""
    humidity = {row[0]: row[2] for row in humidities}
    found = []
    for row in temps:
        if row[0] in humidity:
            vpd = float(vpd_pa(row[2], humidity[row[0]]))
            found.append((row[0], vpd, vpd, vpd))
    return found


def dli_rows(levels: Sequence[Row], width_ms: int, ppfd_umol_m2_s: float) -> list[Row]:
    """Return the DLI of the 24 hours up to the end of each column of the level of the lamps.

    The columns are width_ms wide and oldest first, and begin 24 hours before the first result."""
    found: list[Row] = []
    first, level_sum = 0, 0.0
    for index, row in enumerate(levels):
        level_sum += row[2]
        while levels[first][0] <= row[0] - DAY_MS:
            level_sum -= levels[first][2]
            first += 1
        count = index - first + 1
        if count * width_ms >= KNOWN_SHARE * DAY_MS:
            # A column without a reading has the mean level of the others.
            lit_s = level_sum / count / 100 * DAY_MS / 1_000
            dli = dli_mol_per_m2(ppfd_umol_m2_s, lit_s)
            found.append((row[0], dli, dli, dli))
    return found
