"""Causes of the state of a node: what each is about, its level, and who ends it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from idroserra.core.reasons import REASONS, Reason
from idroserra.node_state.inputs import CIRCULATION, EC, LEAK, LEVEL, PH

LEVELS = ("ok", "note", "warn", "bad")

_LEVEL_OF_SEVERITY = {"ok": "ok", "wait": "note", "check": "warn", "act": "bad"}
# Codes whose level differs from their severity: a chosen mode is no trouble, and what waits for a
# person is.
_LEVELS = {"dosing_off": "note", "advice_only": "note", "advice": "warn",
           "sentence": "note", "stopped": "warn"}
# Reasons that only introduce their `why`, which is what a person ends.
_INTRODUCING = frozenset({
    "ec_low_blocked", "ph_high_blocked", "ph_low_blocked", "b_waits", "dosing_locked",
    "correction_waits", "last_settings_refused"})
# The channel that a decision is about.
CHANNEL_OF = {"no_ph": PH, "ph_incredible": PH, "no_ec": EC, "ec_in_air": EC, "in_air": EC,
              "no_level": LEVEL, "no_air_temp": "air.temp_c", "blind_vent": "air.temp_c",
              "blind_rest": "air.temp_c", "no_humidity": "air.rh_pct", "no_vpd": "air.vpd_pa",
              "leak": LEAK}
CORRECTION = frozenset({
    "correction_open", "correction_waits", "correction_ready", "correction_first",
    "correction_already"})
LATCHED = frozenset({
    "stopped", "latch_no_effect", "latch_wrong_way", "latch_resets", "latch_ledger"})


@dataclass(frozen=True)
class Cause:
    """One cause of the state. forbids_doses: automatic dosing does not run because of it."""

    reason: Reason
    level: str
    since_unix_ms: int | None = None
    until_unix_ms: int | None = None
    forbids_doses: bool = False

    @property
    def remedy(self) -> str:
        """The code whose how-to explains what to do."""
        code: str = innermost(self.reason).code
        return code

    @property
    def mender(self) -> str:
        """Who ends it: node, grower or technician."""
        row = REASONS.get(self.remedy)
        mender: str = "technician" if row is None else row.mender
        return mender


def innermost(reason: Reason) -> Reason:
    """Return the reason that a person has to end: without "EC is low but" and the like."""
    while reason.code in _INTRODUCING:
        why = reason.values.get("why")
        if not isinstance(why, Reason):
            return reason
        reason = why
    return reason


def level_of(reason: Reason) -> str:
    """Return the level of a reason: that of what has to be ended."""
    code = innermost(reason).code
    row = REASONS.get(code)
    return _LEVELS.get(code) or ("warn" if row is None else _LEVEL_OF_SEVERITY[row.severity])


def distinct(causes: Iterable[Cause]) -> list[Cause]:
    """Return the causes without those that an earlier, worse one already reports.

    That one forbids doses if they do; a reading out of bounds says nothing of its beginning, but
    the decision of the node about it does."""
    found: dict[object, Cause] = {}
    for one in causes:
        key = subject_of(one.reason)
        first = found.setdefault(key, one)
        since = one.since_unix_ms if first.since_unix_ms is None else first.since_unix_ms
        found[key] = replace(
            first, since_unix_ms=since, forbids_doses=first.forbids_doses or one.forbids_doses)
    return list(found.values())


def channel_of(reason: Reason) -> str | None:
    """Return the channel whose reading a cause is about, or None."""
    subject, code = subject_of(reason), innermost(reason).code
    if isinstance(subject, tuple) and subject[0] in ("band", "reading"):
        channel: str | None = subject[1]
        return channel
    return {"water_low": LEVEL, "circulation_off": CIRCULATION}.get(code)


def subject_of(reason: Reason) -> object:
    """Return what a cause is about: two causes of one subject are shown once."""
    if reason.code == "last_settings_refused":
        return reason.code
    if reason.code == "dosing_locked":
        return "latch"
    if reason.code in CORRECTION:
        return "correction"
    reason = innermost(reason)
    code, values = reason.code, reason.values
    if code in ("reading_below", "reading_above"):
        return "band", values.get("channel")
    if code == "ec_high":
        return "band", EC
    if code in CHANNEL_OF or code in ("no_reading", "channel_fault", "channel_stale"):
        return "reading", CHANNEL_OF.get(code) or values.get("channel")
    if code in LATCHED or code == "dosing_stopped":
        return "latch"
    if code in CORRECTION:
        return "correction"
    if code in ("arming", "not_armed"):
        return "arming"
    if code == "advice":
        return code, values.get("actuator")
    if code in ("alarm_raised", "alarm_returned"):
        return code, values.get("title")
    return code
