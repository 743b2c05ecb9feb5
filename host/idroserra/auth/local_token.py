"""Authenticates the command line on this machine by a token in a file of mode 0600.

A running host writes a new token to `cli.key` in its data folder, and the path of that file to a
file named by the port in the user's state folder. Both are removed when the host ends; the token
of a killed host is invalid.
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
    """The token of a running host."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._pointer: Path | None = None
        self._hash: bytes | None = None

    def open(self, port: int) -> None:
        """Create a token and write both files. Raises OSError."""
        token = new_token()
        self._hash = hash_token(token)
        _write(self._file, token)
        self._pointer = pointer_file(port)
        self._pointer.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(self._pointer, str(self._file.resolve()))

    def matches(self, secret: str) -> bool:
        """True if `secret` is the current token."""
        return self._hash is not None and hmac.compare_digest(self._hash, hash_token(secret))

    def close(self) -> None:
        """Invalidate the token and remove both files."""
        if self._hash is None:
            return
        self._hash = None
        for path in (self._file, self._pointer):
            if path is not None:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


def token_for(url: str) -> str | None:
    """Return the token of this user's host at `url` on this machine, or None."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        return Path(pointer_file(port).read_text("utf-8")).read_text("utf-8")
    except (OSError, ValueError):
        return None


def local_ports() -> list[int]:
    """Return the ports of this user's hosts on this machine, ended ones among them."""
    folder = pointer_file(0).parent
    return sorted(int(one.name) for one in folder.glob("*") if one.name.isdecimal())


def pointer_file(port: int) -> Path:
    """Return the file that names the token file of the host at a port."""
    return platformdirs.user_state_path("idroserra") / "hosts" / str(port)


def _write(path: Path, text: str) -> None:
    """Write a file of mode 0600 atomically."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(part, path)
