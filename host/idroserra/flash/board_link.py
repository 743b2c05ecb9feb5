"""Connects to MicroPython on a board over mpremote's serial transport: files and system info."""

import ast
import contextlib
import errno
import io
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import serial

from idroserra.flash import ports
from idroserra.flash.errors import NO_TOOL, ConnectionLost, FlashError
from idroserra.i18n.marker import N_

BAUD = 115_200
PROMPT_S = 12.0  # a board with our firmware waits 3 s for Ctrl-C after its reset
_PROMPT_READ_S = 2.0
# Silence after which a board counts as lost. A busy computer, or the network between a browser and
# this host, delays answers by many seconds; a port that is unplugged reports an error at once.
_SILENCE_S = 30.0
_REOPEN_S = 10.0  # until a chip with native USB reappears after a reset
_EXEC_S = 60.0
_CHUNK_BYTES = 1_024
_HASHES_AT_ONCE = 8
# On a chip with native USB Ctrl-C may arrive only after boot.py, when the firmware's watchdog runs
# (MicroPython 1.27 and later, ports/esp32/main.c). It cannot be stopped, only started again with
# another timeout, which other chips reject.
_HOLD_WATCHDOG = """\
try:
 import esp32,machine
 machine.WDT(timeout=3600000)
except ImportError:pass
"""
_ODD = N_("MicroPython on the board reported an error. Press EN (RST) and try again.")
_CORRUPTED = b"filesystem appears to be corrupted"
# Functions that are defined on the board once, to keep later requests short.
_HELPERS = """\
import os,sys,gc,hashlib,binascii
def _h(p):
 h=hashlib.sha256();b=bytearray(512);m=memoryview(b)
 try:
  with open(p,'rb') as f:
   while True:
    n=f.readinto(b)
    if not n:break
    h.update(m[:n])
 except OSError:return ''
 return str(binascii.hexlify(h.digest()),'ascii')
def _l(p):
 try:e=list(os.ilistdir(p or '.'))
 except OSError:return
 for x in e:
  q=p+'/'+x[0] if p else x[0]
  if x[1]&0x4000:_l(q)
  else:print(repr((q,os.stat(q)[6])))
"""
# Of the releases that the kernel has confirmed: firmware/idro/update/state.py.
_COUNTER = """\
c=0
try:
 import esp32
 n=esp32.NVS('idro')
 for k in ('security_a','security_b'):
  try:c=max(c,n.get_i32(k))
  except OSError:pass
except ImportError:pass
print(c)
"""


@dataclass(frozen=True)
class BoardInfo:
    """System info of MicroPython and of its file system."""

    version: tuple[int, int, int]
    mpy_version: int  # of the .mpy files it can load
    block_bytes: int
    all_bytes: int
    free_bytes: int
    heap_bytes: int  # free heap, including its possible growth

    @property
    def text(self) -> str:
        """The version as text: "1.26.0"."""
        return ".".join(map(str, self.version))


