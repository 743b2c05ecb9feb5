"""Alarm rules: condition, priority, consequence and operator action.

The shipped rules are the files in `rules/`. The host's configuration overrides single keys under
`[alarms.rules.NAME]`, or adds rules. Limits are in the unit in which the reading is stored.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from idroserra.core import protocol
from idroserra.core.errors import ConfigError
from idroserra.core.validation import ValidationError, string_pattern, validate

FOLDER = Path(__file__).resolve().parent / "rules"

Priority = Literal["low", "medium", "high", "urgent"]
PRIORITIES: tuple[Priority, ...] = ("low", "medium", "high", "urgent")

# What a rule can watch, by subject: the host, a site, a node, or one channel of a node.
HOST = ("broker_down", "store_down", "spool_down", "feed_down", "thread_failed", "disk_low",
        "rejected", "host_clock", "undelivered", "update_stopped", "foreign_leak", "foreign_old",
        "foreign_implausible", "foreign_down", "standby_down", "taken_over")
SITE = ("site_silent",)
NODE = ("silent", "latched", "water", "reset_loop", "flash_failed", "thinned", "clock_off",
        "settings_refused", "recipe_held", "bus_dead", "irrigation_no_flow",
        "irrigation_stuck_on", "air_too_hot", "air_warms", "calibration", "update_failed",
        "micropython", "psram", "cpu")
CHANNEL = ("stale", "fault", "above", "below", "above_band", "below_band")
DOSER = ("bottle",)
WATCHES = HOST + SITE + NODE + CHANNEL + DOSER
_NEED_LIMIT = ("disk_low", "rejected", "site_silent", "silent", "reset_loop", "clock_off", "above",
               "below", "above_band", "below_band", "bottle", "calibration")
_NEED_WINDOW = ("thread_failed", "taken_over", "rejected", "reset_loop", "flash_failed", "thinned")
_LEVELS = ("above", "below", "above_band", "below_band")


class Rule(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One rule. limit, deadband: in the unit of the watched value (see its file)."""

    name: Annotated[str, string_pattern(r"^[a-z][a-z0-9_]{1,31}$")]
    title: Annotated[str, Meta(min_length=3, max_length=80)]
    watch: str
    priority: Priority
    consequence: Annotated[str, Meta(min_length=3, max_length=300)]
    action: Annotated[str, Meta(min_length=3, max_length=300)]
    respond_min: Annotated[int, Meta(ge=1, le=10_080)]  # time to respond
    on_delay_s: Annotated[int, Meta(ge=0, le=86_400)] = 0
    off_delay_s: Annotated[int, Meta(ge=0, le=86_400)] = 0
    quantities: tuple[str, ...] = ()
    source: str | None = None
    state: str | None = None
    limit: float | None = None
    deadband: Annotated[float, Meta(ge=0)] = 0
    window_s: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    caused_by: tuple[str, ...] = ()
    auto_ack: bool = False  # returns to normal without an acknowledgement
    enabled: bool = True
    by_node: Mapping[str, Rule] = {}  # the rule of nodes that differ: the table `nodes` of a rule

    def __post_init__(self) -> None:
        """Raises ValidationError for an incomplete rule."""
        if self.watch not in WATCHES:
            raise ValidationError(["watch"], f"{self.watch} is not one of {', '.join(WATCHES)}")
        if self.watch in _NEED_LIMIT and self.limit is None:
            raise ValidationError(["limit"], f"required by {self.watch}")
        if self.watch in _NEED_WINDOW and self.window_s is None:
            raise ValidationError(["window_s"], f"required by {self.watch}")
        if self.watch in _LEVELS and not self.quantities:
            raise ValidationError(["quantities"], f"required by {self.watch}")
        if self.watch == "water" and self.state not in ("rises", "falls"):
            raise ValidationError(["state"], "must be rises or falls")
        for quantity in self.quantities:
            if quantity not in protocol.QUANTITIES:
                raise ValidationError(["quantities"], f"unknown quantity {quantity}")

    @property
    def rank(self) -> int:
        """0 for low to 3 for urgent."""
        return PRIORITIES.index(self.priority)

    def of(self, node: str) -> Rule:
        """Return the rule as it holds for a node."""
        return self.by_node.get(node, self)


def load_rules(
    overrides: Mapping[str, Mapping[str, Any]] | None = None, *, only_enabled: bool = True
) -> dict[str, Rule]:
    """Return the enabled rules by name: the shipped ones with `overrides` applied.

    A rule that watches silent nodes stays, disabled: that of a silent site needs its limit.
    Raises ConfigError with the rule and the key."""
    table = dict(_shipped())
    for name, changes in (overrides or {}).items():
        table[name] = {**table.get(name, {}), **changes}
    rules = {name: _rule(name, body) for name, body in table.items()}
    _check_causes(rules)
    return {name: rule for name, rule in rules.items()
            if not only_enabled or rule.enabled or rule.watch == "silent"
            or any(one.enabled for one in rule.by_node.values())}


@cache
def _shipped() -> dict[str, dict[str, Any]]:
    """Return the tables of the shipped rules by name. They are read once."""
    table: dict[str, dict[str, Any]] = {}
    for file in sorted(FOLDER.glob("*.toml")):
        table |= tomllib.loads(file.read_text("utf-8"))
    return table


def _rule(name: str, body: Mapping[str, Any]) -> Rule:
    """Return a rule with its variants for nodes. Raises ConfigError."""
    own = {key: value for key, value in body.items() if key != "nodes"}
    rule = _checked_rule(name, own)
    nodes = body.get("nodes", {})
    return msgspec.structs.replace(rule, by_node={
        node: _checked_rule(name, {**own, **changes}) for node, changes in nodes.items()})


def _checked_rule(name: str, body: Mapping[str, Any]) -> Rule:
    try:
        if "by_node" in body:
            raise ValidationError(["by_node"], "unknown key")
        return validate({**body, "name": name}, Rule)
    except ValidationError as error:
        where = ".".join(["alarms.rules", name, *error.path])
        raise ConfigError("alarm rules", where, error.why) from None


def _check_causes(rules: Mapping[str, Rule]) -> None:
    for rule in rules.values():
        unknown = set(rule.caused_by) - set(rules)
        if unknown:
            where = f"alarms.rules.{rule.name}.caused_by"
            raise ConfigError("alarm rules", where, f"no rule {', '.join(sorted(unknown))}")
    try:
        TopologicalSorter({rule.name: rule.caused_by for rule in rules.values()}).prepare()
    except CycleError as error:
        circle = ", ".join(str(name) for name in error.args[1])
        raise ConfigError("alarm rules", "caused_by", f"circular: {circle}") from None
