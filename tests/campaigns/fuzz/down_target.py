"""Fuzz target: the node's parsers of commands and settings, for any bytes in any chunks."""

from contextlib import suppress

from idro.errors import ProtocolError
from idro.protocol import messages

NODE = "idro-one"


def down(data: bytes) -> None:
    """Check down/stored, down/command and down/config of a node."""
    with suppress(ProtocolError):
        stored = messages.unpack_stored(NODE, data)
        assert stored.signed.startswith(f"idro/v1/{NODE}/down/stored\n".encode())
        assert len(stored.auth) in (64, 128)
    with suppress(ProtocolError):
        command = messages.unpack_command(NODE, data)
        assert command.signed.startswith(f"idro/v1/{NODE}/down/command\n".encode())
        assert len(command.auth) == 64
    found = {_config_of(data, size) for size in (len(data) + 1, 7, 1)}
    assert len(found) == 1, "the result depends on the size of the chunks"


def _config_of(data: bytes, size: int) -> str | None:
    """Return what a node reads of a down/config in pieces of `size`, None if it refuses it."""
    pieces = [data[at:at + size] for at in range(0, len(data), size)]
    with suppress(ProtocolError):
        config = messages.unpack_config(NODE, pieces)
        head = f"idro/v1/{NODE}/down/config\n".encode()
        assert b"".join(config.signed) == head + data[: -len(f',"auth":"{config.auth}"}}')]
        assert len(config.auth) == 64
        return repr(config.message)
    return None
