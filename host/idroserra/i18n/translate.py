"""The current locale (language and units), gettext, and localized numbers.

The English text is the key: `_("Bottle of {what} is empty").format(what=name)`. Outside a request
(terminal, notifications, stored texts) the locale is English and metric. Translations are the .po
files of `locales/`; CONTRIBUTING.md explains how to add one.
"""

from __future__ import annotations

import gettext as _gettext
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from idroserra.core.text import Text
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


def translate(text: str) -> str:
    """Return a Text, or an English text without values, in the language of the current locale.

    A value is translated only if it is a Text itself: another one may be a name that a person
    chose."""
    if not isinstance(text, Text):
        return gettext(text)
    values = {name: translate(value) if isinstance(value, Text) else value
              for name, value in text.values.items()}
    return gettext(text.template).format(**values) if values else gettext(text.template)
