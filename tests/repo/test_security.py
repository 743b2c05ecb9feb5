"""The repository contains no secret, a security policy, and every security requirement."""

import re
from itertools import pairwise

import pytest

from support.source_tree import ROOT, files, name_of

# Key files as tools write them. Tests generate their keys.
PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{20}")
TOKENS = re.compile(rb"\b(ghp_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}|xox[bp]-[0-9A-Za-z-]{20,})\b")


def test_no_secret_is_committed():
    found = [name_of(path) for path in files()
             if PRIVATE.search(data := path.read_bytes()) or TOKENS.search(data)]
    assert found == []


@pytest.mark.parametrize("heading", ["Reporting", "Supported versions", "How a fix arrives"])
def test_the_policy_is_complete(heading):
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    section = re.search(rf"^## {heading}\n\n(.+?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert len(section[1]) > 80
    assert "12 months" in text, "the support period of a version"


def test_every_requirement_has_its_row():
    """S1 to S20 in order, each with its evidence or what is missing."""
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    rows = re.findall(r"^\| S(\d+) \| .+ \| (.+) \|$", text, re.MULTILINE)
    numbers = [int(number) for number, _ in rows]
    assert sorted(set(numbers)) == list(range(1, 21))
    assert all(first <= second for first, second in pairwise(numbers))
    named = re.findall(r"`(tests/[^`*]+\.py)`", "".join(shown for _, shown in rows))
    assert [name for name in named if not (ROOT / name).exists()] == []
