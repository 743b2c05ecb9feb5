"""How the command line on this machine gets in: a token in a file that only its owner can read.

A running host keeps a new token in `cli.key` of its data folder, for its own user alone, and notes
in that user's state folder which file belongs to which port. Both go when the host ends; the token
of a host that was killed is worth nothing.
"""

from __future__ import annotations

import contextlib
import hmac
import os
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from idroserra.auth.passwords import hash_token, new_token

FILE = "cli.key"


class LocalToken:
    """The token of a running host for the user it runs as."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._note: Path | None = None
        self._hash: bytes | None = None

    def open(self, port: int) -> None:
        """Make a token and say where it is. Raises OSError."""
        token = new_token()
        self._hash = hash_token(token)
        _write(self._file, token)
        note = _note_of(port)
        note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(note, str(self._file.resolve()))
        self._note = note

    def matches(self, secret: str) -> bool:
        """True for the token of this run."""
        return self._hash is not None and hmac.compare_digest(self._hash, hash_token(secret))

    def close(self) -> None:
        """End the token, where this one was opened."""
        if self._hash is None:
            return
        self._hash = None
        for path in (self._file, self._note):
            if path is not None:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


def token_for(url: str) -> str | None:
    """Return the token of the host of this user at `url` on this machine, None for none."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        return Path(_note_of(port).read_text("utf-8")).read_text("utf-8")
    except (OSError, ValueError):
        return None


def _note_of(port: int) -> Path:
    return platformdirs.user_state_path("idroserra") / "hosts" / str(port)


def _write(path: Path, text: str) -> None:
    """Write a file for this user alone, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(part, path)
