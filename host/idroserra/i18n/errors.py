"""Errors whose message is shown in the reader's language: of a Text or a Reason."""

from __future__ import annotations

from idroserra.core.errors import HostError
from idroserra.core.reasons import Reason
from idroserra.i18n.reasons import english, reason_text
from idroserra.i18n.translate import translate


class ExplainedError(HostError):
    """An error with a Reason, or with a Text if no program tells it from others."""

    def __init__(self, why: Reason | str) -> None:
        super().__init__(english(why) if isinstance(why, Reason) else why)
        self.reason = why if isinstance(why, Reason) else None

    @property
    def code(self) -> str | None:
        """The code of the reason, None for a Text."""
        return None if self.reason is None else str(self.reason.code)


def reason_of(error: BaseException) -> Reason | None:
    """Return the Reason of an error of host or contract, None if it has a text only."""
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, Reason) else None


def error_english(error: BaseException) -> str:
    """Return the message of an error in English, for logs, the terminal and programs."""
    reason = reason_of(error)
    return str(error) if reason is None else english(reason)


def error_text(error: BaseException) -> str:
    """Return the message of an error in the reader's language."""
    reason = reason_of(error)
    if reason is not None:
        return reason_text(reason)
    said = error.args[0] if len(error.args) == 1 else str(error)
    return translate(said) if isinstance(said, str) else str(error)
