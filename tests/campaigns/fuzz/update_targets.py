"""Fuzz targets for updates: offers, manifests, releases. See targets.py."""

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
    """An update over the air: the offer, the node's requests, the pieces."""
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
    """The manifest of a release: host and node read the same, and no path is outside the slot."""
    try:
        manifest = host_manifest.read(data)
    except BadRelease:
        manifest = None
    if manifest is not None:
        assert manifest.text == data, "the text that was signed"
    path.write_bytes(data)
    try:
        found = list(node_manifest.entries(str(path)))
    except NodeUpdateError:
        assert manifest is None, "the host would offer what nodes refuse"
        return
    for entry in found:
        assert not entry.path.startswith("/"), entry
        assert ".." not in entry.path.split("/"), entry
    if manifest is not None:
        assert [entry.path for entry in found] == [file.path for file in manifest.files]


class _AcceptingKey:
    """A public key that accepts every signature, so that the later checks are reached."""

    id = "cd" * 8

    def has_signed(self, manifest: bytes, signature: bytes) -> bool:
        return True


def release_upload(data: bytes) -> None:
    """A release as uploaded to the host."""
    with suppress(BadRelease):
        host_release.unpack(data, [_AcceptingKey()])  # type: ignore[list-item]
