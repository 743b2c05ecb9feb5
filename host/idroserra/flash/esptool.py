"""Runs Espressif's esptool: detects the chip, writes and verifies its flash.

esptool is under the GPL, so it is run as a program, never imported.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile

from idroserra.flash import ports
from idroserra.flash.errors import DIFFERS, NO_TOOL, ConnectionLost, FlashError
from idroserra.i18n.marker import N_

BAUD, SLOW_BAUD = 460_800, 115_200
OnShare = Callable[[float], None]
# Messages of esptool for a chip that no longer responds, or whose answer was cut or disturbed.
_LOST = ("stopped responding", "disconnected", "input/output error", "device not configured",
         "lost connection", "no serial data", "no more data", "invalid head of packet",
         "serial data stream", "timed out", "could not configure port", "guru", "write timeout",
         "clearcommerror", "serial exception error", "transfer stopped", "no response",
         "doesn't match request", "invalid slip escape")
_NO_PORT = ("could not open", "port is busy", "doesn't exist")
_DETECTING, _WRITING = "its chip was detected", "MicroPython was written"
_NO_CHIP = ("failed to connect", "no serial data received", "wrong boot mode")
# esptool waits 0.1 s for a chip to answer, 0.2 s for its own program on it to start, and tries
# seven times. Over a network the bytes take longer.
_OVER_NETWORK = """[esptool]
sync_timeout = 1
mem_end_rom_timeout = 3
connect_attempts = 3
"""


@dataclass(frozen=True)
class Chip:
    """The chip on a port as esptool reports it. `name` is spelt as in board files."""

    name: str
    described: str
    mac: str
    flash_bytes: int
    features: str  # such as "Wi-Fi, BT 5 (LE), Embedded PSRAM 8MB (AP_3v3)"


@dataclass(frozen=True)
class Esptool:
    """esptool on one port. `resets` is False for a board without a reset circuit.

    `reset` resets the chip of a port without reset lines of its own: into the boot loader if its
    argument is true, else into the program."""

    port: str
    baud: int = BAUD
    resets: bool = True
    reset: Callable[[bool], None] | None = None

    def chip(self) -> Chip:
        """Return the detected chip; resets the board. Raises FlashError."""
        output = self._read(["flash-id"], _DETECTING)
        name = _found(output, r"^(?:Connected to|Detecting chip type\.\.\.) ([A-Z0-9-]+)")
        size = re.search(r"^Detected flash size: +(\d+)(MB|KB)$", output, re.MULTILINE)
        unit = {"MB": 1_048_576, "KB": 1_024}
        return Chip(
            name=name.lower().replace("-", ""), described=_found(output, r"^Chip type: +(.+)$"),
            mac=_found(output, r"^MAC: +([0-9a-f:]{17})"),
            flash_bytes=int(size[1]) * unit[size[2]] if size else 0,
            features=_found(output, r"^Features: +(.+)$"))

    def holds(self, files: Sequence[tuple[int, Path]]) -> bool:
        """Return whether the flash has these files at their addresses."""
        try:
            self._read(["verify-flash", *_pairs(files)], "MicroPython was read back")
        except _Differs:
            return False
        return True

    def write(self, files: Sequence[tuple[int, Path]], on_share: OnShare) -> None:
        """Write the files to their addresses; esptool verifies their hashes.

        on_share(share of the bytes written so far, 0 to 1). Raises FlashError.
        """
        sizes = {address: path.stat().st_size for address, path in files}
        all_bytes = sum(sizes.values())

        def progress(line: str) -> None:
            found = re.match(r"Writing at 0x([0-9a-f]+).*?(\d+(?:\.\d+)?)%", line)
            if found is None:
                return
            now = max(address for address in sizes if address <= int(found[1], 16))
            before_bytes = sum(size for address, size in sizes.items() if address < now)
            on_share((before_bytes + sizes[now] * float(found[2]) / 100) / all_bytes)

        command = ["write-flash", *_pairs(files)]
        slower = replace(self, baud=SLOW_BAUD)  # bad cables often work at a lower rate
        self._twice(lambda: self._run(command, _WRITING, progress),
                    lambda: slower._run(command, _WRITING, progress))
        on_share(1.0)

    def erase(self) -> None:
        """Erase the whole flash. Raises FlashError."""
        self._run(["erase-flash"], "its flash was erased")

    def _read(self, arguments: list[str], when: str) -> str:
        """Run a read-only command; retry once after a broken connection."""
        return self._twice(lambda: self._run(arguments, when), lambda: self._run(arguments, when))

    def _twice(self, first: Callable[[], str], second: Callable[[], str]) -> str:
        """Call `first`, and `second` if the connection was lost but the port still exists."""
        try:
            return first()
        except ConnectionLost as died:
            if not self._is_there():
                raise
            try:
                return second()
            except _Differs:
                raise
            except FlashError as again:
                raise died from again

    def _is_there(self) -> bool:
        try:
            ports.check_available(self.port)
        except FlashError:
            return False
        return True

    def _run(
        self, arguments: list[str], when: str, on_line: Callable[[str], None] | None = None
    ) -> str:
        if find_spec("esptool") is None:
            raise FlashError(
                "esptool is missing", "Install it: pip install 'idroserra[flash]'", NO_TOOL)
        reset = self.reset if self.resets else None
        has_lines = self.resets and reset is None
        flags = [] if has_lines else ["--before", "no-reset", "--after", "no-reset"]
        command = [sys.executable, "-m", "esptool", "--port", self.port,
                   "--baud", str(self.baud), *flags, *arguments]
        if reset is not None:
            reset(True)
        lines = []
        with _environment(is_remote=reset is not None) as environment, subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env=environment, text=True, errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                if on_line is not None:
                    on_line(line)
        output = "".join(lines)
        if process.returncode != 0:
            raise self._failure(output, when)
        if reset is not None:
            reset(False)
        return output

    def _failure(self, output: str, when: str) -> FlashError:
        """Return the error for the output of a failed esptool."""
        last = re.findall(r"ERROR: (?:A fatal error occurred: )?(.+)", output)
        why = last[-1].strip() if last else output.strip().rpartition("\n")[2]
        text = why.lower()
        if "verification failed" in text or "verify failed" in text:
            return _Differs(f"{self.port}: verification failed ({why})",
                            "Repeat the command; if the error persists, the flash is worn out.",
                            DIFFERS)
        if any(words in text for words in _NO_PORT):
            if when != _DETECTING:
                return ConnectionLost(self.port, when, why)
            return ports.open_error(self.port, OSError(why))
        if any(words in text for words in _NO_CHIP):
            others = ", ".join(ports.programs_using(self.port))
            also = f" These programs also use the port: {others}." if others else ""
            return FlashError(
                f"{self.port}: no chip answers ({why})",
                "Hold the button BOOT, press and release EN (RST), release BOOT, and repeat the "
                f"command with --no-reset.{also}",
                N_("No chip answers. Hold the button BOOT, press and release EN (RST), release "
                   "BOOT, tick that you did so, and try again."),
            )
        if any(words in text for words in _LOST):
            return ConnectionLost(self.port, when, why)
        return FlashError(f"{self.port}: esptool failed: {why}",
                          "Repeat the command at a lower rate: --baud 115200.",
                          N_("Writing to the chip failed. Use a shorter cable or another port, "
                             "and try again."))


class _Differs(FlashError):
    """The content of the flash differs."""


@contextmanager
def _environment(*, is_remote: bool) -> Iterator[dict[str, str]]:
    """Yield the environment of esptool; while it runs, a file in it has its timeouts for a port
    behind a network."""
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    if not is_remote:
        yield environment
        return
    with NamedTemporaryFile("w", suffix=".cfg") as timeouts:
        timeouts.write(_OVER_NETWORK)
        timeouts.flush()
        yield environment | {"ESPTOOL_CFGFILE": timeouts.name}


def _pairs(files: Sequence[tuple[int, Path]]) -> list[str]:
    return [text for address, path in files for text in (hex(address), str(path))]


def _found(output: str, pattern: str) -> str:
    found = re.search(pattern, output, re.MULTILINE)
    return found[1].strip() if found else ""
