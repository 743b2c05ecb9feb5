"""Applications as files: /a and /b each hold one, the files at the root are the one that was
flashed.

/slot says which runs, in one line that is replaced as a whole: `a trial 3 b` is one that has three
boots to prove itself before b has its place again (`-`: the flashed one), `a ok` one that has.
Without it, or with a line that cannot be read, the flashed one runs.
"""

import errno
import os

from idro.errors import UpdateError
from idro.protocol.release_layout import MANIFEST
from idro.update import slots

_TRIES = 3
_POINTER = "/slot"
_CHUNK_BYTES = 512


def select_slot():
    """Fill in slots.running, and take a try off. Raises OSError."""
    if read() is None:
        return
    from idro.update import state as update_state

    chosen = _fitting(update_state)
    if chosen is None:
        return
    slot, state, tries, fallback, found = chosen
    if state == "trial":
        _put_on_trial(slot, tries - 1, fallback)
    else:
        try:
            update_state.raise_counter(
                found.security_counter
            )  # where the power went before it was
        except OSError as error:
            print("the security counter stays:", error)
    running = slots.running
    running.slot, running.state, running.tries = slot, state, max(0, tries - 1)
    running.version = found.version


def _fitting(memory):
    """Take back what had its tries or does not fit; return (slot, state, tries, fallback, Header)
    of what runs then, None for the flashed application. Raises OSError."""
    while True:
        pointer = read()
        if pointer is None:
            return None
        slot, state, tries, fallback = pointer
        try:
            found = memory.header(slot)
            why = memory.fits(found)
        except (OSError, UpdateError):
            found, why = None, "its manifest cannot be read"
        if why is None and state == "trial" and tries == 0:
            why = "three boots brought no confirmation"
        if why is None:
            return slot, state, tries, fallback, found
        memory.revert(slot, why)
        _keep(fallback)


def idle():
    """Return the slot that a release is fetched into."""
    return "b" if slots.running.slot == "a" else "a"


def obstacle():
    """Return why no release can be put on trial here, or None."""
    if (read() or ("",))[0] != slots.running.slot:
        return "flash is full or refuses"
    return None


def check(slot):
    """Check every file of the release in `slot` and that there is none besides.

    Yields after each, for whoever has other things to do. Raises UpdateError and OSError.
    """
    from idro.update.manifest import entries, is_file, walk

    root = "/" + slot
    buffer = bytearray(_CHUNK_BYTES)
    there = walk(root + "/idro", "")
    for entry in entries(f"{root}/{MANIFEST}"):
        found = next(there, None)
        if found is None or "idro/" + found > entry.path:
            raise UpdateError(f"{entry.path} is missing")
        if "idro/" + found != entry.path:
            raise UpdateError(f"idro/{found} is no part of it")
        if not is_file(f"{root}/{entry.path}", entry, buffer):
            raise UpdateError(f"{entry.path} does not read back as its manifest says")
        yield entry
    found = next(there, None)
    if found is not None:
        raise UpdateError(f"idro/{found} is no part of it")


def start_trial(slot):
    """Let `slot` run from the next boot on, on trial. Raises OSError: nothing has changed."""
    _put_on_trial(slot, _TRIES, slots.running.slot)


def confirm():
    """Keep the application on trial; what is older is refused from now on. Raises OSError.

    What is to be told of it is noted first, so that it is told whenever the power goes.
    """
    from idro.update import state as update_state

    running = slots.running
    update_state.note(update_state.manifest_sha256(running.slot), running.version, "")
    _keep(running.slot)
    running.state = "ok"
    update_state.raise_counter(update_state.header(running.slot).security_counter)


def rollback(why):
    """Have the application before the one on trial run again after a reset."""
    from idro.update import state as update_state

    pointer = read()
    if pointer is not None and pointer[1] == "trial":
        update_state.revert(pointer[0], why)
        _keep(pointer[3])


def restart_trial():
    """Put a confirmed application that cannot be imported on trial again. Raises OSError."""
    _put_on_trial(slots.running.slot, _TRIES - 1, "")


def read():
    """Return (slot, state, tries, fallback) of the pointer, None where the flashed one runs."""
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
    _point(f"{slot} trial {tries} {fallback or '-'}")


def _keep(slot):
    """Let `slot`, "" the flashed application, run from the next boot on. Raises OSError."""
    if slot:
        _point(slot + " ok")
        return
    try:
        os.remove(_POINTER)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _point(text):
    with open(_POINTER + ".new", "w") as file:
        file.write(text + "\n")
    os.rename(_POINTER + ".new", _POINTER)
