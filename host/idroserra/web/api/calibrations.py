"""The HTTP API of calibrations: begin, take points, finish, look back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import Meta
from starlette.exceptions import HTTPException

from idroserra.auth.identity import check_recent_password
from idroserra.calibration.errors import BadPoint, CannotCalibrate, UnknownCalibration
from idroserra.calibration.history import Past
from idroserra.calibration.procedures import KINDS, PointRequest
from idroserra.core.validation import string_pattern
from idroserra.nodes.calibration_age import age_warning, days_left
from idroserra.server.service import Service
from idroserra.web.api.schemas import AskedBy, In, Out, refused
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Replies, Routes

_REFUSALS: Replies = {
    404: refused("No such node or calibration."),
    409: refused("Refused, with what to do about it."),
    422: refused("A field is wrong; the message names it."),
    503: refused("The host's file does not answer."),
}
_NAME = r"^[a-z][a-z0-9_]{0,23}$"


class StartIn(AskedBy):
    """Which probe or pump."""

    kind: Literal["ph", "ec", "level", "pump"]
    actuator: Annotated[
        str, string_pattern(_NAME, description="Of a pump: which doser.")] | None = None
    part: Annotated[str, string_pattern(
        _NAME, description="What measures it, for a board the host does not know.")] | None = None


class PointIn(In):
    """A point: what of this is needed depends on the kind."""

    reference: Annotated[str, Meta(
        max_length=20,
        description="pH: 4.01, 6.86, 7.00, 9.18 or 10.01; EC: dry, 1413, 2760 or 12880.")] = ""
    temp_c: Annotated[float, Meta(
        ge=0, le=60,
        description="Of the cup; without it the node's thermometer counts.")] | None = None
    depth_mm: Annotated[int, Meta(
        ge=0, le=5_000, description="Level: depth of the water.")] | None = None
    measured_ml: Annotated[float, Meta(
        ge=0, le=1_000, description="Pump: what the last run gave.")] | None = None


class RunIn(In):
    """A run of the pump, as a dose by hand: the limits of the gate hold, and it is charged."""

    volume_ml: Annotated[float, Meta(ge=0.1, le=20)]


class CalibrationOut(Out):
    """A calibration as it stands; look at it now and then, for it expires after 15 minutes."""

    id: str
    node: str
    kind: str
    actuator: str | None
    by: str
    state: Annotated[str, Meta(
        description="open, applying, done, unconfirmed, failed, cancelled or expired")]
    reason: str
    hold: Annotated[dict[str, Any], Meta(description="is_held, until_unix_ms, reason")]
    reading: Annotated[dict[str, Any] | None, Meta(
        description="value or fault, fault_text, temp_c, unix_ms, is_stable, text, per_minute, "
                    "is_overdue, progress (0 to 1, towards stable)")]
    advice: str | None
    points: list[dict[str, Any]]
    run: Annotated[dict[str, Any] | None, Meta(description="Of a pump: state, reason, on_ms")]
    proposal: Annotated[dict[str, Any] | None, Meta(
        description="settings, results, notes, health; or error and code")]


class PastOut(Out):
    """A calibration that was put in force."""

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
    undone_unix_ms: Annotated[int | None, Meta(description="When somebody went back from it.")]
    undone_by: str | None


class BackIn(AskedBy):
    """Whose newest calibration is taken back."""

    kind: Literal["ph", "ec", "level", "pump"]


class BackOut(Out):
    """The revision of the settings that are to be in force; the node confirms it."""

    rev: int


class HistoryOut(Out):
    """Newest first; health_now is that of the pH probe today, warning what its age says.

    due_in_days: of pH, negative where it is overdue, null where none is known. back: kinds whose
    newest calibration can be taken back."""

    open: CalibrationOut | None
    health_now: int | None
    warning: str | None
    due_in_days: int | None
    back: list[str]
    calibrations: list[PastOut]


def calibrations_router(service: Service) -> Routes:
    """Return the routes under /api/nodes/{node}/calibrations."""
    router = Routes("/api/nodes/{node}/calibrations", _REFUSALS)
    _add_looking(router, service)
    _add_asking(router, service)
    return router


def _add_looking(router: Routes, service: Service) -> None:
    calibrations = service.calibrations

    @router.get("", answer=HistoryOut)
    def history(
        node: str,
        kind: Literal["ph", "ec", "level", "pump"] | None = None,
        limit: Annotated[int, Meta(ge=1, le=1_000)] = 100,
    ) -> dict[str, Any]:
        """What was calibrated, and the calibration that is open."""
        known = service.nodes.get(node)
        now = wall_unix_ms()
        day = 0 if known.report is None else int(known.report.values["ph.calibrated_day"])
        warning = age_warning(day, now)
        return {
            "open": calibrations.open_of(node),
            "health_now": calibrations.history.health_now(node, now),
            "warning": None if warning is None else warning[1],
            "due_in_days": days_left(day, now),
            "back": [kind for kind in KINDS if _may_go_back(service, node, kind)],
            "calibrations": [
                past_json(one) for one in calibrations.history.of(node, kind, limit)],
        }

    @router.get("/{calibration}", answer=CalibrationOut)
    def state(node: str, calibration: str) -> dict[str, Any]:
        """Where a calibration stands."""
        return _asked(lambda: calibrations.state(node, calibration))


def _add_asking(router: Routes, service: Service) -> None:
    calibrations = service.calibrations

    @router.post("", status=201, answer=CalibrationOut)
    def start(node: str, body: StartIn) -> dict[str, Any]:
        """Begin: the node keeps automatic dosing and filling off meanwhile."""
        return _asked(lambda: calibrations.start(
            node, body.kind, body.by, actuator=body.actuator, part=body.part))

    @router.post("/back", answer=BackOut)
    def back(node: str, body: BackIn) -> dict[str, Any]:
        """Put in force again what was before the newest calibration of a kind."""
        return _asked(lambda: {"rev": calibrations.go_back(node, body.kind, body.by)})

    @router.post("/{calibration}/points", answer=CalibrationOut)
    def take(node: str, calibration: str, body: PointIn) -> dict[str, Any]:
        """Take a point, once the reading is stable."""
        measured_ul = None if body.measured_ml is None else round(body.measured_ml * 1_000)
        asked = PointRequest(body.reference, body.temp_c, body.depth_mm, measured_ul)
        return _asked(lambda: calibrations.take(node, calibration, asked))

    @router.delete("/{calibration}/points/last", answer=CalibrationOut)
    def drop(node: str, calibration: str) -> dict[str, Any]:
        """Take the last point back."""
        return _asked(lambda: calibrations.drop_point(node, calibration))

    @router.post("/{calibration}/runs", answer=CalibrationOut)
    def run(node: str, calibration: str, body: RunIn) -> dict[str, Any]:
        """Run the pump; `run` of the state tells what became of it."""
        check_recent_password()
        volume_ul = round(body.volume_ml * 1_000)
        return _asked(lambda: calibrations.run_pump(node, calibration, volume_ul))

    @router.post("/{calibration}/factory", answer=CalibrationOut)
    def factory(node: str, calibration: str) -> dict[str, Any]:
        """Put the factory values in force, and begin anew."""
        return _asked(lambda: calibrations.go_to_factory(node, calibration))

    @router.post("/{calibration}/finish", answer=CalibrationOut)
    def finish(node: str, calibration: str) -> dict[str, Any]:
        """Put the proposal in force. Dosing goes on two minutes after it is done."""
        return _asked(lambda: calibrations.finish(node, calibration))

    @router.post("/{calibration}/cancel", answer=CalibrationOut)
    def cancel(node: str, calibration: str) -> dict[str, Any]:
        """End it with nothing changed. Dosing goes on two minutes later."""
        return _asked(lambda: calibrations.cancel(node, calibration))


def _asked(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return call()
    except UnknownCalibration as error:
        raise HTTPException(404, str(error)) from None
    except (BadPoint, CannotCalibrate) as error:
        raise HTTPException(409, str(error)) from None


def _may_go_back(service: Service, node: str, kind: str) -> bool:
    try:
        service.calibrations.back(node, kind)
    except CannotCalibrate:
        return False
    return True


def past_json(past: Past) -> dict[str, Any]:
    """Return a calibration that was put in force, as the API gives it."""
    return {
        "id": past.id, "kind": past.kind, "actuator": past.actuator, "by": past.by,
        "unix_ms": past.unix_ms, "is_confirmed": past.is_confirmed, "health": past.health,
        "results": dict(past.results),
        "points": [{"reference": p.reference, "true_value": p.true_value, "reading": p.reading,
                    "temp_c": p.temp_c} for p in past.points],
        "settings": {key: {"before": before, "after": after}
                     for key, (before, after) in past.settings.items()},
        "undone_unix_ms": None if past.undone is None else past.undone[0],
        "undone_by": None if past.undone is None else past.undone[1],
    }
