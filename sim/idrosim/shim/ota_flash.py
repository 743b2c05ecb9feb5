"""Flash of an ESP32 with two applications: NOR cells, otadata, and what ESP-IDF does with both.

Sectors of 4,096 bytes are erased to ones, writing only clears bits, and power can go in each: of
an erase so much of the sector is ones, of a write so much is there. The bootloader and the calls
of an application (esp_ota_ops) follow ESP-IDF with CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE and no
factory application: bootloader_utility.c, bootloader_common_loader.c, esp_ota_ops.c.
"""

import binascii
import hashlib
import struct

SECTOR_BYTES = 4_096
NEW, PENDING, VALID, INVALID, ABORTED = range(5)
UNDEFINED = 0xFFFFFFFF
APPS = ("ota_0", "ota_1")
ESP_ERR_OTA_VALIDATE_FAILED = -0x1503
_ENTRY = "<I20sII"  # sequence number, label, state, CRC of the sequence number
_MAGIC, _CHECKSUM_SEED = 0xE9, 0xEF
_checksums = {}  # hash of an image: its checksum, which takes a while


class Brick(Exception):
    """No application can be started."""


class OtaFlash:
    """`parts` is {"ota_0": bytearray, "ota_1": ..., "otadata": 2 sectors}, changed in place.

    `strikes()` counts an operation and returns the share of it that is done before the power goes,
    or None; `go_dark()` follows then and never returns. `keep(label, at, data)` is told what
    changed.
    """

    def __init__(self, parts, chip_id, strikes, go_dark, keep=None):
        self.parts = parts
        self.chip_id = chip_id
        self.running = ""  # label of the application that was started
        self.can_roll_back = True  # of the bootloader
        self._strikes = strikes
        self._go_dark = go_dark
        self._keep = keep

    def erase(self, label, sector):
        """Erase a sector."""
        share = self._strikes()
        count = SECTOR_BYTES if share is None else int(SECTOR_BYTES * share)
        self._change(label, sector * SECTOR_BYTES, b"\xff" * count)
        if share is not None:
            self._go_dark()

    def write(self, label, at, data):
        """Write bytes: each bit can only be cleared."""
        share = self._strikes()
        data = bytes(data) if share is None else bytes(data)[: int(len(data) * share)]
        if at + len(data) > len(self.parts[label]):
            raise OSError(-0x104, "ESP_ERR_INVALID_SIZE")
        held = self.parts[label][at : at + len(data)]
        self._change(label, at, bytes([old & new for old, new in zip(held, data)]))  # noqa: B905
        if share is not None:
            self._go_dark()

    def read(self, label, at, buffer):
        """Read so many bytes as `buffer` holds."""
        if at + len(buffer) > len(self.parts[label]):
            raise OSError(-0x104, "ESP_ERR_INVALID_SIZE")
        buffer[:] = self.parts[label][at : at + len(buffer)]

    # the bootloader

    def boot(self):
        """Start an application; returns its label. Raises Brick."""
        entries = self._entries()
        if self.can_roll_back:
            for sector, entry in enumerate(entries):
                if entry[2] == PENDING:
                    entry[2] = ABORTED
                    self._put(sector, entry)
        active = _active(entries)
        has_initial_contents = not any(_is_sound(entry) for entry in entries)
        index = 0
        if active is not None:
            index = (entries[active][0] - 1) % len(APPS)
            if self.can_roll_back and entries[active][2] == NEW:
                entries[active][2] = PENDING
                self._put(active, entries[active])
        for tried in (index, 1 - index):
            if self.is_image(APPS[tried]):
                if has_initial_contents:
                    self._put(0, [tried + 1, b"\xff" * 20, VALID, 0])
                self.running = APPS[tried]
                return self.running
        raise Brick("no bootable application")

    def is_image(self, label):
        """True for what esp_image_verify takes: a head for this chip, segments, checksum, hash."""
        return image_bytes(self.parts[label], self.chip_id) is not None

    # what an application calls

    def set_boot(self, label):
        """esp_ota_set_boot_partition: `label` is started next, for the first time."""
        if not self.is_image(label):
            raise OSError(ESP_ERR_OTA_VALIDATE_FAILED, "ESP_ERR_OTA_VALIDATE_FAILED")
        entries = self._entries()
        active = _active(entries)
        number = APPS.index(label) + 1
        sector = 0
        if active is not None:
            while number < entries[active][0]:
                number += len(APPS)
            sector = 1 - active
        state = NEW if self.can_roll_back else UNDEFINED
        self._put(sector, [number, b"\xff" * 20, state, 0])

    def mark_valid(self):
        """esp_ota_mark_app_valid_cancel_rollback: what runs will run again."""
        entries = self._entries()
        active = _active(entries)
        if active is not None and entries[active][2] != VALID:
            entries[active][2] = VALID
            self._put(active, entries[active])

    def state(self, label):
        """Return the state of an application's newest entry, None where it has none."""
        found = [(entry[0], entry[2]) for entry in self._entries()
                 if _is_sound(entry) and APPS[(entry[0] - 1) % 2] == label]
        return max(found)[1] if found else None

    def _entries(self):
        data = self.parts["otadata"]
        return [list(struct.unpack(_ENTRY, bytes(data[at : at + 32])))
                for at in (0, SECTOR_BYTES)]

    def _put(self, sector, entry):
        entry[3] = binascii.crc32(struct.pack("<I", entry[0]), 0xFFFFFFFF)
        self.erase("otadata", sector)
        self.write("otadata", sector * SECTOR_BYTES, struct.pack(_ENTRY, *entry))

    def _change(self, label, at, data):
        self.parts[label][at : at + len(data)] = data
        if self._keep is not None and data:
            self._keep(label, at, data)


