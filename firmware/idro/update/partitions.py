"""Applications of a board whose image is frozen into MicroPython: partition ota_0 is slot "a",
ota_1 slot "b", and the bootloader of ESP-IDF starts one of them.

A slot's folder keeps the manifest and signature of what its partition holds. A trial has one boot:
the bootloader starts what was there before unless this one was confirmed. Names and states are
those of ESP-IDF's otadata.
"""

import binascii
import errno
import hashlib
import struct

from esp32 import Partition

from idro.errors import UpdateError
from idro.frozen import ABOUT
from idro.protocol.kernel import ABOUT_FILE, MANIFEST, MAX_ABOUT_BYTES
from idro.update import chip, memory, slots
from idro.update.manifest import entries, is_file, malformed

BLOCK_BYTES = 4_096
_SLOTS = "ab"
_FIRST = 0x10  # subtype of ota_0
_NEW, _PENDING, _VALID, _INVALID, _ABORTED = range(5)
_ERASED = 0xFFFFFFFF
_CHUNK_BYTES = 1_024
_MAGIC = 0xE9
_CHIP_ID_AT = 12
_INSTALLED = "installed"
# Lines of a description that are not as they are here, and why not.
_OTHER = {
    "board": "its pins, parts or limits are not those of this board: they change over USB only",
    "kernel": "its kernel is not that of this board: it changes over USB only",
}
_OF_RELEASE = ("board_class", "version", "security_counter", "image")


def choose():
    """Fill in slots.running, and note how a trial ended. Raises OSError."""
    running = slots.running
    slot = _current()
    if not slot:
        return
    found = _installed(slot)
    state = _state(slot)
    if state in (_NEW, _PENDING):
        running.slot, running.state = slot, "trial"
        if found is None:
            _give_back("its manifest cannot be read")
        if state == _NEW:
            _give_back("its bootloader does not go back by itself")
        running.version = found.version
        try:
            chip.Store().put(update_ran=1)
        except OSError as error:
            print("what became of the update cannot be noted:", error)
        return
    if found is not None:
        running.slot, running.state, running.version = slot, "ok", found.version
    try:
        _settle(slot)
        if found is not None:
            memory.raise_counter(found.security_counter)
    except OSError as error:
        print("what became of the update cannot be noted:", error)


def idle():
    """Return the slot that a release is fetched into."""
    return "b" if _current() == "a" else "a"


def obstacle():
    """Return why no release can be put on trial here, or None."""
    slot = _current()
    if not slot:
        return "its partitions have no two slots for updates"
    if _active() not in ("", slot):
        return "another update is under way"
    return None


def check(slot):
    """Check what the partition of `slot` holds against its manifest, read back from flash.

    Yields often. Raises UpdateError and OSError.
    """
    size = 0
    for entry in entries(f"/{slot}/{MANIFEST}"):
        if entry.path == ABOUT_FILE:
            check_about(slot, entry)
            yield entry
        else:
            size = entry.size
            digest = hashlib.sha256()
            has_about = False
            about = _about(slot)
            for data in _read(slot, size, len(about) - 1):
                has_about = has_about or about in data
                digest.update(memoryview(data)[len(about) - 1 :])
                yield entry
            if digest.digest() != binascii.unhexlify(entry.sha256):
                raise UpdateError(f"{entry.path} does not read back as its manifest says")
            if not has_about:
                raise UpdateError(f"{entry.path} is not what {ABOUT_FILE} describes")
    if not size:
        raise malformed()
    head, own = bytearray(16), bytearray(16)
    partition(slot).readblocks(0, head)
    partition(_current()).readblocks(0, own)
    if head[0] != _MAGIC or head[_CHIP_ID_AT : _CHIP_ID_AT + 2] != own[_CHIP_ID_AT :
                                                                       _CHIP_ID_AT + 2]:
        raise UpdateError("it is no application for this chip")


def check_about(slot, entry):
    """Check that the release in `slot` leaves alone what changes over USB only, before its
    application is fetched. Raises UpdateError and OSError."""
    if entry.size > MAX_ABOUT_BYTES or not is_file(
            f"/{slot}/{ABOUT_FILE}", entry, bytearray(_CHUNK_BYTES)):
        raise UpdateError(f"{entry.path} does not read back as its manifest says")
    own, new = _lines(ABOUT), _lines(str(_about(slot), "utf-8"))
    if sorted(new) != sorted(own):
        raise malformed()
    for name in own:
        if name not in _OF_RELEASE and new[name] != own[name]:
            raise UpdateError(_OTHER.get(name) or malformed().why)
    found = memory.header(slot)
    if (new["version"] != found.version or new["board_class"] != found.board_class
            or new["security_counter"] != str(found.security_counter)):
        raise UpdateError(f"{entry.path} does not read back as its manifest says")


def start_trial(slot):
    """Let `slot` run from the next boot on, for that boot. Raises UpdateError and OSError: then
    what runs will run again."""
    size = 0
    for entry in entries(f"/{slot}/{MANIFEST}"):
        size = entry.size
    digest = memory.manifest_sha256(slot)
    with open(f"/{slot}/{_INSTALLED}", "w") as file:
        file.write(_mark(slot, digest, size))
    store = chip.Store()
    memory.forget_told()
    store.put(update_ran=0)
    store.put(update_trial=digest)
    partition(slot).set_boot()
    if _state(slot) != _NEW:
        partition(_current()).set_boot()
        store.put(update_trial=b"")
        raise UpdateError("its bootloader does not go back by itself")


