"""Errors of a calibration, worded so that the person at the tank can act on them."""

from __future__ import annotations

from idroserra.core.errors import Conflict, NotFound
from idroserra.core.reasons import Reason
from idroserra.i18n.errors import ExplainedError


class BadPoint(Conflict, ExplainedError):
    """A point, or the fit of all points, was refused."""

    reason: Reason

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(Reason(code, **values))


class CannotCalibrate(Conflict, ExplainedError):
    """The calibration cannot start or continue now; the message says why and what to do."""


class UnknownCalibration(NotFound):
    """No calibration has this id, or it is long over."""
