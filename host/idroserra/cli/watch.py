"""`idroserra watch`: live readings in a terminal, or as lines of text or JSON."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Annotated

import typer

from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import Url
from idroserra.terminal.tui.node_feed import NodeFeed


def watch(
    node: Annotated[str | None, typer.Argument(help="Only this node.")] = None,
    url: Url = DEFAULT_URL,
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="Stop after this time, s.")] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each message as one JSON object per line.")
    ] = False,
) -> None:
    """Watch readings, chart, alarms and events live. Keys are shown at the bottom; q quits.

    Without a terminal: one line per reading, until Ctrl-C.
    """
    is_drawn = sys.stdout.isatty() and not as_json
    feed = NodeFeed(HostClient(url), node, with_events=is_drawn)
    feed.load()  # raises now if the host is unreachable or the node unknown
    ends_s = None if duration is None else time.monotonic() + duration
    if is_drawn:
        from idroserra.terminal.tui.app import WatchApp

        WatchApp(feed, ends_s).run()
        return
    threading.Thread(target=feed.follow, daemon=True).start()
    try:
        _print_lines(feed, ends_s, as_json=as_json)
    except KeyboardInterrupt:
        return


def _print_lines(feed: NodeFeed, ends_s: float | None, *, as_json: bool) -> None:
    from idroserra.core.terminal_text import printable
    from idroserra.i18n.channels import display_of, format_value
    from idroserra.terminal.tables import clock_text

    while ends_s is None or time.monotonic() < ends_s:
        while feed.messages:
            message = feed.messages.popleft()
            if as_json:
                print(json.dumps(message), flush=True)
            elif message["type"] == "record":
                parts = [f"{display_of(key).label} {format_value(key, value)}"
                         for key, value in message["values"].items()]
                parts += [f"{display_of(key).label} {fault}"
                          for key, fault in message["faults"].items()]
                print(clock_text(message["unix_ms"]), message["node"], ", ".join(parts),
                      flush=True)
            elif message["type"] == "event":
                print(clock_text(message["unix_ms"]), message["node"],
                      printable(message["text"]), flush=True)
        time.sleep(0.1)
