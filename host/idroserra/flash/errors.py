"""Errors of flashing."""

from idroserra.core.errors import HostError
from idroserra.i18n.marker import N_

# Progress, shown in the terminal and on the page.
DETECTING = N_("detecting the chip (this resets the board)")
NO_PROMPT = N_("no prompt yet: press and release the button EN (RST) of the board")
# On the page, for several errors.
NO_TOOL = N_("A part of this host's installation is missing. Your technician installs it: "
             "the extra 'flash' of the host.")
DIFFERS = N_("The board has not stored what was sent. Use another power supply or cable and try "
             "again; if it happens again, its flash is worn out.")


class FlashError(HostError):
    """The board was not flashed completely: what happened, and the remedy.

    `on_page` says both to a person at the page, who types no command; it is translated there."""

    def __init__(self, what: str, way_out: str, on_page: str = "") -> None:
        super().__init__(f"{what}\n{way_out}")
        self.what = what
        self.way_out = way_out
        self.on_page = on_page


class ConnectionLost(FlashError):
    """The board disappeared or stopped responding."""

    def __init__(self, port: str, when: str, why: str = "") -> None:
        super().__init__(
            f"{port}: the board went away while {when}{f' ({why})' if why else ''}",
            "An incomplete image is never started: main.py is written last. Check cable and "
            "plugs, avoid hubs, and repeat the command: files that are already on the board are "
            "not sent again.",
            N_("The board does not answer any more. Check the cable and its plugs, avoid hubs, "
               "and try again: incomplete firmware never starts, and what is on the board already "
               "is not sent again."),
        )
