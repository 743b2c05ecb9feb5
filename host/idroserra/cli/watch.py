"""`idroserra watch`: the greenhouse in a terminal; a line a reading where there is none."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Annotated

import typer

from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.terminal.tui.node_feed import Watcher


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
    """Watch the greenhouse: readings, chart, alarms and why. Keys are at the bottom; q ends.

    Without a terminal: one line a reading, until Ctrl-C.
    """
    is_drawn = sys.stdout.isatty() and not as_json
    watcher = Watcher(HostClient(url), node, with_events=is_drawn)
    watcher.load()  # a host that is not there, or a node that is unknown, is told at once
    ends_s = None if duration is None else time.monotonic() + duration
    if is_drawn:
        from idroserra.terminal.tui.app import WatchApp

        WatchApp(watcher, ends_s).run()
        return
    threading.Thread(target=watcher.follow, daemon=True).start()
    try:
        _print_lines(watcher, ends_s, as_json=as_json)
    except KeyboardInterrupt:
        return


def _print_lines(watcher: Watcher, ends_s: float | None, *, as_json: bool) -> None:
    from idroserra.i18n.channels import display_of, format_value
    from idroserra.terminal.tables import clock_text

    while ends_s is None or time.monotonic() < ends_s:
        while watcher.messages:
            message = watcher.messages.popleft()
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
                print(clock_text(message["unix_ms"]), message["node"], message["text"], flush=True)
        time.sleep(0.1)
