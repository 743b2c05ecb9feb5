"""The HTTP API of a dose before it is given: reading, target, predicted effect and budgets."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from idroserra.core.text import Text
from idroserra.i18n.channels import display_of, format_value, volume_text
from idroserra.i18n.marker import N_
from idroserra.i18n.reasons import sentence_json
from idroserra.i18n.translate import gettext as _
from idroserra.nodes.dose_preview import (
    LEARNED,
    LEARNED_WITHIN_MS,
    DoseLimits,
    DosePreview,
    preview_dose,
)
from idroserra.nodes.latest_events import Event
from idroserra.nodes.node import Node
from idroserra.recipes.feasibility import Headroom, caps_of
from idroserra.recipes.runner import volume_l_of
from idroserra.web.api.schemas import Out, ReasonOut, error_replies
from idroserra.web.context import WebContext
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import BadRequest, Routes

LOOK_AHEAD_MS = 60_000
MAX_DOSES = 3_000  # a dose of any doser each half minute for a day, whose budgets are shown
Actuator = Annotated[str, Meta(max_length=40, description="For example ph_down.")]
VolumeMl = Annotated[float, Meta(gt=0, le=1_000, description="Volume of the dose in ml.")]


class DosePreviewOut(Out):
    """A dose before it is given; null: not known."""

    actuator: str
    volume_ml: float
    channel: str | None
    value: Annotated[float | None, Meta(description="The reading; null if it cannot be used.")]
    target: float | None
    after: Annotated[float | None, Meta(description="The reading predicted after mixing.")]
    effect: Annotated[str | None, Meta(
        description="Where the prediction is from: learned or titrated.")]
    hour_left_ml: Annotated[float | None, Meta(description="Of the budget, before the dose.")]
    day_left_ml: float | None
    lines: Annotated[list[str], Meta(description="The same in words.")]
    warnings: list[ReasonOut]


def dose_preview_router(context: WebContext) -> Routes:
    """Return the route of the preview of a dose."""
    router = Routes(
        "/api", error_replies({404: "No such node.", 503: "The store does not answer."}))

    @router.get("/nodes/{node}/dose-preview", answer=DosePreviewOut)
    def dose_preview(node: str, actuator: Actuator, volume_ml: VolumeMl) -> dict[str, Any]:
        """Return what a dose by hand would do, and what is against it."""
        found = context.nodes.get(node)
        if found.info is None or found.info.outputs.get(actuator) != "doser":
            raise BadRequest(Text(
                N_("doser: {node} has no doser {doser}"), node=node, doser=actuator))
        now = wall_unix_ms()
        inputs = context.states.inputs(found)
        doses = [Event(one.unix_us, one.kind, one.detail) for one in context.store.events(
            node, now - LEARNED_WITHIN_MS, now + LOOK_AHEAD_MS, ("dosed",),
            MAX_DOSES)]
        return dose_preview_json(preview_dose(
            actuator, round(volume_ml * 1_000), inputs, doses,
            _limits(found, actuator, inputs.granted_pct)))

    return router


def _limits(node: Node, actuator: str, granted_pct: int | None) -> DoseLimits | None:
    """Return what the node allows a doser; None if the host does not know its board."""
    volume_l = None if node.info is None else volume_l_of(node.info.board)
    if node.report is None or volume_l is None or granted_pct is None:
        return None
    caps = caps_of(Headroom(node.report.values, volume_l, granted_pct)).get(actuator)
    return None if caps is None else DoseLimits(
        caps.dose_ul, caps.hour_ul, caps.day_ul, caps.gap_ms)


def dose_preview_json(found: DosePreview) -> dict[str, Any]:
    """Return DosePreviewOut."""
    reading = found.reading
    return {
        "actuator": found.actuator, "volume_ml": found.volume_ul / 1_000,
        "channel": found.channel,
        "value": None if reading is None or not found.is_usable else reading.value,
        "target": found.target, "after": found.after, "effect": found.effect,
        "hour_left_ml": _ml(found.hour_left_ul), "day_left_ml": _ml(found.day_left_ul),
        "lines": _lines(found), "warnings": [sentence_json(one) for one in found.warnings]}


def _ml(volume_ul: int | None) -> float | None:
    return None if volume_ul is None else volume_ul / 1_000


def _lines(found: DosePreview) -> list[str]:
    """Return reading and target, prediction, and budgets, each in words."""
    lines = []
    channel, reading = found.channel, found.reading
    if channel is not None:
        value = _("no usable reading")
        if reading is not None and reading.value is not None and found.is_usable:
            value = format_value(channel, reading.value)
        label = display_of(channel).label
        if found.target is None or found.low is None or found.high is None:
            lines.append(_("{what}: {value}").format(what=label, value=value))
        else:
            lines.append(_("{what}: {value}; target {target}, band {low} to {high}").format(
                what=label, value=value, target=format_value(channel, found.target),
                low=format_value(channel, found.low), high=format_value(channel, found.high)))
        lines.append(_prediction(found, channel))
    if found.limits is not None and found.hour_left_ul is not None and (
            found.day_left_ul is not None):
        lines.append(_("Budget left: {hour} of {hour_limit} for one hour, {day} of {day_limit} "
                       "for 24 h").format(
            hour=volume_text(found.hour_left_ul), hour_limit=volume_text(found.limits.hour_ul),
            day=volume_text(found.day_left_ul), day_limit=volume_text(found.limits.day_ul)))
    return lines


def _prediction(found: DosePreview, channel: str) -> str:
    if found.after is None:
        if found.effect is None:
            return _("Effect: not known yet; this water was never titrated")
        return _("Effect: not predictable without a reading")
    value = format_value(channel, found.after)
    if found.effect == LEARNED:
        return _("After mixing: about {value}, learned from this node's doses").format(
            value=value)
    if found.actuator.startswith("nutrient"):
        return _("After mixing: about {value} with as much of the other nutrient, by the "
                 "titration").format(value=value)
    return _("After mixing: about {value}, by the titration").format(value=value)
