"""Resolves and downloads MicroPython binaries: a file, a known release, or a URL with its hash.

A download is used only if it has the pinned SHA-256.
"""

import hashlib
import os
import tomllib
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from platformdirs import user_cache_path

from idroserra.flash.errors import FlashError
from idroserra.i18n.marker import N_

RELEASES_FILE = Path(__file__).with_name("releases.toml")
_TIMEOUT_S = 30
_CHUNK_BYTES = 65_536
_MAX_BYTES = 16 * 1_048_576  # the largest supported flash
_BY_HAND = N_("The host cannot download MicroPython. Download the .bin for your board at "
              "micropython.org/download and choose 'a file of mine'.")
OnBytes = Callable[[int, int], None]


@dataclass(frozen=True)
class BinarySource:
    """Source of a binary: a local file, or a URL and its SHA-256."""

    path: Path | None = None
    url: str = ""
    sha256: str = ""

    @property
    def text(self) -> str:
        """The path or URL."""
        return str(self.path) if self.path else self.url


def releases(file: Path = RELEASES_FILE) -> dict[str, dict[str, dict[str, str]]]:
    """Return the known releases: {version: {chip: {url, sha256 if pinned}}}."""
    return tomllib.loads(file.read_text(encoding="utf-8"))


def resolve(
    wanted: str, chip: str, sha256: str = "",
    known: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None,
) -> BinarySource:
    """Return the source for `wanted`: a path, a version or a URL.

    Raises FlashError if it is none of these, or has no pinned hash.
    """
    known = releases() if known is None else known
    if wanted.lower().startswith(("http://", "https://")):
        return _pinned(wanted, sha256)
    version = wanted.removeprefix("v")
    if version in known:
        entry = known[version].get(chip)
        if entry is None:
            raise FlashError(f"MicroPython {version}: no known binary for {chip}",
                             "Set the path of a .bin with --micropython.", _BY_HAND)
        return _pinned(entry["url"], sha256 or entry.get("sha256", ""))
    path = Path(wanted)
    if not path.is_file():
        raise FlashError(f"{wanted}: neither a file nor a known version of MicroPython",
                         f"Known: {', '.join(known)}. Or set the path of a .bin.", _BY_HAND)
    if sha256:
        _check(path.read_bytes(), sha256, wanted)
    return BinarySource(path=path)


def fetch(source: BinarySource, on_bytes: OnBytes, cache: Path | None = None) -> Path:
    """Return the file of `source`, downloaded unless it is cached. Raises FlashError.

    on_bytes(bytes so far, total or 0 if unknown). The cache is keyed by hash, so an incomplete or
    forged file is never used.
    """
    if source.path is not None:
        return source.path
    folder = cache or user_cache_path("idroserra") / "micropython"
    target = folder / f"{source.sha256}.bin"
    if target.is_file() and _sha256(target.read_bytes()) == source.sha256:
        return target
    data = _get(source.url, on_bytes)
    _check(data, source.sha256, source.url)
    part = target.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, target)
    except OSError as error:
        raise FlashError(f"{error.filename}: cannot be written ({error.strerror})",
                         "Free disk space, or set the path of a .bin with --micropython.",
                         N_("This host cannot store the download: its disk is full or protected. "
                            "Your technician makes room.")) from error
    return target


def _pinned(url: str, sha256: str) -> BinarySource:
    if len(sha256) != 64 or set(sha256.lower()) - set("0123456789abcdef"):
        what = f"{sha256} is not a SHA-256" if sha256 else "no SHA-256 is pinned for it"
        raise FlashError(
            f"{url}: {what}",
            "Download it with a browser and set its path: --micropython FILE. Or set its hash "
            "from a trusted source: --sha256 HEX.",
            _BY_HAND,
        )
    return BinarySource(url=url, sha256=sha256.lower())


def _get(url: str, on_bytes: OnBytes) -> bytes:
    data = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            all_bytes = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(_CHUNK_BYTES):
                data += chunk
                on_bytes(len(data), all_bytes)
                if len(data) > _MAX_BYTES:
                    raise FlashError(f"{url}: more than {_MAX_BYTES} bytes", "Check the address.",
                                     _BY_HAND)
    except (OSError, ValueError, HTTPException) as error:  # URLError is an OSError
        why = getattr(error, "reason", None) or error
        raise FlashError(f"{url}: cannot be downloaded ({why})", "Check the network, or download "
                         "it elsewhere and set its path: --micropython FILE.",
                         _BY_HAND) from error
    if all_bytes and len(data) < all_bytes:
        raise FlashError(f"{url}: ended after {len(data)} of {all_bytes} bytes",
                         "Repeat the command.", _BY_HAND)
    return bytes(data)


def _check(data: bytes, sha256: str, name: str) -> None:
    actual = _sha256(data)
    if actual != sha256.lower():
        raise FlashError(
            f"{name}: its SHA-256 is {actual}, not the pinned {sha256.lower()}: not used",
            "The file was modified, or the hash belongs to another file. Compare both with their "
            "source.",
            N_("The downloaded file is not the one whose hash this host knows, so it is not used. "
               "Tell your technician, and do not use that file."),
        )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
