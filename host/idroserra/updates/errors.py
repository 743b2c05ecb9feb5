"""Errors of updates."""

from __future__ import annotations

from idroserra.core.errors import Conflict, InvalidInput, NotFound
from idroserra.i18n.errors import ExplainedError


class UpdateError(ExplainedError):
    """A release, a key or a roll-out was refused; the message says which, why and what to do."""


class BadRelease(InvalidInput, UpdateError):
    """A folder or an upload is not a release, or was changed after it was signed."""


class UnknownRelease(NotFound, UpdateError):
    """The host has no such release."""


class CannotOffer(Conflict, UpdateError):
    """A release cannot be rolled out as requested; the message says why."""
