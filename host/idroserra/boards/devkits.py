"""Pin headers of the supported development boards.

From section "Header Block" of Espressif's user guides: ESP32-DevKitC V4 (headers J2 and J3,
38 pins) and ESP32-S3-DevKitC-1 (J1 and J3), and from the pinout of Wemos's LOLIN S2 mini, whose
two rows a side alternate here, the outer one first. Seen from above with the USB connector at the
bottom. A number is a GPIO, a word is the label on the board.
"""

from dataclasses import dataclass

Pin = int | str


@dataclass(frozen=True)
class Devkit:
    """A development board: name, module, and both headers from top to bottom."""

    name: str
    module: str
    left: tuple[Pin, ...]
    right: tuple[Pin, ...]


DEVKITS = {
    "esp32": Devkit(
        "ESP32-DevKitC V4", "ESP32-WROVER-E",
        ("3V3", "EN", 36, 39, 34, 35, 32, 33, 25, 26, 27, 14, 12, "GND", 13, 9, 10, 11, "5V"),
        ("GND", 23, 22, 1, 3, 21, "GND", 19, 18, 5, 17, 16, 4, 0, 2, 15, 8, 7, 6),
    ),
    "esp32s3": Devkit(
        "ESP32-S3-DevKitC-1", "ESP32-S3-WROOM-1-N16R8",
        ("3V3", "3V3", "RST", 4, 5, 6, 7, 15, 16, 17, 18, 8, 3, 46, 9, 10, 11, 12, 13, 14, "5V",
         "GND"),
        ("GND", 43, 44, 1, 2, 42, 41, 40, 39, 38, 37, 36, 35, 0, 45, 48, 47, 21, 20, 19, "GND",
         "GND"),
    ),
    "esp32s2": Devkit(
        "LOLIN S2 mini (rows alternate, outer first)", "ESP32-S2FN4R2",
        ("EN", 1, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 12, 13, "3V3", 14),
        (39, 40, 37, 38, 35, 36, 33, 34, 18, 21, 16, 17, "GND", "GND", "5V", 15),
    ),
}
