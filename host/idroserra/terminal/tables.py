"""Tables of nodes, readings, settings and events for the terminal."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Group, OverflowMethod, RenderableType
from rich.table import Table
from rich.text import Text

from idro.protocol.descriptions import SETTING_TEXTS
from idroserra.core import protocol
from idroserra.core.natural_order import natural_key
from idroserra.i18n.channels import duration_text
from idroserra.node_state.causes import LEVELS
from idroserra.nodes.system import system_texts

STYLES = {"ok": "green", "note": "cyan", "warn": "yellow", "bad": "bold red", "plain": "dim"}
SIGNS = {"ok": "✓", "note": "i", "warn": "!", "bad": "✗", "plain": "·"}
_OVERVIEW = (
    ("reservoir.ph", "pH"), ("reservoir.ec_us_cm", "EC\nmS/cm"),
    ("reservoir.temp_c", "water\n°C"),
    ("reservoir.level_mm", "level\nmm"), ("air.temp_c", "air\n°C"), ("air.rh_pct", "air\n%"),
)
_NARROW_COUNT = 4
_BLOCKS = "▁▂▃▄▅▆▇█"

Node = Mapping[str, Any]


def plain_table(
    *titles: str, no_wrap: Container[str] = (), right: Container[str] = (),
    overflow: OverflowMethod = "fold",
) -> Table:
    """Return a table without lines; `right`: the columns of numbers."""
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, justify="right" if title in right else "left",
                         no_wrap=title in no_wrap, overflow=overflow)
    return table


def worst_first(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes sorted by severity, worst first."""
    return sorted(nodes, key=lambda one: (
        -LEVELS.index(one["state"]["level"]), natural_key(one["node"])))


def nodes_table(nodes: Sequence[Node], now_unix_ms: int, *, wide: bool) -> RenderableType:
    """Return one row per node: readings, age, dosing and status.

    Without `wide`, air readings and dosing are left out."""
    shown = _OVERVIEW if wide else _OVERVIEW[:_NARROW_COUNT]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("node", no_wrap=True)
    for _, title in shown:
        table.add_column(title, justify="right")
    table.add_column("newest", min_width=8)
    if wide:
        table.add_column("dosing", no_wrap=True)
    table.add_column("status")
    for node in worst_first(nodes):
        cells = [value_text(node, key, now_unix_ms, unit=False) for key, _ in shown]
        dosing = node["dosing"]
        how = [Text(dosing["label"], style=STYLES[dosing["level"]])] if wide else []
        table.add_row(
            Text(node["node"], style="bold"), *cells, newest_age(node, now_unix_ms), *how,
            state_line(node["state"], now_unix_ms))
    return table


def node_detail(
    node: Node, events: Sequence[Mapping[str, Any]], now_unix_ms: int
) -> RenderableType:
    """Return state, readings, identity and newest events of a node."""
    parts: list[RenderableType] = [
        Text(node["node"], style="bold"), state_text(node["state"], now_unix_ms)]
    parts += [readings_table(node, now_unix_ms, {}), _identity(node)]
    if events:
        parts.append(_events_table(events))
    return Group(*parts)


