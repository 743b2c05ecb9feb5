"""The API of the nodes' keys: adopt a node, settle which of two keys it has, forget it.

A key goes in and never comes out: what is told of one is its fingerprint.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from idroserra.auth.identity import check_recent_password
from idroserra.core import protocol
from idroserra.core.validation import string_pattern
from idroserra.server.service import Service
from idroserra.web.api.schemas import In, Out, refused
from idroserra.web.routing import Replies, Routes

_HEX = r"^[0-9a-f]{64}$"
_REFUSALS: Replies = {
    403: refused("The password must be given again."),
    404: refused("No such node."),
    409: refused("The board has a key that the host does not hold."),
    422: refused("A field is wrong; the message names it."),
}


class KeyIn(In):
    """The key a node shares with the host."""

    key: Annotated[str, string_pattern(_HEX, description="32 bytes, as 64 hex digits.")]


class FingerprintIn(In):
    """Which key the board has."""

    fingerprint: Annotated[str, string_pattern(_HEX, description="SHA-256 of the key, in hex.")]


class KeyOut(Out):
    """What the host holds of a node's key."""

    node: str
    fingerprints: Annotated[list[str], Meta(
        description="SHA-256 of the key in use, then of a newer one the node may have already.")]
    was_heard: Annotated[bool, Meta(
        description="True when the node has announced itself to this host.")]
    board: Annotated[str | None, Meta(description="The board it said it is.")]


class ForgottenOut(Out):
    """The node that the host knows no more."""

    node: str
    certificate: Annotated[str, Meta(
        description="none: it had none of this host. refused: the broker was seen to refuse it. "
                    "refused at its start: no broker runs here")]


def keys_router(service: Service) -> Routes:
    """Return the routes."""
    router = Routes("/api/nodes", _REFUSALS)

    @router.get("/{node}/key", answer=KeyOut)
    def show_key(node: str) -> dict[str, Any]:
        """The fingerprint of a node's key, to compare with that of a board."""
        return _key_json(service, node)

    @router.put("/{node}/key", answer=KeyOut)
    def adopt(node: str, body: KeyIn) -> dict[str, Any]:
        """Adopt a node. Where it has a key, the new one counts once the node answers to it."""
        check_recent_password()
        if not protocol.is_node_id(node):
            raise protocol.ProtocolError(f"node: {protocol.NODE_ID_RULE}")
        service.nodes.offer(node, bytes.fromhex(body.key))
        service.commands.send_configs()
        return _key_json(service, node)

    @router.post("/{node}/key/settle", answer=KeyOut)
    def settle(node: str, body: FingerprintIn) -> dict[str, Any]:
        """Keep the one key that the board was seen to have."""
        check_recent_password()
        service.nodes.settle(node, body.fingerprint)
        service.commands.send_configs()
        return _key_json(service, node)

    @router.delete("/{node}", answer=ForgottenOut)
    def forget(node: str) -> dict[str, Any]:
        """Give up a node: its key, settings, certificate and place; its history stays."""
        from idroserra.broker.tls_files import revoke_node  # certificates are 8 MiB

        check_recent_password()
        service.nodes.get(node)
        certificate = revoke_node(
            service.config.data_dir, node
        )  # first: it may have to be done again
        service.commands.forget(node)
        return {"node": node, "certificate": certificate}

    return router


def _key_json(service: Service, node: str) -> dict[str, Any]:
    known = service.nodes.get(node)
    return {"node": node, "fingerprints": list(known.fingerprints),
            "was_heard": known.last_seen_unix_ms is not None or known.info is not None,
            "board": None if known.info is None else known.info.board}
