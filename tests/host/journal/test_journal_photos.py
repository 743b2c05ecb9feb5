"""Photos of the journal: damaged ones are refused in words, and what broke off is swept away."""

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

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
