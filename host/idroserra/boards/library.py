"""The boards of a host: the shipped ones, and those that it keeps as files in its data folder.

A kept board is written whole or not at all, only if it compiles. Two people who change one board
at a time: the second is refused, by the digest of the file that they were shown.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from idroserra.boards import compiler, kept
from idroserra.boards.board_text import encoded
from idroserra.boards.compiler import LoadedBoard
from idroserra.boards.proposal import check_name
from idroserra.boards.schema import Part
from idroserra.boards.summary import summary_of
from idroserra.core.errors import BoardError, Conflict, NotFound
from idroserra.core.text import Text
from idroserra.i18n.errors import ExplainedError
from idroserra.i18n.marker import N_

MOST_BOARDS = 200


class UnknownBoard(NotFound, ExplainedError):
    """This host has no board of this name."""


class CannotKeep(Conflict, ExplainedError):
    """A board cannot be kept or deleted; the message says what to do."""


class BoardSource(NamedTuple):
    """The file of a board; `digest` is that of its text."""

    name: str
    text: str
    is_kept: bool

    @property
    def digest(self) -> str:
        """The first digits of the hash of the text."""
        return digest_of(self.text)

    @property
    def comments(self) -> int:
        """The number of comment lines."""
        return sum(line.lstrip().startswith("#") for line in self.text.splitlines())


def digest_of(text: str) -> str:
    """Return the first digits of the hash of a file's text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class BoardLibrary:
    """The boards by name. Every method may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        """`folder` of the kept boards is made when one is kept."""
        self._folder = folder
        self._lock = threading.Lock()

    def parts(self) -> dict[str, Part]:
        """Return the parts that a kept board may have. Raises BoardError."""
        return compiler.known_parts(self._folder)

    def all(self) -> list[dict[str, Any]]:
        """Return every board: name, chip, channels, outputs, is_kept, digest and error, "" if it
        compiles. The kept ones come first."""
        parts, found = self.parts(), []
        for name in self.names():
            with suppress(UnknownBoard):  # deleted meanwhile
                found.append(_described(self.get(name), parts))
        return found

    def names(self) -> list[str]:
        """Return the names of the kept boards, then those of the shipped ones."""
        own = compiler.names_in(self._folder)
        return own + [name for name in compiler.names() if name not in own]

    def get(self, name: str) -> BoardSource:
        """Return the file of a board. Raises UnknownBoard, BoardError."""
        folders = (self._folder, compiler.boards_dir())
        folder = next((one for one in folders if name in compiler.names_in(one)), None)
        if folder is None:
            raise UnknownBoard(Text(N_("no board {name} on this host"), name=f"{name:.32}"))
        path = folder / f"{name}.toml"
        try:
            text = path.read_bytes().decode(errors="replace")
        except OSError as error:
            raise BoardError(path.name, "", f"cannot be read ({error.strerror})") from error
        return BoardSource(name, text, folder == self._folder)

    def keep(self, name: str, text: str, digest: str | None = None) -> BoardSource:
        """Keep a board: a new one, or instead of the kept one whose text has the digest.

        Raises BoardError, CannotKeep."""
        check_name(name)
        data = encoded(text, f"{name}.toml")
        compiler.read_data(data, f"{name}.toml", self.parts())
        if name in compiler.names() or f"{name}.toml" == compiler.PARTS_FILE:
            raise CannotKeep(Text(
                N_("{name} is a shipped board, which does not change: choose another name"),
                name=name))
        path = self._folder / f"{name}.toml"
        with self._lock:
            present = path.read_bytes().decode(errors="replace") if path.is_file() else None
            self._refuse_changed(name, present, digest)
            if present is None and len(list(self._folder.glob("*.toml"))) >= MOST_BOARDS:
                raise CannotKeep(Text(
                    N_("{count} kept boards at most: delete one first"), count=MOST_BOARDS))
            try:
                self._write(path, data)
            except OSError as error:
                raise CannotKeep(Text(
                    N_("the board cannot be written on this host: {reason}"),
                    reason=error.strerror or str(error))) from error
        return BoardSource(name, text, is_kept=True)

    def remove(self, name: str) -> None:
        """Delete a kept board. Raises UnknownBoard, CannotKeep."""
        if not self.get(name).is_kept:
            raise CannotKeep(Text(N_("{name} is a shipped board: it cannot be deleted"),
                                  name=name))
        (self._folder / f"{name}.toml").unlink(missing_ok=True)
        kept.mark_changed()

    def _refuse_changed(self, name: str, present: str | None, digest: str | None) -> None:
        if present is None and digest is None:
            return
        if digest is None:
            raise CannotKeep(Text(
                N_("there is a board {name} already: choose another name, or replace it"),
                name=name))
        if present is None or digest_of(present) != digest:
            raise CannotKeep(Text(
                N_("{name} has changed since it was shown: reload the page and check it"),
                name=name))

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        kept.mark_changed()


def _described(source: BoardSource, parts: dict[str, Part]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": source.name, "chip": "", "channels": [], "outputs": []}
    error = ""
    try:
        found |= summary_of(_read(source, parts).compiled)
    except BoardError as refused:
        error = str(refused)
    return found | {"is_kept": source.is_kept, "digest": source.digest, "error": error}


def _read(source: BoardSource, parts: dict[str, Part]) -> LoadedBoard:
    return compiler.read_data(source.text.encode(), f"{source.name}.toml", parts)
