"""Runs previews, one at a time in a separate process, and keeps the newest of each node."""

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

from idroserra.boards import kept
from idroserra.core.errors import Conflict
from idroserra.core.reasons import Reason, reason_from_json
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.simulation.preview_request import PreviewRequest

RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"
_COMMAND = (sys.executable, "-m", "idroserra.simulation.preview_process")
_END_S = 5.0


class PreviewBusy(Conflict):
    """Another preview is running; the message names its node and progress."""


@dataclass(frozen=True)
class Preview:
    """One preview. `done_ratio`: progress; `error`: why it failed; `outcome`: its result."""

    node: str
    asked: dict[str, Any]
    by: str
    asked_unix_ms: int
    state: str = RUNNING
    done_ratio: float = 0.0
    error: Reason | None = None
    outcome: dict[str, Any] | None = None


class PreviewService:
    """Any thread may call. Previews are not stored: they are soon out of date."""

    def __init__(self, now_unix_ms: Callable[[], int]) -> None:
        self._now_unix_ms = now_unix_ms
        self._lock = threading.Lock()
        self._newest: dict[str, Preview] = {}
        self._running: str | None = None
        self._process: subprocess.Popen[bytes] | None = None  # in its own process group
        self._thread: threading.Thread | None = None

    def of(self, node: str) -> Preview | None:
        """Return the newest preview of a node, or None."""
        with self._lock:
            return self._newest.get(node)

    def start(self, request: PreviewRequest, asked: dict[str, Any], by: str) -> Preview:
        """Start a preview; `asked` is returned with it. Raises PreviewBusy."""
        with self._lock:
            if self._running is not None:
                done = self._newest[self._running].done_ratio
                raise PreviewBusy(Text(N_(
                    "a preview of {node} is running ({share} %): wait for it, or cancel it"),
                    node=self._running, share=round(100 * done)))
            preview = Preview(request.node, asked, by, self._now_unix_ms())
            self._newest[request.node] = preview
            self._running = request.node
            self._thread = threading.Thread(
                target=self._run, args=(request,), name="preview", daemon=True)
            self._thread.start()
        return preview

    def cancel(self, node: str) -> Preview | None:
        """Cancel the preview of a node if it is running, and return the newest."""
        with self._lock:
            if self._running == node:
                self._change(state=CANCELLED)
                self._kill()
            return self._newest.get(node)

    def close(self) -> None:
        """Cancel a running preview."""
        with self._lock:
            if self._running is not None:
                self._change(state=CANCELLED)
                self._kill()
        if self._thread is not None:
            self._thread.join(_END_S)

    def _run(self, request: PreviewRequest) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="idroserra-preview-") as folder:
                self._run_process(request, folder)
        except OSError as error:
            self._end(error=Reason("preview_not_started", detail=str(error)))
        finally:
            self._end(error=Reason("preview_ended"))
            with self._lock:
                self._running = self._process = None

    def _run_process(self, request: PreviewRequest, folder: str) -> None:
        """Run the process with `folder` as its temporary folder, and read its output."""
        with subprocess.Popen(
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, env={
                **os.environ, "TMPDIR": folder, kept.VARIABLE: str(kept.folder().parent)},
        ) as process:
            with self._lock:
                self._process = process
                if self._newest[request.node].state == CANCELLED:
                    self._kill()
            if process.stdin is None or process.stdout is None:
                raise OSError("no pipe to the process")
            with suppress(BrokenPipeError):  # it has ended; its output contains the reason
                process.stdin.write(msgspec.json.encode(request))
                process.stdin.close()
            last = ""
            for line in process.stdout:
                last = line.decode("utf-8", "replace").strip() or last
                self._on_line(last)
        self._end(error=Reason("preview_failed", detail=last[:200]))

    def _on_line(self, line: str) -> None:
        if not line.startswith("{"):
            return
        message = json.loads(line)
        if "done" in message:
            with self._lock:
                self._change(done_ratio=message["done"])
        elif "outcome" in message:
            self._end(outcome=message["outcome"])
        else:
            self._end(error=reason_from_json(message["error"]))

    def _end(
        self, outcome: dict[str, Any] | None = None, error: Reason | None = None
    ) -> None:
        """Set the end state, unless it has ended already."""
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
        """Kill the process group."""
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
