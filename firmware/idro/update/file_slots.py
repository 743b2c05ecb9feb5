"""Applications as files: slots /a and /b hold one each, the root holds the flashed one.

/slot selects one in a line that is replaced atomically: `a trial 3 b` runs a for up to three boots
until it is confirmed, else b again (`-`: the flashed one); `a ok` is confirmed. Without a readable
line, the flashed application runs.
"""

import errno
import os

from idro.errors import UpdateError
from idro.protocol.reason import Reason
from idro.protocol.release_layout import MANIFEST
from idro.update import slots

_TRIES = 3
_POINTER = "/slot"
_CHUNK_BYTES = 512


def select_slot():
    """Set slots.running and use up a try. Raises OSError."""
    if read_pointer() is None:
        return
    from idro.update import state as update_state

    selected = _resolve(update_state)
    if selected is None:
        return
    slot, state, tries, fallback, header = selected
    if state == "trial":
        _put_on_trial(slot, tries - 1, fallback)
    else:
        try:  # the power may have failed before confirm() did it
            update_state.raise_counter(header.security_counter)
        except OSError as error:
            print("security counter not raised:", error)
    running = slots.running
    running.slot, running.state, running.tries = slot, state, max(0, tries - 1)
    running.version = header.version


def _resolve(update_state):
    """Roll back slots without tries or with an incompatible release. Raises OSError.

    Returns (slot, state, tries, fallback, Header) of the slot that runs, None for the flashed
    application.
    """
    while True:
        pointer = read_pointer()
        if pointer is None:
            return None
        slot, state, tries, fallback = pointer
        try:
            header = update_state.header(slot)
            reason = update_state.incompatibility(header)
        except (OSError, UpdateError):
            header, reason = None, Reason("manifest_unreadable")
        if reason is None and state == "trial" and tries == 0:
            reason = Reason("three_boots")
        if reason is None:
            return slot, state, tries, fallback, header
        update_state.record_rollback(slot, reason)
        _confirm_slot(fallback)


def idle_slot():
    """Return the slot that a release is downloaded into."""
    return "b" if slots.running.slot == "a" else "a"


def obstacle():
    """Return the Reason why no release can be put on trial here, or None."""
    if (read_pointer() or ("",))[0] != slots.running.slot:
        return Reason("flash_refuses")
    return None


def check_files(slot):
    """Verify the hash of every file in `slot`, and that there are no others.

    Yields after each file to let other tasks run. Raises UpdateError and OSError.
    """
    from idro.update.manifest import entries, is_file, walk

    root = "/" + slot
    buffer = bytearray(_CHUNK_BYTES)
    present = walk(root + "/idro", "")
    for entry in entries(f"{root}/{MANIFEST}"):
        found = next(present, None)
        if found is None or "idro/" + found > entry.path:
            raise UpdateError(Reason("path_missing", path=entry.path))
        if "idro/" + found != entry.path:
            raise UpdateError(Reason("path_extra", path="idro/" + found))
        if not is_file(f"{root}/{entry.path}", entry, buffer):
            raise UpdateError(Reason("path_mismatch", path=entry.path))
        yield entry
    found = next(present, None)
    if found is not None:
        raise UpdateError(Reason("path_extra", path="idro/" + found))


def start_trial(slot):
    """Start the trial of `slot` at the next boot. Raises OSError; then nothing has changed."""
    _put_on_trial(slot, _TRIES, slots.running.slot)


def confirm():
    """Confirm the application on trial; older releases are refused from now on. Raises OSError.

    The report is saved first, so that a power cut cannot lose it.
    """
    from idro.update import state as update_state

    running = slots.running
    update_state.save_report(update_state.manifest_sha256(running.slot), running.version, None)
    _confirm_slot(running.slot)
    running.state = "ok"
    update_state.raise_counter(update_state.header(running.slot).security_counter)


def rollback(reason):
    """Select the application before the one on trial for the next boot."""
    from idro.update import state as update_state

    pointer = read_pointer()
    if pointer is not None and pointer[1] == "trial":
        update_state.record_rollback(pointer[0], reason)
        _confirm_slot(pointer[3])


def restart_trial():
    """Restart the trial of a confirmed application. Raises OSError."""
    _put_on_trial(slots.running.slot, _TRIES - 1, "")


def read_pointer():
    """Return (slot, state, tries, fallback) from /slot, None if the flashed application runs."""
    try:
        with open(_POINTER) as file:
            words = file.read(40).split()
    except (OSError, ValueError):
        return None
    if len(words) == 2 and words[0] in ("a", "b") and words[1] == "ok":
        return words[0], "ok", 0, ""
    if len(words) == 4 and words[0] in ("a", "b") and words[1] == "trial":
        tries = "0123456789".find(words[2])
        fallback = "" if words[3] == "-" else words[3]
        if 0 <= tries <= _TRIES and fallback in ("", "a", "b") and fallback != words[0]:
            return words[0], "trial", tries, fallback
    return None


def _put_on_trial(slot, tries, fallback):
    _write_pointer(f"{slot} trial {tries} {fallback or '-'}")


def _confirm_slot(slot):
    """Select the confirmed `slot` ("": the flashed application). Raises OSError."""
    if slot:
        _write_pointer(slot + " ok")
        return
    try:
        os.remove(_POINTER)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _write_pointer(text):
    with open(_POINTER + ".new", "w") as file:
        file.write(text + "\n")
    os.rename(_POINTER + ".new", _POINTER)
