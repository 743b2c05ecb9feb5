"""A release: a folder with `manifest`, `signature` and the files of one slot of one board class.

Built from the image (image.build) without the entry files and the kernel. The build is
reproducible: the same sources and key give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from idroserra.core import protocol
from idroserra.core.errors import ConfigError
from idroserra.image import build as image_build
from idroserra.updates import manifest, signing
from idroserra.updates.errors import BadRelease
from idroserra.updates.manifest import File, Manifest
from idroserra.updates.signing import PublicKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

MANIFEST, SIGNATURE = "manifest", "signature"
MOST_PACKED_BYTES = manifest.MOST_TOTAL_BYTES + 100_000
PACKED_TYPE = "application/zip"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Release:
    """A fully verified release. `key_id` is that of the key that signed it."""

    manifest: Manifest
    text: bytes
    signature: bytes
    key_id: str
    content: Mapping[str, bytes]

    @property
    def sha256(self) -> str:
        """The id of the release: the hash of its manifest, in hex."""
        return hashlib.sha256(self.text).hexdigest()


def build(
    board: str, key: rsa.RSAPrivateKey, *, version: str | None = None,
    security_counter: int | None = None, sources: Mapping[str, Path] | None = None,
) -> Release:
    """Return the signed release of a board. `sources` as for image.build_image.

    Raises BoardError, ImageError; BadRelease if the image is not a valid release."""
    with tempfile.TemporaryDirectory(prefix="idroserra-release-") as folder:
        made = image_build.build_image(board, Path(folder), sources)
        content = {path: (Path(folder) / path).read_bytes() for path in sorted(made.files)
                   if path not in image_build.ENTRY_FILES and not protocol.is_kernel(path)}
    text = Manifest(
        made.version if version is None else version, made.board_class, protocol.KERNEL,
        made.security_counter if security_counter is None else security_counter,
        tuple(File(path, len(data), image_build.sha256(data)) for path, data in content.items()),
    ).text
    return _checked({MANIFEST: text, SIGNATURE: signing.sign(key, text), **content},
                    [PublicKey(key.public_key())])


def write(release: Release, folder: Path) -> None:
    """Write a release into a new or empty folder. Raises ConfigError."""
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(str(folder), "", "is not empty: a release never overwrites another")
        for name, data in _members(release).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as error:
        raise ConfigError(str(folder), "", error.strerror or str(error)) from None


def read(folder: Path, trusted: Sequence[PublicKey]) -> Release:
    """Return the release in a folder. Raises BadRelease with the file."""
    return _checked(_read_members(folder), trusted)


def pack_folder(folder: Path) -> bytes:
    """Return a folder as one file to upload; the host verifies it. Raises BadRelease."""
    return _packed(_read_members(folder))


def _read_members(folder: Path) -> dict[str, bytes]:
    try:
        found = [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]
        links = [path for path in found if path.is_symlink()]
        if links or len(found) > manifest.MOST_FILES + 2:
            raise BadRelease(f"{folder}: {links[0].name} is a link" if links else
                             f"{folder}: {len(found)} files are too many for a release")
        return {path.relative_to(folder).as_posix(): _limited(path) for path in sorted(found)}
    except OSError as error:
        raise BadRelease(f"{folder}: {error.strerror or error}") from None


def pack(release: Release) -> bytes:
    """Return a release as one file."""
    return _packed(_members(release))


def _packed(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return buffer.getvalue()


def unpack(data: bytes, trusted: Sequence[PublicKey]) -> Release:
    """Return the release in an upload of pack(). Raises BadRelease."""
    if len(data) > MOST_PACKED_BYTES:
        raise BadRelease(f"{len(data)} bytes are too many for a release")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if len({info.filename for info in infos}) < len(infos):
                raise BadRelease("it contains a file twice")
            if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
                raise BadRelease("its files are compressed: a release is stored uncompressed")
            _check_unpacked_size(infos)
            return _checked({info.filename: archive.read(info) for info in infos}, trusted)
    except (zipfile.BadZipFile, EOFError, ValueError, RuntimeError, OSError) as error:
        raise BadRelease(f"not a packed release: {error}") from None


def _check_unpacked_size(infos: Sequence[zipfile.ZipInfo]) -> None:
    """Raise BadRelease if the files are larger together than any release: files of an archive may
    overlap, so that it unpacks to far more than its own size."""
    unpacked_bytes = sum(info.file_size for info in infos)
    if len(infos) > manifest.MOST_FILES + 2 or unpacked_bytes > MOST_PACKED_BYTES:
        raise BadRelease(f"{len(infos)} files of {unpacked_bytes} bytes are too many for a "
                         "release")


def _members(release: Release) -> dict[str, bytes]:
    return {MANIFEST: release.text, SIGNATURE: release.signature, **release.content}


def _limited(path: Path) -> bytes:
    if path.stat().st_size > manifest.MOST_FILE_BYTES:
        raise BadRelease(f"{path}: larger than {manifest.MOST_FILE_BYTES} bytes")
    return path.read_bytes()


def _checked(members: Mapping[str, bytes], trusted: Sequence[PublicKey]) -> Release:
    """Return the release of these files, verified in the node's order: signature first."""
    for name in (MANIFEST, SIGNATURE):
        if name not in members:
            raise BadRelease(f"{name}: missing: not a release")
    text, signature = members[MANIFEST], members[SIGNATURE]
    signer = next((key for key in trusted if key.has_signed(text, signature)), None)
    if signer is None:
        known = ", ".join(key.id for key in trusted) or "none"
        raise BadRelease(f"signature: by none of the trusted keys ({known}), or the manifest was "
                         "changed after it was signed")
    parsed = manifest.read(text)
    for file in parsed.files:
        data = members.get(file.path)
        if data is None:
            raise BadRelease(f"{file.path}: missing, the manifest names it")
        if len(data) != file.size or image_build.sha256(data) != file.sha256:
            raise BadRelease(f"{file.path}: differs from the manifest")
    extra = sorted(set(members) - {MANIFEST, SIGNATURE} - {file.path for file in parsed.files})
    if extra:
        raise BadRelease(f"{extra[0][:80]}: the manifest does not name it")
    return Release(parsed, text, signature, signer.id,
                   {file.path: members[file.path] for file in parsed.files})
