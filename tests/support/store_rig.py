"""Points of one channel and their expected roll-ups, for tests of the embedded store."""

import pytest

from idroserra.history.models import SamplePoint
from idroserra.history.sqlite.store import SqliteStore
from support.samples import points_of

NODE = "idro-a1"
PH = "reservoir.ph"
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
T0 = 20_783 * DAY_MS
FAR = T0 + 40 * DAY_MS  # all blocks are closed by then


@pytest.fixture
def sqlite_store(tmp_path):
    """Yield an embedded store; a module of tests has the line `store = sqlite_store`."""
    opened = SqliteStore(tmp_path / "store.db")
    yield opened
    opened.close()


def ph(at_ms, value):
    return SamplePoint(NODE, PH, T0 + at_ms, value)


def maintain(store, now_unix_ms=FAR):
    while store.maintain(now_unix_ms):
        pass


def raw(store, start=T0 - DAY_MS, end=FAR):
    return points_of(store, NODE, [PH], start, end)[PH]


def count(store, table):
    return store._reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def rolled(points, width_ms):
    """Return the expected roll-up of raw points, computed directly."""
    found = {}
    for unix_ms, value in sorted(points.items()):
        found.setdefault(unix_ms // width_ms * width_ms, []).append(value)
    return [(start, min(of), pytest.approx(sum(of) / len(of)), max(of))
            for start, of in sorted(found.items())]
