"""What goes wrong with notes and photos.

JournalError
    UnknownNote(why)        no such note or photo
    NotYours                somebody else's note
    PhotoRefused(why)       no photo we can read, or too large
    JournalFull(why)        no more photos: of a note, or of all
"""

from __future__ import annotations

from idroserra.core.errors import HostError


class JournalError(HostError):
    """Root of the errors of this package."""


class UnknownNote(JournalError):
    """No such note or photo."""


class NotNoteAuthor(JournalError):
    """The note is another's: its author and admins may change it."""

    def __init__(self, by: str) -> None:
        super().__init__(f"this note is by {by}: they or an admin may change it")


class PhotoRefused(JournalError):
    """The upload is no photo we can read, or too large. The message says what is taken."""


class JournalFull(JournalError):
    """No more photos fit: of a note, or of all of them together."""
