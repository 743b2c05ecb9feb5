"""A virtual board on a pty: the boot loader of its chip, and MicroPython on a real littlefs.

The boot loader is esp32-mock-bootloader, and MicroPython the unix port at its prompt. A pty has no
reset line, so a frame of the serial protocol selects the boot loader, and Ctrl-C starts
MicroPython if it is on the flash.
"""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Mapping
from pathlib import Path

from idrosim.runner.process import find_micropython
from support.flash_rig import NVS_BYTES
from support.wait import wait_until

PRELUDE = Path(__file__).with_name("virtual_flash.py")
BLOCK_BYTES = 4_096
NEVER = 1 << 62
_SLIP_END = 0xC0
# FLASH_BEGIN, FLASH_DEFL_BEGIN and ERASE_FLASH of the serial protocol.
_WRITES = re.compile(rb"\xc0\x00[\x02\x10]")
_ERASES = re.compile(rb"\xc0\x00\xd0")
_RAW, _FRIENDLY, _CTRL_C = b"\x01", b"\x02", b"\x03"
_EXIT_RESET, _EXIT_DARK = 3, 9


class VirtualBoard:
    """A board on the serial port `port`, with MicroPython at once or after flashing."""

    def __init__(
        self, folder: Path, chip: str = "esp32", *, has_micropython: bool = True,
        blocks: int = 512, heap: str = "512K", loader_bytes: int = NEVER,
        prompt_bytes: int = NEVER, has_loader: bool = True,
        nvs: Mapping[str, object] | None = None,
    ) -> None:
        """`nvs` are the faults of virtual_nvs.py: writes_left, corrupts, has_esp32.

        The cable fails after `loader_bytes` or `prompt_bytes` from the host."""
        self.resets = 0  # by machine.reset()
        self.heard_bytes = 0  # by MicroPython
        self.is_plugged_in = True
        self.has_micropython = has_micropython
        self._heap = heap
        self.says = b""  # output of MicroPython instead of an answer
        self._loader_bytes, self._prompt_bytes = loader_bytes, prompt_bytes
        self._answer_bytes, self._silence_s, self._silent_until_s = NEVER, 0.0, 0.0
        self._next_silence: tuple[int, float] | None = None
        self._flash = folder / "littlefs.img"
        self._flash_bytes = blocks * BLOCK_BYTES
        self.nvs_file = folder / "nvs.bin"
        (folder / "nvs.faults").write_text(json.dumps(dict(nvs or {})))
        if not self._flash.exists():  # else the same board was plugged in again
            self._format()
        self._loader = _Loader(folder, chip) if has_loader else None
        self._rom = self._loader.connect() if self._loader else None
        self._is_rom_on = False
        self._micropython: _MicroPython | None = None
        self._is_raw = self._is_in_frame = False
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Unplug the board."""
        self.is_plugged_in = False
        os.write(self._waker, b"x")
        self._thread.join(120)
        if self._rom is not None and self._loader is not None:
            self._rom.close()
            self._loader.stop()
        for number in (self._slave, self._wake, self._waker):
            os.close(number)

    def hold(self, files: Mapping[str, bytes]) -> None:
        """Put files on the flash."""
        with tempfile.TemporaryDirectory() as folder:
            for name, data in files.items():
                (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / name).write_bytes(data)
            self.run(f"vfs.mount(vfs.VfsPosix({folder!r}), '/host')\ncopy('/host', '')")

    def files(self) -> dict[str, bytes]:
        """Return the files on the flash."""
        with tempfile.TemporaryDirectory() as folder:
            self.run(f"vfs.mount(vfs.VfsPosix({folder!r}), '/host')\ncopy('', '/host')")
            return {path.relative_to(folder).as_posix(): path.read_bytes()
                    for path in Path(folder).rglob("*") if path.is_file()}

    def fall_silent(self, answer_bytes: int, silence_s: float) -> None:
        """Hold back answers of the board for `silence_s`, after `answer_bytes` of them."""
        self._next_silence = answer_bytes, silence_s  # begins between two answers

    def watchdog_starts_ms(self) -> list[int]:
        """Return the timeouts with which its watchdog was started from the prompt."""
        return [int(line) for line in
                self._flash.with_name(f"{self._flash.name}.watchdog").read_text().split()]

    def run(self, code: str) -> str:
        """Run code on this board's flash in a new MicroPython; return its output."""
        done = subprocess.run(
            [str(find_micropython()), str(PRELUDE), str(self._flash), code],
            stdout=subprocess.PIPE, text=True, check=True,
        )
        return done.stdout

    def _run(self) -> None:
        try:
            while self._step():
                pass
        finally:
            self._power_off()
            os.close(self._master)

    def _step(self) -> bool:
        """Forward bytes between the pty and the program behind it; return False at the end."""
        far = self._rom if self._is_rom_on else self._micropython
        silent_s = max(0.0, self._silent_until_s - time.monotonic())
        sources = [self._master, self._wake, *([far] if far and not silent_s else [])]
        ready, _, _ = select.select(sources, [], [], silent_s or None)
        if self._wake in ready:
            return False
        if self._master in ready:
            self._from_host(os.read(self._master, 4_096))
            if min(self._loader_bytes, self._prompt_bytes) < 0:
                return False
        if far in ready and far is (self._rom if self._is_rom_on else self._micropython):
            if self._next_silence is not None:
                self._answer_bytes, self._silence_s = self._next_silence
                self._next_silence = None
            data = far.recv(min(4_096, self._answer_bytes))
            if not data:
                return self._ended()
            os.write(self._master, data)
            self._count_answer(len(data))
        return True

    def _count_answer(self, size_bytes: int) -> None:
        self._answer_bytes -= size_bytes
        if self._answer_bytes == 0:
            self._answer_bytes = NEVER
            self._silent_until_s = time.monotonic() + self._silence_s

    def _from_host(self, data: bytes) -> None:
        if not self._is_rom_on and data[0] == _SLIP_END:
            self._power_off()
            self._is_rom_on = True
        elif (self._is_rom_on and not self._is_in_frame
              and data.lstrip(b"\r")[:1] in (_CTRL_C, _RAW)):
            self._power_off()
        if self._is_rom_on:
            if _ERASES.search(data):
                self.has_micropython = False
                self._format()
            self.has_micropython = self.has_micropython or _WRITES.search(data) is not None
            self._is_in_frame ^= data.count(_SLIP_END) % 2 == 1
            self._rom.sendall(data)
            self._loader_bytes -= len(data)
            return
        if self.says:
            os.write(self._master, self.says)
        elif self._micropython is None and self.has_micropython:
            self._micropython = _MicroPython(self._flash, self._heap)
        if self._micropython is not None:
            self._is_raw = self._mode_after(data)
            self._micropython.sendall(data)
            self._prompt_bytes -= len(data)
            self.heard_bytes += len(data)

    def _mode_after(self, data: bytes) -> bool:
        raw, friendly = data.rfind(_RAW), data.rfind(_FRIENDLY)
        return self._is_raw if raw == friendly else raw > friendly

    def _ended(self) -> bool:
        """Handle the exit of MicroPython by Ctrl-D (a soft reset) or machine.reset().

        Return False after a power cut."""
        assert self._micropython is not None
        code = self._micropython.stop(120)  # it is about to exit by itself
        self._micropython = None
        if code == _EXIT_DARK:
            return False
        if code == _EXIT_RESET:
            self.resets += 1
            self._is_raw = False
            return True
        os.write(self._master, b"MPY: soft reboot\r\n")
        self._micropython = _MicroPython(self._flash, self._heap)
        if self._is_raw:
            self._micropython.swallow_banner()
            self._micropython.sendall(_RAW)
        return True

    def _power_off(self) -> None:
        if self._micropython is not None:
            self._micropython.stop()
        self._micropython = None
        self._is_raw = self._is_rom_on = self._is_in_frame = False

    def _format(self) -> None:
        self._flash.write_bytes(b"\xff" * self._flash_bytes)
        self.nvs_file.write_bytes(b"\xff" * NVS_BYTES)


