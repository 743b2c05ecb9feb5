"""Authenticates the command line on this machine by a token in a file of mode 0600.

A running host writes a new token to `cli.key` in its data folder, and the path of that file to a
file named by the port in the user's state folder, which it keeps locked. Both are removed when
the host ends. The file of a killed host is not locked and counts for nothing: another program may
listen on its port.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import os
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import platformdirs

from idroserra.auth.passwords import hash_token, new_token

FILE = "cli.key"


class LocalToken:
    """The token of a running host."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._pointer: Path | None = None
        self._lock: IO[str] | None = None
        self._hash: bytes | None = None

    def open(self, port: int) -> None:
        """Create a token and write both files. Raises OSError."""
        token = new_token()
        self._hash = hash_token(token)
        _write(self._file, token).close()
        self._pointer = pointer_file(port)
        self._pointer.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._unlock()
        self._lock = _write(self._pointer, str(self._file.resolve()))

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
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def token_for(url: str) -> str | None:
    """Return the token of this user's running host at `url` on this machine, or None."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        token_file = _locked_text(pointer_file(port))
        return None if token_file is None else Path(token_file).read_text("utf-8")
    except (OSError, ValueError):
        return None


def local_ports() -> list[int]:
    """Return the ports of this user's running hosts on this machine."""
    ports = []
    for one in pointer_file(0).parent.glob("*"):
        with contextlib.suppress(OSError, ValueError):
            if one.name.isdecimal() and _locked_text(one) is not None:
                ports.append(int(one.name))
    return sorted(ports)


def pointer_file(port: int) -> Path:
    """Return the file that names the token file of the host at a port."""
    return platformdirs.user_state_path("idroserra") / "hosts" / str(port)


def _locked_text(path: Path) -> str | None:
    """Return the text of a file that a running host keeps locked; None if none does.

    Raises OSError, ValueError."""
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read()
    return None


def _write(path: Path, text: str) -> IO[str]:
    """Write a file of mode 0600 atomically; return it open, locked until it is closed."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    file = os.fdopen(descriptor, "w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write(text)
        file.flush()
        os.replace(part, path)
    except OSError:
        file.close()
        raise
    return file
