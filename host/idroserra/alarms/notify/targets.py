"""The addresses people are told at, through apprise: e-mail, Telegram, ntfy, WeCom, DingTalk...

An address is a secret. It is in the configuration and in apprise's object, and nowhere else: not
in a log, not in an answer. What apprise says of a failure is shown with every part of it redacted.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from urllib.parse import unquote

from idroserra.alarms.notify.message import Notice
from idroserra.alarms.rules import PRIORITIES
from idroserra.core.config import AlarmTarget
from idroserra.core.errors import ConfigError

MOST_ERROR_CHARS = 200
MOST_LINES = 5
LEAST_SECRET_CHARS = 4
_TYPES = {"low": "info", "medium": "warning", "high": "failure", "urgent": "failure"}
# Parts of addresses that are no secret, and words of messages that must stay readable.
_PLAIN = re.compile(r"(https?|localhost|127\.0\.0\.1|true|false|yes|no|\d{1,5})", re.IGNORECASE)

# What these say may hold parts of an address. apprise is heard below, and told redacted.
_logger = logging.getLogger("apprise")
_logger.setLevel(logging.WARNING)
_logger.addHandler(logging.NullHandler())
for _name in ("urllib3", "requests_oauthlib"):
    logging.getLogger(_name).setLevel(logging.INFO)


class Target:
    """One address. service: its kind in words, such as "Telegram"."""

    def __init__(self, config: AlarmTarget) -> None:
        """Raises ConfigError, which does not say the address."""
        self.name = config.name
        self.is_escalation_only = config.escalation_only
        self.language = config.language
        self._least_rank = PRIORITIES.index(config.from_priority)
        url = config.url.get_secret_value()
        self._secrets = _parts(url)
        import apprise  # slow: only a host that tells somebody needs it

        with _LogCapture():
            found = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if found is None:
            raise ConfigError("alarms", f"targets.{config.name}.url",
                              "apprise does not know such an address")
        self._sender = apprise.Apprise()
        self._sender.add(found)
        self.service = str(found.service_name or "")

    def wants(self, notice: Notice) -> bool:
        """True where this address gets such a notice."""
        if notice.kind in ("test", "daily"):
            return True
        if self.is_escalation_only and notice.kind != "reminder":
            return False
        return PRIORITIES.index(notice.priority) >= self._least_rank

    def send(self, notice: Notice) -> str:
        """Send now, for as long as the other end takes; return "" or why it failed."""
        with _LogCapture() as heard:  # apprise turns what a service's own code raises into a line
            is_sent = self._sender.notify(
                title=notice.title, body=notice.body, body_format="text",
                notify_type=_TYPES[notice.priority])
        if is_sent:
            return ""
        return self.redacted(" ".join(heard.lines) or f"{self.service} did not take it")

    def redacted(self, text: str) -> str:
        """Return a text without any part of the address."""
        for secret in self._secrets:
            text = text.replace(secret, "****")
        return " ".join(text.split())[:MOST_ERROR_CHARS]


def open_targets(configs: Iterable[AlarmTarget]) -> dict[str, Target]:
    """Return the addresses by name. Raises ConfigError."""
    targets: dict[str, Target] = {}
    for config in configs:
        if config.name in targets:
            raise ConfigError("alarms", f"targets.{config.name}", "twice the same name")
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
    """What apprise logs as wrong while it is open."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; one thread sends."""
        if len(self.lines) < MOST_LINES:
            self.lines.append(record.getMessage())

    def __enter__(self) -> _LogCapture:
        _logger.propagate = False
        _logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        _logger.removeHandler(self)
