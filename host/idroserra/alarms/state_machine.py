"""The alarm state machine of ISA-18.2, as pure functions.

normal            not active and acknowledged
unacknowledged    active, not acknowledged
acknowledged      active, acknowledged
returned          returned to normal, not acknowledged
suppressed        active, suppressed by design: another alarm is its cause
shelved           suppressed by an operator until a time
out_of_service    suppressed by an operator until returned to service

Times are the host's wall time in ms. An alarm that leaves shelved or out_of_service while active
is annunciated again. One that loses its cause stays acknowledged unless it ended meanwhile.
"""

from __future__ import annotations

from typing import NamedTuple

STATES = ("normal", "unacknowledged", "acknowledged", "returned", "suppressed", "shelved",
          "out_of_service")
MOST_SHELVED_MS = 7 * 86_400_000


class Alarm(NamedTuple):
    """One alarm. turning_unix_ms: since when the condition differs from is_active, or None."""

    is_active: bool = False
    is_acked: bool = True
    cause: str = ""
    shelved_until_unix_ms: int | None = None
    is_out_of_service: bool = False
    turning_unix_ms: int | None = None
    raised_unix_ms: int | None = None

    @property
    def state(self) -> str:
        """One of STATES."""
        if self.is_out_of_service:
            return "out_of_service"
        if self.shelved_until_unix_ms is not None:
            return "shelved"
        if self.is_active:
            if self.cause:
                return "suppressed"
            return "acknowledged" if self.is_acked else "unacknowledged"
        return "normal" if self.is_acked else "returned"

    @property
    def is_quiet(self) -> bool:
        """True while it is suppressed by design, shelved or out of service."""
        return self.state in ("suppressed", "shelved", "out_of_service")

    @property
    def is_unacknowledged(self) -> bool:
        """True while it awaits an acknowledgement."""
        return self.state in ("unacknowledged", "returned")

    @property
    def is_normal(self) -> bool:
        """True if nothing but raised_unix_ms differs from NORMAL."""
        return self._replace(raised_unix_ms=None) == NORMAL


NORMAL = Alarm()


def evaluate(
    alarm: Alarm, is_present: bool | None, now_unix_ms: int,
    on_delay_ms: int, off_delay_ms: int, *, auto_ack: bool = False,
) -> Alarm:
    """Return the alarm after an evaluation; is_present None (unknown) leaves its state.

    It changes only when the condition held for the delay without a break. The end of an alarm that
    is quiet has no delay."""
    if is_present is None or is_present == alarm.is_active:
        # Nearly always nothing changes: return the same object.
        return alarm if alarm.turning_unix_ms is None else alarm._replace(turning_unix_ms=None)
    since = now_unix_ms
    if alarm.turning_unix_ms is not None:
        since = min(alarm.turning_unix_ms, now_unix_ms)
    delay_ms = on_delay_ms if is_present else (0 if alarm.is_quiet else off_delay_ms)
    if now_unix_ms - since < delay_ms:
        return alarm if alarm.turning_unix_ms == since else alarm._replace(turning_unix_ms=since)
    if is_present:
        return alarm._replace(is_active=True, is_acked=False, turning_unix_ms=None,
                              raised_unix_ms=now_unix_ms)
    is_done = alarm.is_acked or auto_ack or alarm.is_quiet
    return alarm._replace(is_active=False, is_acked=is_done, turning_unix_ms=None)


def with_cause(alarm: Alarm, cause: str) -> Alarm:
    """Return the alarm with the key of its cause, or "" for none."""
    return alarm if alarm.cause == cause else alarm._replace(cause=cause)


def acknowledged(alarm: Alarm) -> Alarm:
    """Return the alarm acknowledged; unchanged unless it awaits an acknowledgement."""
    return alarm._replace(is_acked=True) if alarm.is_unacknowledged else alarm


def shelved(alarm: Alarm, until_unix_ms: int) -> Alarm:
    """Return the alarm shelved until a time."""
    return alarm._replace(shelved_until_unix_ms=until_unix_ms)


def unshelved(alarm: Alarm) -> Alarm:
    """Return the alarm unshelved: unacknowledged if it is still active."""
    if alarm.shelved_until_unix_ms is None:
        return alarm
    return alarm._replace(shelved_until_unix_ms=None, is_acked=not alarm.is_active)


def expire_shelving(alarm: Alarm, now_unix_ms: int) -> Alarm:
    """Return the alarm unshelved if its time has passed, or cannot be right: the clock was set
    back."""
    until = alarm.shelved_until_unix_ms
    is_over = until is not None and not 0 < until - now_unix_ms <= MOST_SHELVED_MS
    return unshelved(alarm) if is_over else alarm


def take_out_of_service(alarm: Alarm) -> Alarm:
    """Return the alarm out of service."""
    return alarm._replace(is_out_of_service=True)


def from_backup(alarm: Alarm, shelved_until_unix_ms: int | None, *, is_out: bool) -> Alarm:
    """Return the alarm of a backup as it is restored: silenced as far as it is so now too,
    unacknowledged if it is active."""
    is_shelved = alarm.shelved_until_unix_ms is not None
    restored = alarm._replace(
        shelved_until_unix_ms=shelved_until_unix_ms if is_shelved else None,
        is_out_of_service=alarm.is_out_of_service and is_out)
    if alarm.is_active or restored.state != alarm.state:
        return restored._replace(is_acked=not alarm.is_active)
    return restored


def return_to_service(alarm: Alarm) -> Alarm:
    """Return the alarm back in service: unacknowledged if it is active."""
    if not alarm.is_out_of_service:
        return alarm
    return alarm._replace(is_out_of_service=False, is_acked=not alarm.is_active)
