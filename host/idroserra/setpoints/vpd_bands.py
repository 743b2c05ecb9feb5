"""The VPD band of a node: climate setpoints by day and by night, as its light schedule says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idroserra.nodes.node import Node
from idroserra.setpoints.bands import Band, BandStep
from idroserra.setpoints.series import SettingsSeries

_DAY_MS = 86_400_000
_CLIMATE_OUTPUTS = ("fan", "humidifier")
_KEYS = (
    "climate.vpd_low_day_pa", "climate.vpd_high_day_pa", "climate.vpd_low_night_pa",
    "climate.vpd_high_night_pa", "light.on_minute", "light.on_minutes", "clock.utc_offset_min")

Values = Mapping[str, Any]


def controls_vpd(node: Node) -> bool:
    """Return whether the node has an output that changes the VPD."""
    return node.info is not None and any(one in node.info.outputs for one in _CLIMATE_OUTPUTS)


def vpd_band(values: Values, unix_ms: int) -> Band | None:
    """Return the band in Pa at a time; None if a setting is unknown."""
    if not all(key in values for key in _KEYS):
        return None
    when = "day" if _since_on_ms(values, unix_ms) < _lit_ms(values) else "night"
    return values[f"climate.vpd_low_{when}_pa"], values[f"climate.vpd_high_{when}_pa"]


def vpd_band_steps(
    settings: SettingsSeries, from_unix_ms: int, to_unix_ms: int
) -> list[BandStep]:
    """Return the bands in [from, to), oldest first; [] if none is known."""
    kept = settings.steps(
        from_unix_ms, to_unix_ms,
        lambda values: {key: values[key] for key in _KEYS if key in values})
    ends = [begin for begin, _values in kept[1:]] + [to_unix_ms]
    found: list[BandStep] = []
    for (begin, values), end in zip(kept, ends, strict=True):
        unix_ms: int | None = begin
        while unix_ms is not None and unix_ms < end:
            step = BandStep(unix_ms, vpd_band(values, unix_ms))
            if not found or found[-1].band != step.band:
                found.append(step)
            unix_ms = _next_switch(values, unix_ms)
    return [] if all(step.band is None for step in found) else found


def _next_switch(values: Values, unix_ms: int) -> int | None:
    """Return when day or night begins after a time, None if never."""
    if not all(key in values for key in _KEYS) or not 0 < _lit_ms(values) < _DAY_MS:
        return None
    since_ms = _since_on_ms(values, unix_ms)
    return unix_ms - since_ms + (_lit_ms(values) if since_ms < _lit_ms(values) else _DAY_MS)


def _lit_ms(values: Values) -> int:
    return int(values["light.on_minutes"]) * 60_000


def _since_on_ms(values: Values, unix_ms: int) -> int:
    """Return the time since the lights last came on by the schedule."""
    local_ms = unix_ms + int(values["clock.utc_offset_min"]) * 60_000
    return (local_ms - int(values["light.on_minute"]) * 60_000) % _DAY_MS
