"""While a test of this folder runs the firmware's modules see the board in memory."""

import pytest

from support import small_board


@pytest.fixture(autouse=True)
def flash_of_the_board(monkeypatch):
    small_board.on_flash(monkeypatch)
