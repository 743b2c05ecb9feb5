"""A MicroPython of our own: the files of a board definition that freezes the whole image.

What is frozen lies in flash instead of the heap. It is all of the image and not boot and safety
alone: MicroPython looks for every module of a package where it found the package. `idro.frozen`
says what was frozen in, and that it was. The files are for MicroPython's build (ports/esp32,
BOARD_DIR), which needs ESP-IDF: they are written here and built by whoever has it.
"""

import shutil
import tempfile
from pathlib import Path

from idroserra import boards, frozen, image

# Of each of the two applications.
SLOT_BYTES = 0x180000
# chip: the board of MicroPython's own that it is like
_LIKE = {"esp32": "ESP32_GENERIC", "esp32s3": "ESP32_GENERIC_S3", "esp32c3": "ESP32_GENERIC_C3"}
# Two applications of 1.5 MB and 960 kB of files in 4 MB, as MicroPython's own table for OTA.
PARTITIONS = """\
# Name,   Type, SubType, Offset,   Size
nvs,      data, nvs,     0x9000,   0x4000
otadata,  data, ota,     0xd000,   0x2000
phy_init, data, phy,     0xf000,   0x1000
ota_0,    app,  ota_0,   0x10000,  0x180000
ota_1,    app,  ota_1,   0x190000, 0x180000
vfs,      data, fat,     0x310000, 0xf0000
"""
_CMAKE = """\
# MicroPython with the image of {board} {version} frozen in. Not built or run where it was written.
include(boards/{like}/mpconfigboard.cmake)

# The project of ESP-IDF is ports/esp32, so the table of partitions is named by its whole path.
set(IDROSERRA_PARTITIONS ${{CMAKE_BINARY_DIR}}/sdkconfig.idroserra)
file(WRITE ${{IDROSERRA_PARTITIONS}}
    "CONFIG_PARTITION_TABLE_CUSTOM=y\\n"
    "CONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\\"${{MICROPY_BOARD_DIR}}/partitions.csv\\"\\n")

set(SDKCONFIG_DEFAULTS
    ${{SDKCONFIG_DEFAULTS}}
    ${{MICROPY_BOARD_DIR}}/sdkconfig.board
    ${{IDROSERRA_PARTITIONS}}
)
set(MICROPY_FROZEN_MANIFEST ${{MICROPY_BOARD_DIR}}/manifest.py)
"""
_HEADER = """\
#define MICROPY_HW_BOARD_NAME "Idroserra {board}"
#include "boards/{like}/mpconfigboard.h"
"""
_SDKCONFIG = """\
# Bluetooth would take RAM and room in the application's slot. A new application that does not say
# it is well is rolled back.
CONFIG_BT_ENABLED=n
CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y
CONFIG_ESPTOOLPY_FLASHSIZE_4MB=y
# Texts of failed checks are left out, as in MicroPython's own OTA build.
CONFIG_COMPILER_OPTIMIZATION_CHECKS_SILENT=y
"""
_MANIFEST = """\
include("$(PORT_DIR)/boards/manifest.py")
# boot.py, main.py and every module, as `idroserra board build` compiled them.
freeze("image")
"""
_README = """\
MicroPython with the image of {board} {version} frozen in.
Security counter {counter}, image {sha256}.

Built by whoever has ESP-IDF, in a checkout of MicroPython whose mpy-cross has been built:

    make -C ports/esp32 BOARD={name} BOARD_DIR=THIS_FOLDER submodules all

If it says that the application does not fit, take a module with more flash and larger slots in
partitions.csv. Write the firmware.bin that it makes with esptool, once, and provision the node
anew: its NVS is smaller than that of a stock MicroPython.

    esptool --chip {chip} write-flash {address} firmware.bin

There must be no idro/, boot.py or main.py on the board's file system: they would be imported in
place of what is frozen. So do not run `idroserra flash` on such a board.

From then on updates may come over the air, as long as kernel and board stay what they are. Of a
newer build, micropython.bin alone is signed (--slot-kb where partitions.csv has larger slots):

    idroserra update build BOARD --key KEY --firmware ports/esp32/build-{name}/micropython.bin

None of this was built or run where it was written.
"""
_FROZEN = "idro/frozen"
_ADDRESS = {"esp32": "0x1000", "esp32s3": "0x0", "esp32c3": "0x0"}


def write(
    folder: Path, built: Path, manifest: image.Manifest, board: boards.Board
) -> None:
    """Write the board definition into `folder`, around the image of a board that was built in
    `built`.

    What an older one left in its `image` folder goes. Raises ImageError where it cannot be
    written.
    """
    chip = manifest.board_class.split("/")[0]
    words = {
        "board": manifest.board, "version": manifest.version, "like": _LIKE[chip], "chip": chip,
        "counter": manifest.security_counter, "sha256": manifest.image_sha256,
        "name": f"IDROSERRA_{manifest.board.upper().replace('-', '_')}",
        "address": _ADDRESS[chip],
    }
    texts = {
        "mpconfigboard.cmake": _CMAKE.format(**words), "mpconfigboard.h": _HEADER.format(**words),
        "sdkconfig.board": _SDKCONFIG, "partitions.csv": PARTITIONS, "manifest.py": _MANIFEST,
        "README.txt": _README.format(**words),
    }
    about = _about(manifest, board)
    try:
        kept = folder / "image"
        if kept.is_dir():
            shutil.rmtree(kept)
        for path in manifest.files:
            (kept / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(built / path, kept / path)
        (kept / f"{_FROZEN}.mpy").write_bytes(about)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        why = f"{error.filename}: cannot be written ({error.strerror})"
        raise image.ImageError(why) from error


def _about(manifest: image.Manifest, board: boards.Board) -> bytes:
    """Return the bytecode of idro.frozen for an image. Raises ImageError."""
    text = frozen.About(
        manifest.board_class, manifest.version, manifest.security_counter,
        frozen.board_sha256(board), frozen.kernel_sha256(image.firmware_sources()),
        manifest.image_sha256).text
    with tempfile.TemporaryDirectory(prefix="idroserra-frozen-") as folder:
        source = Path(folder) / "frozen.py"
        source.write_text(f"ABOUT = {text!r}\n", encoding="utf-8")
        return image.compiled({f"{_FROZEN}.py": source}, Path(folder))[f"{_FROZEN}.mpy"]
