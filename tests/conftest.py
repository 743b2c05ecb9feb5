"""Fixtures and hooks of all tests: a real broker on loopback, free ports, the order of tests."""

import gc
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from idroserra.broker.local import free_port as new_free_port
from support.quick import PROGRAM_FIXTURES, is_quick
from support.scheduling import DurationRecorder, in_rows, read_durations
from support.wait import wait_until

# A loaded machine is no fault of what is tested.
hypothesis.settings.register_profile("patient", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("patient")

# What a shell starts in the background ignores Ctrl-C, with all its children. Some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of `make check` and `make durations`."""
    parser.addoption("--quick", action="store_true", help="see tests/support/quick.py")
    parser.addoption("--record-durations", action="store_true", help="write durations.json")


def pytest_configure(config: pytest.Config) -> None:
    """Register what --record-durations asks for, once per run."""
    if config.option.record_durations and not hasattr(config, "workerinput"):
        config.pluginmanager.register(DurationRecorder(config.rootpath))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With --quick, do not even import a test file that starts programs."""
    if not config.option.quick or not collection_path.match("test_*.py"):
        return None
    tests = config.rootpath / "tests"
    return None if is_quick(collection_path, tests, config.getini("pythonpath")) else True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests for the workers, which all have to arrive at the same order."""
    durations = read_durations(config.rootpath)
    if config.option.quick:
        items[:] = [
            item for item in items
            if item.nodeid not in durations
            and not hypothesis.is_hypothesis_test(getattr(item, "obj", None))
            and PROGRAM_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
        ]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
    if workers:
        by_id = {item.nodeid: item for item in items}
        items[:] = [by_id[test] for test in in_rows(list(by_id), durations, workers)]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was collected is there to the end: no collection of garbage has to look at it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _own_state_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hosts note there, for the command line, which of them is at which port."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


class Mosquitto:
    """A mosquitto process of ours. It keeps its port over restart()."""

    def __init__(self, folder: Path, port: int, wait: Callable[..., None]) -> None:
        self.port = port
        self._folder = folder
        self._wait = wait
        self._process: subprocess.Popen[bytes] | None = None
        self._program = find_mosquitto()

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        config = self._folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
            f"persistence true\npersistence_location {self._folder}/\n"
            "autosave_interval 1\nlog_type all\nlog_dest stderr\nuser root\n"
        )
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(config)], stderr=log, stdout=log
            )
        self._wait(self._answers, 15, f"mosquitto on port {self.port}")

    def stop(self) -> None:
        """End it politely: it saves its state."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it, where it runs, and start it again on the same port."""
        self.kill()
        self.start()

    def log(self) -> str:
        """Return what it has logged so far."""
        return (self._folder / "mosquitto.log").read_text(errors="replace")

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"mosquitto ended at once:\n{self.log()}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
        except OSError:
            return False
        return True


def find_mosquitto() -> str:
    """Return the path of mosquitto. Its absence is a failure, with the way to mend it."""
    found = shutil.which("mosquitto")
    found = found or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail("mosquitto is not installed; these tests need it: apt install mosquitto")
    return found


@pytest.fixture
def eventually() -> Callable[[Callable[[], object], float, str], None]:
    """eventually(condition, timeout_s, what): wait for a condition, with a deadline."""
    return wait_until


@pytest.fixture
def free_port() -> Callable[[], int]:
    """free_port() returns a loopback port that nobody listens on."""
    return new_free_port


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running mosquitto: .port .stop() .kill() .start() .restart() .log()."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(folder, new_free_port(), wait_until)
    broker.start()
    yield broker
    broker.stop()
