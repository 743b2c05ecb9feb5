"""Language and units of each user, stored in users.db."""

from __future__ import annotations

from idroserra.auth.errors import InvalidRequest
from idroserra.auth.users import AccessFile
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import DEFAULT_LOCALE, LANGUAGES, Locale
from idroserra.i18n.units import EC, KINDS, TEMPERATURE, VOLUME

AS_BROWSER = ""  # the browser's language


class Preferences(AccessFile):
    """The preferences of users. Default: the browser's language and metric units."""

    def of(self, user: str) -> Locale:
        """Return a user's preferences; language "" for the browser's. Skips unknown values."""
        with self._lock:
            row = self._reader.execute(
                "SELECT language, ec, temperature, volume FROM preferences WHERE user=?",
                (user,)).fetchone()
        if row is None:
            return DEFAULT_LOCALE._replace(language=AS_BROWSER)
        language, ec, temperature, volume = row
        return Locale(
            language if language in LANGUAGES else AS_BROWSER,
            ec if ec in EC else DEFAULT_LOCALE.ec,
            temperature if temperature in TEMPERATURE else DEFAULT_LOCALE.temperature,
            volume if volume in VOLUME else DEFAULT_LOCALE.volume)

    def choose(self, user: str, wanted: Locale) -> None:
        """Store a user's preferences. Raises InvalidRequest naming the field."""
        if wanted.language not in (AS_BROWSER, *LANGUAGES):
            raise InvalidRequest(Text(
                N_("language: '{value}' is not one of {known}"), value=wanted.language[:20],
                known=", ".join(LANGUAGES)))
        for field, table in KINDS.items():
            unit = getattr(wanted, field)
            if unit not in table:
                raise InvalidRequest(Text(
                    N_("{field}: '{value}' is not one of {known}"), field=field, value=unit[:20],
                    known=", ".join(table)))
        with self._changing() as database:
            database.execute("INSERT OR REPLACE INTO preferences VALUES (?,?,?,?,?)",
                             (user, *wanted))
