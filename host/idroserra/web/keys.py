"""The API of the nodes' keys: adopt a node, settle which of two keys it has, forget it.

A key goes in and never comes out: what is told of one is its fingerprint.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from idroserra import contract
from idroserra.access.who import check_fresh
from idroserra.service import Service
from idroserra.web.models import refused

_HEX = r"^[0-9a-f]{64}$"
_REFUSALS: dict[int | str, dict[str, Any]] = {
    403: refused("The password must be given again."),
    404: refused("No such node."),
    409: refused("The board has a key that the host does not hold."),
    422: refused("A field is wrong; the message names it."),
}


class KeyIn(BaseModel):
    """The key a node shares with the host."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(pattern=_HEX, description="32 bytes, as 64 hex digits.")


class FingerprintIn(BaseModel):
    """Which key the board has."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: str = Field(pattern=_HEX, description="SHA-256 of the key, in hex.")


class KeyOut(BaseModel):
    """What the host holds of a node's key."""

    node: str
    fingerprints: list[str] = Field(
        description="SHA-256 of the key in use, then of a newer one the node may have already.")
    was_heard: bool = Field(description="True when the node has announced itself to this host.")
    board: str | None = Field(description="The board it said it is.")


class ForgottenOut(BaseModel):
    """The node that the host knows no more."""

    node: str
    certificate: str = Field(description="none: it had none of this host. refused: the broker was "
                             "seen to refuse it. refused at its start: no broker runs here")


def keys_router(service: Service) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api/nodes", responses=_REFUSALS)

    @router.get("/{node}/key", response_model=KeyOut)
    def show_key(node: str) -> dict[str, Any]:
        """The fingerprint of a node's key, to compare with that of a board."""
        return _key_json(service, node)

    @router.put("/{node}/key", response_model=KeyOut)
    def adopt(node: str, body: KeyIn) -> dict[str, Any]:
        """Adopt a node. Where it has a key, the new one counts once the node answers to it."""
        check_fresh()
        if not contract.is_node_id(node):
            raise contract.ProtocolError(f"node: {contract.NODE_ID_RULE}")
        service.nodes.offer(node, bytes.fromhex(body.key))
        service.commands.send_configs()
        return _key_json(service, node)

    @router.post("/{node}/key/settle", response_model=KeyOut)
    def settle(node: str, body: FingerprintIn) -> dict[str, Any]:
        """Keep the one key that the board was seen to have."""
        check_fresh()
        service.nodes.settle(node, body.fingerprint)
        service.commands.send_configs()
        return _key_json(service, node)

    @router.delete("/{node}", response_model=ForgottenOut)
    def forget(node: str) -> dict[str, Any]:
        """Give up a node: its key, settings, certificate and place; its history stays."""
        from idroserra.line.line import give_up  # certificates are 8 MiB

        check_fresh()
        service.nodes.get(node)
        certificate = give_up(service.config.data_dir, node)  # first: it may have to be done again
        service.commands.forget(node)
        return {"node": node, "certificate": certificate}

    return router


def _key_json(service: Service, node: str) -> dict[str, Any]:
    known = service.nodes.get(node)
    return {"node": node, "fingerprints": list(known.fingerprints),
            "was_heard": known.last_seen_unix_ms is not None or known.info is not None,
            "board": None if known.info is None else known.info.board}
