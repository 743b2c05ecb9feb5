"""Where a MicroPython binary comes from: a file, a known release, or an address with its hash.

What comes over the network is used only if its bytes have the SHA-256 that was pinned before.
"""

import hashlib
import os
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from idroserra.flash.errors import FlashError

RELEASES_FILE = Path(__file__).with_name("releases.toml")
_TIMEOUT_S = 30
_CHUNK_BYTES = 65_536
_MAX_BYTES = 16 * 1_048_576  # no flash of ours is larger
OnBytes = Callable[[int, int], None]


@dataclass(frozen=True)
class BinarySource:
    """Where a binary comes from: a file of this machine, or an address and its SHA-256."""

    path: Path | None = None
    url: str = ""
    sha256: str = ""

    @property
    def text(self) -> str:
        """The source in a few words."""
        return str(self.path) if self.path else self.url


def releases(file: Path = RELEASES_FILE) -> dict[str, dict[str, dict[str, str]]]:
    """Return the known releases: version, chip, then url and, where it is pinned, sha256."""
    return tomllib.loads(file.read_text(encoding="utf-8"))


def resolve(
    wanted: str, chip: str, sha256: str = "",
    known: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None,
) -> BinarySource:
    """Return the source that `wanted` names: a path, a version, or an address.

    Raises FlashError for one that is none of these, or that nobody pinned.
    """
    known = releases() if known is None else known
    if urllib.parse.urlsplit(wanted).scheme in ("http", "https"):
        return _pinned(wanted, sha256)
    version = wanted.removeprefix("v")
    if version in known:
        entry = known[version].get(chip)
        if entry is None:
            raise FlashError(f"MicroPython {version}: no binary for {chip} is known",
                             "Give the path of a .bin with --micropython.")
        return _pinned(entry["url"], sha256 or entry.get("sha256", ""))
    path = Path(wanted)
    if not path.is_file():
        raise FlashError(f"{wanted}: neither a file nor a known version of MicroPython",
                         f"Known: {', '.join(known)}. Else give the path of a .bin.")
    if sha256:
        _check(path.read_bytes(), sha256, wanted)
    return BinarySource(path=path)


def fetch(source: BinarySource, on_bytes: OnBytes, cache: Path | None = None) -> Path:
    """Return the file of `source`, downloaded unless it is there. Raises FlashError.

    `on_bytes` gets the bytes so far and in all (0: unknown). A file is kept under its own hash,
    so an interrupted or forged one is never used.
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
                         "Make room, or give the path of a .bin with --micropython.") from error
    return target


def _pinned(url: str, sha256: str) -> BinarySource:
    if len(sha256) != 64 or set(sha256.lower()) - set("0123456789abcdef"):
        what = "no SHA-256 is pinned for it" if not sha256 else f"{sha256} is no SHA-256"
        raise FlashError(
            f"{url}: {what}",
            "Download it with a browser and give its path: --micropython FILE. Or state the hash "
            "that you have from somebody you trust: --sha256 HEX.",
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
                    raise FlashError(f"{url}: more than {_MAX_BYTES} bytes", "Check the address.")
    except (OSError, ValueError, urllib.error.URLError) as error:
        why = getattr(error, "reason", None) or error
        raise FlashError(f"{url}: cannot be downloaded ({why})", "Check the network, or download "
                         "it elsewhere and give its path: --micropython FILE.") from error
    if all_bytes and len(data) < all_bytes:
        raise FlashError(f"{url}: ended after {len(data)} of {all_bytes} bytes",
                         "Say the same command again.")
    return bytes(data)


def _check(data: bytes, sha256: str, name: str) -> None:
    its = _sha256(data)
    if its != sha256.lower():
        raise FlashError(
            f"{name}: its SHA-256 is {its}, not the pinned {sha256.lower()}: not used",
            "Somebody changed it on the way, or the hash is another file's. Compare both with the "
            "page you have them from.",
        )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
