"""The HTTP API of node keys: adopt a node, choose between two keys, send a certificate, let a node
go to another host, forget it.

Responses contain fingerprints, never keys.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from idroserra.auth.identity import check_recent_password, verified_name
from idroserra.core import protocol
from idroserra.core.validation import string_pattern
from idroserra.nodes.commands import Commands
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.web.api.nodes import CERTIFICATE, command_json
from idroserra.web.api.schemas import AskedBy, CommandOut, In, Out, error_replies
from idroserra.web.context import WebContext
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Routes

_TTL_MS = 10_000  # of a command
_HEX = r"^[0-9a-f]{64}$"
_ERROR_REPLIES = error_replies({
    403: "The password is needed again.", 404: "No such node.",
    409: "The board has a key that the host does not hold.",
})


class KeyIn(In):
    """The key that a node shares with the host."""

    key: Annotated[str, string_pattern(_HEX, description="32 bytes, as 64 hex digits.")]


class CertificateIn(AskedBy):
    """A new certificate for the key with which a node connects to the broker."""

    der: Annotated[str, Meta(max_length=684, description="At most 512 bytes, in base64.")]


class LeavingIn(In):
    """Until when a node is to leave for another host."""

    until_unix_ms: Annotated[int, Meta(ge=0, description="0: it stays.")]


class LeavingOut(Out):
    """Until when a node is to leave for another host; 0: it stays. stop_waits: it has not
    answered a stop yet."""

    node: str
    until_unix_ms: int
    stop_waits: bool


class FingerprintIn(In):
    """The key that the board has."""

    fingerprint: Annotated[str, string_pattern(_HEX, description="SHA-256 of the key, in hex.")]


class KeyOut(Out):
    """The key of a node, by fingerprints."""

    node: str
    fingerprints: Annotated[list[str], Meta(
        description="SHA-256 of the key in use, then of a newer key that is not confirmed yet.")]
    was_heard: Annotated[bool, Meta(
        description="True when the node has announced itself to this host.")]
    board: Annotated[str | None, Meta(description="The reported board.")]


class ForgottenOut(Out):
    """The forgotten node."""

    node: str
    certificate: Annotated[str, Meta(
        description="none: this host issued none. refused: the broker refuses it. refused at its "
                    "start: no broker runs here, it is refused from the next start on")]


def keys_router(context: WebContext) -> Routes:
    """Return the routes of node keys."""
    nodes, commands, titles = context.nodes, context.commands, context.titles
    router = Routes("/api/nodes", _ERROR_REPLIES)

    @router.get("/{node}/key", answer=KeyOut)
    def show_key(node: str) -> dict[str, Any]:
        """Return the fingerprints of a node's key, to compare with a board."""
        return _key_json(nodes, node)

    @router.put("/{node}/key", answer=KeyOut)
    def adopt(node: str, body: KeyIn) -> dict[str, Any]:
        """Adopt a node. A new key replaces the old one once the node answers with it."""
        check_recent_password()
        if not protocol.is_node_id(node):
            raise protocol.ProtocolError(f"node: {protocol.NODE_ID_RULE}")
        titles.record_keys(nodes.stage_key(node, bytes.fromhex(body.key)), verified_name("api"))
        commands.send_configs()
        return _key_json(nodes, node)

    @router.put("/{node}/certificate", status=202, answer=CommandOut)
    def send_certificate(node: str, body: CertificateIn) -> dict[str, Any]:
        """Send a node a new certificate. Repeat it until the answer is certificate_in_use."""
        check_recent_password()
        return command_json(commands.state(commands.send(
            node, CERTIFICATE, {"der": body.der}, body.by, _TTL_MS)))

    @router.post("/{node}/key/settle", answer=KeyOut)
    def settle(node: str, body: FingerprintIn) -> dict[str, Any]:
        """Keep the key that the board has and delete the other."""
        check_recent_password()
        nodes.confirm_key(node, body.fingerprint)
        commands.send_configs()
        return _key_json(nodes, node)

    @router.delete("/{node}", answer=ForgottenOut)
    def forget(node: str) -> dict[str, Any]:
        """Delete key, settings, recipe run, alarms and their limits, site and certificate of a
        node; its history is kept."""
        from idroserra.broker.engine import revoke_node  # loads 8 MiB

        check_recent_password()
        titles.forget(nodes.get(node), verified_name("api"))
        context.alarm_settings.forget_node(node)
        context.alarm_loop.alarms.forget(node, verified_name("api"), wall_unix_ms())
        # Before the key, so that a failure can be repeated.
        certificate = revoke_node(context.config.data_dir, node)
        context.recipes.forget(node)
        context.calibrations.forget(node)
        commands.forget(node)
        return {"node": node, "certificate": certificate}

    _leaving_routes(router, nodes, commands)
    return router


def _leaving_routes(router: Routes, nodes: Nodes, commands: Commands) -> None:
    def leaving_json(known: Node) -> dict[str, Any]:
        return {"node": known.node, "until_unix_ms": known.leaving_until_unix_ms,
                "stop_waits": commands.stop_waits(known.node)}

    @router.get("/{node}/leaving", answer=LeavingOut)
    def show_leaving(node: str) -> dict[str, Any]:
        """Return until when a node is to leave for another host."""
        return leaving_json(nodes.get(node))

    @router.put("/{node}/leaving", answer=LeavingOut)
    def let_go(node: str, body: LeavingIn) -> dict[str, Any]:
        """Confirm no records of a node until then, because another host takes it over."""
        check_recent_password()
        return leaving_json(nodes.let_go(node, body.until_unix_ms))


def _key_json(nodes: Nodes, node: str) -> dict[str, Any]:
    known = nodes.get(node)
    return {"node": node, "fingerprints": list(known.fingerprints),
            "was_heard": known.last_seen_unix_ms is not None or known.info is not None,
            "board": None if known.info is None else known.info.board}
