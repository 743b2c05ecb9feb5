"""Previews of the host: one at a time in a process of its own, and the newest of each node."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from idroserra.core.errors import HostError
from idroserra.simulation.preview_request import Request

RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"
_COMMAND = (sys.executable, "-m", "idroserra.simulation.preview_process")
_END_S = 5.0


class Busy(HostError):
    """Another preview is running; says of which node and how far it is."""


@dataclass(frozen=True)
class Preview:
    """One preview. `done_ratio` is how far it is, `error` why it failed, `outcome` what came."""

    node: str
    asked: dict[str, Any]
    by: str
    asked_unix_ms: int
    state: str = RUNNING
    done_ratio: float = 0.0
    error: str = ""
    outcome: dict[str, Any] | None = None


class PreviewService:
    """Any thread may call. What was previewed is gone with the host: it is soon out of date."""

    def __init__(self, now_unix_ms: Callable[[], int]) -> None:
        self._now_unix_ms = now_unix_ms
        self._lock = threading.Lock()
        self._newest: dict[str, Preview] = {}
        self._running: str | None = None
        self._process: subprocess.Popen[bytes] | None = None  # in a group of its own
        self._thread: threading.Thread | None = None

    def of(self, node: str) -> Preview | None:
        """Return the newest preview of a node, None where there is none."""
        with self._lock:
            return self._newest.get(node)

    def start(self, request: Request, asked: dict[str, Any], by: str) -> Preview:
        """Begin a preview; what was asked for is told with it. Raises Busy."""
        with self._lock:
            if self._running is not None:
                done = self._newest[self._running].done_ratio
                raise Busy(f"a preview of {self._running} is running ({done:.0%}): "
                           "wait for it, or cancel it")
            preview = Preview(request.node, asked, by, self._now_unix_ms())
            self._newest[request.node] = preview
            self._running = request.node
            self._thread = threading.Thread(
                target=self._run, args=(request,), name="preview", daemon=True)
            self._thread.start()
        return preview

    def cancel(self, node: str) -> Preview | None:
        """End the preview of a node if it still runs, and return the newest."""
        with self._lock:
            if self._running == node:
                self._change(state=CANCELLED)
                self._kill()
            return self._newest.get(node)

    def close(self) -> None:
        """End what still runs."""
        with self._lock:
            if self._running is not None:
                self._change(state=CANCELLED)
                self._kill()
        if self._thread is not None:
            self._thread.join(_END_S)

    def _run(self, request: Request) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="idroserra-preview-") as folder:
                self._follow(request, folder)
        except OSError as error:
            self._end(error=f"the preview does not start: {error}")
        finally:
            self._end(error="the preview ended without a word")
            with self._lock:
                self._running = self._process = None

    def _follow(self, request: Request, folder: str) -> None:
        """Run the process, with everything it leaves on the disk in `folder`, and listen."""
        with subprocess.Popen(
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, env={**os.environ, "TMPDIR": folder},
        ) as process:
            with self._lock:
                self._process = process
                if self._newest[request.node].state == CANCELLED:
                    self._kill()
            if process.stdin is None or process.stdout is None:
                raise OSError("no pipe to it")
            with suppress(BrokenPipeError):  # it has ended, and its output says why
                process.stdin.write(msgspec.json.encode(request))
                process.stdin.close()
            last = ""
            for line in process.stdout:
                last = line.decode("utf-8", "replace").strip() or last
                self._take(last)
        self._end(error=f"the preview broke: {last[:200]}")

    def _take(self, line: str) -> None:
        if not line.startswith("{"):
            return
        told = json.loads(line)
        if "done" in told:
            with self._lock:
                self._change(done_ratio=told["done"])
        elif "outcome" in told:
            self._end(outcome=told["outcome"])
        else:
            self._end(error=told["error"])

    def _end(self, outcome: dict[str, Any] | None = None, error: str = "") -> None:
        """Note the end, unless there was one."""
        with self._lock:
            if self._running is None or self._newest[self._running].state != RUNNING:
                return
            if outcome is None:
                self._change(state=FAILED, error=error)
            else:
                self._change(state=DONE, done_ratio=1.0, outcome=outcome)

    def _change(self, **changes: Any) -> None:
        if self._running is not None:
            self._newest[self._running] = replace(self._newest[self._running], **changes)

    def _kill(self) -> None:
        """End the process and those it began."""
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
