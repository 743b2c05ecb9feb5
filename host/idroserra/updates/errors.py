"""What is refused about updates."""

from __future__ import annotations

from idroserra.core.errors import HostError


class UpdateError(HostError):
    """A release, a key or a roll-out was refused. Says which file, why, and what to do."""


class BadRelease(UpdateError):
    """A folder or an upload is no release, or was changed after it was signed."""


class UnknownRelease(UpdateError):
    """The host keeps no such release."""


class CannotOffer(UpdateError):
    """A release cannot be rolled out as asked. Says what stands against it."""
