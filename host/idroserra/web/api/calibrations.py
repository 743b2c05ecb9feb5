"""The HTTP API of calibrations: start, take points, finish, history."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from idroserra.auth.identity import check_recent_password, current_identity
from idroserra.auth.roles import Role
from idroserra.calibration.errors import CannotCalibrate
from idroserra.calibration.history import PastCalibration
from idroserra.calibration.procedures import PROCEDURES, PointRequest
from idroserra.calibration.service import CalibrationService
from idroserra.core.validation import string_pattern
from idroserra.i18n.reasons import sentence_json
from idroserra.node_state.calibration_age import age_reason, days_left
from idroserra.nodes.registry import Nodes
from idroserra.web.api.schemas import AskedBy, In, Out, ReasonOut, error_replies
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Routes

_ERROR_REPLIES = error_replies({
    404: "No such node or calibration.", 409: "Refused; the message says what to do.",
    429: "Too many commands at once; Retry-After in seconds.",
    503: "The host's database does not answer.",
})
_NAME = r"^[a-z][a-z0-9_]{0,23}$"


class StartIn(AskedBy):
    """The probe or pump to calibrate."""

    kind: Literal["ph", "ec", "level", "pump"]
    actuator: Annotated[str, string_pattern(_NAME, description="Pump: the doser.")] | None = None
    part: Annotated[str, string_pattern(
        _NAME, description="The part, for a board unknown to the host.")] | None = None


class PointIn(In):
    """A calibration point; the kind determines the fields."""

    reference: Annotated[str, Meta(
        max_length=20,
        description="pH: 4.01, 6.86, 7.00, 9.18 or 10.01; EC: dry, 1413, 2760 or 12880.")] = ""
    temp_c: Annotated[float, Meta(
        ge=0, le=60,
        description="Of the cup; default: the node's thermometer.")] | None = None
    depth_mm: Annotated[int, Meta(
        ge=0, le=5_000, description="Level: depth of the water.")] | None = None
    measured_ml: Annotated[float, Meta(
        ge=0, le=1_000, description="Pump: volume of the last run.")] | None = None


class RunIn(AskedBy):
    """A run of the pump. The safety gate limits and books it as a manual dose."""

    volume_ml: Annotated[float, Meta(ge=0.1, le=20)]


class CalibrationOut(Out):
    """The state of a calibration, which expires 15 minutes after the last request of an
    operator."""

    id: str
    node: str
    kind: str
    actuator: str | None
    by: str
    state: Annotated[str, Meta(
        description="open, applying, done, unconfirmed, failed, cancelled or expired")]
    reason: Annotated[ReasonOut | None, Meta(description="Why it ended.")]
    hold: Annotated[dict[str, Any], Meta(description="is_held, until_unix_ms, reason")]
    reading: Annotated[dict[str, Any] | None, Meta(
        description="value or fault, fault_text, temp_c, unix_ms, is_stable, settling (code, "
                    "values, text), per_minute, is_overdue, progress (0 to 1, towards stable)")]
    advice: Annotated[ReasonOut | None, Meta(description="What to do first.")]
    points: list[dict[str, Any]]
    run: Annotated[dict[str, Any] | None, Meta(description="Of a pump: state, reason, on_ms")]
    proposal: Annotated[dict[str, Any] | None, Meta(
        description="settings, results, notes, health; or error. notes and error: code, values, "
                    "text")]


class PastOut(Out):
    """A calibration that was applied."""

    id: str
    kind: str
    actuator: str | None
    by: str
    unix_ms: int
    is_confirmed: bool
    health: int | None
    results: dict[str, float]
    points: list[dict[str, Any]]
    settings: dict[str, dict[str, Any]]
    undone_unix_ms: Annotated[int | None, Meta(description="Time of the undo.")]
    undone_by: str | None


class BackIn(AskedBy):
    """The kind whose last calibration is undone."""

    kind: Literal["ph", "ec", "level", "pump"]


class BackOut(Out):
    """The settings revision that the node will confirm."""

    rev: int


class HistoryOut(Out):
    """Calibrations, newest first; health_now: health of the pH probe; warning: from its age.

    due_in_days: of pH, negative if overdue, null if unknown. back: kinds whose last calibration
    can be undone."""

    open: CalibrationOut | None
    health_now: int | None
    warning: ReasonOut | None
    due_in_days: int | None
    back: list[str]
    calibrations: list[PastOut]


def calibrations_router(calibrations: CalibrationService, nodes: Nodes) -> Routes:
    """Return the routes under /api/nodes/{node}/calibrations."""
    router = Routes("/api/nodes/{node}/calibrations", _ERROR_REPLIES)
    _add_reads(router, calibrations, nodes)
    _add_actions(router, calibrations)
    return router


def _add_reads(router: Routes, calibrations: CalibrationService, nodes: Nodes) -> None:
    @router.get("", answer=HistoryOut)
    def history(
        node: str,
        kind: Literal["ph", "ec", "level", "pump"] | None = None,
        limit: Annotated[int, Meta(ge=1, le=1_000)] = 100,
    ) -> dict[str, Any]:
        """Return past calibrations and the open one."""
        known = nodes.get(node)
        now = wall_unix_ms()
        day = 0 if known.report is None else int(known.report.values["ph.calibrated_day"])
        warning = age_reason(day, now)
        return {
            "open": calibrations.open_of(node),
            "health_now": calibrations.history.health_now(node, now),
            "warning": sentence_json(warning),
            "due_in_days": days_left(day, now),
            "back": [kind for kind in PROCEDURES if _may_go_back(calibrations, node, kind)],
            "calibrations": [past_json(one) for one in calibrations.history.of(node, kind, limit)]}

    @router.get("/{calibration}", answer=CalibrationOut)
    def state(node: str, calibration: str) -> dict[str, Any]:
        """Return the state of a calibration. Read by a viewer, it expires all the same."""
        who = current_identity()
        return calibrations.state(
            node, calibration, is_activity=who is None or who.role >= Role.OPERATOR)


def _add_actions(router: Routes, calibrations: CalibrationService) -> None:
    @router.post("", status=201, answer=CalibrationOut)
    def start(node: str, body: StartIn) -> dict[str, Any]:
        """Start a calibration. The node holds automatic dosing and filling until its end."""
        check_recent_password()
        return calibrations.start(
            node, body.kind, body.by, actuator=body.actuator, part=body.part)

    @router.post("/back", answer=BackOut)
    def back(node: str, body: BackIn) -> dict[str, Any]:
        """Undo the last calibration of a kind."""
        check_recent_password()
        return {"rev": calibrations.undo(node, body.kind, body.by)}

    @router.post("/{calibration}/points", answer=CalibrationOut)
    def take(node: str, calibration: str, body: PointIn) -> dict[str, Any]:
        """Take a point; the reading must be stable."""
        measured_ul = None if body.measured_ml is None else round(body.measured_ml * 1_000)
        asked = PointRequest(body.reference, body.temp_c, body.depth_mm, measured_ul)
        return calibrations.take(node, calibration, asked)

    @router.delete("/{calibration}/points/last", answer=CalibrationOut)
    def drop(node: str, calibration: str) -> dict[str, Any]:
        """Remove the last point."""
        return calibrations.drop_point(node, calibration)

    @router.post("/{calibration}/runs", answer=CalibrationOut)
    def run(node: str, calibration: str, body: RunIn) -> dict[str, Any]:
        """Run the pump; `run` of the state has the result."""
        check_recent_password()
        volume_ul = round(body.volume_ml * 1_000)
        return calibrations.run_pump(node, calibration, volume_ul, body.by)

    @router.post("/{calibration}/factory", answer=CalibrationOut)
    def factory(node: str, calibration: str, body: AskedBy) -> dict[str, Any]:
        """Apply the factory values and start again."""
        check_recent_password()
        return calibrations.reset_to_factory(node, calibration, body.by)

    @router.post("/{calibration}/finish", answer=CalibrationOut)
    def finish(node: str, calibration: str, body: AskedBy) -> dict[str, Any]:
        """Apply the proposal. Dosing resumes four minutes later."""
        check_recent_password()
        return calibrations.finish(node, calibration, body.by)

    @router.post("/{calibration}/cancel", answer=CalibrationOut)
    def cancel(node: str, calibration: str) -> dict[str, Any]:
        """Cancel without changes. Dosing resumes four minutes later."""
        return calibrations.cancel(node, calibration)


def _may_go_back(calibrations: CalibrationService, node: str, kind: str) -> bool:
    try:
        calibrations.undoable(node, kind)
    except CannotCalibrate:
        return False
    return True


def past_json(past: PastCalibration) -> dict[str, Any]:
    """Return PastOut."""
    return {
        "id": past.id, "kind": past.kind, "actuator": past.actuator, "by": past.by,
        "unix_ms": past.unix_ms, "is_confirmed": past.is_confirmed, "health": past.health,
        "results": dict(past.results),
        "points": [point.to_json() for point in past.points],
        "settings": {key: {"before": before, "after": after}
                     for key, (before, after) in past.settings.items()},
        "undone_unix_ms": None if past.undone is None else past.undone[0],
        "undone_by": None if past.undone is None else past.undone[1],
    }
