"""The calibrations of a host: begun, looked at, finished, kept. Any thread may call."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from idroserra.calibration import board_probes
from idroserra.calibration import probe_health as health
from idroserra.calibration.errors import BadPoint, CannotCalibrate, UnknownCalibration
from idroserra.calibration.history import History, Past, PastPoint
from idroserra.calibration.procedures import KINDS, PointRequest, Proposal
from idroserra.calibration.session import Session, extra_settings
from idroserra.core import protocol
from idroserra.i18n.events import fault_text
from idroserra.i18n.translate import translate_message
from idroserra.nodes.commands import Commands
from idroserra.nodes.live import LiveState
from idroserra.nodes.registry import Nodes

KEPT_SESSIONS = 50
# Faults that a calibration may be the cause of.
_ABSURD = ("uncalibrated", "out_of_range")

Json = dict[str, Any]


class CalibrationService:
    """At most one calibration a node is open; it expires when nobody goes on with it."""

    def __init__(
        self, path: Path, nodes: Nodes, commands: Commands, live: LiveState,
        now_unix_ms: Callable[[], int],
    ) -> None:
        """Open the history in the file `path`."""
        self._parts = (nodes, commands, live, now_unix_ms)
        self._nodes = nodes
        self._now_unix_ms = now_unix_ms
        self._lock = threading.RLock()
        self._sessions: dict[str, Session] = {}
        self._kept: set[str] = set()
        self.history = History(path)

    def start(
        self, node: str, kind_name: str, by: str, *, actuator: str | None = None,
        part: str | None = None,
    ) -> Json:
        """Begin a calibration: dosing is asked to be held. Returns its state.

        Raises UnknownNode, NotAdopted, CannotCalibrate."""
        protocol.check_by(by)
        kind = KINDS.get(kind_name)
        if kind is None:
            raise CannotCalibrate(f"unknown kind {kind_name[:20]!r}: there are {', '.join(KINDS)}")
        with self._lock:
            self._nodes.key(node)
            known = self._nodes.get(node)
            if known.info is None or not known.online:
                raise CannotCalibrate(f"{node} is offline: it must be there to be calibrated")
            board_probes.check(known.info.board, kind, part, dict(known.info.outputs), actuator)
            for other in list(self._sessions.values()):
                self._look(other, is_asked=False)
                if other.node == node and other.is_open:
                    raise CannotCalibrate(f"{other.kind.name} of {node} is being calibrated by "
                                          f"{other.by}: it is {other.id}")
            session = Session(
                f"cal-{secrets.token_hex(6)}", node, kind, by, actuator, self._parts)
            self._sessions[session.id] = session
            self._forget_old()
            return self._json(session)

    def state(self, node: str, session_id: str) -> Json:
        """Return where a calibration stands. Raises UnknownCalibration."""
        with self._lock:
            return self._json(self._get(node, session_id))

    def take(self, node: str, session_id: str, asked: PointRequest) -> Json:
        """Take a point. Raises BadPoint, CannotCalibrate, UnknownCalibration."""
        with self._lock:
            session = self._get(node, session_id)
            session.take(asked)
            return self._json(session)

    def drop_point(self, node: str, session_id: str) -> Json:
        """Take the last point back. Raises CannotCalibrate, UnknownCalibration."""
        with self._lock:
            session = self._get(node, session_id)
            session.drop_point()
            return self._json(session)

    def run_pump(self, node: str, session_id: str, volume_ul: int) -> Json:
        """Let the pump give a volume through the gate. Raises as `take`."""
        with self._lock:
            session = self._get(node, session_id)
            session.run_pump(volume_ul)
            return self._json(session)

    def go_to_factory(self, node: str, session_id: str) -> Json:
        """Put the factory values in force and begin anew. Raises as `take`."""
        with self._lock:
            session = self._get(node, session_id)
            session.go_to_factory({key: row.default for key, row in protocol.SETTINGS.items()})
            return self._json(session)

    def finish(self, node: str, session_id: str) -> Json:
        """Put what the points come to in force; state "done" once the node says so.

        Raises as `take`."""
        with self._lock:
            session = self._get(node, session_id)
            proposal = session.propose()
            session.finish(self._health(session, proposal), self._extra(session, proposal))
            return self._json(session)

    def cancel(self, node: str, session_id: str) -> Json:
        """End a calibration with nothing changed. Raises UnknownCalibration."""
        with self._lock:
            session = self._get(node, session_id)
            session.cancel()
            return self._json(session)

    def back(self, node: str, kind_name: str) -> Past:
        """Return the calibration that may be taken back: the newest of its kind, still in force.

        Raises UnknownNode, CannotCalibrate."""
        report = self._nodes.get(node).report
        past = self.history.newest(node, kind_name)
        if past is None or any(past.settings[key][0] is None for key in _mine(past)):
            raise CannotCalibrate("there is no calibration to go back from")
        if report is None or any(
            report.values.get(key) != past.settings[key][1] for key in _mine(past)
        ):
            raise CannotCalibrate("other settings are in force by now than this calibration made: "
                                  "calibrate anew, or set them by hand")
        return past

    def go_back(self, node: str, kind_name: str, by: str) -> int:
        """Put in force what was before the newest calibration of a kind; return the new rev.

        A share of the budgets that it took back stays so: only a person raises it. Raises
        UnknownNode, NotAdopted, CannotCalibrate."""
        protocol.check_by(by)
        with self._lock:
            if self.open_of(node) is not None:
                raise CannotCalibrate(f"{node} is being calibrated: end that first")
            past = self.back(node, kind_name)
            before = {key: past.settings[key][0] for key in _mine(past)}
            rev = self._parts[1].set_config(node, before, by)
            self.history.undo(past.id, self._now_unix_ms(), by)
            return rev

    def open_of(self, node: str) -> Json | None:
        """Return the open calibration of a node, or None. This look does not keep it open."""
        with self._lock:
            for session in self._sessions.values():
                if session.node == node:
                    self._look(session, is_asked=False)
                    if session.is_open:
                        return self._json(session)
        return None

    def close(self) -> None:
        """Close the history. Holds end by themselves."""
        self.history.close()

    def _get(self, node: str, session_id: str) -> Session:
        session = self._sessions.get(session_id)
        if session is None or session.node != node:
            raise UnknownCalibration(f"no calibration {session_id[:40]} of {node[:40]}")
        self._look(session, is_asked=True)
        return session

    def _look(self, session: Session, *, is_asked: bool) -> None:
        session.look(is_asked=is_asked)
        if session.state in ("done", "unconfirmed") and session.id not in self._kept:
            self._keep(session)

    def _keep(self, session: Session) -> None:
        proposal = session.proposal
        if proposal is None:
            return
        points = [PastPoint(p.reference, p.true_value, p.reading, p.temp_c) for p in session.taken]
        self.history.add(Past(
            session.id, session.node, session.kind.name, session.actuator, session.by,
            self._now_unix_ms(), session.state == "done", session.health, proposal.results, points,
            {key: (session.before[key], value) for key, value in session.after.items()},
        ))
        self._kept.add(session.id)

    def _health(self, session: Session, proposal: Proposal) -> int | None:
        if session.kind.name != "ph" or session.health is not None:
            return session.health
        results = proposal.results
        slopes = [*self.history.slopes(session.node), (self._now_unix_ms(), results["slope_pct"])]
        return health.score(results["slope_pct"], results["offset_mv"], 0, health.trend(slopes))

    def _extra(self, session: Session, proposal: Proposal) -> Json:
        report = self._nodes.get(session.node).report
        asked_pct = 100 if report is None else int(report.values["dosing.authority_pct"])
        return extra_settings(session.kind, self._health(session, proposal), asked_pct,
                              self._now_unix_ms())

    def _forget_old(self) -> None:
        over = [key for key, session in self._sessions.items() if not session.is_open]
        for key in over[:-KEPT_SESSIONS]:
            del self._sessions[key]
            self._kept.discard(key)

    def _json(self, session: Session) -> Json:
        settling, reading = session.settling(), session.reading
        return {
            "id": session.id, "node": session.node, "kind": session.kind.name,
            "actuator": session.actuator, "by": session.by, "state": session.state,
            "reason": translate_message(session.why),
            "hold": session.hold | {"reason": translate_message(session.hold["reason"])},
            "reading": None if reading is None else {
                "value": reading.value, "fault": reading.fault, "temp_c": reading.temp_c,
                "unix_ms": reading.unix_ms, "is_stable": settling.is_stable,
                "text": translate_message(settling.text), "per_minute": settling.per_minute,
                "is_overdue": settling.is_overdue, "progress": settling.progress,
                "fault_text": None if reading.fault is None else fault_text(reading.fault),
            },
            "advice": _advice(session),
            "points": [
                {"reference": p.reference, "true_value": p.true_value, "reading": p.reading,
                 "temp_c": p.temp_c} for p in session.taken
            ],
            "run": None if session.pump_run is None else {
                **session.pump_run, "reason": translate_message(session.pump_run["reason"])},
            "proposal": self._proposal_json(session),
        }

    def _proposal_json(self, session: Session) -> Json | None:
        proposal = session.proposal
        try:
            if proposal is None and session.taken:
                proposal = session.propose()
        except BadPoint as refusal:
            return {"error": translate_message(refusal.why), "code": refusal.code}
        if proposal is None:
            return None
        notes = list(proposal.notes)
        probe_health = self._health(session, proposal)
        settings = dict(proposal.settings)
        if session.is_open:
            settings |= self._extra(session, proposal)
        if "dosing.authority_pct" in settings:
            notes.append(f"The probe's health is {probe_health} of 100: dosing goes back to "
                         f"{settings['dosing.authority_pct']} % of its budgets. Replace the "
                         "electrode.")
        return {"settings": settings, "results": dict(proposal.results),
                "notes": [translate_message(note) for note in notes],
                "health": probe_health, "error": None, "code": None}


def _mine(past: Past) -> list[str]:
    """Return the settings of a calibration that going back changes."""
    return [key for key in past.settings if key != "dosing.authority_pct"]


def _advice(session: Session) -> str | None:
    """Return what to do before anything else, or None."""
    reading = session.reading
    if session.is_open and reading is not None and reading.fault in _ABSURD:
        return ("The present calibration gives no sensible value: go back to the factory values "
                "first.")
    return None
