"""Targets of `make fuzz` that belong to updates: offers, manifests, releases. See targets.py."""

from contextlib import suppress
from pathlib import Path

from idro.errors import ProtocolError
from idro.errors import UpdateError as NodeUpdateError
from idro.protocol import messages_host, update_messages
from idro.update import manifest as node_manifest
from idroserra.updates import manifest as host_manifest
from idroserra.updates import release as host_release
from idroserra.updates.errors import BadRelease

NODE = "idro-one"


def update(data: bytes) -> None:
    """An update over the air: the offer, the node's questions, the pieces."""
    with suppress(ProtocolError):
        signed = update_messages.unpack_update(NODE, data)
        assert signed.signed.startswith(f"idro/v1/{NODE}/down/update\n".encode())
    with suppress(ProtocolError):
        path = messages_host.unpack_chunk_request(data).path
        assert ".." not in path.split("/"), path
        assert not path.startswith("/"), path
    with suppress(ProtocolError):
        update_messages.unpack_chunk(data)


def release_manifest(data: bytes, path: Path) -> None:
    """The manifest of a release: host and node take the same, and no path leads out of a slot."""
    try:
        told = host_manifest.read(data)
    except BadRelease:
        told = None
    if told is not None:
        assert told.text == data, "what is read is what was signed"
    path.write_bytes(data)
    try:
        found = list(node_manifest.entries(str(path)))
    except NodeUpdateError:
        assert told is None, "the host would offer what no node takes"
        return
    for entry in found:
        assert not entry.path.startswith("/"), entry
        assert ".." not in entry.path.split("/"), entry
    if told is not None:
        assert [entry.path for entry in found] == [file.path for file in told.files]


class _Anybody:
    """A key that takes every signature: what comes after it is looked at too."""

    id = "cd" * 8

    def has_signed(self, manifest: bytes, signature: bytes) -> bool:
        return True


def release_upload(data: bytes) -> None:
    """A release as it is sent to the host."""
    with suppress(BadRelease):
        host_release.unpack(data, [_Anybody()])  # type: ignore[list-item]