def keep(slot):
    """The application that runs will run again. Raises OSError."""
    Partition.mark_app_valid_cancel_rollback()
    if _state(slot) != _VALID:
        raise OSError(errno.EIO)
    chip.Store().put(update_trial=b"")


def take_back(why):
    """Note why what is on trial goes; a reset brings back what was there before. Raises
    OSError."""
    slot = slots.running.slot
    memory.revert(slot, why)
    if _state(slot) == _NEW:  # a bootloader that leaves states alone
        partition(idle()).set_boot()


def doubt():
    """A confirmed application that cannot be imported has no other to give way to."""


def partition(slot):
    """Return the Partition of a slot. Raises OSError where the board has none."""
    found = Partition.find(Partition.TYPE_APP, _FIRST + _SLOTS.index(slot))
    if not found:
        raise OSError(errno.ENODEV)
    return found[0]


def size_bytes(slot):
    """Return what the partition of a slot has room for."""
    return partition(slot).info()[3]


def _current():
    """Return the slot of what runs, "" where MicroPython lies in no such partition."""
    runs = Partition.RUNNING
    number = Partition(runs).info()[1] - _FIRST  # pyright: ignore[reportArgumentType]
    return _SLOTS[number] if number in (0, 1) else ""


def _entries():
    """Return [(sequence number, slot, state)] of otadata, what is erased or damaged left out."""
    data = Partition.find(Partition.TYPE_DATA, 0)
    found = []
    buffer = bytearray(32)
    for sector in (0, 1):
        if data:
            data[0].readblocks(sector, buffer)
        number, state, crc = struct.unpack("<I20xII", buffer)
        if number not in (0, _ERASED) and crc == binascii.crc32(buffer[:4], _ERASED):
            found.append((number, _SLOTS[(number - 1) % 2], state))
    return sorted(found)


def _state(slot):
    """Return the state of a slot's newest entry, None where it has none."""
    states = [entry[2] for entry in _entries() if entry[1] == slot]
    return states[-1] if states else None


def _active():
    """Return the slot that the bootloader starts next, "" where nothing says which."""
    found = [entry[1] for entry in _entries() if entry[2] not in (_INVALID, _ABORTED)]
    return found[-1] if found else ""


def _installed(slot):
    """Return the Header of the release that the partition of a slot holds, or None."""
    try:
        found = memory.header(slot)
        digest = memory.manifest_sha256(slot)
        with open(f"/{slot}/{_INSTALLED}") as file:
            text = file.read(200)
        words = text.split()
        if len(words) == 3 and words[1].isdigit() and text == _mark(slot, digest, int(words[1])):
            return found
    except (OSError, UpdateError, ValueError):
        pass
    return None


def _mark(slot, digest, size):
    """Return the line that ties a manifest to what a partition holds, whose first bytes tell one
    build from another: nothing that was written over USB since is taken for the release."""
    head = bytearray(min(_CHUNK_BYTES, size))
    partition(slot).readblocks(0, head)
    return f"{memory.as_hex(digest)} {size} {memory.as_hex(hashlib.sha256(head).digest())}\n"


def _settle(slot):
    """Note what became of the trial that ended with this boot, where one did. Raises OSError."""
    store = chip.Store()
    digest = store.blob("update_trial")
    if not digest:
        return
    other = idle()
    has_run = store.number("update_ran") == 1 or _state(other) == _ABORTED
    if slots.running.slot != slot or digest != memory.manifest_sha256(slot):
        told = memory.told()
        is_told = told and told[2] and told[0] == memory.as_hex(digest[:8])
        if has_run and not is_told:
            if chip.had_no_power():
                memory.revert(other, "the power went before it had proved itself", is_final=False)
            else:
                memory.revert(other, "it was reset before it had proved itself")
    store.put(update_trial=b"")


def _give_back(why):
    try:
        take_back(why)
    except OSError as error:
        print("flash refuses:", error)
    chip.restart()


def _read(slot, size, overlap):
    """Yield bytearrays of what a partition holds up to `size`; each begins with so many bytes of
    the end of the one before."""
    part = partition(slot)
    if size > size_bytes(slot):
        raise UpdateError(f"it needs {size // 1_024} kB of flash, "
                          f"{size_bytes(slot) // 1_024} kB are free")
    buffer = bytearray(overlap + _CHUNK_BYTES)
    at = 0
    while at < size:
        count = min(_CHUNK_BYTES, size - at)
        if count < _CHUNK_BYTES:
            buffer = buffer[: overlap + count]
        part.readblocks(at // BLOCK_BYTES, memoryview(buffer)[overlap:], at % BLOCK_BYTES)
        yield buffer
        buffer[:overlap] = buffer[len(buffer) - overlap :]
        at += count


def _about(slot):
    with open(f"/{slot}/{ABOUT_FILE}", "rb") as file:
        return file.read(MAX_ABOUT_BYTES)


def _lines(text):
    """Return {first word: the rest} of a description."""
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in text.split("\n")}
