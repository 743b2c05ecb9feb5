"""Fixtures and hooks of all tests: a real broker, free ports, and the order of the tests."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from idroserra.broker import local
from idroserra.broker.local import free_port as new_free_port
from idroserra.history.sqlite import write
from support.notice_receiver import NoticeReceiver
from support.programs import report_not_tried
from support.quick import PROGRAM_FIXTURES, is_quick
from support.scheduling import DurationRecorder, in_rows, read_durations
from support.server_process import Mosquitto
from support.wait import wait_until

# A slow example on a loaded machine is not a failure.
hypothesis.settings.register_profile("patient", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("patient")

# A background job of a shell ignores SIGINT, as do its children. Some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of `make check` and `make durations`."""
    parser.addoption("--quick", action="store_true", help="see tests/support/quick.py")
    parser.addoption("--record-durations", action="store_true", help="write durations.json")


def pytest_configure(config: pytest.Config) -> None:
    """Register the recorder of --record-durations in the main process only. Each worker chooses
    from free ports of its own: another could take one before a server binds it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    local._SERVER_PORTS = local._SERVER_PORTS[int(worker)::_workers() or 1]
    if config.option.record_durations and not hasattr(config, "workerinput"):
        config.pluginmanager.register(DurationRecorder(config.rootpath))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With --quick, do not import test files that start programs."""
    if not config.option.quick or not collection_path.match("test_*.py"):
        return None
    tests = config.rootpath / "tests"
    return None if is_quick(collection_path, tests, config.getini("pythonpath")) else True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests for the workers. Every worker must compute the same order."""
    durations = read_durations(config.rootpath)
    if config.option.quick:
        items[:] = [
            item for item in items
            if item.nodeid not in durations
            and not hypothesis.is_hypothesis_test(getattr(item, "obj", None))
            and PROGRAM_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
        ]
    workers = _workers()
    if workers:
        by_id = {item.nodeid: item for item in items}
        items[:] = [by_id[test] for test in in_rows(list(by_id), durations, workers)]


def _workers() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Exclude the collected tests, which live until the end, from garbage collection, and collect
    less often: at Python's own thresholds it takes a tenth of the CPU time of a worker."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the tests that need a program this machine lacks."""
    report_not_tried(terminalreporter)


@pytest.fixture(scope="session", autouse=True)
def _state_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Set the folder in which hosts record their ports for the command line."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture
def any_number_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the embedded store take any number of events, as an InfluxDB does."""
    monkeypatch.setattr(write, "MOST_QUARTER_EVENTS", 10**9)


@pytest.fixture
def eventually() -> Callable[[Callable[[], object], float, str], None]:
    """Return eventually(condition, timeout_s, what), which waits for a condition."""
    return wait_until


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Return free_port(), which returns an unused loopback port."""
    return new_free_port


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """Yield a running mosquitto."""
    with Mosquitto(tmp_path / "mosquitto") as broker:
        yield broker


@pytest.fixture
def receiver() -> Iterator[NoticeReceiver]:
    """Yield a server that stores the notifications it receives."""
    found = NoticeReceiver()
    yield found
    found.close()
