"""Shows the progress of flashing on a terminal; silent without one."""

from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)


class ProgressReporter:
    """Progress bars on stderr, if it is a terminal, and lines between them."""

    def __init__(self, *, says: bool = True) -> None:
        self._console = Console(stderr=True)
        self._says = says
        self._progress = Progress(
            TextColumn("{task.description:<12}"), BarColumn(), DownloadColumn(),
            TimeRemainingColumn(compact=True), TextColumn("{task.fields[now]}"),
            console=self._console, disable=not self._console.is_terminal,
        )

    def __enter__(self) -> "ProgressReporter":
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def start(self, what: str, total_bytes: int) -> Callable[[int, str], None]:
        """Start a bar; returns its update function(bytes so far, current item)."""
        self._progress.start()
        task: TaskID = self._progress.add_task(what, total=total_bytes or None, now="")

        def move(done_bytes: int, now: str) -> None:
            self._progress.update(task, completed=done_bytes, now=now)

        return move

    def on_download(self, what: str) -> Callable[[int, int], None]:
        """Return the update function(bytes so far, total) of a download bar."""
        task: list[TaskID] = []

        def on_bytes(done_bytes: int, all_bytes: int) -> None:
            if not task:
                self._progress.start()
                task.append(self._progress.add_task("download", total=None, now=what))
            self._progress.update(task[0], completed=done_bytes, total=all_bytes or None)

        return on_bytes

    def say(self, text: str) -> None:
        """Print a line."""
        if self._says:
            self._console.print(text, highlight=False, markup=False, style="dim")
