"""The HTTP API of bottles: remaining volume, days left, refills."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from idroserra.core.errors import StoreError
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.inventory.balance import ACID, BASE, by_ph_first
from idroserra.inventory.bottles import BottleInventory, Consumption
from idroserra.inventory.database import Bottle
from idroserra.inventory.stock_solutions import STOCKS
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import BadRequest, Routes

_ERROR_REPLIES = error_replies({
    404: "No such node.", 409: "The level of this bottle was never set.",
    503: "The host's database cannot be written.",
})


class FillIn(AskedBy):
    """A refilled bottle; acid and base may have a strength, for meq."""

    volume_ml: Annotated[float, Meta(ge=1, le=1_000_000, description="Present volume, in ml.")]
    stock: Annotated[str, Meta(
        max_length=20,
        description="h3po4_10pct, hno3_10pct, koh_10pct, k2co3_10pct or khco3_1M; empty for "
                    "another.")] = ""
    meq_per_ml: Annotated[float, Meta(
        gt=0, le=30, description="Strength of another acid or base.")] | None = None


class BottleOut(Out):
    """The bottle of one doser; null: not set, or the store does not answer."""

    doser: str
    volume_ml: Annotated[float | None, Meta(description="After the refill; null: not set.")]
    left_ml: float | None
    left_pct: float | None
    used_ml_per_day: Annotated[float | None, Meta(description="Mean of the last days.")]
    used_days: Annotated[float, Meta(description="Days of that mean, at most 7.")]
    days_left: Annotated[float | None, Meta(description="At that rate; null if nothing was used.")]
    stock: str
    meq_per_ml: float | None
    has_strength: Annotated[bool, Meta(description="Whether it is an acid or a base.")]
    filled_unix_ms: int | None
    by: str | None


class BottlesOut(Out):
    """One bottle for each doser of the node, pH dosers first."""

    bottles: list[BottleOut]


def bottles_router(inventory: BottleInventory, nodes: Nodes) -> Routes:
    """Return the routes under /api/nodes/{node}/bottles."""
    router = Routes("/api/nodes/{node}/bottles", _ERROR_REPLIES)

    @router.get("", answer=BottlesOut)
    def bottles(node: str) -> dict[str, Any]:
        """Return the remaining volume of each bottle."""
        return bottles_json(inventory, nodes.get(node))

    @router.put("/{doser}", answer=BottlesOut)
    def fill(node: str, doser: Doser, body: FillIn) -> dict[str, Any]:
        """Set the volume of a bottle. The host subtracts the doses from then on."""
        found = _with_doser(nodes.get(node), doser)
        meq_per_ml = _strength(doser, body)
        inventory.fill(Bottle(
            node, doser, round(body.volume_ml * 1_000), wall_unix_ms(), body.by, body.stock,
            meq_per_ml))
        return bottles_json(inventory, found)

    @router.delete("/{doser}", answer=BottlesOut)
    def unfill(node: str, doser: Doser) -> dict[str, Any]:
        """Undo the last refill: the previous bottle is active again."""
        found = _with_doser(nodes.get(node), doser)
        inventory.unfill(node, doser)
        return bottles_json(inventory, found)

    return router


Doser = Annotated[str, Meta(max_length=40, description="For example ph_down.")]


def _with_doser(node: Node, doser: str) -> Node:
    if node.info is None or node.info.outputs.get(doser) != "doser":
        raise BadRequest(Text(
            N_("doser: {node} has no doser {doser}"), node=node.node, doser=doser))
    return node


def _strength(doser: str, body: FillIn) -> float | None:
    if (body.stock or body.meq_per_ml is not None) and doser not in (ACID, BASE):
        raise BadRequest(Text(N_("stock: {doser} is not an acid or base"), doser=doser))
    if not body.stock:
        return body.meq_per_ml
    if body.stock not in STOCKS:
        raise BadRequest(Text(N_("stock: '{value}' is not one of {known}"), value=body.stock,
                              known=", ".join(STOCKS)))
    if body.meq_per_ml is not None:
        raise BadRequest(N_("meq_per_ml: omit it, the stock defines it"))
    if STOCKS[body.stock].doser != doser:
        raise BadRequest(Text(N_("stock: '{value}' does not belong into the bottle of {doser}"),
                              value=body.stock, doser=doser))
    return STOCKS[body.stock].meq_per_ml


def bottles_json(inventory: BottleInventory, node: Node) -> dict[str, Any]:
    """Return BottlesOut."""
    now = wall_unix_ms()
    inventory.count(now)
    outputs = {} if node.info is None else node.info.outputs
    dosers = sorted((name for name, kind in outputs.items() if kind == "doser"), key=by_ph_first)
    try:
        use = inventory.use_of(node.node, dosers, now)
    except StoreError:
        use = Consumption({}, 0)
    known = inventory.of(node.node)
    return {"bottles": [_bottle(doser, known.get(doser, (None, None)), use) for doser in dosers]}


def _bottle(
    doser: str, known: tuple[Bottle | None, int | None], use: Consumption
) -> dict[str, Any]:
    bottle, left_ul = known
    days_left = None if left_ul is None else use.days_left(doser, left_ul)
    per_day_ul = use.per_day_ul(doser)
    return {
        "doser": doser,
        "volume_ml": None if bottle is None else bottle.volume_ul / 1_000,
        "left_ml": None if left_ul is None else left_ul / 1_000,
        "left_pct": None if left_ul is None or bottle is None else (
            100 * left_ul / bottle.volume_ul),
        "used_ml_per_day": None if per_day_ul is None else per_day_ul / 1_000,
        "used_days": round(use.over_ms / 86_400_000, 2), "days_left": days_left,
        "stock": "" if bottle is None else bottle.stock,
        "meq_per_ml": None if bottle is None else bottle.meq_per_ml,
        "has_strength": doser in (ACID, BASE),
        "filled_unix_ms": None if bottle is None else bottle.filled_unix_ms,
        "by": None if bottle is None else bottle.by,
    }
