"""The backup archive: a tar of the host's files and, last, manifest.json with their SHA-256."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

import msgspec

from idroserra.core.errors import HostError

FORMAT = 1
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024


class BackupError(HostError):
    """The backup could not be made, or nothing was restored; the message says why."""


class Entry(NamedTuple):
    """One file: its path below data_dir; `database`: True for a SQLite file."""

    name: str
    size_bytes: int
    sha256: str
    database: bool


class Manifest(NamedTuple):
    """The contents of an archive. store: "sqlite", or "influx", whose history is not included."""

    format: int
    version: str
    site: str
    made_unix_ms: int
    with_keys: bool
    store: str
    files: list[Entry]


def add_file(archive: tarfile.TarFile, path: Path, name: str, *, database: bool) -> Entry:
    """Add a file that may be replaced, but not changed meanwhile; return its manifest entry."""
    info = tarfile.TarInfo(name)
    info.mode = 0o600
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        info.size, info.mtime = status.st_size, int(status.st_mtime)
        reader = _HashingReader(file)
        archive.addfile(info, reader)
    return Entry(name, info.size, reader.sha256.hexdigest(), database)


def add_manifest(archive: tarfile.TarFile, manifest: Manifest) -> None:
    """Add the manifest; an archive without one is incomplete."""
    named = manifest._asdict() | {"files": [entry._asdict() for entry in manifest.files]}
    body = json.dumps(named, indent=1).encode()
    info = tarfile.TarInfo(MANIFEST)
    info.size = len(body)
    info.mode = 0o600
    archive.addfile(info, io.BytesIO(body))


def read_manifest(archive: tarfile.TarFile) -> Manifest:
    """Return the manifest. Raises BackupError if the archive is incomplete or unsupported."""
    try:
        member = archive.getmember(MANIFEST)
        file = archive.extractfile(member) if member.isreg() else None
    except KeyError:
        raise BackupError("no manifest: incomplete, or not a backup of Idroserra") from None
    if file is None or member.size > MAX_MANIFEST_BYTES:
        raise BackupError(f"{MANIFEST}: not a manifest of Idroserra")
    try:
        table = json.loads(file.read())
        if table["format"] != FORMAT:
            raise BackupError(f"{MANIFEST}: format {table['format']!r}, this host reads {FORMAT}: "
                              "it is of another version")
        table["files"] = [Entry(**entry) for entry in table["files"]]
        manifest = msgspec.convert(list(Manifest(**table)), Manifest)
    except (ValueError, KeyError, TypeError, AttributeError, msgspec.ValidationError) as error:
        raise BackupError(f"{MANIFEST}: {error}") from None
    for entry in manifest.files:
        check_name(entry.name)
    return manifest


def check_name(name: str) -> None:
    """Reject a path that leads out of the data folder. Raises BackupError."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\\" in name or any(
            part in ("..", ".") or "\0" in part for part in parts) or name == MANIFEST:
        raise BackupError(f"{MANIFEST}: {name[:80]!r} is not a path in a data folder")


def unpack(archive: tarfile.TarFile, manifest: Manifest, folder: Path) -> None:
    """Extract every file of the manifest below `folder` and verify it.

    Raises BackupError with the file; OSError."""
    listed = {entry.name for entry in manifest.files}
    extra = {member.name for member in archive.getmembers()} - listed - {MANIFEST}
    if extra or len(listed) != len(manifest.files):
        raise BackupError(f"{sorted(extra)[:1] or 'a file'}: not in the manifest, or twice")
    for entry in manifest.files:
        try:
            member = archive.getmember(entry.name)
        except KeyError:
            raise BackupError(f"{entry.name}: in the manifest, but not in the archive") from None
        file = archive.extractfile(member) if member.isreg() else None
        if file is None or member.size != entry.size_bytes:
            raise BackupError(f"{entry.name}: differs from the manifest")
        path = folder / entry.name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with path.open("xb") as target:
            path.chmod(0o600)
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                target.write(chunk)
        if digest.hexdigest() != entry.sha256:
            raise BackupError(f"{entry.name}: damaged: its SHA-256 differs from the manifest")


class _HashingReader(io.RawIOBase):
    """A reader that hashes the bytes it reads."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        data = self._file.read(size)
        self.sha256.update(data)
        return data
