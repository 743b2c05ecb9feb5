"""The language and the units of whoever is being answered, and texts in them.

English is the key: `_("Bottle of {what} is empty").format(what=name)`. Outside a request, in the
terminal, in notifications and in what is stored, all is English and metric. Translations are the
.po files of `locales/`; CONTRIBUTING.md says how to add one.
"""

from __future__ import annotations

import gettext as _gettext
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from idroserra.i18n.units import EC, TEMPERATURE, VOLUME, Unit

FOLDER = Path(__file__).resolve().parent / "locales"
# As each language calls itself. The first is the key of all catalogs.
LANGUAGES = {"en": "English", "it": "Italiano", "zh": "中文"}
# What the `lang` of a page says.
TAGS = {"en": "en", "it": "it", "zh": "zh-Hans"}
_OF_PAGE = (".js", "i18n/channels.py")  # whose texts the page's JavaScript gets
_COMMA = ("it",)  # languages that write 1,5


class Locale(NamedTuple):
    """A language and the units: keys of LANGUAGES and of the tables of idroserra.i18n.units."""

    language: str = "en"
    ec: str = "mS/cm"
    temperature: str = "C"
    volume: str = "L"


PLAIN = Locale()
_now: ContextVar[Locale] = ContextVar("speech", default=PLAIN)


def current_locale() -> Locale:
    """Return how to speak to whoever is being answered."""
    return _now.get()


def set_speech(speech: Locale) -> None:
    """Say how to speak, for the rest of the running request or task."""
    _now.set(speech)


@contextmanager
def use_locale(speech: Locale) -> Iterator[None]:
    """Speak so for a while."""
    token = _now.set(speech)
    try:
        yield
    finally:
        _now.reset(token)


class Units(NamedTuple):
    """The units somebody reads."""

    ec: Unit
    temperature: Unit
    volume: Unit


def chosen_units() -> Units:
    """Return the units of whoever is being answered."""
    _, ec, temperature, volume = _now.get()
    return Units(EC[ec], TEMPERATURE[temperature], VOLUME[volume])


def gettext(text: str) -> str:
    """Return the translation of an English text, the text itself where there is none."""
    language = _now.get().language
    return text if language == "en" or not text else translations(language).gettext(text)


def ngettext(one: str, many: str, count: int) -> str:
    """Return the translation of `one` or `many`, as the language wants it for `count`."""
    return translations(_now.get().language).ngettext(one, many, count)


def catalog_file(language: str) -> Path:
    """Return the .po file of a language other than English."""
    return FOLDER / language / "idroserra.po"


def catalog_files() -> list[Path]:
    """Return the .po files of all languages."""
    return [catalog_file(language) for language in LANGUAGES if language != "en"]


@cache
def translations(language: str) -> _gettext.NullTranslations:
    """Return the catalog of a language. Raises OSError where its file is missing."""
    if language == "en":
        return _gettext.NullTranslations()
    # Babel is slow to import, and a terminal speaks English.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with catalog_file(language).open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return _gettext.GNUTranslations(compiled)


@cache
def page_texts(language: str) -> dict[str, str | list[str]]:
    """Return what the page's JavaScript says, for /static/.../words/LANGUAGE.json."""
    if language == "en":
        return {}
    from babel.messages.pofile import read_po

    with catalog_file(language).open("rb") as file:
        catalog = read_po(file, locale=language)
    found: dict[str, str | list[str]] = {}
    for message in catalog:
        is_page = any(path.endswith(_OF_PAGE) for path, _line in message.locations)
        if not message.id or not is_page or message.fuzzy:
            continue
        forms = [form for form in as_forms(message.string) if form]
        if not forms:
            continue
        if isinstance(message.id, str):
            found[message.id] = forms[0]
        else:
            found[message.id[0]] = forms
    return found


def as_forms(string: str | Iterable[str] | None) -> list[str]:
    """Return the forms of a translation, as Babel gives it: one, or one for each plural."""
    return [string or ""] if string is None or isinstance(string, str) else list(string)


def chosen_language(accept_language: str) -> str:
    """Return the best of LANGUAGES for an Accept-Language header, English where none fits."""
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept_language.split(",")[:20]):
        tag, _, q = part.strip().partition(";q=")
        try:
            weight = float(q or 1)
        except ValueError:
            continue
        wanted.append((-weight, place, tag.lower().partition("-")[0]))
    return next((tag for weight, _, tag in sorted(wanted) if tag in LANGUAGES and weight < 0),
                "en")


