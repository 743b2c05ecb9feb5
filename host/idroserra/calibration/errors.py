"""Why a calibration does not go on, in words somebody with a wet probe in hand can act on."""

from __future__ import annotations

from idroserra.core.errors import HostError


class BadPoint(HostError):
    """A point, or what all points come to, was refused. `code` is for programs."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


class CannotCalibrate(HostError):
    """This calibration cannot be begun or go on now. Says why and what to do."""


class UnknownCalibration(HostError):
    """Nobody began this calibration, or it is long over."""
