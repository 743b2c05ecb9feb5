"""Pin headers of the supported development boards.

From section "Header Block" of Espressif's user guides: ESP32-DevKitC V4 (headers J2 and J3,
38 pins), ESP32-S3-DevKitC-1 (J1 and J3), ESP32-C3-DevKitM-1 (J1 and J3), seen from above with the
USB connector at the bottom. A number is a GPIO, a word is the label on the board.
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
        "ESP32-DevKitC V4", "ESP32-WROOM-32",
        ("3V3", "EN", 36, 39, 34, 35, 32, 33, 25, 26, 27, 14, 12, "GND", 13, 9, 10, 11, "5V"),
        ("GND", 23, 22, 1, 3, 21, "GND", 19, 18, 5, 17, 16, 4, 0, 2, 15, 8, 7, 6),
    ),
    "esp32s3": Devkit(
        "ESP32-S3-DevKitC-1", "ESP32-S3-WROOM-1",
        ("3V3", "3V3", "RST", 4, 5, 6, 7, 15, 16, 17, 18, 8, 3, 46, 9, 10, 11, 12, 13, 14, "5V",
         "GND"),
        ("GND", 43, 44, 1, 2, 42, 41, 40, 39, 38, 37, 36, 35, 0, 45, 48, 47, 21, 20, 19, "GND",
         "GND"),
    ),
    "esp32c3": Devkit(
        "ESP32-C3-DevKitM-1", "ESP32-C3-MINI-1",
        ("GND", "3V3", "3V3", 2, 3, "GND", "RST", "GND", 0, 1, 10, "GND", "5V", "5V", "GND"),
        ("GND", 21, 20, "GND", 9, 8, "GND", 7, 6, 5, 4, "GND", 18, 19, "GND"),
    ),
}
