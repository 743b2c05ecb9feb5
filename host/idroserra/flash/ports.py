"""Finds, selects and checks the serial port of a board."""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import serial
from serial.tools import list_ports

from idroserra.flash.errors import FlashError

# USB vendor ids on ESP32 boards: Espressif, Silicon Labs, WCH, FTDI, Prolific.
_VENDORS = frozenset({0x303A, 0x10C4, 0x1A86, 0x0403, 0x067B})
_NO_BOARD = (
    "Connect the board with a data cable; many cables only charge. A board with a CH340 or CP210x "
    "needs the vendor's driver on Windows and macOS. If the port is not detected, set it with "
    "--port."
)


@dataclass(frozen=True)
class Port:
    """A serial port: its device name and description."""

    device: str
    description: str
    vendor: int | None = None  # USB vendor id


def find_boards() -> list[Port]:
    """Return the ports with a USB vendor id of ESP32 boards."""
    known = [Port(p.device, p.description or "", p.vid) for p in list_ports.comports()]
    return sorted((p for p in known if p.vendor in _VENDORS), key=lambda port: port.device)


def choose(
    wanted: str | None, ports: Sequence[Port], ask: Callable[[Sequence[Port]], Port] | None
) -> str:
    """Return the port to use: `wanted`, the only one, or the result of `ask`.

    `ask` is None without a terminal. Raises FlashError if there is no port, or more than one.
    """
    if wanted is not None:
        return wanted
    if not ports:
        raise FlashError("no board found on any USB port", _NO_BOARD)
    if len(ports) == 1:
        return ports[0].device
    if ask is None:
        listed = "; ".join(f"{port.device} ({port.description})" for port in ports)
        raise FlashError(f"{len(ports)} boards are connected: {listed}", "Select one with --port.")
    return ask(ports).device


def check_available(device: str) -> None:
    """Check that the port can be opened exclusively. Raises FlashError with the reason."""
    try:
        serial.serial_for_url(device, exclusive=True, timeout=0).close()
    except (OSError, ValueError) as error:  # SerialException is an OSError
        raise open_error(device, error) from error


def open_error(device: str, error: Exception) -> FlashError:
    """Return the error for a port that cannot be opened."""
    number = getattr(error, "errno", None)
    text = str(error).lower()
    if number in (errno.EACCES, errno.EPERM) and "exclusively" not in text:
        return FlashError(
            f"{device}: permission denied",
            "On Linux: `sudo usermod -aG dialout $USER` (the group `ls -l` shows for the port), "
            "then log out and in. On Windows: close the program that uses the port.",
        )
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK) or "exclusively" in text:
        names = ", ".join(programs_using(device)) or "another program"
        return FlashError(
            f"{device}: the port is busy: {names} has it open",
            "Close it (a serial monitor, mpremote, Thonny, an IDE), then repeat the command.")
    listed = ", ".join(port.device for port in find_boards()) or "none"
    return FlashError(
        f"{device}: no such port, or it cannot be opened ({error})",
        f"Ports with a board: {listed}. {_NO_BOARD}")


def programs_using(device: str) -> list[str]:
    """Return the other programs that have `device` open (Linux only)."""
    names = []
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        try:
            opened = {os.readlink(link) for link in (folder / "fd").iterdir()}
            if device in opened:
                names.append(f"{(folder / 'comm').read_text().strip()} (process {folder.name})")
        except OSError:
            continue  # it has ended, or belongs to another user
    return sorted(names)
