"""The language of a terminal, from its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

from idroserra.i18n.translate import DEFAULT_LOCALE, LANGUAGES, Locale


def terminal_locale(environ: Mapping[str, str] = os.environ) -> Locale:
    """Return the locale of a terminal: the first of LC_ALL, LC_MESSAGES and LANG that is set.

    A language without a catalog, as in C.UTF-8, is English."""
    keys = ("LC_ALL", "LC_MESSAGES", "LANG")
    named = next((environ[key] for key in keys if environ.get(key)), "")
    language = named.partition(".")[0].partition("_")[0].lower()
    return DEFAULT_LOCALE._replace(language=language if language in LANGUAGES else "en")
