"""The setpoint bands of a channel over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from idroserra.nodes.states import band_of
from idroserra.setpoints.series import SettingsSeries

Band = tuple[float, float]


class BandStep(NamedTuple):
    """A band from a time on, in the stored unit; None without one."""

    from_unix_ms: int
    band: Band | None


def band_steps(
    settings: SettingsSeries, channel: str, from_unix_ms: int, to_unix_ms: int
) -> Sequence[BandStep]:
    """Return the bands in [from, to), oldest first; () if the channel has none."""
    found = [BandStep(*step) for step in settings.steps(
        from_unix_ms, to_unix_ms, lambda values: band_of(channel, values))]
    return () if all(step.band is None for step in found) else found
