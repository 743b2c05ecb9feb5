"""Finds every text that needs a translation and brings the .po files up to date: `make words`.

Texts stand in Python (`_`, ngettext, N_), in templates (`_`, ngettext, html), in the page's
JavaScript (t, tn, mark), in the rules of the alarms, in recipes and in the texts of the contract.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from idro.protocol.descriptions import FAULT_TEXTS, SETTING_TEXTS
from idroserra.core.paths import PACKAGE
from idroserra.i18n.translate import LANGUAGES, catalog_file, plural_forms

HOST = PACKAGE
METHODS = [("**.py", "python"), ("web/templates/**.html", "jinja2.ext:babel_extract"),
           ("web/static/js/**.js", "javascript")]
OPTIONS = {"web/static/js/**.js": {"parse_template_string": "true"},
           "web/templates/**.html": {"silent": "false"}}  # a template that is none is an error
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "html": None,
    "t": None, "tn": (1, 2), "mark": None,
}
_BEGUN = datetime(2026, 11, 26, tzinfo=UTC)  # no date of a run in the files: they would differ


def template() -> Catalog:
    """Return every text of the tree, each with the files it stands in."""
    catalog = _new("en")
    found = extract_from_dir(
        HOST, METHODS, OPTIONS, KEYWORDS, comment_tags=("i18n:",), strip_comment_tags=True,
        directory_filter=lambda path: Path(path).name not in ("vendor", "__pycache__"))
    for file, _line, message, comments, _context in found:
        catalog.add(message, None, [_at(f"host/idroserra/{file}")], auto_comments=comments)
    for text, file in _texts_of_data():
        catalog.add(text, None, [_at(file)])
    return catalog


def _at(file: str) -> tuple[str, int]:
    return file, 0  # lines would change with every edit: they are not written


def _texts_of_data() -> Iterator[tuple[str, str]]:
    for table in (FAULT_TEXTS, SETTING_TEXTS):
        for text in table.values():
            yield text, "firmware/idro/protocol/descriptions.py"
    for path in sorted((HOST / "alarms" / "rules").glob("*.toml")):
        for rule in tomllib.loads(path.read_text("utf-8")).values():
            for key in ("title", "consequence", "action"):
                yield rule[key], f"host/idroserra/alarms/rules/{path.name}"
    for path in sorted((HOST / "recipes" / "library").glob("*.toml")):
        body: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        for text in (body["recipe"]["text"], *(stage[key] for stage in body["stage"]
                                     for key in ("name", "text") if key in stage)):
            yield text, f"host/idroserra/recipes/library/{path.name}"


def updated(language: str) -> Catalog:
    """Return the catalog of a language with every text of the tree and no other."""
    file = catalog_file(language)
    catalog = _new(language)
    if file.is_file():
        with file.open("rb") as opened:
            catalog = read_po(opened, locale=language)
    catalog.update(template(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    return catalog


def write(language: str) -> list[Message]:
    """Bring the .po file of a language up to date; returns the texts without a translation."""
    catalog, file = updated(language), catalog_file(language)
    catalog.creation_date = catalog.revision_date = _BEGUN
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as opened:
        write_po(opened, catalog, width=99, sort_output=True, ignore_obsolete=True,
                 include_lineno=False)
    return [message for message in catalog if message.id and not is_translated(message)]


def is_translated(message: Message) -> bool:
    """True where every form of a message has a translation."""
    return all(plural_forms(message.string))


def _new(language: str) -> Catalog:
    return Catalog(
        locale=language, project="Idroserra", version="1", copyright_holder="Idroserra",
        msgid_bugs_address="", creation_date=_BEGUN, revision_date=_BEGUN, fuzzy=False,
        last_translator="", language_team="",
        header_comment="# Texts of Idroserra. `make words` keeps them complete: CONTRIBUTING.md")


def main() -> int:
    """Write every .po file and say what is left to translate."""
    left = 0
    for language in list(LANGUAGES)[1:]:
        missing = write(language)
        left += len(missing)
        print(f"{catalog_file(language)}: {len(missing)} to translate")
        for message in missing[:20]:
            print(f"    {message.id}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
