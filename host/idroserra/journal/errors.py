"""Errors of the journal.

JournalError
    UnknownNote(why)        no such note or photo
    NotNoteAuthor(by)       the note is somebody else's
    PhotoRefused(why)       unreadable or too large
    JournalFull(why)        the limit of photos is reached: of a note, or of all
"""

from __future__ import annotations

from idroserra.core.errors import HostError
from idroserra.core.text import Text
from idroserra.i18n.marker import N_


class JournalError(HostError):
    """Base class of the journal's errors."""


class UnknownNote(JournalError):
    """No such note or photo."""


class NotNoteAuthor(JournalError):
    """Only the author of the note and admins may change it."""

    def __init__(self, by: str) -> None:
        super().__init__(Text(N_("this note is by {by}: they or an admin may change it"), by=by))


class PhotoRefused(JournalError):
    """The upload is unreadable or too large; the message says what is accepted."""


class JournalFull(JournalError):
    """The limit of photos is reached: of a note, or of all notes."""
