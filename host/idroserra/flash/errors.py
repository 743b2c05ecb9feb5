"""Errors of flashing."""

from idroserra.core.errors import HostError


class FlashError(HostError):
    """The board was not flashed completely: what happened, and the remedy."""

    def __init__(self, what: str, way_out: str) -> None:
        super().__init__(f"{what}\n{way_out}")
        self.what = what
        self.way_out = way_out


class ConnectionLost(FlashError):
    """The board disappeared or stopped responding."""

    def __init__(self, port: str, when: str, why: str = "") -> None:
        super().__init__(
            f"{port}: the board went away while {when}{f' ({why})' if why else ''}",
            "An incomplete image is never started: main.py is written last. Check cable and "
            "plugs, avoid hubs, and repeat the command: files that are already on the board are "
            "not sent again.",
        )
