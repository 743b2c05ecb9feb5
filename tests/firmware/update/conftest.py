"""Give the modules of the firmware a board in memory during tests of this folder."""

import pytest

from support import small_board


@pytest.fixture(autouse=True)
def flash_of_the_board(monkeypatch):
    small_board.on_flash(monkeypatch)
