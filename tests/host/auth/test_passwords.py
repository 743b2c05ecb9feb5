"""The work of a password's hash."""

import pytest
from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from idroserra.auth.passwords import hash_password, is_password


@pytest.fixture(autouse=True)
def quick_hashes():
    """Hash with the work of a host, unlike the tests beside this one."""


def test_a_password_takes_the_work_that_rfc_9106_recommends():
    hashed = hash_password("a sentence for the tests")
    assert extract_parameters(hashed) == RFC_9106_LOW_MEMORY
    assert is_password(hashed, "a sentence for the tests")
    assert not is_password(hashed, "another sentence for them")
