"""Fixtures of these tests: users and sessions of a host on a simulated clock."""

import pytest
from argon2 import PasswordHasher

from idroserra.auth import passwords
from idroserra.auth.service import AuthService
from idroserra.core.sections.access import AccessConfig
from support.access_rig import Clock


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch):
    """Hash passwords with little work: what these tests prove does not depend on how much.

    The work of a real hash is checked in test_passwords.py."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64))
    passwords._dummy.cache_clear()
    yield
    passwords._dummy.cache_clear()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def access(tmp_path, clock):
    opened = AuthService(tmp_path / "host", AccessConfig(), clock, clock.uptime)
    yield opened
    opened.close()


@pytest.fixture
def again(tmp_path, clock):
    """again() opens the same folder, as a host that is started again."""
    opened = []

    def start():
        opened.append(AuthService(tmp_path / "host", AccessConfig(), clock, clock.uptime))
        return opened[-1]

    yield start
    for one in opened:
        one.close()
