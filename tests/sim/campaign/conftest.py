"""Fixtures of the tests of the judge."""

import pytest

from support.judged_run import Run


@pytest.fixture
def run():
    run = Run()
    run.samples()
    run.truth()
    return run
