"""Stores photos as re-encoded JPEG files without metadata.

Each photo is decoded and encoded again, so that no place, time or name of the camera remains. Two
files each, in `journal-photos` of the data folder: screen size and thumbnail. File names are
random, never those of the upload.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import struct
import threading
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from idroserra.core.errors import StoreUnavailable
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.journal.errors import PhotoRefused, UnknownNote
from idroserra.journal.models import Photo

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

FOLDER = "journal-photos"
TYPE = "image/jpeg"
# Accepted content types.
UPLOAD_TYPES = ("image/jpeg", "image/png", "image/webp")
MOST_UPLOAD_BYTES = 20 * 1024 * 1024
# Limits of the memory that a photo takes: all formats have their pixels decoded at full size (at
# most 16 bytes each), except a JPEG of one scan, which is decoded at 1/2 to 1/8 of its size.
MOST_PIXELS = 13_000_000
MOST_PIXELS_OF_SCALED = 64_000_000
LONG_SIDE_PX, SMALL_SIDE_PX = 1_600, 360
_QUALITY = 82
_ID = re.compile(r"[0-9a-f]{32}")
# Exceptions of the decoders on a damaged file.
_DAMAGED = (OSError, ValueError, SyntaxError, KeyError, IndexError, TypeError, AttributeError,
            EOFError, OverflowError, struct.error, zlib.error)


class Photos:
    """The folder of the photos. Any thread may call."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if needed. Raises OSError."""
        self.folder = folder / FOLDER
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._decoding = threading.Lock()  # one at a time: decoding takes much memory

    def part(self) -> Path:
        """Return a new path for an upload in progress; sweep() removes it."""
        return self.folder / f"{secrets.token_hex(16)}.part"

    def take(self, upload: Path) -> Photo:
        """Store an upload as a photo. Raises PhotoRefused, StoreUnavailable."""
        photo_id = secrets.token_hex(16)
        with self._decoding:
            image = _read(upload)
            try:
                size_bytes = self._write(image, self._path(photo_id, small=False))
                width_px, height_px = image.size
                image.thumbnail((SMALL_SIDE_PX, SMALL_SIDE_PX))
                size_bytes += self._write(image, self._path(photo_id, small=True))
            except OSError as error:
                self.remove(photo_id)
                why = error.strerror or str(error)
                raise StoreUnavailable(Text(
                    N_("{folder}: the photo was not saved: {why}"), folder=FOLDER,
                    why=why)) from error
        return Photo(photo_id, width_px, height_px, size_bytes)

    def path(self, photo_id: str, *, small: bool) -> Path:
        """Return the file of a photo. Raises UnknownNote."""
        if not _ID.fullmatch(photo_id):
            raise UnknownNote(N_("photo: no such photo"))
        path = self._path(photo_id, small=small)
        if not path.is_file():
            raise UnknownNote(N_("photo: its file is gone from the host"))
        return path

    def remove(self, photo_id: str) -> None:
        """Remove the files of a photo, also half written; the next sweep() retries what fails."""
        for small in (False, True):
            path = self._path(photo_id, small=small)
            for one in (path, path.with_suffix(".part")):
                with suppress(OSError):
                    one.unlink(missing_ok=True)

    def sweep(self, known: set[str]) -> None:
        """Remove files without a photo: interrupted uploads, and leftovers of deletions."""
        for path in self.folder.iterdir():
            if path.name.partition(".")[0].removesuffix("-small") not in known:
                with suppress(OSError):
                    path.unlink()

    def _path(self, photo_id: str, *, small: bool) -> Path:
        return self.folder / f"{photo_id}{'-small' if small else ''}.jpg"

    def _write(self, image: Image, path: Path) -> int:
        part, encoded = path.with_suffix(".part"), io.BytesIO()
        image.save(encoded, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
        with part.open("wb") as file:  # Pillow itself takes a short write for a whole one
            os.fchmod(file.fileno(), 0o600)
            file.write(encoded.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        return path.stat().st_size


def _read(upload: Path) -> Image:
    """Return the pixels of an upload, upright, at most LONG_SIDE_PX. Raises PhotoRefused."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(upload, formats=("JPEG", "PNG", "WEBP")) as opened:
            width_px, height_px = opened.size
            most = MOST_PIXELS_OF_SCALED if _is_one_scan(opened) else MOST_PIXELS
            if width_px * height_px > most:
                raise PhotoRefused(Text(
                    N_("photo: {width} x {height} pixels, at most {most} million"),
                    width=width_px, height=height_px, most=most // 1_000_000))
            scale = LONG_SIDE_PX / max(LONG_SIDE_PX, *opened.size)
            opened.draft(None, (int(2 * scale * width_px), int(2 * scale * height_px)))
            opened.thumbnail((LONG_SIDE_PX, LONG_SIDE_PX))
            upright = ImageOps.exif_transpose(opened)
            pixels = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except PhotoRefused:
        raise
    except UnidentifiedImageError:
        raise PhotoRefused(N_(
            "photo: the format is not supported: a JPEG, PNG or WebP is needed")) from None
    except (*_DAMAGED, Image.DecompressionBombError) as error:
        raise PhotoRefused(Text(N_(
            "photo: damaged, it cannot be read ({why}): a JPEG, PNG or WebP is needed"),
            why=str(error))) from None
    bare = Image.new("RGB", pixels.size, "white")
    bare.paste(pixels, mask=pixels.getchannel("A") if pixels.mode == "RGBA" else None)
    return bare


def _is_one_scan(opened: ImageFile) -> bool:
    """Whether an image is a JPEG with all its components in one scan: libjpeg decodes it line by
    line, and keeps the whole image of any other."""
    file, layers = opened.fp, getattr(opened, "layers", 0)
    if not layers or "progressive" in opened.info or file is None:
        return False
    begin = file.tell()  # behind the header of the first scan
    file.seek(max(0, begin - 6 - 2 * layers))
    header = file.read(3)  # its length and number of components
    file.seek(begin)
    return header == bytes((0, 6 + 2 * layers, layers))
