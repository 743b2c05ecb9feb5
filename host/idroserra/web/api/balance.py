"""The HTTP API of the balance: daily water, acid, base and nutrients."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from msgspec import Meta

from idroserra.i18n.reasons import sentence_json
from idroserra.inventory.balance import Balance, Day, balance_of
from idroserra.inventory.water_steps import Amounts
from idroserra.web.api.ranges import FromMs, ToMs, check_span, zone_of
from idroserra.web.api.schemas import Out, ReasonOut, error_replies
from idroserra.web.context import WebContext
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Routes

MOST_DAYS = 100

TimeZone = Annotated[str, Meta(max_length=60, description="Its midnights separate the days, for "
                                "example Europe/Rome.")]


class DayOut(Out):
    """One day or the whole range."""

    from_unix_ms: int
    to_unix_ms: int
    dosed_ml: Annotated[dict[str, float], Meta(description="By doser.")]
    dosed_meq: Annotated[dict[str, float | None], Meta(
        description="Of acid and base; null if the strength of a dose is unknown.")]
    water: Annotated[Amounts | None, Meta(description="null without level readings.")]
    valve_ms: Annotated[int, Meta(description="Open time of the filling valve.")]


class BalanceOut(Out):
    """The days, oldest first, their total, and what is unknown."""

    node: str
    days: list[DayOut]
    total: DayOut
    unknown: list[ReasonOut]


def balance_router(context: WebContext) -> Routes:
    """Return the route of the balance."""
    router = Routes(
        "/api", error_replies({404: "No such node.", 503: "The store does not answer."}))

    @router.get("/nodes/{node}/balance", answer=BalanceOut)
    def balance(
        node: str, from_unix_ms: FromMs, to_unix_ms: ToMs, time_zone: TimeZone = "UTC"
    ) -> dict[str, Any]:
        """Return what entered and left the reservoir each day, and what is unknown."""
        return balance_json(read_balance(
            context, node, (from_unix_ms, to_unix_ms), zone_of(time_zone)))

    return router


def read_balance(
    context: WebContext, name: str, span: tuple[int, int], zone: ZoneInfo | None
) -> Balance:
    """Return the balance of a node in a span in Unix ms, cut at the present; zone None is UTC.

    Raises UnknownNode, BadRequest, StoreError."""
    node = context.nodes.get(name)
    from_unix_ms, to_unix_ms = span
    check_span(from_unix_ms, to_unix_ms, MOST_DAYS)
    end = min(to_unix_ms, max(from_unix_ms + 1, wall_unix_ms()))
    return balance_of(
        context.store, node, context.settings_history.of(node), from_unix_ms, end,
        zone or ZoneInfo("UTC"), context.alarm_loop.bottles.strengths(name))


def balance_json(balance: Balance) -> dict[str, Any]:
    """Return BalanceOut."""
    return {"node": balance.node, "days": [_day(day) for day in balance.days],
            "total": _day(balance.total),
            "unknown": [sentence_json(one) for one in balance.unknown]}


def _day(day: Day) -> dict[str, Any]:
    return {
        "from_unix_ms": day.from_unix_ms, "to_unix_ms": day.to_unix_ms,
        "dosed_ml": {doser: ul / 1_000 for doser, ul in day.dosed_ul.items()},
        "dosed_meq": dict(day.dosed_meq),
        "water": day.water, "valve_ms": day.valve_ms,
    }
