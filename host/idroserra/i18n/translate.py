"""The current locale (language and units), gettext, and localized numbers and messages.

The English text is the key: `_("Bottle of {what} is empty").format(what=name)`. Outside a request
(terminal, notifications, stored texts) the locale is English and metric. Translations are the .po
files of `locales/`; CONTRIBUTING.md explains how to add one.
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
# Own names of the languages. English is the source language of the catalogs.
LANGUAGES = {"en": "English", "it": "Italiano", "zh": "中文"}
# Values of the `lang` attribute of a page.
TAGS = {"en": "en", "it": "it", "zh": "zh-Hans"}
_OF_PAGE = (".js", "i18n/channels.py")  # sources of the texts for the page's JavaScript
_COMMA = ("it",)  # languages with a decimal comma


class Locale(NamedTuple):
    """A language and units: keys of LANGUAGES and of the tables in idroserra.i18n.units."""

    language: str = "en"
    ec: str = "mS/cm"
    temperature: str = "C"
    volume: str = "L"


DEFAULT_LOCALE = Locale()
_current: ContextVar[Locale] = ContextVar("locale", default=DEFAULT_LOCALE)


def current_locale() -> Locale:
    """Return the locale of the current request or task."""
    return _current.get()


def set_locale(locale: Locale) -> None:
    """Set the locale for the rest of the current request or task."""
    _current.set(locale)


@contextmanager
def use_locale(locale: Locale) -> Iterator[None]:
    """Use a locale within the context."""
    token = _current.set(locale)
    try:
        yield
    finally:
        _current.reset(token)


class Units(NamedTuple):
    """Display units."""

    ec: Unit
    temperature: Unit
    volume: Unit


def current_units() -> Units:
    """Return the display units of the current locale."""
    _, ec, temperature, volume = _current.get()
    return Units(EC[ec], TEMPERATURE[temperature], VOLUME[volume])


def gettext(text: str) -> str:
    """Return the translation of an English text, or the text itself if there is none."""
    language = _current.get().language
    return text if language == "en" or not text else translations(language).gettext(text)


def ngettext(one: str, many: str, count: int) -> str:
    """Return the translation in the plural form for `count`."""
    return translations(_current.get().language).ngettext(one, many, count)


def catalog_file(language: str) -> Path:
    """Return the .po file of a language other than English."""
    return FOLDER / language / "idroserra.po"


def catalog_files() -> list[Path]:
    """Return the .po files of all languages."""
    return [catalog_file(language) for language in LANGUAGES if language != "en"]


@cache
def translations(language: str) -> _gettext.NullTranslations:
    """Return the catalog of a language. Raises OSError if its file is missing."""
    if language == "en":
        return _gettext.NullTranslations()
    # Imported here: Babel is slow to import, and the terminal is in English.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with catalog_file(language).open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return _gettext.GNUTranslations(compiled)


@cache
def page_texts(language: str) -> dict[str, str | list[str]]:
    """Return the texts of the page's JavaScript, for /static/.../words/LANGUAGE.json."""
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
        forms = [form for form in plural_forms(message.string) if form]
        if not forms:
            continue
        if isinstance(message.id, str):
            found[message.id] = forms[0]
        else:
            found[message.id[0]] = forms
    return found


def plural_forms(string: str | Iterable[str] | None) -> list[str]:
    """Return the forms of a translation from Babel: one, or one for each plural form."""
    return [string or ""] if string is None or isinstance(string, str) else list(string)


def negotiate_language(accept_language: str) -> str:
    """Return the best of LANGUAGES for an Accept-Language header; default English."""
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


def format_number(value: float, decimals: int) -> str:
    """Return a number with the language's decimal mark: 1.50 or 1,50."""
    return localize_decimal(f"{value:.{decimals}f}")


def format_short(value: float) -> str:
    """Return a number without trailing zeros."""
    return localize_decimal(f"{value:g}")


def localize_decimal(number: str) -> str:
    """Replace the decimal point of a number with the language's decimal mark."""
    return number.replace(".", ",") if _current.get().language in _COMMA else number


_QUANTITY = re.compile(
    r"(?<![\w.])([-−]?\d+(?:\.\d+)?)(?![\w.]*\.\d)(?: (mS/cm|[uµ]S/cm|°?C|L)\b)?")


def localize_numbers(text: str, *, are_differences: bool = False) -> str:
    """Convert the English, metric numbers in a text to the current locale."""
    return _QUANTITY.sub(lambda found: _localize_quantity(found[0], found[1], found[2],
                                                          are_differences), text)


def _localize_quantity(whole: str, number: str, unit: str | None, is_difference: bool) -> str:
    conversion = _conversion(unit)
    if conversion is None:
        return localize_decimal(whole)
    to_stored, target = conversion
    value = float(number.replace("−", "-")) * to_stored
    offset = 0 if is_difference else target.offset
    return f"{format_number(value * target.factor + offset, target.decimals)} {target.text}"


def _conversion(unit: str | None) -> tuple[float, Unit] | None:
    """Return (factor from `unit` to the stored unit, display unit); None for no conversion."""
    locale = _current.get()
    if unit in ("uS/cm", "µS/cm"):
        return 1, EC[locale.ec]
    if unit == "mS/cm" and locale.ec != "mS/cm":
        return 1_000, EC[locale.ec]
    if unit in ("°C", "C"):
        return 1, TEMPERATURE[locale.temperature]
    if unit == "L" and locale.volume != "L":
        return 1_000, VOLUME[locale.volume]
    return None


def translate_message(text: str) -> str:
    """Translate an English text from a node, a stored alarm or an error.

    A sentence with numbers and names is translated by its pattern in
    i18n.node_messages.MESSAGE_PATTERNS; the parts that fill the pattern are translated
    separately."""
    if _current.get() == DEFAULT_LOCALE or not text:
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
    return localize_numbers(text)


def _part(name: str, part: str) -> str:
    """Translate the part of a sentence that fills the placeholder `name`."""
    if name == "difference":
        return localize_numbers(part, are_differences=True)
    if name in ("ec", "ec_target"):
        return localize_numbers(f"{part.removesuffix(' uS/cm')} uS/cm")
    if name == "channels":
        return ", ".join(translate_message(channel) for channel in part.split(", "))
    return translate_message(part)


@cache
def _patterns(keys: tuple[str, ...]) -> list[tuple[str, re.Pattern[str], str]]:
    """Return (longest literal part, pattern, key) of each, those with most literal text first.

    A substring search is much faster than a match: a chart lists thousands of doses."""
    def words(key: str) -> list[str]:
        return re.split(r"\{\w+\}", key)

    ordered = sorted(keys, key=lambda key: sum(map(len, words(key))), reverse=True)
    return [(max(words(key), key=len), _pattern(key), key) for key in ordered]


# Placeholders for a number, with or without its unit.
_NUMBERS = frozenset({
    "all", "count", "days", "difference", "drift", "ec", "ec_target", "every", "limit", "low",
    "megabytes", "most", "moved", "on", "rate", "share", "strength", "target", "time", "value",
    "volume"})


def _pattern(key: str) -> re.Pattern[str]:
    parts: Iterable[str] = re.split(r"\{(\w+)\}", key)
    return re.compile("".join(
        f"(?P<{part}>{r'[-+−]?[0-9][^,;:()]*?' if part in _NUMBERS else '.+?'})"
        if index % 2 else re.escape(part) for index, part in enumerate(parts)), re.DOTALL)
