"""The serial port a board hangs on: found, chosen, and free to use."""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import serial
from serial.tools import list_ports

from idroserra.flash.errors import FlashError

# Who makes the USB side of ESP32 boards: Espressif, Silicon Labs, WCH, FTDI, Prolific.
_MAKERS = frozenset({0x303A, 0x10C4, 0x1A86, 0x0403, 0x067B})
_NO_BOARD = (
    "Plug the board in with a cable that carries data: many only charge. A board with a CH340 or "
    "CP210x needs that maker's driver on Windows and macOS. A port that is not found by itself "
    "is named with --port."
)


@dataclass(frozen=True)
class Port:
    """A serial port: the name it is opened by, and what the machine calls it."""

    device: str
    description: str
    maker: int | None = None  # the USB vendor's number


def find_boards() -> list[Port]:
    """Return the ports of this machine that a board may hang on."""
    known = [Port(p.device, p.description or "", p.vid) for p in list_ports.comports()]
    return sorted((p for p in known if p.maker in _MAKERS), key=lambda port: port.device)


def choose(
    wanted: str | None, ports: Sequence[Port], ask: Callable[[Sequence[Port]], Port] | None
) -> str:
    """Return the port to use: the one named, the only one, or the one that `ask` returns.

    Without `ask` nobody can be asked. Raises FlashError when there is none, or too many.
    """
    if wanted is not None:
        return wanted
    if not ports:
        raise FlashError("no board found on any USB port", _NO_BOARD)
    if len(ports) == 1:
        return ports[0].device
    if ask is None:
        listed = "; ".join(f"{port.device} ({port.description})" for port in ports)
        raise FlashError(
            f"{len(ports)} boards are plugged in: {listed}", "Name one of them with --port."
        )
    return ask(ports).device


def check_available(device: str) -> None:
    """Open the port as its only user and close it again. Raises FlashError that says why not."""
    try:
        serial.serial_for_url(device, exclusive=True, timeout=0).close()
    except (OSError, ValueError) as error:  # SerialException is an OSError
        raise open_error(device, error) from error


def open_error(device: str, error: Exception) -> FlashError:
    """Return what to do about a port that cannot be opened."""
    number = getattr(error, "errno", None)
    text = str(error).lower()
    if number in (errno.EACCES, errno.EPERM) and "exclusively" not in text:
        return FlashError(
            f"{device}: you may not use this port",
            "On Linux: `sudo usermod -aG dialout $USER` (the group `ls -l` shows for the port), "
            "then log out and in. On Windows: close whatever has the port open.",
        )
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK) or "exclusively" in text:
        names = ", ".join(programs_using(device)) or "another program"
        return FlashError(
            f"{device}: the port is busy: {names} has it open",
            "Close it (a serial monitor, mpremote, Thonny, an IDE), then say the same command "
            "again.",
        )
    listed = ", ".join(port.device for port in find_boards()) or "none"
    return FlashError(
        f"{device}: no such port, or it cannot be opened ({error})",
        f"Ports with a board now: {listed}. {_NO_BOARD}",
    )


def programs_using(device: str) -> list[str]:
    """Return the other programs that have `device` open, where the machine tells (Linux)."""
    names = []
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        try:
            opened = {os.readlink(link) for link in (folder / "fd").iterdir()}
            if device in opened:
                names.append(f"{(folder / 'comm').read_text().strip()} (process {folder.name})")
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
    return sorted(names)
