"""The one state of a node: level, cause, since when, until when, remedy and who ends it. Pure.

Page, terminal, Home Assistant, Prometheus and notifications show this state. It is never "ok", and
never says that dosing is automatic, while something forbids a dose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from idroserra.core import protocol
from idroserra.core.reasons import REASONS, Reason
from idroserra.node_state.alarm_causes import with_alarms
from idroserra.node_state.calibration_age import age_reason
from idroserra.node_state.causes import (
    CORRECTION,
    LATCHED,
    LEVELS,
    Cause,
    channel_of,
    distinct,
    innermost,
    level_of,
)
from idroserra.node_state.inputs import CIRCULATION, EC, LEAK, LEVEL, PH, Reading, StateInputs

DOSING_LOOPS = ("ec", "ph")
OF_BOARD = "node."  # channels in which a board measures itself
# Waits that belong to automatic dosing: the next dose follows by itself.
RHYTHM = frozenset({
    "mixing", "filling", "b_first", "b_after", "ec_first", "ph_turn", "ph_high_returns",
    "ph_low_returns", "beds_wet", "gap", "apart", "busy", "max_dose", "too_small", "small_dose",
    "ec_high", "b_timeout", "b_power_cut", "b_reset",
})
# Causes that say nothing about a node without dosing pumps.
_OF_DOSERS = frozenset({"dosing_unknown", "dosing_off", "advice_only", "not_armed"})


@dataclass(frozen=True)
class NodeState:
    """The state of a node: its causes, worst first; at least one.

    is_in_contact: False if it is as last heard. has_dosers: False only if it has none."""

    causes: tuple[Cause, ...]
    is_in_contact: bool = True
    has_dosers: bool = True

    @property
    def level(self) -> str:
        """One of LEVELS: ok (nothing to report), note, warn (check soon), bad (check now)."""
        return self.causes[0].level

    @property
    def cause(self) -> Reason:
        """The worst cause."""
        return self.causes[0].reason

    @property
    def since_unix_ms(self) -> int | None:
        """Since when the worst cause is known to exist."""
        return self.causes[0].since_unix_ms

    @property
    def until_unix_ms(self) -> int | None:
        """When the worst cause ends by itself, if it does."""
        return self.causes[0].until_unix_ms

    @property
    def remedy(self) -> str:
        """The code whose how-to explains the worst cause."""
        return self.causes[0].remedy

    @property
    def mender(self) -> str:
        """Who ends the worst cause: node, grower or technician."""
        return self.causes[0].mender

    @property
    def others(self) -> tuple[Cause, ...]:
        """The causes after the first."""
        return self.causes[1:]

    @property
    def levels_by_channel(self) -> dict[str, str]:
        """The level of the worst cause about each channel that has one."""
        found: dict[str, str] = {}
        for one in self.causes:
            channel = channel_of(one.reason)
            if channel is not None:
                found.setdefault(channel, one.level)
        return found

    @property
    def dosing_cause(self) -> Cause | None:
        """The worst cause that forbids automatic doses; None while they are automatic."""
        return next((one for one in self.causes if one.forbids_doses), None)


def state_of(inputs: StateInputs) -> NodeState:
    """Return the state of a node."""
    contact = _contact(inputs)
    causes = [*contact]
    of_now = () if contact else _OF_NOW
    if not contact:
        causes += _readings(inputs)
    for collect in (*_STANDING, *of_now, _of_host):
        causes += collect(inputs)
    has_dosers = inputs.dosers is None or bool(inputs.dosers)
    if not has_dosers:
        causes = [_without_doses(one) for one in causes if one.reason.code not in _OF_DOSERS]
    ranked = _ranked(with_alarms(distinct(_ranked(causes)), inputs.alarms))
    if not ranked:
        code = "dosing_automatically" if has_dosers else "all_well"
        ranked = [Cause(Reason(code), "ok")]
    return NodeState(tuple(ranked), not contact, has_dosers)


def _ranked(causes: Iterable[Cause]) -> list[Cause]:
    return sorted(causes, key=lambda one: -LEVELS.index(one.level))


def _cause(
    reason: Reason, since_unix_ms: int | None = None, *, level: str | None = None,
    forbids: bool = False,
) -> Cause:
    return Cause(reason, level or level_of(reason), since_unix_ms,
                 _until(reason, since_unix_ms), forbids)


def forbids_doses(reason: Reason) -> bool:
    """Return whether no automatic dose is given because of a decision with this reason."""
    row = REASONS.get(innermost(reason).code)
    is_intended = row is not None and row.severity == "ok"
    return not is_intended and innermost(reason).code not in RHYTHM


def _until(reason: Reason, since_unix_ms: int | None) -> int | None:
    left_ms = innermost(reason).values.get("left_ms")
    if since_unix_ms is None or not isinstance(left_ms, int):
        return None
    return since_unix_ms + left_ms


def _without_doses(cause: Cause) -> Cause:
    return replace(cause, forbids_doses=False)


def _contact(inputs: StateInputs) -> list[Cause]:
    times = [one.unix_ms for one in inputs.readings.values() if one.unix_ms is not None]
    heard = inputs.last_heard_unix_ms
    if not inputs.is_online:
        last = max([*times, *([] if heard is None else [heard])], default=None)
        code = "no_message" if last is None else "no_contact"
        return [_cause(Reason(code), last, forbids=True)]
    if not times:
        return [_cause(Reason("first_reading"), forbids=True)]
    newest = max(times)
    if inputs.now_unix_ms - newest > inputs.stale_after_ms:
        # A node that is not adopted sends new readings only after the host confirms the old ones.
        reason = Reason("no_new_reading" if inputs.is_adopted else "not_adopted")
        return [_cause(reason, newest, level="bad", forbids=True)]
    return []


def _readings(inputs: StateInputs) -> Iterator[Cause]:
    needed = inputs.needed_channels
    old_unix_ms = inputs.now_unix_ms - inputs.stale_after_ms
    for channel in sorted(needed - inputs.readings.keys()):
        yield _cause(Reason("no_reading", channel=channel), forbids=True)
    for channel, reading in inputs.readings.items():
        is_needed = channel in needed
        if reading.unix_ms is None or reading.unix_ms < old_unix_ms:
            if channel.startswith(OF_BOARD):
                continue
            code = "no_reading" if reading.unix_ms is None else "channel_stale"
            yield _cause(Reason(code, channel=channel), reading.unix_ms,
                         level=None if is_needed else "warn", forbids=is_needed)
        elif reading.fault:
            yield _cause(
                Reason("channel_fault", channel=channel, fault=reading.fault),
                reading.fault_unix_ms,
                forbids=is_needed or reading.fault == "in_air" and channel == EC)
        elif reading.value is not None:
            rests = inputs.settings.get("circulation.off_ms") != 0
            yield from _value(channel, reading, reading.value, rests=rests)


def _value(
    channel: str, reading: Reading, value: float, *, rests: bool
) -> Iterator[Cause]:
    if channel == LEAK and value:
        yield _cause(Reason("leak"))
    if channel == CIRCULATION and not value and not rests:
        yield _cause(Reason("circulation_off"), level="warn", forbids=True)
    low, high = reading.low, reading.high
    if low is None or high is None or low <= value <= high:
        return
    if channel == LEVEL and value < low:
        yield _cause(Reason("water_low", level_mm=int(value), low_mm=int(low)), forbids=True)
        return
    quantity = protocol.split_channel(channel)[1]
    edge = low if value < low else high
    yield _cause(
        Reason("reading_below" if value < low else "reading_above", channel=channel,
               scaled=protocol.to_scaled(quantity, value),
               limit_scaled=protocol.to_scaled(quantity, edge)),
        level="warn" if abs(value - edge) > (high - low) / 2 else "note")


def _holds(inputs: StateInputs) -> Iterator[Cause]:
    if inputs.hold is None:
        if not inputs.is_past_read:
            yield _cause(Reason("dosing_unknown"), forbids=True)
        return
    reason, unix_ms = inputs.hold
    if reason.code in ("dosing_stopped", "stopped"):
        yield _cause(reason, unix_ms, forbids=True)
    else:
        yield _cause(Reason("dosing_locked", why=reason), unix_ms, level="bad", forbids=True)


def _settings(inputs: StateInputs) -> Iterator[Cause]:
    enabled = inputs.settings.get("dosing.enabled")
    if inputs.dosers is None or enabled is None:
        yield _cause(Reason("dosing_unknown"), forbids=True)
    elif not enabled:
        yield _cause(Reason("dosing_off"), forbids=True)
    elif inputs.granted_pct == 0:
        yield _cause(Reason("advice_only"), forbids=True)
    if inputs.settings_error is not None:
        yield _cause(Reason("last_settings_refused", why=inputs.settings_error), level="warn")
    elif inputs.wanted_rev and (inputs.reported_rev or 0) < inputs.wanted_rev:
        yield _cause(Reason("settings_waiting", rev=inputs.wanted_rev))
    if inputs.restored_count:
        yield _cause(Reason("backup_differs", count=inputs.restored_count))


def _calibration(inputs: StateInputs) -> Iterator[Cause]:
    if PH not in inputs.readings:
        return
    reason = age_reason(int(inputs.settings.get("ph.calibrated_day", 0)), inputs.now_unix_ms)
    if reason is not None:
        yield _cause(reason, forbids=reason.code == "ph_calibration_old")


def _of_host(inputs: StateInputs) -> Iterator[Cause]:
    if not inputs.is_adopted:
        yield _cause(Reason("not_adopted"))
    if inputs.recipe_paused is not None:
        reason, unix_ms = inputs.recipe_paused
        yield _cause(Reason("recipe_paused", why=reason), unix_ms)


def _of_boot(inputs: StateInputs) -> Iterator[Cause]:
    """Return what the running boot waits for: a trial, the first good readings, its ledger."""
    boot, armed = inputs.boot_unix_ms, inputs.armed_unix_ms
    if inputs.trial_unix_ms is not None:
        yield _cause(Reason("trial"), inputs.trial_unix_ms, forbids=True)
    if boot is not None and (armed is None or armed < boot):
        yield _cause(Reason("not_armed"), boot, forbids=True)
    if inputs.ledger_failed is not None:
        yield _cause(*inputs.ledger_failed, forbids=True)


def _correction(inputs: StateInputs) -> Iterator[Cause]:
    one = inputs.correction
    if one is None:
        return
    if one.state == "ready":
        reason = Reason("correction_ready", actuator=one.actuator, volume_ul=one.next_ul)
    elif one.state == "held" and one.reason is not None:
        reason = Reason("correction_waits", why=one.reason)
    else:
        reason = Reason("correction_open")
    level = "warn" if one.state == "ready" else "note"
    yield _cause(reason, one.unix_ms, level=level, forbids=True)


def _conditions(inputs: StateInputs) -> Iterator[Cause]:
    for reason, unix_ms in inputs.conditions:
        yield _cause(reason, unix_ms,
                     forbids=reason.code in ("water_rises", "water_falls", "flow_with_pump_off"))


def _decisions(inputs: StateInputs) -> Iterator[Cause]:
    """Return what control decided, unless the node has reported its end since."""
    for loop, (reason, unix_ms) in inputs.decisions.items():
        level, is_dosing = level_of(reason), loop in DOSING_LOOPS
        if level == "ok" or _is_over(innermost(reason), unix_ms, inputs):
            continue
        if is_dosing or level in ("warn", "bad"):
            yield _cause(reason, unix_ms, forbids=is_dosing and forbids_doses(reason))


def _is_over(reason: Reason, unix_ms: int, inputs: StateInputs) -> bool:
    """Return whether a decision is known to be outdated: its cause has ended since."""
    code, ended = reason.code, inputs.ended_unix_ms
    if code in LATCHED:
        return inputs.hold is None and ended.get("latch", 0) >= unix_ms
    if code == "dosing_off":
        return bool(inputs.settings.get("dosing.enabled"))
    if code in ("advice", "advice_only"):
        return bool(inputs.granted_pct)
    if code in CORRECTION:
        return inputs.correction is None and ended.get("correction", 0) >= unix_ms
    if code == "arming":
        return (inputs.armed_unix_ms or 0) > unix_ms
    return code == "trial" and inputs.trial_unix_ms is None and ended.get("trial", 0) >= unix_ms


# What holds whether or not the node is in contact, and what is only known of a node in contact.
_STANDING: tuple[Callable[[StateInputs], Iterable[Cause]], ...] = (_holds, _settings, _calibration)
_OF_NOW: tuple[Callable[[StateInputs], Iterable[Cause]], ...] = (
    _of_boot, _correction, _conditions, _decisions)
