"""Errors of the journal."""

from __future__ import annotations

from idroserra.core.errors import Conflict, Forbidden, HostError, InvalidInput, NotFound
from idroserra.core.text import Text
from idroserra.i18n.marker import N_


class JournalError(HostError):
    """Base class of the journal's errors."""


class UnknownNote(NotFound, JournalError):
    """No such note or photo."""


class NotNoteAuthor(Forbidden, JournalError):
    """Only the author of the note and admins may change it."""

    def __init__(self, by: str) -> None:
        super().__init__(Text(N_("this note is by {by}: they or an admin may change it"), by=by))


class PhotoRefused(InvalidInput, JournalError):
    """The upload is unreadable or too large; the message says what is accepted."""


class JournalFull(Conflict, JournalError):
    """The limit of photos is reached: of a note, or of all notes."""
