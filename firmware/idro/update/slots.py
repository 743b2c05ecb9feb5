"""Which application runs: /a and /b each hold one, the files at the root are the one that was
flashed.

/slot says which runs, in one line that is replaced as a whole: `a trial 3 b` is one that has three
boots to prove itself before b has its place again (`-`: the flashed one), `a ok` one that has.
Without it, or with a line that cannot be read, the flashed one runs.
"""

import errno
import os

TRIES = 3
CONFIRM_WITHIN_MS = 600_000
_POINTER = "/slot"


class Running:
    """The application that runs in this boot."""

    slot = ""  # "a", "b", or "" for the flashed one
    state = "base"  # "base", "trial" or "ok"
    tries = 0  # boots it has left after this one
    version = ""  # of its manifest, "" for the flashed one


running = Running()


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
        if 0 <= tries <= TRIES and fallback in ("", "a", "b") and fallback != words[0]:
            return words[0], "trial", tries, fallback
    return None


def put_on_trial(slot, tries, fallback):
    """Let `slot` run from the next boot on, for so many boots. Raises OSError."""
    _point(f"{slot} trial {tries} {fallback or '-'}")


def keep(slot):
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
