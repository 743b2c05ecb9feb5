"""The error of flashing."""

from idroserra.core.errors import HostError


class FlashError(HostError):
    """The board was not flashed, or not wholly: what happened, and what to do about it."""

    def __init__(self, what: str, way_out: str) -> None:
        super().__init__(f"{what}\n{way_out}")
        self.what = what
        self.way_out = way_out


class ConnectionLost(FlashError):
    """The board went away, or stopped answering, in the middle."""

    def __init__(self, port: str, when: str, why: str = "") -> None:
        super().__init__(
            f"{port}: the board went away while {when}{f' ({why})' if why else ''}",
            "A half sent image is never started: main.py is written last. Check the cable and its "
            "plugs, leave out any hub, and say the same command again: what is there already is "
            "not sent again.",
        )
