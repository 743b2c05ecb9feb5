"""Shared parts of the node commands: options, sending a command and waiting for its end."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from idroserra.client.http import HostClient
from idroserra.core.errors import HostError
from idroserra.core.paths import user_name

Url = Annotated[str, typer.Option(
    "--url", envvar="IDROSERRA_URL", help="URL of the host; default: the one on this machine.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NodeName = Annotated[str, typer.Argument(help="The node's id.")]

# Time until the node must have started the command. A dose is acknowledged only at its end.
TTL_MS, DOSE_TTL_MS = 10_000, 20_000
ANSWER_GRACE_S = 8.0
CONFIRM_S = 20.0
POLL_S = 0.2


class CommandFailed(HostError):
    """The node did not execute the command."""


def send_and_wait(
    client: HostClient, node: str, verb: str, args: dict[str, Any]
) -> dict[str, Any]:
    """Send a command, wait for its end and return it, done or not.

    A stop that cannot be delivered now is returned as pending, with the reason."""
    ttl_ms = DOSE_TTL_MS if verb == "dose" else TTL_MS
    body = {"verb": verb, "args": args, "by": cli_user(), "ttl_ms": ttl_ms}
    command = client.send("POST", f"{node_path(node)}/commands", body)
    return wait_for_end(client, command, ttl_ms / 1_000 + ANSWER_GRACE_S)


def wait_for_end(client: HostClient, command: dict[str, Any], wait_s: float) -> dict[str, Any]:
    """Wait for the end of a command that was sent, and return it."""
    deadline_s = time.monotonic() + wait_s
    while (command["state"] == "pending" and command["reason"] is None
           and time.monotonic() < deadline_s):
        time.sleep(POLL_S)
        command = client.get(f"/api/commands/{command['id']}")
    return command


def run_command(
    url: str, node: str, verb: str, args: dict[str, Any], done: str | None = None, *,
    as_json: bool,
) -> None:
    """Send a command and print its result, `done` or the reason that the node gives.

    Raises CommandFailed unless it was done."""
    command = send_and_wait(HostClient(url), node, verb, args)
    if as_json:
        typer.echo(json.dumps(command))
    raise_unless_done(node, command)
    if not as_json:
        typer.echo(f"{node}: confirmed, {done or text_of(command['reason'])}")


def raise_unless_done(node: str, command: dict[str, Any]) -> None:
    """Raise CommandFailed unless a command was done."""
    if command["state"] != "done":
        reason = why_text(command)
        if command["reason"] and command["reason"]["code"] == "not_adopted":
            reason += (": `idroserra provision` with its board on USB, or `idroserra node adopt "
                       f"{node} --key-file FILE`")
        if command["state"] == "pending":
            raise CommandFailed(f"{node}: {not_done_text(command)}")
        raise CommandFailed(f"{node}: {command['verb']} {command['state']}: {reason}")


def not_done_text(command: dict[str, Any]) -> str:
    """Return how far a command came that was not done, in words."""
    verb, state = command["verb"], command["state"]
    if verb != "stop" or state != "pending":
        return f"{verb} {state}: {why_text(command)}"
    why = text_of(command["reason"])
    return (f"stop not {f'delivered yet: {why}' if why else 'confirmed yet'}. The host sends it "
            "until the node answers, for a day. Until then the node doses on its own, within its "
            "limits. In an emergency, switch it off at the node.")


def why_text(command: dict[str, Any]) -> str:
    """Return why a command was not done, in words."""
    return text_of(command["reason"]) or "the node did not answer in time"


def set_config(client: HostClient, node: str, values: dict[str, Any]) -> dict[str, Any]:
    """Change settings and return the config once the node has confirmed it.

    Raises CommandFailed if it does not."""
    wanted = client.send("PUT", f"{node_path(node)}/config", {"values": values, "by": cli_user()})
    deadline_s = time.monotonic() + CONFIRM_S
    while True:
        config: dict[str, Any] = client.node(node)["config"]
        reported = config["reported_rev"]
        if config["refused_rev"] >= wanted["rev"] and config["error"]:
            raise CommandFailed(f"{node}: settings refused: {config['error']['text']}")
        if reported is not None and reported >= wanted["rev"]:
            return config
        if time.monotonic() > deadline_s:
            raise CommandFailed(f"{node}: revision {wanted['rev']} is not confirmed yet; "
                                "the node gets it when it is online")
        time.sleep(POLL_S)


def litres_of(node: dict[str, Any]) -> float | None:
    """Return the litres in the tank: measured, or level times area; None if unknown."""
    volume = node["channels"].get("reservoir.volume_ml")
    if volume is not None and volume["value"] is not None:
        return float(volume["value"]) / 1_000
    level, area_cm2 = node["channels"].get("reservoir.level_mm"), node["config"]["values"].get(
        "reservoir.area_cm2")
    if level is None or level["value"] is None or not area_cm2:
        return None
    return float(level["value"]) * float(area_cm2) / 10_000


def node_path(node: str) -> str:
    """Return the API path of a node."""
    return f"/api/nodes/{quote(node, safe='')}"


def parse_setting(text: str) -> tuple[str, Any]:
    """Return (key, value) of KEY=VALUE; the host validates both."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise typer.BadParameter(f"{text}: not KEY=VALUE, such as ph.target=5.9")
    try:
        return key, json.loads(value)
    except ValueError:
        words = {"on": True, "yes": True, "off": False, "no": False}
        return key, words.get(value.lower(), value)


def cli_user() -> str:
    """Return the name of this user for the node's log."""
    name = user_name("")
    return f"{name} (cli)" if name else "cli"


def text_of(reason: dict[str, Any] | None) -> str:
    """Return the text of a reason in an answer of the host, "" for None."""
    return "" if reason is None else str(reason["text"])


def now_unix_ms() -> int:
    """Return this machine's wall time."""
    return time.time_ns() // 1_000_000
