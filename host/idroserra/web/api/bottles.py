"""The API of the bottles: what is in them, for how many days, who filled them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from idroserra.core.errors import StoreError
from idroserra.inventory.balance import ACID, BASE, by_ph_first
from idroserra.inventory.bottles import BottleInventory, Consumption
from idroserra.inventory.database import Bottle
from idroserra.inventory.stock_solutions import STOCKS
from idroserra.nodes.registry import Node, Nodes
from idroserra.web.api.schemas import AskedBy, Out, refused
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import BadRequest, Replies, Routes

_REFUSALS: Replies = {
    404: refused("No such node."),
    409: refused("Nobody told of a bottle there."),
    422: refused("A field is wrong; the message names it."),
    503: refused("It could not be written down."),
}


class FillIn(AskedBy):
    """A bottle that was filled. Of acid and base the strength may be said, for meq."""

    volume_ml: Annotated[float, Meta(ge=1, le=1_000_000, description="What is in it now, in ml.")]
    stock: Annotated[str, Meta(
        max_length=20,
        description="h3po4_10pct, hno3_10pct, koh_10pct, k2co3_10pct or khco3_1M; empty "
                    "where it is none of them.")] = ""
    meq_per_ml: Annotated[float, Meta(
        gt=0, le=30, description="Of another stock of acid or base.")] | None = None


class BottleOut(Out):
    """The bottle of one doser. What nobody told, or the store cannot tell now, is null."""

    doser: str
    volume_ml: Annotated[float | None, Meta(description="When it was filled; null: nobody told.")]
    left_ml: float | None
    left_pct: float | None
    used_ml_per_day: Annotated[float | None, Meta(description="By the doses of the last days.")]
    used_days: Annotated[float, Meta(description="Over how many days that is, 7 at most.")]
    days_left: Annotated[float | None, Meta(
        description="By that use; null where nothing was used.")]
    stock: str
    meq_per_ml: float | None
    has_strength: Annotated[bool, Meta(description="Whether it is acid or base, which have one.")]
    filled_unix_ms: int | None
    by: str | None


class BottlesOut(Out):
    """One for each doser of the node, those of pH first."""

    bottles: list[BottleOut]


def bottles_router(inventory: BottleInventory, nodes: Nodes) -> Routes:
    """Return the routes under /api/nodes/{node}/bottles."""
    router = Routes("/api/nodes/{node}/bottles", _REFUSALS)

    @router.get("", answer=BottlesOut)
    def bottles(node: str) -> dict[str, Any]:
        """What is left in each bottle, by what was dosed since somebody filled it."""
        return bottles_json(inventory, nodes.get(node))

    @router.put("/{doser}", answer=BottlesOut)
    def fill(node: str, doser: Doser, body: FillIn) -> dict[str, Any]:
        """Say that a bottle was filled. From then on the host counts what is dosed from it."""
        found = _with_doser(nodes.get(node), doser)
        meq_per_ml = _strength(doser, body)
        inventory.fill(Bottle(
            node, doser, round(body.volume_ml * 1_000), wall_unix_ms(), body.by, body.stock,
            meq_per_ml))
        return bottles_json(inventory, found)

    @router.delete("/{doser}", answer=BottlesOut)
    def unfill(node: str, doser: Doser) -> dict[str, Any]:
        """Take the newest filling back: the bottle before it counts again."""
        found = _with_doser(nodes.get(node), doser)
        inventory.unfill(node, doser)
        return bottles_json(inventory, found)

    return router


Doser = Annotated[str, Meta(max_length=40, description="Such as ph_down.")]


def _with_doser(node: Node, doser: str) -> Node:
    if node.info is None or node.info.outputs.get(doser) != "doser":
        raise BadRequest(f"doser: {node.node} has none called {doser}")
    return node


def _strength(doser: str, body: FillIn) -> float | None:
    if (body.stock or body.meq_per_ml is not None) and doser not in (ACID, BASE):
        raise BadRequest(f"stock: {doser} is no acid or base")
    if not body.stock:
        return body.meq_per_ml
    if body.stock not in STOCKS:
        raise BadRequest(f"stock: {body.stock!r} is none of {', '.join(STOCKS)}")
    if body.meq_per_ml is not None:
        raise BadRequest("meq_per_ml: the stock says it already")
    return STOCKS[body.stock].meq_per_ml


def bottles_json(inventory: BottleInventory, node: Node) -> dict[str, Any]:
    """Return what GET .../bottles answers."""
    now = wall_unix_ms()
    inventory.count(now)
    try:
        use = inventory.use_of(node.node, now)
    except StoreError:
        use = Consumption({}, 0)
    told = inventory.of(node.node)
    outputs = {} if node.info is None else node.info.outputs
    dosers = sorted((name for name, kind in outputs.items() if kind == "doser"), key=by_ph_first)
    return {"bottles": [_bottle(doser, told.get(doser, (None, None)), use) for doser in dosers]}


def _bottle(
    doser: str, told: tuple[Bottle | None, int | None], use: Consumption
) -> dict[str, Any]:
    bottle, left_ul = told
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
