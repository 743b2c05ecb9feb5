"""A board whose application is frozen into MicroPython: two partitions, otadata, a bootloader."""

import releases
import small_board
from small_board import Board, Dark

from idroserra.frozen import About
from idrosim.shim.ota_flash import APPS, SECTOR_BYTES, OtaFlash, Partition, make_image

CHIP_ID = 5
SLOT_SECTORS = 4
KERNEL, PARTS = "c" * 64, "b" * 64


def about(version="9.9.9", counter=3, board_class=releases.BOARD_CLASS, board=PARTS,
          kernel=KERNEL, image="1" * 64):
    """Return the description of an application."""
    return About(board_class, version, counter, board, kernel, image).text.encode()


def firmware(told, filling, chip_id=CHIP_ID):
    """Return an application that holds its description."""
    return make_image([filling * (3_000 // len(filling)) + told + filling, filling * 999], chip_id)


def release(told=None, image=None, **more):
    """Return the release of an application."""
    told = about(counter=3) if told is None else told
    image = firmware(told, b"new!") if image is None else image
    return releases.Release({"about.txt": told, "firmware.bin": image}, counter=3, **more)


class FrozenBoard(Board):
    """As a Board, but its applications lie in partitions."""

    def __init__(self, new=None, keys=("ours",)):
        super().__init__(new or release(), old={}, keys=keys)
        self.flash.ota = self.ota = OtaFlash(
            {APPS[0]: bytearray(b"\xff" * SLOT_SECTORS * SECTOR_BYTES),
             APPS[1]: bytearray(b"\x5a" * SLOT_SECTORS * SECTOR_BYTES),
             "otadata": bytearray(b"\xff" * 2 * SECTOR_BYTES)},
            CHIP_ID, self.flash.strikes, self._dark)
        self.old_about = about("0.1.0", 1, image="0" * 64)
        self.old_firmware = firmware(self.old_about, b"old")
        self.put(0, self.old_firmware)

    def put(self, number, image):
        """Have an application in a partition, as it is written over USB."""
        self.ota.parts[APPS[number]][: len(image)] = image

    def put_release(self, slot, wanted):
        """Have a release in a slot, complete and confirmed."""
        super().put_release(slot, wanted)
        del self.flash.files[f"/{slot}/firmware.bin"]
        image = wanted.files["firmware.bin"]
        self.put("ab".index(slot), image)
        head = releases.hashlib.sha256(image[:1_024]).hexdigest()
        self.flash.files[f"/{slot}/installed"] = (
            f"{wanted.sha256()} {len(image)} {head}\n").encode()

    def _dark(self):
        raise Dark

    def boot(self):
        """Start as the bootloader and the kernel do; return "old" or "new"."""
        small_board.power_up(self)
        code = small_board.code
        held = bytes(self.ota.parts[self.ota.boot()])
        new = self.new.files["firmware.bin"]
        if new and held.startswith(new):
            runs, told = "new", self.new.files["about.txt"]
        else:
            assert held.startswith(self.old_firmware), "a mixture runs"
            runs, told = "old", self.old_about
        code.partitions.ABOUT = told.decode()
        code.slots.running.is_frozen = True
        code.slots.place().choose()
        assert (runs == "new") == (code.memory.manifest_sha256(code.slots.running.slot).hex()
                                   == self.new_sha256())
        return runs


def from_flashed():
    """What was flashed over USB runs; otadata is as it was delivered."""
    return FrozenBoard()


def from_slot():
    """A release runs in the second partition; an older one is in the first."""
    board = FrozenBoard()
    told = about("8.0.0", 2, image="8" * 64)
    old = releases.Release({"about.txt": told, "firmware.bin": firmware(told, b"eight")},
                           counter=2, version="8.0.0")
    board.put_release("b", old)
    board.old_about, board.old_firmware = told, old.files["firmware.bin"]
    first = releases.Release({"about.txt": about("7.0.0", 2), "firmware.bin": b"seven" * 900})
    board.flash.files.update({"/a/manifest": first.manifest(), "/a/signature": b"x",
                              "/a/about.txt": about("7.0.0", 2), "/a/installed": b"x"})
    board.flash.folders.add("/a")
    board.flash.nvs["update_at_a"] = 4_500
    board.ota._put(1, [2, b"\xff" * 20, 2, 0])
    board.flash.operations = 0
    return board


Partition._flash = lambda: small_board.board.ota
