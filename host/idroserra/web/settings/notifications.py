"""The HTTP API of notifications in the settings: recipients, and when they are notified.

The address of a recipient is written and never read.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta
from msgspec.structs import asdict

from idroserra.alarms.loop import AlarmLoop
from idroserra.alarms.page_settings import TIME_KEYS, AlarmPageSettings, Recipient
from idroserra.auth.identity import check_recent_password
from idroserra.core.sites import MAX_CHARS
from idroserra.core.validation import string_pattern
from idroserra.i18n.translate import translate
from idroserra.web.api.alarms import TestOut
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.routing import Routes

Priority = Literal["low", "medium", "high", "urgent"]
Name = Annotated[str, string_pattern(
    r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}$", description="Name of the recipient.")]
Time = Annotated[str, string_pattern(
    r"^([01]\d|2[0-3]):[0-5]\d$", description="Local time of the host, such as 22:30.")]

_ERROR_REPLIES = error_replies({
    403: "The password is needed again.", 404: "No such recipient.",
    409: "The host's configuration sets it.", 429: "The recipient had 5 tests in 10 minutes.",
    503: "The host's database cannot be written.",
})


class RecipientIn(AskedBy):
    """A recipient. url: its address for apprise; empty keeps the present one."""

    url: Annotated[str, Meta(max_length=2_000)] = ""
    from_priority: Priority = "low"
    escalation_only: bool = False
    language: Literal["en", "it", "zh"] = "en"
    sites: Annotated[list[Annotated[str, Meta(max_length=MAX_CHARS)]], Meta(
        max_length=100, description="Only alarms of these sites and the host; empty: all.")] = []


class TimesIn(AskedBy):
    """When people are notified."""

    notify_from: Priority
    quiet_from: Time | None = None
    quiet_until: Time | None = None
    daily_at: Time | None = None


class RecipientOut(Out):
    """A recipient, without its address."""

    name: str
    source: Annotated[str, Meta(
        description="Where it is configured; empty: on the page, which can change it.")]
    service: str
    has_address: bool
    trouble: Annotated[str, Meta(description="Why nothing can be sent to it; empty: none.")]
    from_priority: str
    escalation_only: bool
    language: str
    sites: list[str]


class NotificationsOut(Out):
    """Recipients, and when they are notified."""

    recipients: list[RecipientOut]
    times: Annotated[dict[str, Any], Meta(
        description="By key (notify_from, quiet_from, quiet_until, daily_at): value, and source: "
                    "where it is configured, null if the page may set it.")]
    trouble: Annotated[str, Meta(description="Why saved times are not used; empty: none.")]
    delivery: Annotated[dict[str, Any], Meta(description="As in GET /api/alarms.")]


def notifications_json(settings: AlarmPageSettings, loop: AlarmLoop) -> dict[str, Any]:
    """Return NotificationsOut."""
    times = settings.times()
    return {
        "recipients": [_recipient_json(one) for one in settings.recipients()],
        "times": {key: {"value": getattr(times, key), "source": settings.source_of_time(key)}
                  for key in TIME_KEYS},
        "trouble": translate(settings.times_trouble),
        "delivery": loop.dispatcher.status()}


def settings_notifications_router(settings: AlarmPageSettings, loop: AlarmLoop) -> Routes:
    """Return the routes."""
    router = Routes("/api/settings", _ERROR_REPLIES)

    @router.get("/notifications", answer=NotificationsOut)
    def show() -> dict[str, Any]:
        """Return the recipients, without addresses, and when they are notified."""
        return notifications_json(settings, loop)

    @router.put("/notifications", answer=NotificationsOut)
    def set_times(body: TimesIn) -> dict[str, Any]:
        """Set when people are notified, with immediate effect."""
        check_recent_password()
        settings.set_times({key: getattr(body, key) for key in TIME_KEYS}, body.by)
        return notifications_json(settings, loop)

    @router.put("/recipients/{name}", answer=NotificationsOut)
    def set_recipient(name: Name, body: RecipientIn) -> dict[str, Any]:
        """Add a recipient or change one, with immediate effect."""
        check_recent_password()
        values = {key: value for key, value in asdict(body).items() if key not in ("url", "by")}
        settings.set_recipient(name, values, body.url.strip(), body.by)
        return notifications_json(settings, loop)

    @router.delete("/recipients/{name}", answer=NotificationsOut)
    def remove_recipient(name: Name) -> dict[str, Any]:
        """Remove a recipient."""
        check_recent_password()
        settings.remove_recipient(name)
        return notifications_json(settings, loop)

    @router.post("/recipients/{name}/test", status=202, answer=TestOut)
    def test(name: Name, body: AskedBy) -> dict[str, Any]:
        """Send a test to one recipient, without retries."""
        return {"id": settings.test(name, body.by)}

    return router


def _recipient_json(one: Recipient) -> dict[str, Any]:
    config = one.config
    return {"name": config.name, "source": one.source, "service": one.service,
            "has_address": one.has_address, "trouble": translate(one.trouble),
            "from_priority": config.from_priority, "escalation_only": config.escalation_only,
            "language": config.language, "sites": list(config.sites)}
