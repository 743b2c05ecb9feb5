"""Starts, tracks, finishes and records calibrations. Any thread may call."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from idroserra.auth.clock import Uptime, system_uptime
from idroserra.auth.identity import by_the_host_itself
from idroserra.calibration import board_probes
from idroserra.calibration import probe_health as health
from idroserra.calibration.errors import BadPoint, CannotCalibrate, UnknownCalibration
from idroserra.calibration.history import CalibrationHistory, PastCalibration
from idroserra.calibration.procedures import PROCEDURES, PointRequest, Proposal
from idroserra.calibration.session import CalibrationSession, extra_settings
from idroserra.core import protocol
from idroserra.core.reasons import Reason
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.i18n.reasons import fault_text, reason_json, sentence_json
from idroserra.nodes.commands import Commands
from idroserra.nodes.live import LiveState
from idroserra.nodes.registry import Nodes

KEPT_SESSIONS = 50
# Faults that a wrong calibration may cause.
_ABSURD = ("uncalibrated", "out_of_range")

Json = dict[str, Any]


class CalibrationService:
    """At most one calibration is open on a node; it expires without activity."""

    def __init__(
        self, path: Path, nodes: Nodes, commands: Commands, live: LiveState,
        now_unix_ms: Callable[[], int], uptime: Callable[[], Uptime] = system_uptime,
    ) -> None:
        """Open the history in the file `path`."""
        self._parts = (nodes, commands, live, now_unix_ms, uptime)
        self._nodes = nodes
        self._now_unix_ms = now_unix_ms
        self._lock = threading.RLock()
        self._sessions: dict[str, CalibrationSession] = {}
        self._recorded: set[str] = set()
        self.history = CalibrationHistory(path)

    def start(
        self, node: str, kind_name: str, by: str, *, actuator: str | None = None,
        part: str | None = None,
    ) -> Json:
        """Start a calibration and request a hold of dosing. Returns its state.

        Raises UnknownNode, NotAdopted, CannotCalibrate."""
        protocol.check_by(by)
        kind = PROCEDURES.get(kind_name)
        if kind is None:
            raise CannotCalibrate(Text(N_("unknown kind {kind}: use one of {kinds}"),
                                       kind=kind_name[:20], kinds=", ".join(PROCEDURES)))
        with self._lock:
            self._nodes.key(node)
            known = self._nodes.get(node)
            if known.info is None or not known.online:
                raise CannotCalibrate(Text(
                    N_("{node} is offline: it must be online to be calibrated"), node=node))
            board_probes.check(known.info.board, kind, part, dict(known.info.outputs), actuator)
            for other in self._of(node):
                self._update(other, is_activity=False)
                if other.is_open:
                    raise CannotCalibrate(Text(
                        N_("{by} is calibrating {kind} of {node} in {id}"), by=other.by,
                        kind=other.kind.name, node=node, id=other.id))
            session = CalibrationSession(
                f"cal-{secrets.token_hex(6)}", node, kind, by, actuator, self._parts)
            self._sessions[session.id] = session
            self._forget_old()
            return self._json(session)

    def state(self, node: str, session_id: str, *, is_activity: bool = True) -> Json:
        """Return the state of a calibration; is_activity: on behalf of an operator.

        Raises UnknownCalibration."""
        with self._lock:
            return self._json(self._get(node, session_id, is_activity=is_activity))

    def take(self, node: str, session_id: str, asked: PointRequest) -> Json:
        """Take a point. Raises BadPoint, CannotCalibrate, UnknownCalibration."""
        return self._act(node, session_id, lambda session: session.take(asked))

    def drop_point(self, node: str, session_id: str) -> Json:
        """Delete the last point. Raises CannotCalibrate, UnknownCalibration."""
        return self._act(node, session_id, CalibrationSession.drop_point)

    def run_pump(self, node: str, session_id: str, volume_ul: int, by: str) -> Json:
        """Run the pump for a volume, through the safety gate. Raises as `take`."""
        return self._act(node, session_id, lambda session: session.run_pump(volume_ul, by))

    def reset_to_factory(self, node: str, session_id: str, by: str) -> Json:
        """Set the factory values and restart the calibration. Raises as `take`."""
        factory = {key: row.default for key, row in protocol.SETTINGS.items()}
        return self._act(node, session_id, lambda session: session.reset_to_factory(factory, by))

    def finish(self, node: str, session_id: str, by: str) -> Json:
        """Send the settings of the fit; state "done" once the node confirms them.

        The calibration is from then on that of `by`. Raises as `take`."""
        with self._lock:
            session = self._get(node, session_id)
            proposal = session.propose()
            session.finish(self._health(session, proposal), self._extra(session, proposal), by)
            return self._json(session)

    def cancel(self, node: str, session_id: str) -> Json:
        """End a calibration without a change. Raises UnknownCalibration."""
        return self._act(node, session_id, CalibrationSession.cancel)

    def forget(self, node: str) -> None:
        """Cancel the open calibration of a node that is to be forgotten, if it has one."""
        with self._lock:
            for session in self._of(node):
                session.cancel()

    def undoable(self, node: str, kind_name: str) -> PastCalibration:
        """Return the calibration that can be undone: the newest of its kind, if still active.

        Raises UnknownNode, CannotCalibrate."""
        report = self._nodes.get(node).report
        past = self.history.newest(node, kind_name)
        if past is None or any(past.settings[key][0] is None for key in _own_settings(past)):
            raise CannotCalibrate(Text(N_("there is no calibration to undo")))
        if report is None or any(
                report.values.get(key) != past.settings[key][1] for key in _own_settings(past)):
            raise CannotCalibrate(Text(N_(
                "the settings changed since this calibration: calibrate again, or set them by "
                "hand")))
        return past

    def undo(self, node: str, kind_name: str, by: str) -> int:
        """Restore the settings before the newest calibration of a kind; return the new rev.

        A dosing authority that it reduced stays: only a person raises it. Raises
        UnknownNode, NotAdopted, CannotCalibrate."""
        protocol.check_by(by)
        with self._lock:
            if self.open_of(node) is not None:
                raise CannotCalibrate(Text(
                    N_("{node} is being calibrated: end that first"), node=node))
            past = self.undoable(node, kind_name)
            before = {key: past.settings[key][0] for key in _own_settings(past)}
            rev = self._parts[1].set_config(node, before, by)
            self.history.mark_undone(past.id, self._now_unix_ms(), by)
            return rev

    def open_of(self, node: str) -> Json | None:
        """Return the open calibration of a node, or None. This does not count as activity."""
        with self._lock:
            for session in self._of(node):
                self._update(session, is_activity=False)
                if session.is_open:
                    return self._json(session)
        return None

    def close(self) -> None:
        """Close the history. Holds expire on the nodes."""
        self.history.close()

    def _act(
        self, node: str, session_id: str, action: Callable[[CalibrationSession], object]
    ) -> Json:
        with self._lock:
            session = self._get(node, session_id)
            action(session)
            return self._json(session)

    def _of(self, node: str) -> list[CalibrationSession]:
        return [session for session in self._sessions.values() if session.node == node]

    def _get(
        self, node: str, session_id: str, *, is_activity: bool = True
    ) -> CalibrationSession:
        session = self._sessions.get(session_id)
        if session is None or session.node != node:
            raise UnknownCalibration(Text(N_("no calibration {id} of {node}"),
                                          id=session_id[:40], node=node[:40]))
        self._update(session, is_activity=is_activity)
        return session

    def _update(self, session: CalibrationSession, *, is_activity: bool) -> None:
        with by_the_host_itself():
            session.update(is_activity=is_activity)
        if session.state in ("done", "unconfirmed") and session.id not in self._recorded:
            self._record(session)

    def _record(self, session: CalibrationSession) -> None:
        proposal = session.proposal
        if proposal is None:
            return
        self.history.add(PastCalibration(
            session.id, session.node, session.kind.name, session.actuator, session.by,
            session.applied_unix_ms, session.state == "done", session.health, proposal.results,
            session.taken,
            {key: (session.before[key], value) for key, value in session.after.items()}))
        self._recorded.add(session.id)

    def _health(self, session: CalibrationSession, proposal: Proposal) -> int | None:
        if session.kind.name != "ph" or session.health is not None:
            return session.health
        results = proposal.results
        slopes = [*self.history.slopes(session.node), (self._now_unix_ms(), results["slope_pct"])]
        return health.score(results["slope_pct"], results["offset_mv"], 0, health.trend(slopes))

    def _extra(self, session: CalibrationSession, proposal: Proposal) -> Json:
        report = self._nodes.get(session.node).report
        asked_pct = 100 if report is None else int(report.values["dosing.authority_pct"])
        return extra_settings(session.kind, self._health(session, proposal), asked_pct,
                              self._now_unix_ms())

    def _forget_old(self) -> None:
        over = [key for key, session in self._sessions.items() if not session.is_open]
        for key in over[:-KEPT_SESSIONS]:
            del self._sessions[key]
            self._recorded.discard(key)

    def _json(self, session: CalibrationSession) -> Json:
        settling, reading = session.settling(), session.reading
        return {
            "id": session.id, "node": session.node, "kind": session.kind.name,
            "actuator": session.actuator, "by": session.by, "state": session.state,
            "reason": reason_json(session.reason),
            "hold": session.hold | {"reason": reason_json(session.hold["reason"])},
            "reading": None if reading is None else {
                "value": reading.value, "fault": reading.fault, "temp_c": reading.temp_c,
                "unix_ms": reading.unix_ms, "is_stable": settling.is_stable,
                "settling": reason_json(settling.reason), "per_minute": settling.per_minute,
                "is_overdue": settling.is_overdue, "progress": settling.progress,
                "fault_text": None if reading.fault is None else fault_text(reading.fault),
            },
            "advice": _advice(session),
            "points": [point.to_json() for point in session.taken],
            "run": None if session.pump_run is None else {
                **session.pump_run, "reason": reason_json(session.pump_run["reason"])},
            "proposal": self._proposal_json(session),
        }

    def _proposal_json(self, session: CalibrationSession) -> Json | None:
        proposal = session.proposal
        try:
            if proposal is None and session.taken:
                proposal = session.propose()
        except BadPoint as refusal:
            return {"error": reason_json(refusal.reason)}
        if proposal is None:
            return None
        notes = list(proposal.notes)
        probe_health = self._health(session, proposal)
        settings = dict(proposal.settings)
        if session.is_open:
            settings |= self._extra(session, proposal)
        if "dosing.authority_pct" in settings:
            notes.append(Reason("probe_poor", score=probe_health,
                                authority_pct=settings["dosing.authority_pct"]))
        return {"settings": settings, "results": dict(proposal.results),
                "notes": [sentence_json(note) for note in notes],
                "health": probe_health, "error": None}


def _own_settings(past: PastCalibration) -> list[str]:
    """Return the settings of a calibration that an undo restores."""
    return [key for key in past.settings if key != "dosing.authority_pct"]


def _advice(session: CalibrationSession) -> Json | None:
    """Return what the operator must do first, or None."""
    reading = session.reading
    if session.is_open and reading is not None and reading.fault in _ABSURD:
        return sentence_json(Reason("calibration_implausible"))
    return None
