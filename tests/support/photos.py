"""Generated photos with the EXIF data of a phone, for tests of the journal."""

import io

from PIL import Image, ImageDraw

GREEN, BROWN = (60, 140, 70), (110, 80, 50)


def picture(size=(1_200, 900), form="JPEG", *, orientation=1, gps=True, quality=85):
    """Return the bytes of a photo of leaves over soil, with its position in the EXIF data."""
    image = Image.new("RGB", size, GREEN)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, size[1] // 2, *size), fill=BROWN)
    for x in range(0, size[0], 120):
        draw.ellipse((x, size[1] // 4, x + 100, size[1] // 2 + 40), fill=(90, 180, 80))
    exif = image.getexif()
    exif[0x0112], exif[0x010F] = orientation, "Phone Maker"
    if gps:
        exif.get_ifd(0x8825).update({1: "N", 2: (45.0, 4.0, 12.0), 3: "E", 4: (7.0, 41.0, 9.0)})
    file = io.BytesIO()
    image.save(file, form, exif=exif, **({"quality": quality} if form != "PNG" else {}))
    return file.getvalue()


def noise(size=(1_600, 1_200)):
    """Return the bytes of a picture that compresses badly."""
    file = io.BytesIO()
    Image.effect_noise(size, 200).convert("RGB").save(file, "JPEG", quality=95)
    return file.getvalue()


def opened(content):
    """Return the decoded image."""
    return Image.open(io.BytesIO(content))
