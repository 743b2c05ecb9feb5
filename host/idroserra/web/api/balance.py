"""The API of the balance: water, acid, base and nutrients of a range, a day at a time."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from idroserra.history.models import Store
from idroserra.inventory.balance import Balance, Day, balance_of
from idroserra.inventory.bottles import BottleInventory
from idroserra.nodes.registry import Node, Nodes
from idroserra.web.api.nodes import FromMs, ToMs
from idroserra.web.api.schemas import Out, refused
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import BadRequest, Routes

MOST_DAYS = 100
DAY_MS = 86_400_000

TimeZone = Annotated[str, Meta(max_length=60, description="Whose midnights end a day, such as "
                                "Europe/Rome.")]


class WaterOut(Out):
    """Water in ml, off the level. unseen_ml moved while the level had no reading."""

    topped_up_ml: float
    poured_ml: float
    left_ml: float
    unseen_ml: float
    unread_ms: int


class DayOut(Out):
    """One day, or the whole range."""

    from_unix_ms: int
    to_unix_ms: int
    dosed_ml: Annotated[dict[str, float], Meta(description="By doser.")]
    dosed_meq: Annotated[dict[str, float | None], Meta(
        description="Of acid and base; null where the strength of a dose was never told.")]
    water: Annotated[WaterOut | None, Meta(description="null where no level was read.")]
    valve_ms: Annotated[int, Meta(description="How long the filling valve was open.")]


class BalanceOut(Out):
    """The days, oldest first, their total, and what is not known, in sentences."""

    node: str
    days: list[DayOut]
    total: DayOut
    unknown: list[str]


def balance_router(nodes: Nodes, store: Store, bottles: BottleInventory) -> Routes:
    """Return the route of the balance."""
    router = Routes("/api", replies={
        404: refused("No such node."),
        422: refused("A field is wrong; the message names it."),
        503: refused("The store does not answer."),
    })

    @router.get("/nodes/{node}/balance", answer=BalanceOut)
    def balance(
        node: str, from_unix_ms: FromMs, to_unix_ms: ToMs, time_zone: TimeZone = "UTC"
    ) -> dict[str, Any]:
        """What came into the tank and what left it, each day; what is not known is said."""
        return balance_json(read_balance(
            nodes.get(node), store, bottles, (from_unix_ms, to_unix_ms), time_zone))

    return router


def read_balance(
    node: Node, store: Store, bottles: BottleInventory, span: tuple[int, int], time_zone: str
) -> Balance:
    """Return the balance of a span in Unix ms, which ends now at the latest.

    Raises BadRequest, StoreError."""
    from_unix_ms, to_unix_ms = span
    if not 0 < to_unix_ms - from_unix_ms <= MOST_DAYS * DAY_MS:
        raise BadRequest(
            f"to_unix_ms: must be after from_unix_ms, by at most {MOST_DAYS} days")
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRequest(
            f"time_zone: {time_zone[:60]!r} is none, such as Europe/Rome or UTC") from None
    end = min(to_unix_ms, max(from_unix_ms + 1, wall_unix_ms()))
    return balance_of(
        store, node, from_unix_ms, end, zone, bottles.strengths(node.node))


def balance_json(balance: Balance) -> dict[str, Any]:
    """Return a balance as the API gives it."""
    return {"node": balance.node, "days": [_day(day) for day in balance.days],
            "total": _day(balance.total), "unknown": list(balance.unknown)}


def _day(day: Day) -> dict[str, Any]:
    return {
        "from_unix_ms": day.from_unix_ms, "to_unix_ms": day.to_unix_ms,
        "dosed_ml": {doser: ul / 1_000 for doser, ul in day.dosed_ul.items()},
        "dosed_meq": dict(day.dosed_meq),
        "water": None if day.water is None else vars(day.water), "valve_ms": day.valve_ms,
    }
