"""Photos of the journal: damaged ones are refused in words, and what broke off is swept away."""

import io
import resource
import struct
import subprocess
import sys
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from idroserra.core.errors import StoreUnavailable
from idroserra.journal.errors import PhotoRefused
from idroserra.journal.photos import Photos


def encoded(form):
    file = io.BytesIO()
    image = Image.radial_gradient("L").resize((48, 32)).convert("RGB")
    image.save(file, form)
    return file.getvalue()


WHOLE = {form: encoded(form) for form in ("JPEG", "PNG", "WEBP")}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return Photos(tmp_path_factory.mktemp("photos"))


def take(photos, content):
    """Return the photo, None if it was refused."""
    part = photos.part()
    part.write_bytes(content)
    try:
        return photos.take(part)
    except PhotoRefused:
        return None
    finally:
        part.unlink()


@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.sampled_from(sorted(WHOLE)), cut=st.integers(0, 4_000),
       edits=st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 255)), max_size=12))
def test_any_damage_is_refused_in_words_or_is_still_a_photo(photos, form, cut, edits):
    content = bytearray(WHOLE[form])
    for place, byte in edits:
        content[place % len(content)] = byte
    kept = take(photos, bytes(content[:max(1, len(content) - cut % 200)]))
    if kept is not None:
        with Image.open(photos.path(kept.id, small=False)) as image:
            assert image.format == "JPEG"


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(photos):
    file = io.BytesIO()
    Image.new("1", (9_000, 9_000)).save(file, "PNG")
    assert len(file.getvalue()) < 20_000
    assert take(photos, file.getvalue()) is None


def crossed(size, form, **how):
    """Return a picture of four colours, one in each corner."""
    small = Image.new("RGB", (2, 2))
    for place, colour in CORNERS.items():
        small.putpixel(place, colour)
    file = io.BytesIO()
    small.resize(size, Image.Resampling.NEAREST).save(file, form, **how)
    return file.getvalue()


CORNERS = {(0, 0): (200, 0, 0), (1, 0): (0, 200, 0), (0, 1): (0, 0, 200), (1, 1): (200, 200, 0)}
PEAK_OF_ONE = """
import re, sys
from pathlib import Path
from PIL import JpegImagePlugin, PngImagePlugin, WebPImagePlugin
from idroserra.journal.errors import PhotoRefused
from idroserra.journal.photos import Photos
def peak_mb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1_024
photos, before_mb = Photos(Path(sys.argv[2])), peak_mb()
try:
    print(photos.take(Path(sys.argv[1])).width_px)
except PhotoRefused:
    print("refused")
print(peak_mb() - before_mb)
"""


@pytest.mark.parametrize(("size", "form", "how", "is_taken"), [
    ((8_000, 8_000), "PNG", {}, False),
    ((8_000, 8_000), "JPEG", {"progressive": True, "quality": 30}, False),
    ((4_032, 3_024), "PNG", {}, True), ((4_032, 3_024), "WEBP", {"method": 0}, True),
    ((4_032, 3_024), "JPEG", {"progressive": True}, True),
    ((9_000, 6_750), "JPEG", {"quality": 30}, True),  # of a phone; decoded at half its size
])
def test_no_picture_takes_the_memory_of_the_host(tmp_path, size, form, how, is_taken):
    upload = tmp_path / "upload"
    upload.write_bytes(crossed(size, form, **how))
    said = subprocess.run([sys.executable, "-c", PEAK_OF_ONE, upload, tmp_path],
                          capture_output=True, text=True, check=True).stdout.split()
    assert said[0] == ("1600" if is_taken else "refused")
    assert int(said[1]) < 220  # MB; 600 of the largest PNG that was taken


def test_a_photo_for_which_there_is_no_room_leaves_nothing(tmp_path):
    photos, upload = Photos(tmp_path), tmp_path / "upload"
    upload.write_bytes(crossed((1_600, 1_200), "PNG"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(StoreUnavailable):
            photos.take(upload)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(photos.folder.iterdir()) == []


BOMB_BYTES = 1 << 28


def with_chunk(kind, begin):
    """Return a PNG with a compressed chunk of BOMB_BYTES before its pixels."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    packed = b"".join(packer.compress(block) for _ in range(BOMB_BYTES >> 20)) + packer.flush()
    content = kind + begin + packed
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    place = WHOLE["PNG"].index(b"IDAT") - 4
    return WHOLE["PNG"][:place] + chunk + WHOLE["PNG"][place:]


@pytest.mark.parametrize(("kind", "begin"), [
    (b"zTXt", b"Comment\0\0"), (b"iTXt", b"Comment\0\1\0\0\0"), (b"iCCP", b"profile\0\0")])
def test_no_text_of_a_picture_takes_the_memory_of_the_host(tmp_path, kind, begin):
    upload = tmp_path / "upload"
    upload.write_bytes(with_chunk(kind, begin))
    assert upload.stat().st_size < 2_000_000
    assert peak_mb_of(upload) < 60


def peak_mb_of(upload):
    """Return how much memory a process takes to store or refuse an upload, MB."""
    said = subprocess.run([sys.executable, "-c", PEAK_OF_ONE, upload, upload.parent],
                          capture_output=True, text=True, check=True).stdout.split()
    return int(said[1])


def test_a_large_picture_is_kept_whole_and_upright(photos):
    kept = take(photos, crossed((8_000, 6_000), "JPEG", quality=60))
    assert (kept.width_px, kept.height_px) == (1_600, 1_200)
    with Image.open(photos.path(kept.id, small=False)) as image:
        for (x, y), colour in CORNERS.items():
            found = image.getpixel((400 + 800 * x, 300 + 600 * y))
            assert all(abs(one - other) < 12 for one, other in zip(found, colour, strict=True))


def test_a_transparent_picture_lies_on_white(photos):
    file = io.BytesIO()
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(file, "PNG")
    kept = take(photos, file.getvalue())
    with Image.open(photos.path(kept.id, small=False)) as image:
        assert min(image.getpixel((10, 10))) > 250


def test_what_belongs_to_no_photo_is_swept_away(photos):
    kept = take(photos, WHOLE["JPEG"])
    photos.part().write_bytes(b"broke off")
    take(photos, WHOLE["PNG"])
    photos.sweep({kept.id})
    assert sorted(path.name for path in photos.folder.iterdir()) == sorted(
        [f"{kept.id}.jpg", f"{kept.id}-small.jpg"])
