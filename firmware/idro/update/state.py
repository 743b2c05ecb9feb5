"""Update state in NVS and in the slots: reverted releases, security counter, pending report."""

from idro.board import BOARD, SECURITY_COUNTER
from idro.errors import UpdateError
from idro.protocol.release_layout import KERNEL, MANIFEST
from idro.update import platform

_REVERTED_BYTES = 16
_MAX_REVERTED = 8
_COUNTERS = ("security_a", "security_b")


def record_rollback(slot, why):
    """Record the rollback of `slot`: its release is never installed again. Idempotent."""
    digest = manifest_sha256(slot)
    store = platform.NvsStore()
    try:
        version = header(slot).version
    except (UpdateError, OSError):
        version = "?"
    reverted = store.blob("reverted") or b""
    if digest and not was_reverted(digest):
        reverted = (digest[:_REVERTED_BYTES] + reverted)[: _MAX_REVERTED * _REVERTED_BYTES]
        try:
            store.put(reverted=reverted)
        except OSError as error:
            print("rollback not saved:", error)
    save_report(digest, version, why)


def was_reverted(digest):
    """True if the release whose manifest has this SHA-256 was rolled back before."""
    reverted, size = platform.NvsStore().blob("reverted") or b"", _REVERTED_BYTES
    return any(reverted[at : at + size] == digest[:size] for at in range(0, len(reverted), size))


def security_counter():
    """Return the lowest security counter that is accepted: the greater of two copies."""
    store = platform.NvsStore()
    return max(SECURITY_COUNTER, store.number(_COUNTERS[0]) or 0, store.number(_COUNTERS[1]) or 0)


def raise_counter(value):
    """Raise both copies to `value`. Raises OSError."""
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
    """Return the SHA-256 of the manifest in `slot` as bytes, b"" if there is none."""
    if not slot:
        return b""
    from idro.update.manifest import file_sha256

    try:
        return file_sha256(f"/{slot}/{MANIFEST}", bytearray(512))
    except OSError:
        return b""


def pending_report():
    """Return [release, version, reason] of the update that is still to be reported, or None.

    The reason is "" if it was confirmed, else why it was rolled back.
    """
    words = platform.NvsStore().text("update_told").split(" ", 2)
    return words if len(words) == 3 else None


def clear_report():
    """Clear the pending report."""
    try:
        platform.NvsStore().put(update_told=b"")
    except OSError as error:
        print("update report not cleared:", error)


def save_report(digest, version, why):
    """Save the outcome of an update for pending_report(). `why` is "" if it was confirmed."""
    report = f"{as_hex(digest[:8])} {version} {why}".encode()[:120]
    try:
        platform.NvsStore().put(update_told=report)
    except OSError as error:
        print("update report not saved:", error)


def incompatibility(header):
    """Return why a release with this Header cannot run on this board, or None."""
    board_class = f"{BOARD['chip']}/{BOARD['name']}"
    if header.board_class != board_class:
        return f"it is for {header.board_class}, this is {board_class}"
    if header.kernel != KERNEL:
        return f"it needs kernel {header.kernel}, this board has {KERNEL}"
    return None


def as_hex(data):
    """Return bytes as hex digits."""
    return "".join([f"{byte:02x}" for byte in data])
