"""Errors of a calibration, worded so that the person at the tank can act on them."""

from __future__ import annotations

from idroserra.core.errors import HostError


class BadPoint(HostError):
    """A point, or the fit of all points, was refused. `code` is for programs."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


class CannotCalibrate(HostError):
    """The calibration cannot start or continue now; the message says why and what to do."""


class UnknownCalibration(HostError):
    """No calibration has this id, or it is long over."""
