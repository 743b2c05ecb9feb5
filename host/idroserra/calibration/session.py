"""One calibration in progress: readings, points, and the hold of dosing on the node.

Nothing waits: each update processes the node's messages since the last one. Deadlines are of the
machine's uptime, as the hold of the node is: a wall clock that is set back would show a hold that
has ended. Not thread-safe: CalibrationService serialises the calls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from idroserra.auth.clock import Uptime
from idroserra.calibration import probe_health as health
from idroserra.calibration.errors import CannotCalibrate
from idroserra.calibration.procedures import Measurement, Point, PointRequest, Procedure, Proposal
from idroserra.calibration.stability import Reading, Settling, judge
from idroserra.core.reasons import Reason
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.node_state.calibration_age import age_reason, day_of
from idroserra.nodes.commands import Commands
from idroserra.nodes.live import LiveState
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes

HOLD_MS = 1_200_000
RENEW_BELOW_MS = 720_000
# After the end the probe settles in the tank before control uses it.
LAST_HOLD_MS = 120_000
IDLE_MS = 900_000
CONFIRM_MS = 60_000
RUN_MS = 40_000
SILENT_MS = 15_000  # held, a node samples every 2 s: the probe may be elsewhere since
_KEPT_READINGS = 400
_TEMP = "reservoir.temp_c"
_PH_DAY = "ph.calibrated_day"
OPEN_STATES = ("open", "applying")
# Why a calibration that is no longer open takes no request.
_ENDED = {
    "applying": N_("this calibration is being applied already"),
    "done": N_("this calibration is done already"),
    "failed": N_("this calibration has failed already"),
    "cancelled": N_("this calibration was cancelled already"),
    "expired": N_("this calibration has expired already"),
    "unconfirmed": N_("this calibration was sent already"),
}


class CalibrationSession:
    """One calibration of one kind on one node."""

    def __init__(
        self, session_id: str, node: str, kind: Procedure, by: str, actuator: str | None,
        parts: tuple[Nodes, Commands, LiveState, Callable[[], int], Callable[[], Uptime]],
    ) -> None:
        self.id = session_id
        self.node = node
        self.kind = kind
        self.by = by
        self.actuator = actuator
        self.state = "open"
        self.reason: Reason | None = None
        self.taken: list[Point] = []
        self._nodes, self._commands, self._live, self._now_unix_ms, self._uptime = parts
        self._settings = self._active_settings()
        self._boot_id = self._running_boot()
        self._subscription = self._live.subscribe()
        self._readings: deque[Reading] = deque(maxlen=_KEPT_READINGS)
        self._since_unix_ms = 0
        # All `_ms` without `unix` are of the machine's uptime.
        self._touched_ms = self._heard_ms = self._hold_asked_ms = self._uptime().ms
        self._hold_id = self._hold(HOLD_MS)
        self._held_until_ms = 0
        self._hold_reason: Reason | None = None
        self._run: dict[str, Any] | None = None
        self._run_id = self._run_by = ""
        self._run_asked_ms = self._applied_ms = 0
        self.before: dict[str, Any] = {}
        self.after: dict[str, Any] = {}
        self.proposal: Proposal | None = None
        self.health: int | None = None
        self._rev = 0
        self.applied_unix_ms = 0

    @property
    def is_open(self) -> bool:
        """True until it is done, failed, cancelled or expired."""
        return self.state in OPEN_STATES

    def update(self, *, is_activity: bool = True) -> None:
        """Process what happened since; is_activity: on behalf of an operator."""
        if not self.is_open:
            return
        now_ms = self._uptime().ms
        if self.state == "applying":
            self._check_report(now_ms)
            return
        if now_ms - self._touched_ms > IDLE_MS:
            self._end("expired", Reason("calibration_idle", for_ms=IDLE_MS))
            return
        if is_activity:
            self._touched_ms = now_ms
        self._read_messages()
        if now_ms - self._heard_ms > SILENT_MS:
            self._readings.clear()
        self._update_hold(now_ms)
        self._update_run(now_ms)
        if self._active_settings() != self._settings:
            self._restart()

    def settling(self) -> Settling:
        """Return the settling of the reading since the last point."""
        if self.kind.limits is None:
            return Settling(False, None, 0)
        return judge(self._readings, self.kind.limits, self._since_unix_ms)

    @property
    def reading(self) -> Reading | None:
        """The newest reading."""
        return self._readings[-1] if self._readings else None

    @property
    def pump_run(self) -> Mapping[str, Any] | None:
        """The newest pump run: state, reason, on_ms, since_unix_ms."""
        return self._run

    @property
    def hold(self) -> dict[str, Any]:
        """The state of the hold: is_held, until_unix_ms, reason."""
        left_ms = self._held_until_ms - self._uptime().ms
        until_unix_ms = self._now_unix_ms() + left_ms if self._held_until_ms else None
        return {"is_held": left_ms > 0, "until_unix_ms": until_unix_ms,
                "reason": self._hold_reason}

    def take(self, asked: PointRequest) -> Point:
        """Take a point. Raises BadPoint, CannotCalibrate."""
        self._check_open()
        self._check_held()
        ran_ms = None
        if self._run is not None and self._run["state"] == "given":
            ran_ms = self._run["on_ms"]
        measured = Measurement(tuple(self._readings), self.settling(), self._settings, ran_ms)
        point = self.kind.take(asked, measured, self.taken)
        self.taken.append(point)
        self._run = None
        if self._readings:
            self._since_unix_ms = self._readings[-1].unix_ms + 1
        return point

    def drop_point(self) -> None:
        """Delete the last point. Raises CannotCalibrate."""
        self._check_open()
        if not self.taken:
            raise CannotCalibrate(Text(N_("there is no point to delete")))
        self.taken.pop()

    def propose(self) -> Proposal:
        """Return the fit of the points. Raises BadPoint."""
        return self.kind.propose(self.taken, self._settings)

    def run_pump(self, volume_ul: int, by: str) -> None:
        """Run the pump for a volume, as a manual dose. Raises CannotCalibrate."""
        self._check_open()
        self._check_held()
        if self.actuator is None:
            raise CannotCalibrate(Text(N_("only a pump can be run")))
        if self._run is not None and self._run["state"] == "pending":
            raise CannotCalibrate(Text(N_("the pump is running")))
        args = {"actuator": self.actuator, "volume_ul": volume_ul}
        self._read_messages()
        self._run_asked_ms = self._uptime().ms
        self._run_id, self._run_by = self._commands.send(self.node, "dose", args, by), by
        self._run = {"state": "pending", "reason": None, "on_ms": None,
                     "since_unix_ms": self._now_unix_ms()}

    def reset_to_factory(self, defaults: Mapping[str, Any], by: str) -> None:
        """Set the factory values and discard the points. Raises CannotCalibrate.

        The day of a pH calibration is taken back, unless it is so old that it holds dosing: most
        probes may dose without a day."""
        self._check_open()
        changes = {key: defaults[key] for key in self.kind.keys}
        if self.kind.name == "ph" and not self._is_too_old():
            changes[_PH_DAY] = defaults[_PH_DAY]
        self._commands.set_config(self.node, changes, by)
        self._restart()

    def finish(self, probe_health: int | None, extra: Mapping[str, Any], by: str) -> None:
        """Send the settings of the fit and `extra`; the calibration is then that of `by`.

        Raises BadPoint, CannotCalibrate."""
        self._check_open()
        self.proposal = self.propose()
        self.health = probe_health
        changes = dict(self.proposal.settings) | dict(extra)
        report = self._nodes.get(self.node).report
        known = {} if report is None else report.values
        self.before = {key: known.get(key) for key in changes}
        self.after = changes
        self._rev = self._commands.set_config(self.node, changes, by)
        self.by = by
        self.applied_unix_ms, self._applied_ms = self._now_unix_ms(), self._uptime().ms
        self.state = "applying"

    def cancel(self) -> None:
        """End without a change; no effect once settings were sent."""
        if self.state == "open":
            self._end("cancelled", None)

    def _check_open(self) -> None:
        if self.state != "open":
            raise CannotCalibrate(Text(_ENDED[self.state]))

    def _check_held(self) -> None:
        if not self.hold["is_held"]:
            raise CannotCalibrate(Reason(
                "dosing_not_held", why=self._hold_reason or Reason("hold_unanswered")))

    def _running_boot(self) -> str:
        info = self._nodes.get(self.node).info
        return "" if info is None else info.boot_id

    def _hold(self, for_ms: int) -> str:
        return self._commands.send(self.node, "hold", {"for_ms": for_ms}, self.by)

    def _update_hold(self, now_ms: int) -> None:
        boot_id = self._running_boot()
        if boot_id != self._boot_id:  # a reset ends a hold
            self._boot_id, self._held_until_ms = boot_id, 0
            self._hold_asked_ms = now_ms
            self._hold_id = self._hold(HOLD_MS)
        command = self._commands.state(self._hold_id)
        if command.state == "done":
            self._held_until_ms = max(self._held_until_ms, self._hold_asked_ms + HOLD_MS)
            self._hold_reason = None
        elif command.state != "pending":
            self._hold_reason = command.reason or Reason("hold_unanswered")
        # A command may stay pending for longer than CONFIRM_MS if the wall clock is set back.
        if self._held_until_ms - now_ms < RENEW_BELOW_MS and (
                command.state == "done" or now_ms - self._hold_asked_ms > CONFIRM_MS):
            self._hold_asked_ms = now_ms
            self._hold_id = self._hold(HOLD_MS)

    def _update_run(self, now_ms: int) -> None:
        run = self._run
        if run is None or run["state"] != "pending":
            return
        command = self._commands.state(self._run_id)
        if command.state not in ("pending", "done"):
            run["state"] = "refused"
            run["reason"] = command.reason or Reason("hold_unanswered")
        elif now_ms - self._run_asked_ms > RUN_MS:
            run["state"] = "refused"
            run["reason"] = Reason("dose_unreported")

    def _check_report(self, now_ms: int) -> None:
        node = self._nodes.get(self.node)
        report = node.report
        if report is not None and report.rev >= self._rev:
            if all(report.values.get(key) == value for key, value in self.after.items()):
                self._end("done", None)
            else:
                self._end("failed", Reason("settings_changed"))
        elif report is not None and report.error is not None and node.refused_rev >= self._rev:
            self._end("failed", Reason("settings_refused", why=report.error))
        elif now_ms - self._applied_ms > CONFIRM_MS:
            self._end("unconfirmed", Reason("settings_unconfirmed"))

    def _end(self, state: str, reason: Reason | None) -> None:
        self.state, self.reason = state, reason
        self._live.unsubscribe(self._subscription)
        was_asked = self._commands.state(self._hold_id).state in ("pending", "done")
        if was_asked and self._uptime().ms < self._hold_asked_ms + HOLD_MS:
            self._hold(LAST_HOLD_MS)

    def _read_messages(self) -> None:
        for message in self._subscription.take():
            if message.get("node") == self.node:
                self._on_message(message)

    def _on_message(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "record":
            self._on_record(message)
        elif message["type"] == "event" and message["kind"] == "dosed":
            self._on_dose(message)

    def _on_record(self, message: Mapping[str, Any]) -> None:
        channel = self.kind.channel
        if channel is None:
            return
        values, faults = message["values"], message["faults"]
        if channel in values or channel in faults:
            self._heard_ms = self._uptime().ms
            self._readings.append(Reading(
                message["unix_ms"], values.get(channel), faults.get(channel), values.get(_TEMP)))

    def _on_dose(self, message: Mapping[str, Any]) -> None:
        run, detail = self._run, message["detail"]
        if run is None or run["state"] != "pending" or detail.get("actuator") != self.actuator:
            return
        on_ms = detail.get("on_ms")
        if detail.get("by") == self._run_by and isinstance(on_ms, int):
            run["state"], run["on_ms"] = "given", on_ms

    def _restart(self) -> None:
        """Discard readings and points: under other settings the same signal reads differently."""
        self._settings = self._active_settings()
        self._readings.clear()
        self.taken.clear()

    def _is_too_old(self) -> bool:
        """Return whether the node doses no acid or base by this pH calibration."""
        report = self._nodes.get(self.node).report
        reason = None if report is None else age_reason(
            report.values[_PH_DAY], self._now_unix_ms())
        return reason is not None and reason.code == "ph_calibration_old"

    def _active_settings(self) -> dict[str, Any]:
        node: Node = self._nodes.get(self.node)
        if node.report is None:
            raise CannotCalibrate(Text(N_("the node has not reported its settings yet")))
        keys = (*self.kind.keys, "ec.alpha_ppm_c")
        return {key: node.report.values[key] for key in keys}


def extra_settings(
    kind: Procedure, probe_health: int | None, asked_pct: int, unix_ms: int
) -> dict[str, Any]:
    """Return the settings a finished calibration changes besides its own: the day of a pH
    calibration and, for a poor probe, a lower dosing authority."""
    if kind.name != "ph":
        return {}
    extra: dict[str, Any] = {_PH_DAY: day_of(unix_ms)}
    if probe_health is not None:
        granted_pct = health.authority_pct(probe_health, asked_pct)
        if granted_pct != asked_pct:
            extra["dosing.authority_pct"] = granted_pct
    return extra
