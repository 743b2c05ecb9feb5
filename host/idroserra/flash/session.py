"""Flashes a board from end to end: inspect, plan, write, verify, start."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from idroserra.flash import copy, psram
from idroserra.flash.board_link import BoardInfo, BoardLink
from idroserra.flash.errors import DETECTING, NO_PROMPT, FlashError
from idroserra.flash.esptool import Chip, Esptool
from idroserra.flash.micropython_bin import MicroPythonBinary
from idroserra.i18n.marker import N_
from idroserra.image import build

WAITING_S = 3.0


class ProgressSink(Protocol):
    """Shows progress: one bar after the other."""

    def start(self, what: str, total_bytes: int) -> Callable[[int, str], None]:
        """Start a bar; returns its update function(bytes so far, current item)."""

    def say(self, text: str) -> None:
        """Print a line."""


@dataclass(frozen=True)
class FlashPlan:
    """The changes to a board, from a read-only inspection."""

    manifest: build.Manifest
    port: str
    chip: Chip
    about: BoardInfo | None  # of the MicroPython on the board
    micropython: MicroPythonBinary | None  # to be written
    erases: bool
    work: copy.CopyPlan

    @property
    def is_nothing(self) -> bool:
        """Whether the board needs no changes."""
        return self.micropython is None and not self.erases and self.work.is_nothing


@dataclass(frozen=True)
class FlashSession:
    """Flashes the image in `folder` to one board on one port."""

    folder: Path
    manifest: build.Manifest
    chip_name: str
    esptool: Esptool
    show: ProgressSink
    erases: bool = False
    allows_older: bool = False

    def inspect(self, wanted: MicroPythonBinary | None) -> FlashPlan:
        """Return the plan; leaves the board at its prompt without changes.

        `wanted` is the MicroPython to install; None keeps the one on the board. Raises FlashError
        if the board does not match, or cannot run the image.
        """
        self.show.say(f"{self.esptool.port}: {DETECTING}")
        chip = self.esptool.chip()
        self._check_chip(chip, wanted)
        micropython = wanted if self.erases or not self._holds(wanted) else None
        if micropython is not None:
            psram.check_package(self.esptool.port, chip, micropython)
        must_stay = micropython is not None and not self.esptool.resets  # in its boot loader
        with BoardLink(self.esptool.port) as link:
            if self.erases or must_stay:
                about = None
            else:
                about = (self._enter_raw_repl(link) if micropython is None
                         else link.enter_raw_repl(WAITING_S))
            if micropython is None:
                self._check_micropython(about)
            if about is not None:
                self._check_age(link)
            if about is None or micropython is not None and self._must_replace(about):
                work = self._everything()
            else:
                work = copy.plan_copy(link, self.folder, self.manifest, about)
        return FlashPlan(
            self.manifest, self.esptool.port, chip, about, micropython, self.erases, work)

    def execute(self, plan: FlashPlan) -> copy.CopyPlan:
        """Execute `plan` and start the board; returns the copy plan that was executed."""
        if plan.erases:
            self.show.say(N_("erasing the whole flash (up to a minute)"))
            self.esptool.erase()
        if plan.micropython is not None:
            self._write(plan.micropython)
        with BoardLink(self.esptool.port) as link:
            about = self._enter_raw_repl(link)
            self._check_micropython(about)
            assert about is not None
            work = copy.plan_copy(link, self.folder, self.manifest, about)
            self._copy(link, work)
            self.show.say(N_("verifying the hash of every file"))
            copy.check_whole(link, self.manifest)
            link.restart()
        return work

    def restart_board(self, plan: FlashPlan) -> None:
        """Restart the board after inspect(), without changes. Raises FlashError."""
        if plan.about is None:
            return
        with BoardLink(self.esptool.port) as link:
            if self._enter_raw_repl(link) is not None:
                link.restart()

    def _write(self, micropython: MicroPythonBinary) -> None:
        move = self.show.start("MicroPython", micropython.size_bytes)
        with _files(micropython) as files:
            self.esptool.write(
                files, lambda share: move(round(share * micropython.size_bytes), "writing"))

    def _copy(self, link: BoardLink, work: copy.CopyPlan) -> None:
        move = self.show.start("image", work.send_bytes)
        done_bytes = 0
        now = ""
        sent = 0

        def on_file(path: str, written: int) -> None:
            nonlocal done_bytes, now, sent
            if path != now:
                done_bytes, now = done_bytes + sent, path
            sent = written
            move(done_bytes + written, path)

        copy.copy_image(link, self.folder, work, on_file)

    def _holds(self, wanted: MicroPythonBinary | None) -> bool:
        if wanted is None:
            return True
        self.show.say(N_("comparing the MicroPython on the board"))
        with _files(wanted) as files:
            return self.esptool.holds(files)

    def _enter_raw_repl(self, link: BoardLink) -> BoardInfo | None:
        about = link.enter_raw_repl(WAITING_S)
        if about is None:
            self.show.say(NO_PROMPT)
            about = link.enter_raw_repl()
        return about

    def _check_chip(self, chip: Chip, wanted: MicroPythonBinary | None) -> None:
        psram.check_chip(self.esptool.port, chip)
        if chip.name != self.chip_name:
            raise FlashError(
                f"{self.esptool.port}: the chip is an {chip.described or chip.name}, the board "
                f"file of {self.manifest.board} says {self.chip_name}",
                "Nothing was written. Connect the right board, or select the board file of this "
                "one: `idroserra board list`.",
                N_("The chip is another one than this board needs. Nothing was written: connect "
                   "the right board, or choose a board with this chip."),
            )
        if wanted is not None and 0 < chip.flash_bytes < wanted.flash_bytes:
            raise FlashError(
                f"{wanted.path}: needs {wanted.flash_bytes // 1_048_576} MB of flash, the board "
                f"has {chip.flash_bytes // 1_048_576} MB", "Use the binary for that flash size.",
                N_("This MicroPython needs more flash than the board has: choose one for its "
                   "size."))

    def _must_replace(self, about: BoardInfo) -> bool:
        return copy.check_micropython(about, self.folder) is not None

    def _check_micropython(self, about: BoardInfo | None) -> None:
        if about is None:
            raise FlashError(
                f"{self.esptool.port}: no MicroPython answers on the board",
                "Install it with --micropython VERSION, or --micropython FILE with a .bin from "
                "micropython.org/download for this chip. If it is installed, press EN (RST) and "
                "repeat the command within a second.",
                N_("No MicroPython answers on the board. Choose one to write; if there is one, "
                   "press EN (RST) while the page tries again."),
            )
        why = copy.check_micropython(about, self.folder)
        if why is not None:
            raise FlashError(f"{self.esptool.port}: {why}",
                             "Install a newer one: --micropython VERSION, or FILE.",
                             N_("The MicroPython on the board does not fit this firmware: "
                                "choose one to write."))
        psram.check_heap(self.esptool.port, about)

    def _check_age(self, link: BoardLink) -> None:
        """Refuse an image with a lower security counter than the one on the board, or than a
        release that came over the air. Raises FlashError."""
        counter = max(build.security_counter(link.read(build.MANIFEST)), link.security_counter())
        if counter > self.manifest.security_counter and not self.allows_older:
            raise FlashError(
                f"{self.esptool.port}: the board runs an image with security counter {counter}, "
                f"this one has {self.manifest.security_counter}: it is older and vulnerable",
                "Update this host (`pip install --upgrade idroserra`), or confirm with "
                "--allow-older.",
                N_("The board has newer firmware, without a weakness of this one. Nothing was "
                   "written: update this host first."),
            )

    def _everything(self) -> copy.CopyPlan:
        files = (*sorted(self.manifest.files), build.MANIFEST)
        size = sum((self.folder / path).stat().st_size for path in files)
        return copy.CopyPlan(files, (), size, 0)


@contextmanager
def _files(micropython: MicroPythonBinary) -> Iterator[list[tuple[int, Path]]]:
    """Yield the parts of a binary as temporary files (address, path)."""
    with tempfile.TemporaryDirectory(prefix="idroserra-flash-") as folder:
        found = []
        for address, content in micropython.parts:
            path = Path(folder) / f"{address:#x}.bin"
            path.write_bytes(content)
            found.append((address, path))
        yield found
