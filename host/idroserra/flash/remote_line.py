"""A pseudo terminal that stands for a serial port at another machine.

esptool and mpremote open `port` like any other; who owns the RemoteLine carries the bytes. Used in
one event loop.
"""

import asyncio
import os
import pty
import termios
import tty
from contextlib import suppress

_READ_BYTES = 4_096
_MOST_WAITING_BYTES = 65_536  # from the board, while no program reads
_BAUDS = {getattr(termios, f"B{baud}"): baud for baud in (115_200, 230_400, 460_800, 921_600)
          if hasattr(termios, f"B{baud}")}


class RemoteLine:
    """The near end of a serial port. Until close(), no other terminal gets its name."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._waiting = bytearray()
        self._is_up = True
        self._readable = asyncio.Event()

    @property
    def baud(self) -> int:
        """The rate that the program on the port has set."""
        return _BAUDS.get(termios.tcgetattr(self._slave)[5], 115_200)

    async def read(self) -> bytes:
        """Return bytes for the board; b"" after hang_up()."""
        while self._is_up:
            try:
                return os.read(self._master, _READ_BYTES)
            except BlockingIOError:
                await self._until_readable()
        return b""

    def write(self, data: bytes) -> None:
        """Pass on bytes of the board. The oldest are dropped while no program reads."""
        self._waiting += data
        del self._waiting[:-_MOST_WAITING_BYTES]
        self._flush()

    def discard(self) -> None:
        """Drop what the board sent and no program has read: it is about to be reset."""
        self._waiting.clear()
        if self._is_up:
            termios.tcflush(self._slave, termios.TCIFLUSH)

    def hang_up(self) -> None:
        """Unplug: programs on the port get an I/O error."""
        if self._is_up:
            self._is_up = False
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._master)
            loop.remove_writer(self._master)
            os.close(self._master)
            self._readable.set()

    def close(self) -> None:
        """Remove the port."""
        self.hang_up()
        os.close(self._slave)

    async def _until_readable(self) -> None:
        loop = asyncio.get_running_loop()
        self._readable.clear()
        loop.add_reader(self._master, self._readable.set)
        try:
            await self._readable.wait()
        finally:
            if self._is_up:
                loop.remove_reader(self._master)

    def _flush(self) -> None:
        if not self._is_up:
            return
        with suppress(BlockingIOError):  # its buffer is full
            del self._waiting[:os.write(self._master, self._waiting)]
        loop = asyncio.get_running_loop()
        if self._waiting:
            loop.add_writer(self._master, self._flush)
        else:
            loop.remove_writer(self._master)
