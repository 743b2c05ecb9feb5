"""Spacing, font sizes and corners of the style sheets are the steps of base.css."""

import re

import pytest

from support.source_tree import ROOT, report

SHEETS = ROOT / "host/idroserra/web/static/css"
# The reason why a raw length may stay, by its declaration.
EXCEPTIONS = {
    "font-size: 0.64rem": "six places of the bottom bar on a screen of less than 360 px",
}
_DECLARATION = re.compile(
    r"(?<![\w-])(?:margin|padding|gap|row-gap|column-gap|font|font-size|border(?:-\w+)*-radius)"
    r"(?:-(?:top|right|bottom|left|block|inline)(?:-start|-end)?)?:[^;}]*")
# Lengths in em and % follow the text or the element; 0 has no unit.
_RAW = re.compile(r"(?<![\w.-])-?(?:\d*\.)?\d+(?:px|rem|pt|mm|cm|vh|vw)\b")


def raw_lengths(sheet):
    """Return (line, declaration) of each length that is no step."""
    return [(number, declaration)
            for number, line in enumerate(sheet.splitlines(), 1)
            for declaration in _DECLARATION.findall(line)
            if _RAW.search(declaration) and declaration.strip() not in EXCEPTIONS]


def test_lengths_are_steps():
    found = [f"{path.relative_to(ROOT)}:{number}: {declaration}"
             for path in sorted(SHEETS.glob("*.css"))
             for number, declaration in raw_lengths(path.read_text("utf-8"))]
    assert not found, report("Take --gap-0 to 6, --text-1 to 7 or --radius-1 to 3:", found)


@pytest.mark.parametrize("declaration", [
    "margin: 0 5px", "padding-top: 7px", "gap: 4px var(--gap-1)", "font-size: 0.9rem",
    "font: 15px/1.5 serif", "border-radius: 6px", "border-top-left-radius: 3px",
    "margin: -8px 0", "padding: calc(5px + var(--gap-1))", "margin-block: 4vh"])
def test_a_raw_length_is_found(declaration):
    assert raw_lengths(f".a {{ color: inherit; {declaration}; }}") == [(1, declaration)]


@pytest.mark.parametrize("declaration", [
    "margin: 0 auto", "padding: var(--gap-1) 0", "font-size: 0.88em", "border-radius: 50%",
    "border: 1px solid", "margin: calc(-1 * var(--gap-2)) 0", "scroll-margin-top: 100px"])
def test_steps_and_lengths_of_the_text_are_allowed(declaration):
    assert raw_lengths(f".a {{ {declaration}; }}") == []


def test_every_exception_is_used():
    sheets = "".join(path.read_text("utf-8") for path in SHEETS.glob("*.css"))
    assert not [declaration for declaration in EXCEPTIONS if declaration not in sheets]
