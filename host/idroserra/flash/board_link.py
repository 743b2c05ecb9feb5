"""MicroPython on a board, over mpremote's serial transport: files and what it says of itself."""

import ast
import contextlib
import errno
import io
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import serial

from idroserra.flash import ports
from idroserra.flash.errors import ConnectionLost, FlashError

BAUD = 115_200
CATCH_S = 12.0  # a board with our firmware listens for 3 s after its reset
_READ_S = 2.0
_AGAIN_S = 10.0  # until a chip with USB of its own is seen again after a reset
_EXEC_S = 60.0
_CHUNK_BYTES = 1_024
_HASHES_AT_ONCE = 8
_CORRUPTED = b"filesystem appears to be corrupted"
# What the board runs once, so that every later request is short.
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


@dataclass(frozen=True)
class BoardInfo:
    """What MicroPython says of itself and of its file system."""

    version: tuple[int, int, int]
    machine: str
    mpy_version: int  # of the .mpy files it reads
    block_bytes: int
    all_bytes: int
    free_bytes: int
    heap_bytes: int  # free, that it may still grow by included

    @property
    def text(self) -> str:
        """Its version as people write it."""
        return ".".join(map(str, self.version))


class BoardLink:
    """A conversation with MicroPython at its prompt. Raises CableDied when it breaks off."""

    def __init__(self, port: str) -> None:
        self.port = port
        self._transport: Any = None
        self._made: set[str] = set()

    def __enter__(self) -> "BoardLink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back."""
        transport, self._transport = self._transport, None
        if transport is not None:
            with contextlib.suppress(OSError, serial.SerialException):
                transport.close()

    def enter_raw_repl(self, timeout_s: float = CATCH_S) -> BoardInfo | None:
        """Interrupt what runs and return what MicroPython says of itself, or None.

        None when no prompt comes in time. Raises FlashError for a file system that is no more.
        """
        self.close()
        deadline_s = time.monotonic() + timeout_s
        self._transport = _open(self.port)
        with self._talk("it was called to its prompt"):
            if not self._prompt(deadline_s):
                return None
            self._transport.enter_raw_repl(timeout_overall=30)
            self._transport.exec(_HELPERS)
            return self._about()

    def hashes(self, paths: Iterable[str]) -> dict[str, str]:
        """Return the hex SHA-256 of each file, "" for one that is not there."""
        wanted = list(paths)
        found: dict[str, str] = {}
        with self._talk("files were hashed"):
            for at in range(0, len(wanted), _HASHES_AT_ONCE):
                some = wanted[at:at + _HASHES_AT_ONCE]
                said = self._ask(f"for p in {tuple(some)!r}:print(_h(p))")
                found |= dict(zip(some, (line.strip() for line in said.splitlines()),
                                  strict=True))
        return found

    def listing(self, folder: str = "") -> dict[str, int]:
        """Return every file below `folder` with its bytes."""
        with self._talk("files were listed"):
            said = self._ask(f"_l({folder!r})")
        return dict(ast.literal_eval(line) for line in said.splitlines() if line.strip())

    def read(self, path: str) -> bytes:
        """Return a file, b"" where there is none."""
        with self._talk(f"{path} was read"):
            if not self._transport.fs_exists(path):
                return b""
            return bytes(self._transport.fs_readfile(path, _CHUNK_BYTES))

    def put(self, path: str, data: bytes, on_bytes: Callable[[int], None]) -> None:
        """Write a file; `on_bytes` gets the bytes written so far. Raises FlashError when full."""
        with self._talk(f"{path} was sent"):
            try:
                self._make_folders(path)
                self._transport.fs_writefile(
                    path, data, _CHUNK_BYTES, lambda written, _all: on_bytes(written)
                )
            except OSError as error:
                if error.strerror != path:  # not of the board: the line broke off
                    raise
                if error.errno == errno.ENOSPC:
                    raise out_of_space(self.port, f"{path} did not fit", {}) from error
                raise _refused(self.port, f"{path}: {error}") from error

    def ask(self, code: str, when: str) -> str:
        """Run code and return what it prints. `when` ends "the board went away while".

        Raises FlashError with the board's own last line where the code fails."""
        with self._talk(when):
            return self._ask(code)

    def remove(self, path: str) -> None:
        """Remove a file, where there is one."""
        with self._talk(f"{path} was removed"):
            self._ask(f"try:os.remove({path!r})\nexcept OSError:pass")

    def free_bytes(self) -> int:
        """Return how many bytes the file system has left."""
        with self._talk("its room was asked for"):
            return self._about().free_bytes

    def restart(self) -> None:
        """Reset the board; it starts what main.py names."""
        with self._talk("it was started"):
            self._transport.exec_raw_no_follow(
                "import time,machine\ntime.sleep_ms(200)\nmachine.reset()\n"
            )
        self.close()

    def _ask(self, code: str) -> str:
        said, error = self._transport.exec_raw(code, timeout=_EXEC_S)
        if error:
            raise _refused(self.port, error.decode(errors="replace"))
        return str(said.decode())

    def _about(self) -> BoardInfo:
        said = self._ask("i=sys.implementation;s=os.statvfs('');gc.collect()\n"
                         "print(repr((tuple(i.version[:3]),i._machine,i._mpy,s[0],s[2],s[3],"
                         "gc.mem_free())))")
        version, machine, mpy, block_bytes, blocks, free, heap_bytes = ast.literal_eval(said)
        return BoardInfo(tuple(version), machine, mpy & 0xFF, block_bytes,
                     blocks * block_bytes, free * block_bytes, heap_bytes)

    def _prompt(self, deadline_s: float) -> bool:
        """Send Ctrl-C until the prompt comes, which is when boot.py waits at the latest."""
        heard = b""
        while time.monotonic() < deadline_s:
            self._transport.serial.write(b"\r\x03\x02")
            until_s = time.monotonic() + 0.3
            while time.monotonic() < until_s:
                heard = (heard + self._transport.serial.read(
                    max(1, self._transport.serial.in_waiting)))[-4_096:]
                if _CORRUPTED in heard:
                    raise _other_data(self.port)
                if heard.endswith(b">>> "):
                    return True
        return False

    def _make_folders(self, path: str) -> None:
        parents = path.split("/")[:-1]
        for count in range(1, len(parents) + 1):
            folder = "/".join(parents[:count])
            if folder not in self._made:
                self._ask(f"try:os.mkdir({folder!r})\nexcept OSError:pass")
                self._made.add(folder)

    @contextlib.contextmanager
    def _talk(self, when: str) -> Any:
        """Turn what breaks a conversation into CableDied, and keep mpremote's prints away."""
        from mpremote.transport import TransportError, TransportExecError

        if self._transport is None:
            raise ConnectionLost(self.port, when)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        except FlashError:
            raise
        except TransportExecError as error:
            raise _refused(self.port, error.error_output) from error
        except (TransportError, OSError, ValueError, SyntaxError, IndexError) as error:
            raise ConnectionLost(self.port, when) from error


