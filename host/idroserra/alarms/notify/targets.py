"""Notification targets, sent to through apprise: e-mail, Telegram, ntfy, WeCom, DingTalk...

An address is a secret: only the configuration and apprise's object hold it, and errors are
redacted before they are logged or shown.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable
from urllib.parse import unquote

from idroserra.alarms.notify.message import Notice
from idroserra.alarms.rules import PRIORITIES
from idroserra.core.config import AlarmTarget
from idroserra.core.errors import ConfigError
from idroserra.core.reasons import Reason, sentence

MOST_ERROR_CHARS = 200
MOST_LINES = 5
LEAST_SECRET_CHARS = 4
_TYPES = {"low": "info", "medium": "warning", "high": "failure", "urgent": "failure"}
# Parts of addresses that are not secret, and words that must stay readable.
_PLAIN = re.compile(r"(https?|localhost|127\.0\.0\.1|true|false|yes|no|\d{1,5})", re.IGNORECASE)

# These loggers may write parts of an address. _LogCapture redacts what apprise logs.
_logger = logging.getLogger("apprise")
_logger.setLevel(logging.WARNING)
_logger.addHandler(logging.NullHandler())
for _name in ("urllib3", "requests_oauthlib"):
    logging.getLogger(_name).setLevel(logging.INFO)
# Threads that open an address: what they log quotes it, and says nothing of what is sent.
_opening: set[int] = set()


class Target:
    """One address. service: its kind, such as "Telegram"."""

    def __init__(self, config: AlarmTarget) -> None:
        """Raises ConfigError, which does not contain the address."""
        self.name = config.name
        self.is_escalation_only = config.escalation_only
        self.language = config.language
        self._sites = frozenset(config.sites)
        self._least_rank = PRIORITIES.index(config.from_priority)
        url = config.url.get_secret_value()
        self._secrets = _parts(url)
        import apprise  # slow to import: only needed with a target

        with _LogCapture():
            _opening.add(threading.get_ident())
            try:
                found = apprise.Apprise.instantiate(url, suppress_exceptions=True)
            finally:
                _opening.discard(threading.get_ident())
        if found is None:
            raise ConfigError("alarms", f"targets.{config.name}.url",
                              "apprise does not support this address")
        self._sender = apprise.Apprise()
        self._sender.add(found)
        self.service = str(found.service_name or "")

    def wants(self, notice: Notice) -> bool:
        """Return True if this target receives such a notice."""
        if notice.kind in ("test", "daily"):
            return True
        if self.is_escalation_only and notice.kind != "reminder":
            return False
        if self._sites and notice.sites and self._sites.isdisjoint(notice.sites):
            return False
        return PRIORITIES.index(notice.priority) >= self._least_rank

    def send(self, notice: Notice) -> Reason | None:
        """Send now and wait for the answer; return None or why it failed."""
        with _LogCapture() as captured:  # apprise logs the exceptions of a service's code
            is_sent = self._sender.notify(
                title=notice.title, body=notice.body, body_format="text",
                notify_type=_TYPES[notice.priority])
        if is_sent:
            return None
        if not captured.lines:
            return Reason("not_accepted", service=self.service)
        return sentence(self.redacted(" ".join(captured.lines)))

    def redacted(self, text: str) -> str:
        """Return a text with every part of the address masked."""
        for secret in self._secrets:
            text = text.replace(secret, "****")
        return " ".join(text.split())[:MOST_ERROR_CHARS]


def open_targets(configs: Iterable[AlarmTarget]) -> dict[str, Target]:
    """Return the targets by name. Raises ConfigError."""
    targets: dict[str, Target] = {}
    for config in configs:
        if config.name in targets:
            raise ConfigError("alarms", f"targets.{config.name}", "the name is used twice")
        targets[config.name] = Target(config)
    return targets


def _parts(url: str) -> list[str]:
    """Return every part of an address that may be secret, longest first."""
    pieces = {url, unquote(url)}
    for text in (url, unquote(url)):
        pieces |= set(re.split(r"[/:@?&=,#\s]+", text.partition("://")[2]))
    return sorted((piece for piece in pieces if len(piece) >= LEAST_SECRET_CHARS
                   and not _PLAIN.fullmatch(piece)), key=len, reverse=True)


class _LogCapture(logging.Handler):
    """Captures apprise's warnings while it is entered, but none of _opening."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Store a message of the one thread that sends, or of a thread of its own."""
        if record.thread not in _opening and len(self.lines) < MOST_LINES:
            self.lines.append(record.getMessage())

    def __enter__(self) -> _LogCapture:
        _logger.propagate = False
        _logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        _logger.removeHandler(self)
