"""The WebSocket of an installation: the bytes of the browser's serial port, and questions.

A binary message is one kind byte and data: LINE is the serial line, FILE a part of the file that
the user chose. A text message is JSON: from the host an instruction, a question, progress or the
end; from the browser an answer. The installation itself runs in a thread.
"""

from __future__ import annotations

import asyncio
import json
import queue
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from idroserra.flash.errors import ConnectionLost
from idroserra.flash.remote_line import RemoteLine
from idroserra.i18n.translate import translate

LINE, FILE = b"\x00", b"\x01"
MOST_FILE_BYTES = 16 * 1_048_576  # the largest supported flash
MOST_TEXT_CHARS = 4_096
RESET_S = 15.0
ANSWER_S = 15 * 60.0
SEND_S = 30.0
_PROGRESS_S = 0.1


class Conversation:
    """One browser and its board. ask(), reset(), say() and start() are for the installing
    thread; they raise ConnectionLost once the browser or its cable is gone."""

    def __init__(self, socket: WebSocket, line: RemoteLine) -> None:
        self.line = line
        self.port = line.port
        self.file = bytearray()
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._baud = line.baud
        self._is_lost = False

    def ask(self, step: str, **shown: Any) -> dict[str, Any]:
        """Show a step of the page and return what the user answers."""
        return self._ask({"t": "ask", "step": step, **shown}, ANSWER_S, "an answer was awaited")

    def reset(self, to_loader: bool) -> None:
        """Let the browser reset the chip, into its boot loader or its program."""
        self._loop.call_soon_threadsafe(self.line.discard)
        self._ask({"t": "reset", "loader": to_loader}, RESET_S, "it was reset")

    def say(self, text: str) -> None:
        """Show what is done now."""
        self._send({"t": "say", "text": translate(text.removeprefix(f"{self.port}: "))})

    def start(self, what: str, total_bytes: int) -> Callable[[int, str], None]:
        """Show a progress bar; return its update function(bytes so far, current item)."""
        sent_s = 0.0

        def move(done_bytes: int, now: str) -> None:
            nonlocal sent_s
            if time.monotonic() - sent_s >= _PROGRESS_S or done_bytes >= total_bytes:
                sent_s = time.monotonic()
                self._send({"t": "progress", "what": what, "done": done_bytes,
                            "total": total_bytes})

        move(0, "")
        return move

    def finish(self, **shown: Any) -> None:
        """Send the last message."""
        with suppress(ConnectionLost):
            self._send(shown)

    async def carry_to_board(self) -> None:
        """Send what programs write to the port, and their changes of its rate."""
        while data := await self.line.read():
            if self.line.baud != self._baud:
                self._baud = self.line.baud
                await self._socket.send_text(json.dumps({"t": "baud", "baud": self._baud}))
            await self._socket.send_bytes(LINE + data)

    async def carry_from_browser(self) -> None:
        """Take the messages of the browser until it or its board is gone."""
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect" or not self._take(message):
                    return
        except WebSocketDisconnect:
            return
        finally:
            self.lose()

    def lose(self) -> None:
        """End: the browser or its board is gone."""
        self._is_lost = True
        self.line.hang_up()
        self._answers.put(None)

    def _take(self, message: Any) -> bool:
        """Take one message; return whether the board is still there."""
        data, text = message.get("bytes") or b"", message.get("text") or ""
        if data[:1] == LINE:
            self.line.write(data[1:])
        elif data[:1] == FILE:
            self.file += data[1:]
        if data or len(self.file) > MOST_FILE_BYTES or len(text) > MOST_TEXT_CHARS:
            return len(self.file) <= MOST_FILE_BYTES and len(text) <= MOST_TEXT_CHARS
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            return False
        if not isinstance(answer, dict) or answer.get("t") == "lost":
            return False
        if answer.get("t") == "file":
            self.file.clear()
        else:
            self._answers.put(answer)
        return True

    def _ask(self, question: dict[str, Any], most_s: float, when: str) -> dict[str, Any]:
        self._send(question)
        try:
            answer = self._answers.get(timeout=most_s)
        except queue.Empty:
            answer = None
        if answer is None:
            raise ConnectionLost(self.port, when)
        return answer

    def _send(self, message: dict[str, Any]) -> None:
        if message["t"] not in ("failed", "done") and self._is_lost:
            raise ConnectionLost(self.port, "it was installed")
        sent = asyncio.run_coroutine_threadsafe(
            self._socket.send_text(json.dumps(message)), self._loop)
        try:
            sent.result(SEND_S)
        except (TimeoutError, RuntimeError, WebSocketDisconnect) as error:
            raise ConnectionLost(self.port, "it was installed") from error
