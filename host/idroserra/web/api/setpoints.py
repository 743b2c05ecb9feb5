"""The HTTP API of the setpoints of a node over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta

from idroserra.core.computed import DLI, LampPpfd, light_level, vpd_channels
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.setpoints.bands import band_steps
from idroserra.setpoints.dli_bands import dli_band_steps
from idroserra.setpoints.history import SettingsHistory
from idroserra.setpoints.series import SettingsSeries
from idroserra.setpoints.vpd_bands import controls_vpd, vpd_band_steps
from idroserra.web.api.ranges import FromMs, ToMs, check_span
from idroserra.web.api.schemas import Out, error_replies
from idroserra.web.routing import Routes


class BandOut(Out):
    """The band of a channel from a time on, in its stored unit; null without one."""

    from_unix_ms: int
    low: float | None
    high: float | None


class SetpointsOut(Out):
    """The settings that were active in a range. The first entry of each list was active at the
    begin of the range."""

    node: str
    from_unix_ms: int
    to_unix_ms: int
    known_from_unix_ms: Annotated[int | None, Meta(
        description="From when on settings are known; before, the earliest known ones are used. "
                    "null: never reported.")]
    settings: Annotated[dict[str, list[tuple[int, Any]]], Meta(
        description="By setting: [unix_ms from when on, value], oldest first.")]
    bands: Annotated[dict[str, list[BandOut]], Meta(description="By channel, oldest first.")]


def setpoints_router(
    nodes: Nodes, history: SettingsHistory, ppfd_of: Callable[[str], LampPpfd | None]
) -> Routes:
    """Return the route. `ppfd_of` returns the PPFD of the lamps of a node, if it is declared."""
    router = Routes("/api", error_replies({
        404: "No such node.", 503: "A database of the host does not answer."}))

    @router.get("/nodes/{node}/setpoints", answer=SetpointsOut)
    def setpoints(node: str, from_unix_ms: FromMs, to_unix_ms: ToMs) -> dict[str, Any]:
        """Return the settings and bands that were active in a range."""
        found = nodes.get(node)
        check_span(from_unix_ms, to_unix_ms)
        return setpoints_json(
            found, history.of(found), ppfd_of(node), from_unix_ms, to_unix_ms)

    return router


def setpoints_json(
    node: Node, series: SettingsSeries, ppfd: LampPpfd | None, from_unix_ms: int, to_unix_ms: int
) -> dict[str, Any]:
    """Return SetpointsOut."""
    channels = () if node.info is None else node.info.channels
    bands = {one: band_steps(series, one, from_unix_ms, to_unix_ms) for one in channels}
    if controls_vpd(node):
        steps = vpd_band_steps(series, from_unix_ms, to_unix_ms)
        # A node with a fan or a humidifier computes the VPD of its air itself.
        own = [one for one in channels if one.endswith(".vpd_pa")]
        bands |= dict.fromkeys([*own, *vpd_channels(channels)], steps)
    if ppfd is not None and light_level(channels) is not None:
        bands[DLI] = dli_band_steps(series, ppfd, from_unix_ms, to_unix_ms)
    return {
        "node": node.node, "from_unix_ms": from_unix_ms, "to_unix_ms": to_unix_ms,
        "known_from_unix_ms": series.known_from_unix_ms,
        "settings": series.changes(from_unix_ms, to_unix_ms),
        "bands": {channel: [
            {"from_unix_ms": begin, "low": None if band is None else band[0],
             "high": None if band is None else band[1]} for begin, band in steps]
            for channel, steps in bands.items() if steps}}
