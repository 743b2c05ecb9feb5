"""Extracts translatable texts and updates the .po files: `make words`.

Sources: Python (`_`, ngettext, N_, Plural), templates (`_`, ngettext, html), the JavaScript of the
page (t, tn, mark), alarm rules, recipes, topics of the help, parts of boards, and the descriptions
of the protocol.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from idro.protocol.descriptions import FAULT_TEXTS, SETTING_TEXTS
from idroserra.boards import compiler
from idroserra.boards.modbus_map import FOLDER, ModbusPart
from idroserra.core.paths import PACKAGE
from idroserra.help import topics
from idroserra.i18n.translate import LANGUAGES, catalog_file, plural_forms

HOST = PACKAGE
METHODS = [("**.py", "python"), ("web/templates/**.html", "jinja2.ext:babel_extract"),
           ("web/static/js/**.js", "javascript")]
OPTIONS = {"web/static/js/**.js": {"parse_template_string": "true"},
           "web/templates/**.html": {"silent": "false"}}  # an invalid template is an error
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "Plural": (1, 2), "html": None,
    "t": None, "tn": (1, 2), "mark": None,
}
_BEGUN = datetime(2026, 11, 26, tzinfo=UTC)  # fixed, so that the files are reproducible


@cache
def template() -> Catalog:
    """Return every translatable text with the files that contain it."""
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
    return file, 0  # without line numbers, which would change with every edit


def _texts_of_data() -> Iterator[tuple[str, str]]:
    for table in (FAULT_TEXTS, SETTING_TEXTS):
        for text in table.values():
            yield text, "firmware/idro/protocol/descriptions.py"
    for path in sorted((HOST / "alarms" / "rules").glob("*.toml")):
        for rule in tomllib.loads(path.read_text("utf-8")).values():
            for key in ("title", "consequence", "action"):
                yield rule[key], f"host/idroserra/alarms/rules/{path.name}"
    for group in topics.groups():
        file = f"host/idroserra/help/topics/{group.name}.toml"
        yield group.title, file
        for topic in group.topics.values():
            for text in filter(None, (topic.title, topic.means, *topic.do)):
                yield text, file
    for path in sorted((HOST / "recipes" / "library").glob("*.toml")):
        body: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        recipe, stages = body["recipe"], body["stage"]
        for text in (recipe["text"], recipe["crop"], *(
                stage[key] for stage in stages for key in ("name", "text") if key in stage)):
            yield text, f"host/idroserra/recipes/library/{path.name}"


    yield from _texts_of_parts()


def _texts_of_parts() -> Iterator[tuple[str, str]]:
    for name, part in compiler.known_parts(compiler.boards_dir()).items():
        is_probe = isinstance(part, ModbusPart)
        file = f"boards/{FOLDER}/{name}.toml" if is_probe else f"boards/{compiler.PARTS_FILE}"
        own = () if is_probe else (parameter.text for parameter in part.parameters.values())
        for text in filter(None, (part.text, part.fit, *own)):
            yield text, file


def updated(language: str) -> Catalog:
    """Return the catalog of a language with exactly the texts of the tree."""
    file = catalog_file(language)
    catalog = _new(language)
    if file.is_file():
        with file.open("rb") as opened:
            catalog = read_po(opened, locale=language)
    catalog.update(deepcopy(template()), no_fuzzy_matching=True)  # it keeps the messages
    catalog.obsolete.clear()
    return catalog


def write(language: str) -> list[Message]:
    """Update the .po file of a language; return the untranslated texts."""
    catalog, file = updated(language), catalog_file(language)
    catalog.creation_date = catalog.revision_date = _BEGUN
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as opened:
        write_po(opened, catalog, width=99, sort_output=True, ignore_obsolete=True,
                 include_lineno=False)
    return [message for message in catalog if message.id and not is_translated(message)]


def is_translated(message: Message) -> bool:
    """Return whether every form of a message is translated."""
    return all(plural_forms(message.string))


def _new(language: str) -> Catalog:
    return Catalog(
        locale=language, project="Idroserra", version="1", copyright_holder="Idroserra",
        msgid_bugs_address="", creation_date=_BEGUN, revision_date=_BEGUN, fuzzy=False,
        last_translator="", language_team="",
        header_comment="# Texts of Idroserra. `make words` keeps them complete: CONTRIBUTING.md")


def main() -> int:
    """Write every .po file and print the untranslated texts."""
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
