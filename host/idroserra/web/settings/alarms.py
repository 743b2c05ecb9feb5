"""The HTTP API of alarm rules in the settings: limits, delays and priorities."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from msgspec import Meta
from msgspec.structs import replace

from idroserra.alarms.editable import OF_NODES, Field, fields_of, problem_of, shown, stored
from idroserra.alarms.page_settings import AlarmPageSettings, BadAlarmSetting
from idroserra.alarms.rules import CHANNEL, HOST, SITE, Rule
from idroserra.auth.identity import check_recent_password, current_identity
from idroserra.core.errors import HostError
from idroserra.i18n.translate import gettext as _
from idroserra.journal.models import Author, Draft
from idroserra.journal.service import Journal
from idroserra.nodes.registry import Nodes
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Routes

_log = logging.getLogger("idroserra")
_ERROR_REPLIES = error_replies({
    403: "The password is needed again.", 404: "No such node.",
    409: "The host's configuration sets it.", 503: "The host's database cannot be written.",
})
RuleName = Annotated[str, Meta(max_length=32)]
NodeName = Annotated[str, Meta(max_length=32, description="Of this node; empty: of all.")]


class RuleIn(AskedBy):
    """Keys of a rule to change; null resets a key."""

    values: Annotated[dict[str, Any], Meta(
        min_length=1, max_length=10,
        description="enabled, priority, limit, deadband, on_delay_s, off_delay_s, respond_min, in "
                    "the stored unit.")]
    node: NodeName = ""


class RuleFieldOut(Out):
    """One key of a rule. value * factor + offset is in `unit`; without bounds: a choice."""

    key: str
    label: str
    value: Any
    default: Annotated[Any, Meta(description="Without the page; of a node: as for all nodes.")]
    low: float
    high: float
    unit: str
    factor: float
    offset: float
    decimals: int
    is_changed: bool
    source: Annotated[str | None, Meta(description="Where it is configured, and so fixed.")]


class RuleOut(Out):
    """One rule."""

    rule: str
    title: str
    about: Annotated[str, Meta(description="host, node or reading")]
    consequence: str
    action: str
    is_changed: bool
    nodes: Annotated[list[dict[str, Any]], Meta(
        description="Nodes with values of their own: node, is_off; empty for one node.")]
    fields: list[RuleFieldOut]


class RulesOut(Out):
    """Every rule, as it holds for a node or for all; trouble: why those of the page do not."""

    node: str
    rules: list[RuleOut]
    trouble: str


def settings_alarms_router(
    settings: AlarmPageSettings, nodes: Nodes, journal: Journal
) -> Routes:
    """Return the routes."""
    router = Routes("/api/settings/alarms", _ERROR_REPLIES)

    @router.get("", answer=RulesOut)
    def list_rules(node: NodeName = "") -> dict[str, Any]:
        """List the alarm rules, with bounds, defaults and what was changed."""
        return _rules_json(settings, nodes, node)

    @router.put("/{rule}", answer=RulesOut)
    def change(rule: RuleName, body: RuleIn) -> dict[str, Any]:
        """Change a rule with immediate effect. The journal gets a note of old and new values."""
        check_recent_password()
        own = settings.all_rules().get(rule)
        if own is None:
            raise BadAlarmSetting(f"rule: no rule {rule}")
        if body.node:
            nodes.get(body.node)
            if own.watch not in OF_NODES:
                raise BadAlarmSetting("node: this alarm is not of a node")
        fields = {field.key: field for field in fields_of(own)}
        values = {}
        for key, value in body.values.items():
            problem = _problem(fields, key, value)
            if problem:
                raise BadAlarmSetting(f"{key}: {problem}")
            values[key] = None if value is None else stored(fields[key], value)
        settings.set_rule(rule, body.node, values, body.by)
        after = settings.all_rules()[rule].of(body.node)
        _add_note(journal, body, list(fields.values()), own.of(body.node), after)
        return _rules_json(settings, nodes, body.node)

    return router


def alarms_off(settings: AlarmPageSettings, node: str = "") -> list[dict[str, Any]]:
    """Return the title of each alarm that is off, and the nodes if it is so for some of them; only
    what is off for one node, if it is given."""
    found = []
    for rule in settings.all_rules().values():
        nodes = [one["node"] for one in _own_of_nodes(rule) if one["is_off"]]
        if node and rule.watch in OF_NODES and not rule.of(node).enabled:
            found.append({"title": _(rule.title), "nodes": []})
        elif not node and (nodes or not rule.enabled):
            found.append({"title": _(rule.title), "nodes": nodes if rule.enabled else []})
    return found


def _own_of_nodes(rule: Rule) -> list[dict[str, Any]]:
    common = replace(rule, by_node={})
    return [{"node": node, "is_off": not own.enabled}
            for node, own in sorted(rule.by_node.items()) if own != common]


def _problem(fields: dict[str, Field], key: str, value: Any) -> str:
    if key not in fields:
        return "unknown key"
    return "" if value is None else problem_of(fields[key], value)


def _add_note(
    journal: Journal, body: RuleIn, fields: list[Field], before: Rule, after: Rule
) -> None:
    changes = [f"{field.label}: {shown(field, old)} → {shown(field, new)}" for field in fields
               if (old := getattr(before, field.key)) != (new := getattr(after, field.key))]
    if not changes:
        return
    who = current_identity()
    author = Author("host", "host") if who is None else Author(who.kind, who.name)
    text = _("Alarm “{title}” changed. {changes}").format(
        title=_(after.title), changes="; ".join(changes))
    try:
        journal.add(Draft(body.node or None, "maintenance", wall_unix_ms(), text), author, body.by)
    except HostError as error:  # the change is made, and in the audit log
        _log.warning("no note in the journal (%s): %s", error, text)


def _rules_json(settings: AlarmPageSettings, nodes: Nodes, node: str) -> dict[str, Any]:
    if node:
        nodes.get(node)
    defaults = settings.default_rules()
    return {"node": node, "trouble": settings.rules_trouble, "rules": [
        _rule_json(settings, rule, defaults[name], node)
        for name, rule in settings.all_rules().items() if not node or rule.watch in OF_NODES]}


def _rule_json(
    settings: AlarmPageSettings, rule: Rule, default: Rule, node: str
) -> dict[str, Any]:
    base = rule if node else default
    fields = [_field_json(settings, field, rule.of(node), base, node)
              for field in fields_of(rule)]
    about = "reading" if rule.watch in CHANNEL else (
        "host" if rule.watch in (*HOST, *SITE) else "node")
    return {"rule": rule.name, "title": _(rule.title), "about": about,
            "consequence": _(rule.consequence), "action": _(rule.action),
            "is_changed": any(field["is_changed"] for field in fields),
            "nodes": [] if node else _own_of_nodes(rule), "fields": fields}


def _field_json(
    settings: AlarmPageSettings, field: Field, rule: Rule, base: Rule, node: str
) -> dict[str, Any]:
    return {**field._asdict(), "value": getattr(rule, field.key),
            "default": getattr(base, field.key),
            "is_changed": settings.is_changed(rule.name, node, field.key),
            "source": settings.source_of_rule(rule.name, field.key, node)}
