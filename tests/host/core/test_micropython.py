"""The table of the releases of MicroPython: complete, and the one that people read."""

import pytest

from idroserra.core.micropython import NEWEST, OLDEST, RELEASES, harm_of, text_of
from support.source_tree import ROOT


@pytest.mark.parametrize(("version", "harm"), [
    ("1.25.0", "micropython_old"), ("0.9.9", "micropython_old"),
    ("1.26.0", ""), ("1.27.0", ""), ("1.28.0", ""), ("1.28.1", ""),  # timers leak, one is started
    ("1.29.0-preview", ""), ("1.29.0", ""),
    ("1.30.0-preview", "micropython_untested"), ("1.30.0", "micropython_untested"),
    ("2.0.0", "micropython_untested"), ("999.999.999", "micropython_untested"),
])
def test_a_release_is_judged_by_the_table(version, harm):
    found = harm_of(version)
    assert ("" if found is None else found.code) == harm


def test_the_reason_names_the_limit():
    assert harm_of("1.25.0").values == {"version": "1.25.0", "oldest": "1.26"}
    assert harm_of("1.30.1").values == {"version": "1.30.1", "newest": "1.29"}


def test_the_table_has_no_gap():
    assert RELEASES[0].first == (0, 0)
    assert [row.first for row in RELEASES[1:]] == [row.before for row in RELEASES[:-1]]


def test_the_documents_name_the_supported_releases():
    supported = f"MicroPython {text_of(OLDEST)} to {text_of(NEWEST)}"
    for page in ("CONTRIBUTING.md", "docs/flash.md", "docs/commissioning.md"):
        assert supported in (ROOT / page).read_text(encoding="utf-8"), page
