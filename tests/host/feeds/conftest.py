"""Fixtures of these tests: databases that are fed."""

import pytest

from support.feed_rig import HastyVictoria
from support.influx_fixtures import fed, influx2, influxd  # noqa: F401


@pytest.fixture(scope="module")
def victoria(tmp_path_factory):
    with HastyVictoria(tmp_path_factory.mktemp("victoria")) as server:
        yield server