class BoardLink:
    """A raw REPL session with MicroPython. Raises ConnectionLost when it breaks off, or when the
    board is silent for `silence_s`."""

    def __init__(self, port: str) -> None:
        self.port = port
        self.silence_s = _SILENCE_S
        self._transport: Any = None
        self._folders: set[str] = set()

    def __enter__(self) -> "BoardLink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the port."""
        transport, self._transport = self._transport, None
        if transport is not None:
            with contextlib.suppress(OSError, serial.SerialException):
                transport.close()

    def enter_raw_repl(self, timeout_s: float = PROMPT_S) -> BoardInfo | None:
        """Interrupt the program and return the system info, or None without a prompt in time.

        Raises FlashError for a corrupt file system.
        """
        self.close()
        deadline_s = time.monotonic() + timeout_s
        self._transport = self._open()
        with self._session("it was called to its prompt"):
            if not self._wait_for_prompt(deadline_s):
                return None
            self._transport.enter_raw_repl(timeout_overall=30)
            self.hold_watchdog()
            self._transport.exec(_HELPERS)
            return self._info()

    def hashes(self, paths: Iterable[str]) -> dict[str, str]:
        """Return {path: hex SHA-256}, "" for a missing file."""
        wanted = list(paths)
        found: dict[str, str] = {}
        with self._session("files were hashed"):
            for at in range(0, len(wanted), _HASHES_AT_ONCE):
                some = wanted[at:at + _HASHES_AT_ONCE]
                output = self._execute(f"for p in {tuple(some)!r}:print(_h(p))")
                found |= dict(zip(some, (line.strip() for line in output.splitlines()),
                                  strict=True))
        return found

    def listing(self, folder: str = "") -> dict[str, int]:
        """Return {path: size in bytes} of the files below `folder`."""
        with self._session("files were listed"):
            output = self._execute(f"_l({folder!r})")
        return dict(ast.literal_eval(line) for line in output.splitlines() if line.strip())

    def read(self, path: str) -> bytes:
        """Return the content of a file, or b"" if it does not exist."""
        with self._session(f"{path} was read"):
            if not self._transport.fs_exists(path):
                return b""
            return bytes(self._transport.fs_readfile(path, _CHUNK_BYTES))

    def security_counter(self) -> int:
        """Return the highest security counter of the releases over the air, 0 without one.

        Raises FlashError."""
        output = self.execute(_COUNTER, "its security counter was read")
        return int(literal(self.port, output))

    def put(self, path: str, data: bytes, on_bytes: Callable[[int], None]) -> None:
        """Write a file; on_bytes(bytes written so far). Raises FlashError when flash is full."""
        with self._session(f"{path} was sent"):
            try:
                self._make_folders(path)
                self._transport.fs_writefile(
                    path, data, _CHUNK_BYTES, lambda written, _all: on_bytes(written))
            except OSError as error:
                if error.strerror != path:  # not from the board: the connection broke off
                    raise
                if error.errno == errno.ENOSPC:
                    raise out_of_space(self.port, f"{path} did not fit", {}) from error
                raise _board_error(self.port, f"{path}: {error}") from error

    def execute(self, code: str, when: str) -> str:
        """Run code and return its output. `when` completes "the board went away while".

        Raises FlashError with the last line of the board's traceback if the code fails."""
        with self._session(when):
            return self._execute(code)

    def hold_watchdog(self) -> None:
        """Keep the firmware's watchdog from a reset for an hour from now."""
        self.execute(_HOLD_WATCHDOG, "its watchdog was held")

    def remove(self, path: str) -> None:
        """Remove a file if it exists."""
        with self._session(f"{path} was removed"):
            self._execute(f"try:os.remove({path!r})\nexcept OSError:pass")

    def restart(self) -> None:
        """Reset the board, which runs main.py."""
        with self._session("it was started"):
            self._transport.exec_raw_no_follow(
                "import time,machine\ntime.sleep_ms(200)\nmachine.reset()\n")
        self.close()

    def _open(self) -> Any:
        """Return the transport of the port; waits for a port that disappeared with a reset."""
        try:
            from mpremote.transport import TransportError
            from mpremote.transport_serial import SerialTransport
        except ImportError as error:
            raise FlashError("mpremote is missing",
                             "Install it: pip install 'idroserra[flash]'", NO_TOOL) from error

        link = self

        class PatientTransport(SerialTransport):  # type: ignore[misc]
            def read_until(self, least_bytes: int, ending: bytes, timeout: float = 0.0,
                           *more: Any, **options: Any) -> Any:
                # mpremote waits 10 s, and has no argument for that where it writes a file.
                return super().read_until(
                    least_bytes, ending, max(timeout, link.silence_s), *more, **options)

        deadline_s = time.monotonic() + _REOPEN_S
        while True:
            try:
                return PatientTransport(self.port, BAUD, timeout=self.silence_s)
            except (TransportError, OSError) as error:
                if time.monotonic() > deadline_s:
                    ports.check_available(self.port)
                    raise ConnectionLost(self.port, "it was opened") from error
            time.sleep(0.2)

    def _execute(self, code: str) -> str:
        output, error = self._transport.exec_raw(code, timeout=_EXEC_S)
        if error:
            raise _board_error(self.port, error.decode(errors="replace"))
        return str(output.decode())

    def _info(self) -> BoardInfo:
        output = self._execute(
            "i=sys.implementation;s=os.statvfs('');gc.collect()\n"
            "print(repr((tuple(i.version[:3]),i._mpy,s[0],s[2],s[3],gc.mem_free())))")
        version, mpy, block_bytes, blocks, free, heap_bytes = ast.literal_eval(output)
        return BoardInfo(tuple(version), mpy & 0xFF, block_bytes,
                         blocks * block_bytes, free * block_bytes, heap_bytes)

    def _wait_for_prompt(self, deadline_s: float) -> bool:
        """Send Ctrl-C until the prompt appears, at the latest while boot.py waits."""
        received = b""
        line = self._transport.serial
        line.timeout = _PROMPT_READ_S
        while time.monotonic() < deadline_s:
            line.write(b"\r\x03\x02")
            until_s = time.monotonic() + 0.3
            while time.monotonic() < until_s:
                received = (received + line.read(max(1, line.in_waiting)))[-4_096:]
                if _CORRUPTED in received:
                    raise _corrupt_file_system(self.port)
                if received.endswith(b">>> "):
                    line.timeout = self.silence_s
                    return True
        return False

    def _make_folders(self, path: str) -> None:
        parents = path.split("/")[:-1]
        for count in range(1, len(parents) + 1):
            folder = "/".join(parents[:count])
            if folder not in self._folders:
                self._execute(f"try:os.mkdir({folder!r})\nexcept OSError:pass")
                self._folders.add(folder)

    @contextlib.contextmanager
    def _session(self, when: str) -> Any:
        """Convert transport errors to ConnectionLost, and suppress the output of mpremote."""
        from mpremote.transport import TransportError, TransportExecError

        if self._transport is None:
            raise ConnectionLost(self.port, when)
        line = self._transport.serial
        try:
            if line.timeout != self.silence_s:
                line.timeout = self.silence_s
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        except FlashError:
            raise
        except TransportExecError as error:
            raise _board_error(self.port, error.error_output) from error
        except (TransportError, OSError, ValueError, SyntaxError, IndexError,
                struct.error) as error:  # the last if the header of a paste is cut short
            raise ConnectionLost(self.port, when) from error