def figure(value: float, decimals: int) -> str:
    """Return a number as the language writes it: 1.50 or 1,50."""
    return as_written(f"{value:.{decimals}f}")


def plain_figure(value: float) -> str:
    """Return a number with no more digits than it needs."""
    return as_written(f"{value:g}")


def as_written(number: str) -> str:
    """Return a number that was written with a point as the language writes it."""
    return number.replace(".", ",") if _now.get().language in _COMMA else number


_QUANTITY = re.compile(
    r"(?<![\w.])([-−]?\d+(?:\.\d+)?)(?![\w.]*\.\d)(?: (mS/cm|[uµ]S/cm|°?C|L)\b)?")


def figures(text: str, *, are_differences: bool = False) -> str:
    """Return a text of English and metric figures with them as the person reads them."""
    return _QUANTITY.sub(lambda found: _requantified(found[0], found[1], found[2],
                                                     are_differences), text)


def _requantified(whole: str, number: str, unit: str | None, is_difference: bool) -> str:
    wanted = _wanted(unit)
    if wanted is None:
        return as_written(whole)
    stored, look = wanted
    value = float(number.replace("−", "-")) * stored
    offset = 0 if is_difference else look.offset
    return f"{figure(value * look.factor + offset, look.decimals)} {look.text}"


def _wanted(unit: str | None) -> tuple[float, Unit] | None:
    """Return (what makes a figure of `unit` a stored one, the person's unit), or None to keep."""
    speech = _now.get()
    if unit in ("uS/cm", "µS/cm"):
        return 1, EC[speech.ec]
    if unit == "mS/cm" and speech.ec != "mS/cm":
        return 1_000, EC[speech.ec]
    if unit in ("°C", "C"):
        return 1, TEMPERATURE[speech.temperature]
    if unit == "L" and speech.volume != "L":
        return 1_000, VOLUME[speech.volume]
    return None


def translate_message(text: str) -> str:
    """Return in the person's words a text that was made elsewhere, in English.

    Nodes, stored alarms and errors are in English. A sentence with figures and names in it is
    translated by its pattern, one of i18n.node_messages.MESSAGE_PATTERNS; what fills the pattern
    is translated by itself."""
    speech = _now.get()
    if speech == PLAIN or not text:
        return text
    whole = gettext(text)
    if whole != text:
        return whole
    from idroserra.i18n.node_messages import MESSAGE_PATTERNS

    for chunk, pattern, key in _patterns(MESSAGE_PATTERNS):
        found = pattern.fullmatch(text) if chunk in text else None
        if found:
            parts = {name: _part(name, part) for name, part in found.groupdict().items()}
            return gettext(key).format(**parts)
    return figures(text)


def _part(name: str, part: str) -> str:
    """Return what fills a pattern, in the person's words and units."""
    if name == "difference":
        return figures(part, are_differences=True)
    if name in ("ec", "ec_target"):
        return figures(f"{part.removesuffix(' uS/cm')} uS/cm")
    if name == "channels":
        return ", ".join(translate_message(channel) for channel in part.split(", "))
    return translate_message(part)


@cache
def _patterns(keys: tuple[str, ...]) -> list[tuple[str, re.Pattern[str], str]]:
    """Return (its longest words, pattern, key) of each, those with the most words first.

    To look for the words is much quicker than to match: a chart tells thousands of doses."""
    def words(key: str) -> list[str]:
        return re.split(r"\{\w+\}", key)

    ordered = sorted(keys, key=lambda key: sum(map(len, words(key))), reverse=True)
    return [(max(words(key), key=len), _pattern(key), key) for key in ordered]


# What fills these is a figure, with its unit or without.
_FIGURES = frozenset({
    "all", "count", "days", "difference", "drift", "ec", "ec_target", "every", "limit", "low",
    "megabytes", "most", "moved", "on", "rate", "share", "strength", "target", "time", "value",
    "volume"})


def _pattern(key: str) -> re.Pattern[str]:
    parts: Iterable[str] = re.split(r"\{(\w+)\}", key)
    return re.compile("".join(
        f"(?P<{part}>{r'[-+−]?[0-9][^,;:()]*?' if part in _FIGURES else '.+?'})"
        if index % 2 else re.escape(part) for index, part in enumerate(parts)), re.DOTALL)
