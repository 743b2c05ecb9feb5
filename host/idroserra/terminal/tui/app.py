"""The watch: nodes, readings, a chart and why, live in a terminal; a few keys act.

Everything shown comes from the Watcher, which a thread of its own keeps; what is asked of the host
runs in workers, so the screen never waits.
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

from idroserra.client.requests import cli_user, send_and_wait
from idroserra.core.errors import HostError
from idroserra.terminal import tables
from idroserra.terminal.tui.chart import Span, chart
from idroserra.terminal.tui.node_feed import DAY_MS, HOUR_MS, Watcher
from idroserra.terminal.tui.screens import PRIORITY_STYLES, STANDING, Alarms, Question, headline

REDRAW_S = 0.5
CHART_EVERY_MS = 20_000
RANGES = {"1": ("hour", HOUR_MS), "2": ("day", DAY_MS), "3": ("week", 7 * DAY_MS),
          "4": ("month", 30 * DAY_MS)}
NARROW_CHARS, LOW_LINES = 90, 28
DECISIONS = ("decided",)

Json = dict[str, Any]


class WatchApp(App[None]):
    """The application. `watcher` is loaded; its follow() is started here."""

    TITLE = "Idroserra"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = "watch.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "alarms", "alarms"),
        Binding("s", "stop", "stop dosing"),
        Binding("r", "resume", "resume"),
        Binding("n", "step(1)", "next node"),
        Binding("p", "step(-1)", "previous", show=False),
        *(Binding(key, f"span('{key}')", name) for key, (name, _) in RANGES.items()),
        Binding("w", "why", "all events"),
        Binding("question_mark", "help", "keys"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, watcher: Watcher, ends_s: float | None = None) -> None:
        super().__init__()
        self._watcher = watcher
        self._ends_s = ends_s  # of time.monotonic(): it closes by itself
        self._chosen = ""
        self._is_chosen_by_hand = False  # else the node that needs somebody most is shown
        self._channel = ""
        self._span_key = "1"
        self._columns: list[Any] = []
        self._asked: tuple[str, str, str] = ("", "", "")  # what the columns are of
        self._asked_unix_ms = 0
        self._with_decisions = True
        self._said = Text()
        self._listed: list[str] = []
        self._is_built = False

    def compose(self) -> ComposeResult:
        """Build it."""
        yield Static(id="top")
        with Horizontal():
            yield OptionList(id="nodes")
            with Vertical(id="node"):
                yield Static(id="verdict")
                yield DataTable(id="readings", cursor_type="row", show_header=False)
                yield Static(id="chart")
                yield Static(id="why")
        yield Static(id="said")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to follow the host."""
        table = self.query_one("#readings", DataTable)
        for name in ("label", "value", "line", "band", "age"):
            table.add_column(name, key=name)
        threading.Thread(target=self._watcher.follow, daemon=True).start()
        self.set_interval(REDRAW_S, self._redraw)
        table.focus()
        self._is_built = True
        self._redraw()

    def on_resize(self) -> None:
        """Leave out what a small terminal has no room for."""
        self.query_one("#nodes").display = self.size.width >= NARROW_CHARS
        self.query_one("#chart").display = self.size.height >= LOW_LINES
        self._redraw()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Chart the reading that the cursor is on."""
        if event.row_key.value is not None and event.row_key.value != self._channel:
            self._channel = event.row_key.value
            self._redraw()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Show the node that was chosen."""
        if event.option_list.id == "nodes":
            self._choose(self._listed[event.option_index])

    def action_step(self, by: int) -> None:
        """Show the next node, or the one before."""
        names = self._names()
        if names:
            at = names.index(self._chosen) if self._chosen in names else 0
            self._choose(names[(at + by) % len(names)])

    def action_span(self, key: str) -> None:
        """Chart an hour, a day, a week or a month."""
        self._span_key = key
        self._redraw()

    def action_why(self) -> None:
        """Show decisions with the events, or events alone."""
        self._with_decisions = not self._with_decisions
        self._redraw()

    def action_help(self) -> None:
        """Show or hide every key."""
        if self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    def action_alarms(self) -> None:
        """Show the alarms; acknowledge the one that is chosen."""
        self.push_screen(Alarms(list(self._watcher.alarms)), self._acknowledge)

    def action_stop(self) -> None:
        """Stop all dosing of the node, once confirmed."""
        self._confirm("stop", f"Stop all dosing of {self._chosen}?",
                      "Nothing is dosed until somebody resumes it. Circulation and light go on.")

    def action_resume(self) -> None:
        """Release dosing of the node, once confirmed."""
        self._confirm("resume", f"Release dosing of {self._chosen} again?",
                      "First find out why it was stopped or locked: look at the alarms.")

    def _confirm(self, verb: str, question: str, consequence: str) -> None:
        node = self._chosen
        if not node:
            return

        def answered(is_wanted: bool | None) -> None:
            if is_wanted:
                self.run_worker(lambda: self._ask(node, verb), thread=True)

        self.push_screen(Question(question, consequence), answered)

    def _ask(self, node: str, verb: str) -> None:
        """Send a command and tell what became of it; in a worker."""
        self._tell(f"{node}: {verb} pending …", "yellow")
        try:
            command = send_and_wait(self._watcher.client, node, verb, {})
        except HostError as error:
            self._tell(f"{node}: {verb} failed: {error}", tables.STYLES["bad"])
            return
        if command["state"] == "done":
            self._tell(f"{node}: {verb} confirmed", tables.STYLES["ok"])
        else:
            why = command["reason"] or "the node gave no answer in time"
            self._tell(f"{node}: {verb} {command['state']}: {why}", tables.STYLES["bad"])

    def _acknowledge(self, key: str | None) -> None:
        if key is not None:
            self.run_worker(lambda: self._send_acknowledge(key), thread=True)

    def _send_acknowledge(self, key: str) -> None:
        body = {"keys": [key], "by": cli_user(), "comment": ""}
        try:
            self._watcher.client.send("POST", "/api/alarms/acknowledge", body)
            self._watcher.load_alarms()
        except HostError as error:
            self._tell(f"{key}: not acknowledged: {error}", tables.STYLES["bad"])
        else:
            self._tell(f"acknowledged: {key}", tables.STYLES["ok"])

    def _tell(self, text: str, style: str) -> None:
        self._said = Text(text, style=style)

    def _choose(self, name: str) -> None:
        self._chosen, self._is_chosen_by_hand = name, True
        self._redraw()

    def _names(self) -> list[str]:
        return [node["node"] for node in self._known()]

    def _known(self) -> list[Json]:
        with self._watcher.lock:
            known = [dict(n) for n in self._watcher.nodes.values() if "verdict" in n]
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
        self.query_one("#said", Static).update(self._said)
        self._list_nodes(nodes)
        node = next((n for n in nodes if n["node"] == self._chosen), None)
        self.query_one("#node").display = node is not None
        if node is None:
            return
        self.query_one("#verdict", Static).update(_verdict(node))
        self._list_readings(node)
        self._draw_chart(node)
        self._list_events()

    @property
    def _is_shown(self) -> bool:
        """False while something lies over it, and once it is being taken down."""
        return bool(self.screen.query("#top"))

    def _top(self, nodes: Sequence[Json]) -> Text:
        watcher = self._watcher
        if watcher.trouble:
            return Text(f"✗ {watcher.trouble}", style=tables.STYLES["bad"])
        parts: list[Any] = [("Idroserra", "bold"), f"  {_count(len(nodes), 'node')}  "]
        if not nodes:
            parts.append(("No node has reported yet.", "dim"))
        standing = [one for one in watcher.alarms if one["state"] in STANDING]
        if standing:
            worst = standing[0]
            parts += [(_count(len(standing), "alarm"), PRIORITY_STYLES[worst["priority"]]),
                      f"  {headline(worst)}"]
        elif nodes:
            parts.append(("no alarm", "green"))
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
        history = self._watcher.history.get(node["node"]) or {}
        rows = {}
        for key, channel in node["channels"].items():
            look = channel["display"]
            if look["place"] != "tile" and not channel["fault"]:
                continue
            rows[key] = (
                look["label"], tables.value_text(node, key, now),
                Text(tables.sparkline(history.get(key, ()), look["notable"]), style="cyan"),
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
        if wanted != self._asked or now - self._asked_unix_ms > CHART_EVERY_MS:
            if wanted != self._asked:
                self._columns = []
            self._asked, self._asked_unix_ms = wanted, now
            columns = 2 * shown.size.width
            self.run_worker(lambda: self._load_chart(wanted, now, columns), thread=True,
                            group="chart", exclusive=True)
        with self._watcher.lock:
            doses = [e for e in self._watcher.events.get(node["node"], ()) if e["kind"] == "dosed"]
        shown.border_title = f"{channel['display']['label']}, the last {name}"
        size = shown.content_size
        shown.update(chart(self._columns, Span(now - span_ms, now), (size.width, size.height),
                           channel["display"], channel["band"], doses))

    def _load_chart(self, wanted: tuple[str, str, str], to_unix_ms: int, columns: int) -> None:
        """Read the columns of the chart; in a worker."""
        node, channel, key = wanted
        try:
            found = self._watcher.client.get(
                f"/api/nodes/{node}/series", channels=channel, columns=columns,
                from_unix_ms=to_unix_ms - RANGES[key][1], to_unix_ms=to_unix_ms)
        except HostError as error:
            self._tell(f"no chart: {error}", tables.STYLES["warn"])
            return
        if wanted == self._asked:
            self._columns = found["series"].get(channel, [])

    def _list_events(self) -> None:
        shown = self.query_one("#why", Static)
        with self._watcher.lock:
            told = list(self._watcher.events.get(self._chosen, ()))
        kinds = () if self._with_decisions else DECISIONS
        lines = [event for event in told if event["kind"] not in kinds]
        shown.border_title = "why, newest first" if self._with_decisions else "events"
        lines = lines[-max(1, shown.content_size.height):]
        newest_first = Text("\n", no_wrap=True, overflow="ellipsis").join(
            _event_line(event) for event in reversed(lines))
        shown.update(newest_first if lines else Text("nothing today", style="dim"))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _node_line(node: Json) -> Text:
    level = node["verdict"]["level"]
    return Text.assemble((f"{tables.SIGNS[level]} ", tables.STYLES[level]),
                         (node["node"], "bold"), f"\n  {node['dosing']['label']}")


def _verdict(node: Json) -> Text:
    lines = [tables.verdict_text(node["verdict"])]
    lines += [Text(f"  {reason['text']}", style=tables.STYLES[reason["level"]])
              for reason in node["verdict"]["reasons"]]
    return Text("\n").join(lines)


def _event_line(event: Json) -> Text:
    level = event["level"]
    return Text.assemble(
        (f"{tables.clock_text(event['unix_us'] / 1_000)}  ", "dim"),
        (f"{tables.SIGNS[level]} {event['text']}", tables.STYLES[level]))
