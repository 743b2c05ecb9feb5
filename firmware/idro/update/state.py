"""Update state in NVS and in the slots: reverted releases, security counter, pending report."""

import json

from idro.board import BOARD, SECURITY_COUNTER
from idro.errors import UpdateError
from idro.protocol.reason import Reason
from idro.protocol.release_layout import KERNEL, MANIFEST
from idro.update import platform

_REVERTED_BYTES = 16
_MAX_REVERTED = 8
_MAX_REPORT_BYTES = 240  # of JSON, below the largest blob of the store
_COUNTERS = ("security_a", "security_b")


def record_rollback(slot, reason):
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
    save_report(digest, version, reason)


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

    The reason is None if it was confirmed, else the JSON object of a Reason.
    """
    text = platform.NvsStore().text("update_told")
    try:
        report = json.loads(text) if text else None
    except ValueError:
        report = ()
    if report is None:
        return None
    if not isinstance(report, list) or len(report) != 3:
        clear_report()  # not written by this kernel
        return None
    return report


def clear_report():
    """Clear the pending report."""
    try:
        platform.NvsStore().put(update_told=b"")
    except OSError as error:
        print("update report not cleared:", error)


def save_report(digest, version, reason):
    """Save the outcome of an update for pending_report(). `reason` is None if it was confirmed.

    A Reason that is too large for NVS is saved without its values.
    """
    release, found = as_hex(digest[:8]), None if reason is None else reason.as_json()
    report = json.dumps([release, version, found]).encode()
    if len(report) > _MAX_REPORT_BYTES:
        found["values"] = {}
        report = json.dumps([release, version, found]).encode()
    try:
        platform.NvsStore().put(update_told=report)
    except OSError as error:
        print("update report not saved:", error)


def incompatibility(header):
    """Return the Reason why a release with this Header cannot run on this board, or None."""
    board_class = f"{BOARD['chip']}/{BOARD['name']}"
    if header.board_class != board_class:
        return Reason("other_board", board_class=header.board_class, this_class=board_class)
    if header.kernel != KERNEL:
        return Reason("other_kernel", kernel=header.kernel, current_kernel=KERNEL)
    return None


def as_hex(data):
    """Return bytes as hex digits."""
    return "".join([f"{byte:02x}" for byte in data])
