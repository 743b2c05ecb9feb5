"""The build of the documentation site rejects errors. tests/browser/test_help.py builds it all."""

import sys

import pytest

from support.source_tree import ROOT

sys.path.insert(0, str(ROOT / "host" / "docs"))

from build import BuildFailed, build, stage  # noqa: E402  the script of `make site`

CONFIG = """[project]
site_name = "small"
docs_dir = "pages"
site_dir = "site"
nav = [{ "Front" = "index.md" }, { "Other" = "other.md" }]
[project.theme]
font = false
"""


@pytest.fixture
def tree(tmp_path):
    """Return tree(page, other), which builds a site of two pages and returns its folder."""
    def built(front, other="# Other\n", more=()):
        docs = tmp_path / "docs"
        docs.mkdir()
        (tmp_path / "small.toml").write_text(CONFIG)
        (docs / "index.md").write_text(f"# Front\n\n{front}\n")
        (docs / "other.md").write_text(other)
        for name in more:
            (docs / name).write_text("# More\n")
        return build(tmp_path, tmp_path / "small.toml", tmp_path / "built" / "site")

    return built


def test_every_error_is_listed_and_nothing_is_built(tree, tmp_path):
    with pytest.raises(BuildFailed) as failed:
        tree("```python none such=1\n\nx\n\n```\n\n"
             '<a href="other/#nowhere">x</a> ![y](gone.png) '
             '<img src="https://example.org/a.png" alt="">', more=["lost.md"])
    said = str(failed.value)
    assert "index: loads https://example.org/a.png from another site" in said
    assert "index: other/#nowhere: other/ has no nowhere" in said
    assert "gone.png" in said
    assert "index: shows ``` as text" in said
    assert "lost/: not in the navigation" in said
    assert not (tmp_path / "built" / "site").exists()


def test_a_broken_link_is_rejected(tree):
    with pytest.raises(BuildFailed) as failed:
        tree("[x](none.md) [y](other.md#none)")
    assert "page does not exist" in str(failed.value)
    assert "anchor does not exist" in str(failed.value)


def test_a_link_outside_the_docs_becomes_the_name_of_the_file(tmp_path):
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "a.toml").write_text("")
    (tmp_path / "README.md").write_text("")
    (tmp_path / "docs" / "index.md").write_text("")
    page = tmp_path / "docs" / "deep" / "page.md"
    page.write_text("[a board](../../boards/a.toml), [`a.toml`](../../boards/a.toml), "
                    "[home](../../README.md#start), [gone](gone.md)")
    stage(tmp_path, tmp_path / "staged")
    assert (tmp_path / "staged" / "deep" / "page.md").read_text() == (
        "a board (`boards/a.toml`), `boards/a.toml`, [home](../index.md#start), [gone](gone.md)")
