"""A simulated board whose application is frozen: its partitions are files beside its flash, and
the bootloader unpacks the application that it starts, for this process to run.

An application is an image of ota_flash whose first segment packs the files of a built image. The
real one is machine code of MicroPython with the same modules in it.
"""

import hashlib

from idrosim.shim.ota_flash import APPS, SECTOR_BYTES, OtaFlash, Partition, segments_of

SLOT_BYTES = 96 * SECTOR_BYTES
CHIP_ID = 0


def pack(files):
    """Return the segment of an application that holds {path: bytes}."""
    return b"".join([f"{path}\n{len(files[path])}\n".encode() + files[path]
                     for path in sorted(files)])


def unpack(segment):
    """Yield (path, bytes) of a segment."""
    at = 0
    while at < len(segment):
        path_end = segment.index(b"\n", at)
        size_end = segment.index(b"\n", path_end + 1)
        size = int(segment[path_end + 1 : size_end])
        yield str(segment[at:path_end], "utf-8"), segment[size_end + 1 : size_end + 1 + size]
        at = size_end + 1 + size


def start(rig, folder, flashed):
    """Do what the bootloader does; return the folder of what it starts. `flashed` is the path of
    the application that was written over USB, into an empty board."""
    disk = rig.disk
    _make(disk, folder)
    parts = {name: bytearray(b"\xff" * SLOT_BYTES) for name in APPS}
    parts["otadata"] = bytearray(b"\xff" * 2 * SECTOR_BYTES)
    for name in parts:
        try:
            with disk.open(f"{folder}/{name}", "rb") as file:
                parts[name][:] = file.read()
        except OSError:
            if name == APPS[0]:
                with disk.open(flashed, "rb") as file:
                    image = file.read()
                parts[name][: len(image)] = image
            with disk.open(f"{folder}/{name}", "wb") as file:
                file.write(parts[name])
    cuts = []

    def strikes():
        cut = rig.flash_faults.strikes("/partitions")
        cuts[:] = [cut]
        return None if cut is None else cut[1]

    def go_dark():
        rig.flash_faults.go_dark(cuts[-1])

    def keep(label, at, data):
        with disk.open(f"{folder}/{label}", "r+b") as file:
            file.seek(at)
            file.write(data)

    rig.ota = OtaFlash(parts, CHIP_ID, strikes, go_dark, keep)
    Partition._flash = staticmethod(lambda: rig.ota)
    return _unpacked(disk, folder, parts[rig.ota.boot()])


def _unpacked(disk, folder, image):
    segment = segments_of(image)[0]
    digest = hashlib.sha256(segment).digest()
    root = folder + "/run-" + "".join([f"{byte:02x}" for byte in digest[:6]])
    if _make(disk, root):
        for path, data in unpack(segment):
            made = root
            for part in path.split("/")[:-1]:
                made += "/" + part
                _make(disk, made)
            with disk.open(f"{root}/{path}", "wb") as file:
                file.write(data)
    return root


def _make(disk, folder):
    """Make a folder; False where it is there."""
    try:
        disk.mkdir(folder)
    except OSError:
        return False
    return True