def literal(port: str, output: str) -> Any:
    """Return the value whose repr the board at `port` printed. Raises FlashError."""
    try:
        return ast.literal_eval(output.strip())
    except (ValueError, SyntaxError) as error:
        raise FlashError(f"{port}: the board printed {output.strip()[:60]!r}",
                         "Repeat the command.", _ODD) from error


def _corrupt_file_system(port: str) -> FlashError:
    return FlashError(
        f"{port}: the file system on the board is corrupt, or is not MicroPython's",
        "Erase the board: repeat the command with --erase and --micropython. This deletes all "
        "data on the board, including Wi-Fi settings and key.",
        N_("The files of this board are damaged or of other firmware. Try again and tick that the "
           "board is erased first: all its data is deleted."),
    )


def _board_error(port: str, output: str) -> FlashError:
    last = output.strip().rpartition("\n")[2]
    return FlashError(f"{port}: error of MicroPython on the board: {last}",
                      "Reset the board and repeat the command.",
                      _ODD)


def out_of_space(port: str, what: str, others: dict[str, int]) -> FlashError:
    """Return the error of a full board. `others`: {path: bytes} of files not in the image."""
    largest = sorted(others.items(), key=lambda item: -item[1])[:3]
    listed = ", ".join(f"{name} ({size_bytes} bytes)" for name, size_bytes in largest)
    also = f" Largest files that are not in the image: {listed}." if listed else ""
    return FlashError(
        f"{port}: the board is out of space: {what}",
        "Remove unused files (`mpremote fs rm NAME`), or erase the board with --erase and "
        f"--micropython, which deletes settings and unsent records.{also}",
        N_("The board is full of other files. Try again and tick that the board is erased first: "
           "settings and unsent records are deleted too."),
    )
