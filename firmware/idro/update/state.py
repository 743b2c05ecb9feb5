"""What is remembered of updates, in NVS and in the slots. Loaded when some of it is needed."""

from idro.board import BOARD, SECURITY_COUNTER
from idro.errors import UpdateError
from idro.protocol.release_layout import KERNEL, MANIFEST
from idro.update import platform

_REVERTED_BYTES = 16
_MAX_REVERTED = 8
_COUNTERS = ("security_a", "security_b")


def revert(slot, why):
    """Note that the release in `slot` was taken back and is never to be taken a second time.

    Done again after a power cut, this comes to the same.
    """
    digest = manifest_sha256(slot)
    store = platform.NvsStore()
    try:
        version = header(slot).version
    except (UpdateError, OSError):
        version = "?"
    kept = store.blob("reverted") or b""
    if digest and not was_reverted(digest):
        kept = (digest[:_REVERTED_BYTES] + kept)[: _MAX_REVERTED * _REVERTED_BYTES]
        try:
            store.put(reverted=kept)
        except OSError as error:
            print("what became of the update cannot be noted:", error)
    note(digest, version, why)


def was_reverted(digest):
    """True where the release with this SHA-256 of its manifest was taken back before."""
    kept = platform.NvsStore().blob("reverted") or b""
    mark = digest[:_REVERTED_BYTES]
    return any(
        kept[at : at + _REVERTED_BYTES] == mark for at in range(0, len(kept), _REVERTED_BYTES)
    )


def counter():
    """Return the security counter below which nothing is taken: the greater of two copies."""
    store = platform.NvsStore()
    return max(SECURITY_COUNTER, store.number(_COUNTERS[0]) or 0, store.number(_COUNTERS[1]) or 0)


def raise_counter(value):
    """Keep `value` in both copies. Raises OSError."""
    store = platform.NvsStore()
    for key in _COUNTERS:
        if (store.number(key) or 0) < value:
            store.put(**{key: value})


def header(slot):
    """Return the Header of the release in `slot`. Raises OSError and UpdateError."""
    from idro.update.manifest import read_header

    with open(f"/{slot}/{MANIFEST}", "rb") as file:
        return read_header(file)


def manifest_sha256(slot):
    """Return the SHA-256 of the manifest in `slot` as bytes, b"" where there is none."""
    if not slot:
        return b""
    from idro.update.manifest import file_sha256

    try:
        return file_sha256(f"/{slot}/{MANIFEST}", bytearray(512))
    except OSError:
        return b""


def pending_report():
    """Return [release, version, reason] of the update that is still to be told of, or None.

    Without a reason it was confirmed, else it was taken back.
    """
    words = platform.NvsStore().text("update_told").split(" ", 2)
    return words if len(words) == 3 else None


def clear_report():
    """It was told."""
    try:
        platform.NvsStore().put(update_told=b"")
    except OSError as error:
        print("what was told of the update stays:", error)


def note(digest, version, why):
    """Note what became of an update, for told(). Without a reason it was confirmed."""
    told = f"{as_hex(digest[:8])} {version} {why}".encode()[:120]
    try:
        platform.NvsStore().put(update_told=told)
    except OSError as error:
        print("what became of the update cannot be noted:", error)


def fits(found):
    """Return why a release with the Header `found` cannot run on this board, or None."""
    board_class = f"{BOARD['chip']}/{BOARD['name']}"
    if found.board_class != board_class:
        return f"it is for {found.board_class}, this is {board_class}"
    if found.kernel != KERNEL:
        return f"it needs kernel {found.kernel}, this board has {KERNEL}"
    return None


def as_hex(data):
    """Return bytes as hex digits."""
    return "".join([f"{byte:02x}" for byte in data])
