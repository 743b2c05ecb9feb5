"""Renews the certificate of a node over the air, through the running host."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from itertools import chain, repeat
from typing import Any

from idroserra.broker.certificates import NodeCertificates
from idroserra.client.http import HostClient
from idroserra.client.requests import (
    ANSWER_GRACE_S,
    CommandFailed,
    cli_user,
    node_path,
    text_of,
    wait_for_end,
    why_text,
)

# Between two sendings: the node connects, sends a record and gets the answer to it. Each later one
# has the node try again, for which it ends its connection.
PAUSES_S = (8.0, 15.0, 30.0)
MOST_UNHEARD = 4  # sendings without any answer of a node that is online
_IN_USE, _RESTARTED = "certificate_in_use", "old_boot"
UNHEARD = "timeout", "pending"


def renew(
    client: HostClient, certificates: NodeCertificates, node: str, wait_s: float,
    say: Callable[[str], None],
) -> bool:
    """Give a node a new certificate and revoke the old one; True if the broker refuses it.

    Raises CommandFailed if the node does not take it, and what NodeCertificates raises."""
    with certificates.renewing(node):
        client.node(node)  # before anything changes: the host knows it
        der = certificates.prepare_renewal(node)
        say(f"{node}: the broker accepts a new certificate beside the old one")
        send_until_used(client, node, der, wait_s, say)
        is_refused = certificates.finish_renewal(node, der)
    say(f"{node}: uses the new certificate; the old one is revoked")
    return is_refused


def send_until_used(
    client: HostClient, node: str, der: bytes, wait_s: float, say: Callable[[str], None]
) -> None:
    """Repeat the command until the node answers that the certificate is in use.

    Raises CommandFailed."""
    ends_s = time.monotonic() + wait_s
    unheard, was_heard, said = 0, False, ""
    for pause_s in chain(PAUSES_S, repeat(PAUSES_S[-1])):
        command = send_once(client, node, der)
        state, code = command["state"], (command["reason"] or {}).get("code")
        if (state, code) == ("done", _IN_USE):
            return
        was_heard = was_heard or state == "done"
        unheard += state in UNHEARD
        if not was_heard and unheard == MOST_UNHEARD:
            raise _failed(node, command, "Is its firmware of an earlier version? "
                          "`idroserra update` brings a newer one.")
        if (state == "refused" and code != _RESTARTED) or time.monotonic() > ends_s:
            raise _failed(node, command)
        text = text_of(command["reason"]) if state == "done" else (
            f"{why_text(command)}; trying again")
        if text != said:
            say(f"{node}: {text}")
        said = text
        time.sleep(pause_s)


def send_once(client: HostClient, node: str, der: bytes) -> dict[str, Any]:
    """Send a node a certificate, wait for the answer and return the command."""
    body = {"der": base64.b64encode(der).decode(), "by": cli_user()}
    command = client.send("PUT", f"{node_path(node)}/certificate", body)
    return wait_for_end(client, command, ANSWER_GRACE_S)


def _failed(node: str, command: dict[str, Any], advice: str = "") -> CommandFailed:
    why = why_text(command)
    advice = advice or ("Look whether the node is online, then repeat the command, or provision "
                        "its board over USB.")
    return CommandFailed(
        f"{node}: does not use the new certificate yet: {why}. The old one stays valid. {advice}")