def _other_data(port: str) -> FlashError:
    return FlashError(
        f"{port}: MicroPython finds something else's data where its files belong",
        "Start from empty: the same command with --erase and --micropython. All that is on the "
        "board is lost then, Wi-Fi and key too.",
    )


def _refused(port: str, said: str) -> FlashError:
    last = said.strip().rpartition("\n")[2]
    return FlashError(f"{port}: MicroPython on the board refused: {last}",
                      "Reset the board and say the same command again.")


def out_of_space(port: str, what: str, others: dict[str, int]) -> FlashError:
    """Return the error of a board without room. `others` are files not of the image, bytes."""
    largest = sorted(others.items(), key=lambda item: -item[1])[:3]
    listed = ", ".join(f"{name} ({size_bytes} bytes)" for name, size_bytes in largest)
    also = f" Largest files that are not of the image: {listed}." if listed else ""
    return FlashError(
        f"{port}: the board is out of space: {what}",
        "Remove what is not needed (`mpremote fs rm NAME`), or start from empty with --erase and "
        f"--micropython: settings and records that were not sent are lost then.{also}",
    )


def _open(port: str) -> Any:
    """Return the transport of a port; one that a reset took away is waited for."""
    try:
        from mpremote.transport import TransportError
        from mpremote.transport_serial import SerialTransport
    except ImportError as error:
        raise FlashError("mpremote is missing",
                         "Install it: pip install 'idroserra[flash]'") from error
    deadline_s = time.monotonic() + _AGAIN_S
    while True:
        try:
            return SerialTransport(port, BAUD, timeout=_READ_S)
        except (TransportError, OSError) as error:
            if time.monotonic() > deadline_s:
                ports.check_available(port)
                raise ConnectionLost(port, "it was opened") from error
        time.sleep(0.2)