class _Loader:
    """The boot loader as a child process, which keeps the contents of its flash."""

    def __init__(self, folder: Path, chip: str) -> None:
        port_file = folder / "loader.port"
        port_file.unlink(missing_ok=True)  # of an earlier process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "esp32_mock_bootloader.cli", "run", "--chip", chip,
             "--port", "0", "--port-file", str(port_file),
             "--exit-on-disconnect"],  # else it disconnects some time after the last byte
            stdout=subprocess.DEVNULL, env=os.environ | {
                "ESP32_MOCK_BOOTLOADER_STATE_DIR": str(folder / "loader")},
        )
        wait_until(lambda: port_file.is_file() and port_file.read_text(), 20, "the boot loader")
        self._port = int(port_file.read_text())

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), 20)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(120)


class _MicroPython:
    """MicroPython at its prompt, on its own terminal."""

    def __init__(self, flash: Path, heap: str) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)  # input is neither echoed nor buffered while code runs
        self._process = subprocess.Popen(
            [str(find_micropython()), "-X", f"heapsize={heap}", "-i", str(PRELUDE), str(flash)],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        )
        os.close(slave)

    def fileno(self) -> int:
        return self._master

    def recv(self, size: int) -> bytes:
        try:
            return os.read(self._master, size)
        except OSError:  # the other end of the pty is closed
            return b""

    def sendall(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._master, data):]

    def swallow_banner(self) -> None:
        heard = b""
        while not heard.endswith(b">>> "):
            heard += self.recv(1)

    def stop(self, patience_s: float = 0.5) -> int:
        """Return the exit code, after a kill once `patience_s` is over."""
        try:
            return self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait(120)
        finally:
            os.close(self._master)
