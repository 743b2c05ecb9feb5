"""`idroserra watch`: live readings in the terminal, with the last minutes as a small line."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict, deque
from typing import Annotated, Any

import typer

from idroserra.errors import HostError
from idroserra.host_client import DEFAULT_URL, HostClient

KEPT_COUNT = 24
REDRAWS_PER_S = 2
RETRY_S = 2.0
HOUR_MS = 3_600_000


def watch(
    node: Annotated[str | None, typer.Argument(help="Only this node.")] = None,
    url: Annotated[
        str, typer.Option("--url", envvar="IDROSERRA_URL", help="Where the host is.")
    ] = DEFAULT_URL,
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="Stop by itself after so many seconds.")
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line: every message as it comes.")
    ] = False,
) -> None:
    """Watch live readings; Ctrl-C ends. Without a terminal: one line a reading."""
    watcher = Watcher(HostClient(url), node)
    watcher.load()  # a host that is not there, or a node that is unknown, is told at once
    ends = None if duration is None else time.monotonic() + duration
    threading.Thread(target=watcher.follow, daemon=True).start()
    try:
        if as_json or not sys.stdout.isatty():
            _print_lines(watcher, ends, as_json=as_json)
        else:
            _draw(watcher, ends)
    except KeyboardInterrupt:
        return


class Watcher:
    """The nodes as the stream tells them. follow() runs in a thread of its own."""

    def __init__(self, client: HostClient, only: str | None) -> None:
        self._client = client
        self._only = only
        self.nodes: dict[str, dict[str, Any]] = {}
        self.history: dict[str, dict[str, deque[float]]] = {}
        self.messages: deque[dict[str, Any]] = deque(maxlen=1_000)
        self.trouble = ""

    def load(self) -> None:
        """Read the nodes and their last hour. Raises HostError."""
        client = self._client
        nodes = [client.node(self._only)] if self._only else client.nodes()
        for node in nodes:
            self.nodes[node["node"]] = node
            self._seed(node)

    def follow(self) -> None:
        """Take the stream in, for ever; a host that goes away is asked again."""
        while True:
            try:
                for message in self._client.stream():
                    self.trouble = ""
                    self._take(message)
                self.trouble = "the host has stopped"
            except HostError as error:
                self.trouble = str(error)
            time.sleep(RETRY_S)
            try:
                self.load()
            except HostError as error:
                self.trouble = str(error)

    def _seed(self, node: dict[str, Any]) -> None:
        kept: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT_COUNT))
        self.history[node["node"]] = kept
        channels = list(node["channels"])
        if not channels:
            return
        to = time.time_ns() // 1_000_000
        try:
            answer = self._client.get(
                f"/api/nodes/{node['node']}/series", channels=",".join(channels[:32]),
                from_unix_ms=to - HOUR_MS, to_unix_ms=to, columns=KEPT_COUNT)
        except HostError:
            return  # the store may be away; the line grows from live readings
        for channel, columns in answer["series"].items():
            kept[channel].extend(column[2] for column in columns)

    def _take(self, message: dict[str, Any]) -> None:
        name = str(message.get("node", ""))
        if message["type"] in ("hello", "heartbeat") or (self._only and name != self._only):
            return
        self.messages.append(message)
        if message["type"] == "node":
            self.nodes[name] = {**self.nodes.get(name, {}), **message["changes"]}
            if name not in self.history:
                self._seed(self.nodes[name])
        if message["type"] == "record" and name in self.nodes:
            self._take_record(self.nodes[name], message)

    def _take_record(self, node: dict[str, Any], record: dict[str, Any]) -> None:
        for key, channel in node["channels"].items():
            if key in record["values"]:
                channel.update(value=record["values"][key], fault=None, unix_ms=record["unix_ms"])
                self.history[node["node"]][key].append(channel["value"])
            elif key in record["faults"]:
                channel.update(value=None, fault=record["faults"][key], unix_ms=record["unix_ms"])


def _print_lines(watcher: Watcher, ends: float | None, *, as_json: bool) -> None:
    from idroserra.cli_tables import clock_text
    from idroserra.web.display import display_of, shown

    while ends is None or time.monotonic() < ends:
        while watcher.messages:
            message = watcher.messages.popleft()
            if as_json:
                print(json.dumps(message), flush=True)
            elif message["type"] == "record":
                parts = [f"{display_of(key).label} {shown(key, value)}"
                         for key, value in message["values"].items()]
                parts += [f"{display_of(key).label} {fault}"
                          for key, fault in message["faults"].items()]
                print(clock_text(message["unix_ms"]), message["node"], ", ".join(parts),
                      flush=True)
            elif message["type"] == "event":
                print(clock_text(message["unix_ms"]), message["node"], message["text"], flush=True)
        time.sleep(0.1)


def _draw(watcher: Watcher, ends: float | None) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while ends is None or time.monotonic() < ends:
            live.update(_screen(watcher), refresh=True)
            time.sleep(1 / REDRAWS_PER_S)


def _screen(watcher: Watcher) -> Any:
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    from idroserra.cli_tables import STYLES, readings_table, verdict_text, worst_first

    now = time.time_ns() // 1_000_000
    parts: list[Any] = []
    if watcher.trouble:
        parts.append(Text(f"✗ {watcher.trouble}", style=STYLES["bad"]))
    nodes = [dict(node) for node in watcher.nodes.values() if "verdict" in node]
    for node in worst_first(nodes):
        level = node["verdict"]["level"]
        dosing = node["dosing"]
        inside = Group(
            verdict_text(node["verdict"]),
            *(Text(f"  {reason['text']}", style=STYLES[reason["level"]])
              for reason in node["verdict"]["reasons"]),
            Text(),
            readings_table(node, now, watcher.history.get(node["node"]) or {"": ()}))
        parts.append(Panel(
            inside, title=f"[bold]{node['node']}[/bold]", title_align="left",
            subtitle=dosing["label"], subtitle_align="right",
            border_style=STYLES[level] if level in ("warn", "bad") else "dim"))
    if not nodes:
        parts.append(Text("No node has reported yet.", style="dim"))
    parts.append(Text("Ctrl-C ends; the line is the last hour.", style="dim"))
    return Group(*parts)
