"""Colours, of both palettes, are defined in base.css only."""

import re

from support.source_tree import ROOT, report

STATIC = ROOT / "host/idroserra/web/static"
LITERAL = re.compile(
    r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})(?![-\w])|\b(?:rgb|hsl|hwb|lab|lch|oklab|oklch)a?\("
    r"|:\s*(?:white|black|red|green|blue|gr[ae]y|orange|yellow)\b", re.IGNORECASE)


def test_colours_are_defined_in_base_css_only():
    found = []
    for path in sorted([*STATIC.glob("css/*.css"), *STATIC.glob("js/*.js")]):
        if path.name == "base.css":
            continue
        found += [f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
                  for number, line in enumerate(path.read_text().splitlines(), 1)
                  if LITERAL.search(line)]
    assert not found, report("Take the colour from a variable of base.css:", found)


def test_dark_redefines_colours_of_light_only():
    light, dark = (STATIC / "css/base.css").read_text().split("prefers-color-scheme: dark", 1)
    names = set(re.findall(r"^\s*(--[\w-]+):", light, re.MULTILINE))
    assert set(re.findall(r"^\s*(--[\w-]+):", dark.split("\n}", 1)[0], re.MULTILINE)) <= names