def _is_sound(entry):
    crc = binascii.crc32(struct.pack("<I", entry[0]), 0xFFFFFFFF)
    return entry[0] != 0xFFFFFFFF and entry[3] == crc


def _active(entries):
    """Return the sector of the entry that counts, None where none does."""
    found = [(entry[0], sector) for sector, entry in enumerate(entries)
             if _is_sound(entry) and entry[2] not in (INVALID, ABORTED)]
    return max(found)[1] if found else None


def image_bytes(data, chip_id):
    """Return the length of the image that begins `data`, None where it is none for this chip."""
    if data[0] != _MAGIC or struct.unpack("<H", bytes(data[12:14]))[0] != chip_id:
        return None
    segments = segments_of(data)
    if segments is None:
        return None
    at = 24 + sum([8 + len(segment) for segment in segments])
    at = at // 16 * 16 + 16  # the last byte before it is the checksum
    digest = hashlib.sha256(bytes(data[:at])).digest()
    if digest != bytes(data[at : at + 32]):
        return None
    if digest not in _checksums:
        _checksums[digest] = _checksum(segments)
    return at + 32 if data[at - 1] == _checksums[digest] else None


def segments_of(data):
    """Return the segments of the image that begins `data`, None where one would be cut off."""
    found = []
    at = 24
    for _ in range(data[1]):
        if at + 8 > len(data):
            return None
        size = struct.unpack("<I", bytes(data[at + 4 : at + 8]))[0]
        at += 8 + size
        if at > len(data):
            return None
        found.append(bytes(data[at - size : at]))
    return found


def _checksum(segments):
    checksum = _CHECKSUM_SEED
    for data in segments:
        for byte in data:
            checksum ^= byte
    return checksum


def make_image(segments, chip_id):
    """Return an application of these segments, for this model: no machine code is in it."""
    head = struct.pack("<BBBBI4xHBHH4xB", _MAGIC, len(segments), 2, 0x20, 0x400D0000, chip_id, 0,
                       0, 0xFFFF, 1)
    image = head
    for data in segments:
        image += struct.pack("<II", 0x3F400020, len(data)) + data
    image += bytes(15 - len(image) % 16) + bytes([_checksum(segments)])
    return image + hashlib.sha256(image).digest()


class Partition:
    """The class `esp32.Partition`; `_flash()` returns the OtaFlash of this board."""

    BOOT, RUNNING = 0, 1
    TYPE_APP, TYPE_DATA = 0, 1
    _flash = None
    _KINDS = {"ota_0": (0, 0x10, 0x10000), "ota_1": (0, 0x11, 0x190000), "otadata": (1, 0, 0xD000)}

    def __init__(self, id, block_size=SECTOR_BYTES):
        flash = Partition._flash()
        if id in (self.BOOT, self.RUNNING):
            id = flash.running
        if id not in flash.parts:
            raise OSError(2)
        self._label = id

    @staticmethod
    def find(type=0, subtype=0xFF, label=None, block_size=SECTOR_BYTES):
        """Return the partitions of a kind."""
        return [Partition(name) for name in sorted(Partition._flash().parts)
                if Partition._KINDS[name][0] == type and label in (None, name)
                and subtype in (0xFF, Partition._KINDS[name][1])]

    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        """Keep what runs."""
        Partition._flash().mark_valid()

    def info(self):
        """Return (type, subtype, address, size, label, encrypted)."""
        kind = self._KINDS[self._label]
        return kind + (len(Partition._flash().parts[self._label]), self._label, False)

    def readblocks(self, block_num, buf, offset=0):
        """Read from a block on."""
        Partition._flash().read(self._label, block_num * SECTOR_BYTES + offset, buf)

    def writeblocks(self, block_num, buf, offset=None):
        """Write; without an offset, what is written to is erased before."""
        flash = Partition._flash()
        if offset is None:
            for sector in range(len(buf) // SECTOR_BYTES):
                flash.erase(self._label, block_num + sector)
        flash.write(self._label, block_num * SECTOR_BYTES + (offset or 0), buf)

    def ioctl(self, cmd, arg):
        """Block devices: 4 how many blocks, 5 bytes of one, 6 erase one."""
        if cmd == 4:
            return len(Partition._flash().parts[self._label]) // SECTOR_BYTES
        if cmd == 5:
            return SECTOR_BYTES
        if cmd == 6:
            Partition._flash().erase(self._label, arg)
        return 0

    def set_boot(self):
        """Start this one next."""
        Partition._flash().set_boot(self._label)

    def get_next_update(self):
        """Return the other application's."""
        return Partition(APPS[1 - APPS.index(self._label)])
