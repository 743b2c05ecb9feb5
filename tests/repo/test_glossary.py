"""The glossary has unique terms of one sentence each, with files that exist."""

import re

from support.source_tree import ROOT, report

SUBJECTS = ["Measurement", "Dosing and safety", "Node", "Data path", "Host", "Simulator", "Update"]
HEAD = "| term | meaning | unit | defined in |\n|---|---|---|---|\n"
PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")


def rows(page: str) -> list[list[str]]:
    """Return the cells of every row of every table."""
    lines = page.replace(HEAD, "").splitlines()
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines
            if line.startswith("|")]


def flaws(row: list[str]) -> list[str]:
    """Return the errors in a row."""
    if len(row) != 4:
        return ["not four cells"]
    _, meaning, _, where = row
    found = []
    if not re.fullmatch(r"[A-Z0-9][^.]*(?:\.\S[^.]*)*\.", meaning):
        found.append("the meaning is not one sentence that ends with a full stop")
    path = re.fullmatch(r"`(\S+\.(?:py|toml|md))`", where)
    if path is None or not (ROOT / path[1]).is_file():
        found.append(f"{where} does not exist")
    return found


def test_each_subject_has_a_table():
    headings = re.findall(r"^## (.+)\n\n(.+\n.+\n)", PAGE, re.MULTILINE)
    assert [heading for heading, _ in headings] == SUBJECTS
    assert {head for _, head in headings} == {HEAD}
    assert len(rows(PAGE)) > 120


def test_each_term_is_one_sentence_and_exists():
    why = "Correct these rows of docs/glossary.md:"
    found = [f"{row[0]}: {flaw}" for row in rows(PAGE) for flaw in flaws(row)]
    assert not found, report(why, found)


def test_every_term_is_unique():
    terms = [row[0].lower() for row in rows(PAGE)]
    assert sorted({term for term in terms if terms.count(term) > 1}) == []


def test_the_rule_bites():
    assert flaws(["pH", "Two. Sentences.", "pH", "`docs/glossary.md`"])
    assert flaws(["pH", "no full stop", "pH", "`docs/glossary.md`"])
    assert flaws(["pH", "The acidity.", "pH", "`gone.py`"])
    assert flaws(["pH", "The acidity.", "pH", "`docs/glossary.md`"]) == []
