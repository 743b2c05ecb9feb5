"""The life of one alarm after ISA-18.2, as pure functions: an alarm and what happens in, one out.

normal            nothing is wrong, or a person has seen that it was
unacknowledged    it is so, and nobody has said that they know
acknowledged      it is so, and somebody knows
returned          it is over before anybody said that they know
suppressed        it is so, and another alarm explains it (by design)
shelved           a person does not want to hear of it until a time
out_of_service    a person took it out, until somebody puts it back

Times are the host's wall time in ms. What leaves shelved or out_of_service while it is so is told
anew. What loses its cause keeps its acknowledgement, where it never ended meanwhile.
"""

from __future__ import annotations

from typing import NamedTuple

STATES = ("normal", "unacknowledged", "acknowledged", "returned", "suppressed", "shelved",
          "out_of_service")


class Alarm(NamedTuple):
    """One alarm. turning_unix_ms: since when the condition differs from is_active, else None."""

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
        """True while nobody is told of it, whatever happens."""
        return self.state in ("suppressed", "shelved", "out_of_service")

    @property
    def wants_attention(self) -> bool:
        """True while a person has not said that they know."""
        return self.state in ("unacknowledged", "returned")


NORMAL = Alarm()


def evaluate(
    alarm: Alarm, is_present: bool | None, now_unix_ms: int,
    on_delay_ms: int, off_delay_ms: int, *, auto_ack: bool = False,
) -> Alarm:
    """Return the alarm once its condition was looked at; None: nobody knows, so it stays.

    It turns only when the condition held for the delay without a break. Nobody waits for the end
    of what nobody was told of."""
    if is_present is None or is_present == alarm.is_active:
        # Nearly always nothing changes: then it stays the same object.
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
    """Return the alarm with the key of what explains it, "" for nothing."""
    return alarm if alarm.cause == cause else alarm._replace(cause=cause)


def acknowledged(alarm: Alarm) -> Alarm:
    """Return the alarm once somebody said that they know. Only what asks for it changes."""
    return alarm._replace(is_acked=True) if alarm.wants_attention else alarm


def shelved(alarm: Alarm, until_unix_ms: int) -> Alarm:
    """Return the alarm put aside until a time."""
    return alarm._replace(shelved_until_unix_ms=until_unix_ms)


def unshelved(alarm: Alarm) -> Alarm:
    """Return the alarm taken back: told anew where it is still so."""
    if alarm.shelved_until_unix_ms is None:
        return alarm
    return alarm._replace(shelved_until_unix_ms=None, is_acked=not alarm.is_active)


def expire_shelving(alarm: Alarm, now_unix_ms: int) -> Alarm:
    """Return the alarm after the passing of time: shelving ends."""
    until = alarm.shelved_until_unix_ms
    return unshelved(alarm) if until is not None and now_unix_ms >= until else alarm


def take_out_of_service(alarm: Alarm) -> Alarm:
    """Return the alarm out of service."""
    return alarm._replace(is_out_of_service=True)


def return_to_service(alarm: Alarm) -> Alarm:
    """Return the alarm in service again: told anew where it is so."""
    if not alarm.is_out_of_service:
        return alarm
    return alarm._replace(is_out_of_service=False, is_acked=not alarm.is_active)
