"""The application of `idroserra watch`: nodes, readings, chart, events; keys for commands.

A thread updates the NodeFeed that is displayed; requests to the host run in workers, so that the
screen never blocks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Footer, OptionList, Static
from textual.widgets.option_list import Option

from idroserra.client.requests import cli_user, not_done_text, send_and_wait
from idroserra.core.errors import HostError
from idroserra.terminal import tables
from idroserra.terminal.tui.chart import TimeSpan, chart
from idroserra.terminal.tui.node_feed import DAY_MS, HOUR_MS, NodeFeed
from idroserra.terminal.tui.screens import (
    ACTIVE_STATES,
    PRIORITY_STYLES,
    AlarmsScreen,
    ConfirmScreen,
    headline,
)

REDRAW_S = 0.5
CHART_EVERY_MS = 20_000
RANGES = {"1": ("hour", HOUR_MS), "2": ("day", DAY_MS), "3": ("week", 7 * DAY_MS),
          "4": ("month", 30 * DAY_MS)}
NARROW_CHARS, LOW_LINES = 90, 28
DECISIONS = ("decided",)

Json = dict[str, Any]


class WatchApp(App[None]):
    """The application. `feed` must be loaded; the application runs its follow()."""

    TITLE = "Idroserra"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = "watch.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "alarms", "alarms"),
        Binding("s", "stop", "stop dosing", priority=True),  # over a question too
        Binding("r", "resume", "resume"),
        Binding("n", "step(1)", "next node"),
        Binding("p", "step(-1)", "previous", show=False),
        *(Binding(key, f"span('{key}')", name) for key, (name, _) in RANGES.items()),
        Binding("w", "why", "all events"),
        Binding("question_mark", "help", "keys"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, feed: NodeFeed, ends_s: float | None = None) -> None:
        super().__init__()
        self._feed = feed
        self._ends_s = ends_s  # of time.monotonic(): when to exit
        self._chosen = ""
        self._is_chosen_by_hand = False  # else the node with the worst status is shown
        self._channel = ""
        self._span_key = "1"
        self._columns: list[Any] = []
        self._bands: list[Any] = []
        self._requested: tuple[str, str, str] = ("", "", "")  # node, channel, range of _columns
        self._requested_unix_ms = 0
        self._with_decisions = True
        self._message = Text()
        self._listed: list[str] = []
        self._is_built = False

    def compose(self) -> ComposeResult:
        """Yield the widgets."""
        yield Static(id="top")
        with Horizontal():
            yield OptionList(id="nodes")
            with Vertical(id="node"):
                yield Static(id="state")
                yield DataTable(id="readings", cursor_type="row", show_header=False)
                yield Static(id="chart")
                yield Static(id="why")
        yield Static(id="message")
        yield Footer()

    def on_mount(self) -> None:
        """Start following the host."""
        table = self.query_one("#readings", DataTable)
        for name in ("label", "value", "line", "band", "age"):
            table.add_column(name, key=name)
        threading.Thread(target=self._feed.follow, daemon=True).start()
        self.set_interval(REDRAW_S, self._redraw)
        table.focus()
        self._is_built = True
        self._redraw()

    def on_resize(self) -> None:
        """Hide widgets that do not fit a small terminal."""
        self.query_one("#nodes").display = self.size.width >= NARROW_CHARS
        self.query_one("#chart").display = self.size.height >= LOW_LINES
        self._redraw()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Chart the highlighted reading."""
        if event.row_key.value is not None and event.row_key.value != self._channel:
            self._channel = event.row_key.value
            self._redraw()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Show the selected node."""
        if event.option_list.id == "nodes":
            self._choose(self._listed[event.option_index])

    def action_step(self, by: int) -> None:
        """Show the next or previous node."""
        names = self._names()
        if names:
            at = names.index(self._chosen) if self._chosen in names else 0
            self._choose(names[(at + by) % len(names)])

    def action_span(self, key: str) -> None:
        """Set the range of the chart: hour, day, week or month."""
        self._span_key = key
        self._redraw()

    def action_why(self) -> None:
        """Toggle decisions in the list of events."""
        self._with_decisions = not self._with_decisions
        self._redraw()

    def action_help(self) -> None:
        """Show or hide the list of keys."""
        if self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    def action_alarms(self) -> None:
        """Show the alarms; acknowledge the selected one."""
        self.push_screen(AlarmsScreen(list(self._feed.alarms)), self._acknowledge)

    def action_stop(self) -> None:
        """Stop all dosing of the node at once, without a question; close one that is open."""
        if len(self.screen_stack) > 1:
            self.screen.dismiss(None)
        if node := self._chosen:
            self.run_worker(lambda: self._send_command(node, "stop"), thread=True)

    def action_resume(self) -> None:
        """Resume dosing of the node, after confirmation."""
        self._confirm("resume", f"Resume dosing of {self._chosen}?",
                      "First check the alarms for why it was stopped or locked.")

    def _confirm(self, verb: str, question: str, consequence: str) -> None:
        node = self._chosen
        if not node:
            return

        def answered(is_wanted: bool | None) -> None:
            if is_wanted:
                self.run_worker(lambda: self._send_command(node, verb), thread=True)

        self.push_screen(ConfirmScreen(question, consequence), answered)

    def _send_command(self, node: str, verb: str) -> None:
        """Send a command and show its result; runs in a worker."""
        self._show_message(f"{node}: {verb} pending …", "yellow")
        try:
            command = send_and_wait(self._feed.client, node, verb, {})
        except HostError as error:
            self._show_message(f"{node}: {verb} failed: {error}", tables.STYLES["bad"])
            return
        if command["state"] == "done":
            self._show_message(f"{node}: {verb} confirmed", tables.STYLES["ok"])
        else:
            self._show_message(f"{node}: {not_done_text(command)}", tables.STYLES["bad"])

    def _acknowledge(self, key: str | None) -> None:
        if key is not None:
            self.run_worker(lambda: self._send_acknowledge(key), thread=True)

    def _send_acknowledge(self, key: str) -> None:
        body = {"keys": [key], "by": cli_user(), "comment": ""}
        try:
            self._feed.client.send("POST", "/api/alarms/acknowledge", body)
            self._feed.load_alarms()
        except HostError as error:
            self._show_message(f"{key}: not acknowledged: {error}", tables.STYLES["bad"])
        else:
            self._show_message(f"acknowledged: {key}", tables.STYLES["ok"])

    def _show_message(self, text: str, style: str) -> None:
        self._message = Text(text, style=style)

    def _choose(self, name: str) -> None:
        self._chosen, self._is_chosen_by_hand = name, True
        self._redraw()

    def _names(self) -> list[str]:
        return [node["node"] for node in self._known()]

    def _known(self) -> list[Json]:
        with self._feed.lock:
            known = [dict(n) for n in self._feed.nodes.values() if "state" in n]
        return [dict(node) for node in tables.worst_first(known)]

    def _redraw(self) -> None:
        if self._ends_s is not None and time.monotonic() > self._ends_s:
            self.exit()
        if not self._is_built or not self._is_shown:
            return
        nodes = self._known()
        names = [node["node"] for node in nodes]
        if self._chosen not in names or not self._is_chosen_by_hand:
            self._chosen = names[0] if names else ""
        self.query_one("#top", Static).update(self._top(nodes))
        self.query_one("#message", Static).update(self._message)
        self._list_nodes(nodes)
        node = next((n for n in nodes if n["node"] == self._chosen), None)
        self.query_one("#node").display = node is not None
        if node is None:
            return
        self.query_one("#state", Static).update(
            tables.state_text(node["state"], time.time_ns() // 1_000_000))
        self._list_readings(node)
        self._draw_chart(node)
        self._list_events()

    @property
    def _is_shown(self) -> bool:
        """False while another screen is on top or during shutdown."""
        stack = self.screen_stack
        return bool(stack and stack[-1].query("#top"))

    def _top(self, nodes: Sequence[Json]) -> Text:
        feed = self._feed
        if feed.trouble:
            return Text(f"✗ {feed.trouble}", style=tables.STYLES["bad"])
        parts: list[Any] = [("Idroserra", "bold"), f"  {_count(len(nodes), 'node')}  "]
        if not nodes:
            parts.append(("No node has reported yet.", "dim"))
        active = [one for one in feed.alarms if one["state"] in ACTIVE_STATES]
        if active:
            worst = active[0]
            parts += [(_count(len(active), "alarm"), PRIORITY_STYLES[worst["priority"]]),
                      f"  {headline(worst)}"]
        elif nodes:
            parts.append(("no active alarms", "green"))
        return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")

    def _list_nodes(self, nodes: Sequence[Json]) -> None:
        shown = self.query_one("#nodes", OptionList)
        if not shown.display:
            return
        names = [node["node"] for node in nodes]
        options = [_node_line(node) for node in nodes]
        if names != self._listed:
            shown.clear_options()
            shown.add_options([Option(line) for line in options])
            self._listed = names
        else:
            for index, line in enumerate(options):
                shown.replace_option_prompt_at_index(index, line)
        if self._chosen in names and shown.highlighted != names.index(self._chosen):
            shown.highlighted = names.index(self._chosen)

    def _list_readings(self, node: Json) -> None:
        table = self.query_one("#readings", DataTable)
        now = time.time_ns() // 1_000_000
        history = self._feed.history.get(node["node"]) or {}
        rows = {}
        for key, channel in node["channels"].items():
            display = channel["display"]
            if display["place"] != "tile" and not channel["fault"]:
                continue
            rows[key] = (
                display["label"], tables.value_text(node, key, now),
                Text(tables.sparkline(history.get(key, ()), display["notable"]), style="cyan"),
                Text(tables.band_text(channel), style="dim"),
                tables.age_text(node, channel, now))
        if [row.value for row in table.rows] != list(rows):
            table.clear()
            for key, cells in rows.items():
                table.add_row(*cells, key=key)
            if self._channel in rows:
                table.move_cursor(row=list(rows).index(self._channel))
        else:
            for key, cells in rows.items():
                for name, cell in zip(("label", "value", "line", "band", "age"), cells,
                                      strict=True):
                    table.update_cell(key, name, cell, update_width=True)
        if self._channel not in rows:
            self._channel = next(iter(rows), "")

    def _draw_chart(self, node: Json) -> None:
        shown = self.query_one("#chart", Static)
        channel = node["channels"].get(self._channel)
        if channel is None or not shown.display or shown.size.width == 0:
            return
        name, span_ms = RANGES[self._span_key]
        now = time.time_ns() // 1_000_000
        wanted = (node["node"], self._channel, self._span_key)
        if wanted != self._requested or now - self._requested_unix_ms > CHART_EVERY_MS:
            if wanted != self._requested:
                self._columns, self._bands = [], []
            self._requested, self._requested_unix_ms = wanted, now
            columns = 2 * shown.size.width
            self.run_worker(lambda: self._load_chart(wanted, now, columns), thread=True,
                            group="chart", exclusive=True)
        with self._feed.lock:
            doses = [e for e in self._feed.events.get(node["node"], ()) if e["kind"] == "dosed"]
        shown.border_title = f"{channel['display']['label']}, the last {name}"
        size = shown.content_size
        shown.update(chart(self._columns, TimeSpan(now - span_ms, now), (size.width, size.height),
                           channel["display"], self._bands, doses))

    def _load_chart(self, wanted: tuple[str, str, str], to_unix_ms: int, columns: int) -> None:
        """Load the columns of the chart; runs in a worker."""
        node, channel, key = wanted
        span = {"from_unix_ms": to_unix_ms - RANGES[key][1], "to_unix_ms": to_unix_ms}
        try:
            found = self._feed.client.get(
                f"/api/nodes/{node}/series", channels=channel, columns=columns, **span)
            setpoints = self._feed.client.get(f"/api/nodes/{node}/setpoints", **span)
        except HostError as error:
            self._show_message(f"chart not available: {error}", tables.STYLES["warn"])
            return
        if wanted == self._requested:
            self._columns = found["series"].get(channel, [])
            self._bands = setpoints["bands"].get(channel, [])

    def _list_events(self) -> None:
        shown = self.query_one("#why", Static)
        with self._feed.lock:
            known = list(self._feed.events.get(self._chosen, ()))
        kinds = () if self._with_decisions else DECISIONS
        lines = [event for event in known if event["kind"] not in kinds]
        shown.border_title = "decisions and events" if self._with_decisions else "events"
        lines = lines[-max(1, shown.content_size.height):]
        newest_first = Text("\n", no_wrap=True, overflow="ellipsis").join(
            _event_line(event) for event in reversed(lines))
        shown.update(newest_first if lines else Text("no events today", style="dim"))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _node_line(node: Json) -> Text:
    level = node["state"]["level"]
    return Text.assemble((f"{tables.SIGNS[level]} ", tables.STYLES[level]),
                         (node["node"], "bold"), f"\n  {node['dosing']['label']}")


def _event_line(event: Json) -> Text:
    level = event["level"]
    return Text.assemble(
        (f"{tables.clock_text(event['unix_us'] / 1_000)}  ", "dim"),
        (f"{tables.SIGNS[level]} {event['text']}", tables.STYLES[level]))
