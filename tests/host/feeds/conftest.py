"""Fixtures of these tests: databases that are fed."""

import pytest

from support.databases import Influxd
from support.feed_rig import HastyVictoria


@pytest.fixture(scope="module")
def influxd(tmp_path_factory):
    with Influxd(tmp_path_factory.mktemp("influxd")) as server:
        yield server


@pytest.fixture(scope="module")
def victoria(tmp_path_factory):
    with HastyVictoria(tmp_path_factory.mktemp("victoria")) as server:
        yield server
