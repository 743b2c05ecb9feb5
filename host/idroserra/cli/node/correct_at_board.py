"""Opens a correction at a board with a button and shows its progress."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from typing import Any

import typer

from idroserra.client.http import HostClient
from idroserra.client.requests import CommandFailed, raise_unless_done, send_and_wait, text_of
from idroserra.core.errors import HostError
from idroserra.i18n.channels import display_of, format_value, plain_name, volume_text

_RETRY_S = 2.0
_POLL_S = 0.25
_OPEN_TIMEOUT_S = 15.0
_CHANNELS = ("reservoir.ph", "reservoir.ec_us_cm")


def correct_at_board(
    client: HostClient, node: dict[str, Any], args: dict[str, Any], *, as_json: bool
) -> None:
    """Open a correction and follow it. Raises CommandFailed unless the target is reached."""
    name = node["node"]
    if node["has_button"] is None:
        raise CommandFailed(f"{name}: unknown whether its board has a button")
    follower = CorrectionMonitor(client, node)
    follower.start()
    raise_unless_done(name, send_and_wait(client, name, "correct", args))
    screen = _screen_of(follower, as_json=as_json)
    try:
        screen.follow()
    except KeyboardInterrupt:
        _end_or_leave_open(client, name)
        screen.follow()  # until the node reports the end
    over = follower.correction
    if not over["is_reached"]:
        raise CommandFailed(f"{name}: correction ended: {text_of(over['reason'])}; "
                            f"{volume_text(over['given_ul'])} given")
    if not as_json:
        typer.echo(f"{name}: {text_of(over['reason'])}, {follower.reading_text}; "
                   f"{volume_text(over['given_ul'])} of {plain_name(over['actuator'])} given")


def _end_or_leave_open(client: HostClient, name: str) -> None:
    """After Ctrl-C: end the correction, or raise CommandFailed and leave it open."""
    stays = (f"{name}: the correction stays open at the node; "
             f"`idroserra node end-correction {name}` ends it")
    if not sys.stdin.isatty():
        raise CommandFailed(stays)
    try:
        is_over = typer.confirm("\nEnd the correction at the node?", default=True, err=True)
    except (typer.Abort, KeyboardInterrupt):
        is_over = False
    if not is_over:
        raise CommandFailed(stays)
    raise_unless_done(name, send_and_wait(client, name, "end_correction", {}))


class CorrectionMonitor:
    """Follows the correction of a node on the live stream; reconnects to the host."""

    def __init__(self, client: HostClient, node: dict[str, Any]) -> None:
        self._client = client
        self.node = node
        self.trouble = ""
        before = node["correction"]
        self._before_unix_ms = before["unix_ms"] if before else 0
        self.messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self._opened_by_s = 0.0
        self._hello = threading.Event()

    def start(self) -> None:
        """Start listening; returns once the stream is open. Raises HostError."""
        self._client.node(self.node["node"])
        threading.Thread(target=self._listen, daemon=True).start()
        self._hello.wait(_OPEN_TIMEOUT_S)
        self._opened_by_s = time.monotonic() + _OPEN_TIMEOUT_S

    @property
    def correction(self) -> dict[str, Any]:
        """The state of the correction, {} before the node reports it."""
        found = self.node["correction"]
        if found is None or found["unix_ms"] <= self._before_unix_ms:
            return {}
        return dict(found)

    @property
    def is_over(self) -> bool:
        """True once the node reports the end. Raises CommandFailed if it never reports a start."""
        found = self.correction
        if not found and time.monotonic() > self._opened_by_s:
            raise CommandFailed(f"{self.node['node']}: accepted the correction but does "
                                "not report it: check the node")
        return bool(found) and not found["is_open"]

    @property
    def reading_text(self) -> str:
        """The current pH or EC as text."""
        name = self.correction.get("channel", "reservoir.ph")
        label = display_of(name).label
        channel = self.node["channels"].get(name) or {"value": None, "fault": None}
        if channel["value"] is None:
            return f"{label} unknown ({channel['fault'] or 'no reading'})"
        return f"{label} {format_value(name, channel['value'])}"

    def take_events(self, timeout_s: float) -> list[dict[str, Any]]:
        """Apply pending messages; return the events of the correction, oldest first."""
        events = []
        try:
            message = self.messages.get(timeout=timeout_s)
            while True:
                self._take(message)
                if message["type"] == "event" and message["kind"] == "correction":
                    events.append(message)
                message = self.messages.get_nowait()
        except queue.Empty:
            return events

    def _listen(self) -> None:
        while True:
            try:
                for message in self._client.stream():
                    if message["type"] == "hello":
                        self.messages.put(
                            {"type": "node", "changes": self._client.node(self.node["node"])})
                        self._hello.set()
                    if message.get("node") == self.node["node"]:
                        self.messages.put(message)
                why = "the host has stopped"
            except HostError as error:
                why = str(error)
            self.messages.put({"type": "lost", "why": why})
            time.sleep(_RETRY_S)

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        self.trouble = message["why"] if kind == "lost" else ""
        if kind == "node":
            self.node = {**self.node, **message["changes"]}
        for name in _CHANNELS if kind == "record" else ():
            channel = self.node["channels"].get(name, {})
            if name in message["values"]:
                channel.update(value=message["values"][name], fault=None)
            elif name in message["faults"]:
                channel.update(value=None, fault=message["faults"][name])


class _Lines:
    """Without a terminal: prints one line or JSON object per event."""

    def __init__(self, follower: CorrectionMonitor, *, as_json: bool) -> None:
        self._follower = follower
        self._as_json = as_json

    def follow(self) -> None:
        """Return once the correction is over."""
        while True:
            is_over = self._follower.is_over
            for event in self._follower.take_events(0.0 if is_over else _POLL_S):
                print(json.dumps(event) if self._as_json else event["text"], flush=True)
            if is_over:
                return


class _Terminal:
    """On a terminal: draws progress, pH and the next step."""

    def __init__(self, follower: CorrectionMonitor) -> None:
        self._follower = follower

    def follow(self) -> None:
        """Return once the correction is over."""
        from rich.live import Live

        with Live(auto_refresh=False, transient=True) as live:
            while not self._follower.is_over:
                self._follower.take_events(_POLL_S)
                live.update(render(self._follower, time.time_ns() // 1_000_000), refresh=True)


def _screen_of(follower: CorrectionMonitor, *, as_json: bool) -> _Lines | _Terminal:
    if as_json or not sys.stdout.isatty():
        return _Lines(follower, as_json=as_json)
    return _Terminal(follower)


def render(follower: CorrectionMonitor, now_unix_ms: int) -> Any:
    """Return the terminal display of a correction."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    found = follower.correction
    if not found:
        return Text("Opened: waiting for the node", style="dim")
    is_ready = found["state"] == "ready"
    head = Text(f"{'▶ ' if is_ready else ''}{found['text']}",
                style="bold black on green" if is_ready else "bold")
    if follower.trouble:
        head = Text(f"✗ {follower.trouble}", style="bold red")
    elif not follower.node["online"]:
        head = Text("✗ The node is offline: check the board", style="bold red")
    elif wait := _left_text(found["wait_until_unix_ms"], now_unix_ms):
        head.append(f", {wait} left", style="not bold")
    amount = f"{volume_text(found['given_ul'])} of {volume_text(found['total_ul'])}"
    return Group(
        head, ProgressBar(total=max(1, found["total_ul"]), completed=found["given_ul"], width=40),
        Text(f"{amount} of {plain_name(found['actuator'])} given; {follower.reading_text} → "
             f"{format_value(found['channel'], found['target'])}"),
        Text("Ctrl-C: end the correction?", style="dim"))


def _left_text(until_unix_ms: int | None, now_unix_ms: int) -> str:
    left_s = 0 if until_unix_ms is None else -(-(until_unix_ms - now_unix_ms) // 1_000)
    if left_s <= 0:
        return ""
    return f"{left_s} s" if left_s < 90 else f"{-(-left_s // 60)} min"