def readings_table(node: Node, now_unix_ms: int, history: Mapping[str, Sequence[float]]) -> Table:
    """Return one row per channel; `history`: recent values for the sparkline."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True, min_width=18)
    table.add_column(justify="right", no_wrap=True, min_width=11)
    if history:
        table.add_column(no_wrap=True, min_width=24)
    table.add_column(no_wrap=True, min_width=13, style="dim")
    table.add_column(no_wrap=True)
    for key, channel in node["channels"].items():
        display = channel["display"]
        if display["place"] != "tile" and not channel["fault"]:
            continue
        blocks = sparkline(history.get(key, ()), display["notable"])
        line = [Text(blocks, style="cyan")] if history else []
        table.add_row(display["label"], value_text(node, key, now_unix_ms), *line,
                      band_text(channel), age_text(node, channel, now_unix_ms))
    return table


def settings_table(config: Mapping[str, Any]) -> RenderableType:
    """Return the current settings with unit and meaning."""
    table = _settings_table("setting", "value", "unit", "meaning")
    for key, row in protocol.SETTINGS.items():
        value = config["values"].get(key)
        shown = "unknown" if value is None else str(value)
        table.add_row(key, shown, row.unit, SETTING_TEXTS[key])
    return table


def differences_table(differences: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    """Return the settings of a node that differ from a restored backup."""
    table = _settings_table("setting", "of the node", "of the backup", "unit", "meaning")
    for key, one in differences.items():
        table.add_row(key, str(one["node"]), str(one["backup"]), protocol.SETTINGS[key].unit,
                      SETTING_TEXTS[key])
    return table


def _settings_table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, no_wrap=title != "meaning")
    return table


def state_line(cause: Mapping[str, Any], now_unix_ms: int) -> Text:
    """Return the state of a node, or one of its causes, with sign, colour and since when."""
    level, since = cause["level"], cause["since_unix_ms"]
    shown = Text(f"{SIGNS[level]} {cause['text']}", style=STYLES[level])
    if level != "ok" and since is not None and since <= now_unix_ms:
        shown.append(f" (since {clock_text(since)})", style="dim")
    return shown


def state_text(state: Mapping[str, Any], now_unix_ms: int) -> Text:
    """Return the state of a node with its code, who ends it, and its further causes."""
    lines = [state_line(state, now_unix_ms)]
    if state["level"] != "ok":
        codes = dict.fromkeys((state["code"], state["remedy"]))  # what `idroserra explain` takes
        lines[0].append(f" [{', '.join(codes)}; {state['mender']}]", style="dim")
    lines += [Text.assemble("  ", state_line(one, now_unix_ms)) for one in state["others"]]
    return Text("\n").join(lines)


def value_text(node: Node, key: str, now_unix_ms: int, *, unit: bool = True) -> Text:
    """Return a reading: fault as code, stale dimmed, out of band highlighted."""
    channel = node["channels"].get(key)
    if channel is None or channel["unix_ms"] is None:
        return Text("–", style="dim")
    stale = is_stale(node, channel, now_unix_ms)
    if channel["fault"]:
        return Text(channel["fault"], style="dim" if stale else STYLES["bad"])
    display = channel["display"]
    text = f"{channel['value'] * display['factor']:.{display['decimals']}f}"
    if unit and display["unit"]:
        text += f" {display['unit']}"
    band = channel["band"]
    if stale:
        return Text(text, style="dim strike")
    outside = band is not None and not band["low"] <= channel["value"] <= band["high"]
    return Text(text, style=STYLES["warn"] if outside else "bold")


def band_text(channel: Mapping[str, Any]) -> str:
    """Return the band, such as "5.60–6.00", or ""."""
    band, display = channel["band"], channel["display"]
    if band is None:
        return ""
    low, high = (
        f"{band[end] * display['factor']:.{display['decimals']}f}" for end in ("low", "high"))
    return f"{low}–{high}"


def is_stale(node: Node, channel: Mapping[str, Any], now_unix_ms: int) -> bool:
    """Return whether the newest reading of a channel is stale."""
    unix_ms = channel["unix_ms"]
    return unix_ms is None or now_unix_ms - unix_ms > node["stale_after_ms"]


def age_text(node: Node, channel: Mapping[str, Any], now_unix_ms: int) -> Text:
    """Return the age, such as "12 s ago", or since when a channel is stale."""
    unix_ms = channel["unix_ms"]
    if unix_ms is None:
        return Text("no data", style="dim")
    if is_stale(node, channel, now_unix_ms):
        return Text(f"no data since {clock_text(unix_ms)}", style=STYLES["warn"])
    return Text(f"{duration_text(max(0, now_unix_ms - unix_ms) // 1000 * 1000 or 1000)} ago",
                style="dim")


def newest_age(node: Node, now_unix_ms: int) -> Text:
    """Return the age of the newest reading of a node."""
    known = [c for c in node["channels"].values() if c["unix_ms"] is not None]
    if not known:
        return Text("never", style="dim")
    return age_text(node, max(known, key=lambda c: c["unix_ms"]), now_unix_ms)


def clock_text(unix_ms: float) -> str:
    """Return a local time, with the date if not today."""
    at = datetime.fromtimestamp(unix_ms / 1000).astimezone()
    is_today = at.date() == datetime.now(at.tzinfo).date()
    return at.strftime("%H:%M:%S" if is_today else "%d %b %H:%M")


def sparkline(values: Sequence[float], notable: float) -> str:
    """Return values as block characters; changes below `notable` appear flat."""
    if not values:
        return ""
    low, high = min(values), max(values)
    slack = max(0.0, (notable or 1.0) * 3 - (high - low)) / 2
    low, span, top = low - slack, high - low + 2 * slack, len(_BLOCKS) - 1
    return "".join(_BLOCKS[int((value - low) / span * top)] for value in values)


def _identity(node: Node) -> Text:
    config = node["config"]
    online = "online" if node["online"] else "offline"
    adopted = "" if node["adopted"] else ", not adopted: cannot be commanded"
    image = (node["image_sha256"] or "unknown")[:12]
    system = ", ".join(f"{part} {text}" for part, text in system_texts(node["system"]).items())
    return Text(
        f"\n{online}{adopted}; {node['board'] or 'board unknown'}, version "
        f"{node['version'] or 'unknown'}, image {image}, {system}, "
        f"clock {node['clock'] or 'unknown'}; "
        f"settings {config['reported_rev']} of {config['rev']}; {node['dosing']['text']}\n",
        style="dim")


def _events_table(events: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    for event in reversed(events):
        text = Text(f"{SIGNS[event['level']]} {event['text']}", style=STYLES[event["level"]])
        table.add_row(clock_text(event["unix_us"] / 1000), text)
    return table
