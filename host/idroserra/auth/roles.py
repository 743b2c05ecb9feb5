"""Roles, and the table of the minimum role of every route.

A request without a row is refused, and a test checks that every route has one. Rows are matched in
order, so fixed paths precede patterns.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple

from starlette.routing import compile_path


class Role(IntEnum):
    """Permission level. Each role includes the lower ones."""

    ANYONE = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        """The name of the role in texts, files and the API."""
        return self.name.lower()


ROLES = tuple(role.label for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN))


def role_of(label: str) -> Role:
    """Return the role named `label`. Raises ValueError for an unknown one."""
    if label not in ROLES:
        raise ValueError(f"role: {label[:20]!r} is not one of {', '.join(ROLES)}")
    return Role[label.upper()]


class Rule(NamedTuple):
    """One row: the minimum role, and the audit log's action for a request that changes state; ""
    for one that changes nothing or only what its user sees."""

    method: str
    path: str
    role: Role
    action: str = ""


_ANYONE, _VIEWER, _OPERATOR, _ADMIN = Role.ANYONE, Role.VIEWER, Role.OPERATOR, Role.ADMIN

MATRIX = (
    # Log-in and public pages.
    Rule("GET", "/login", _ANYONE),
    Rule("GET", "/setup", _ANYONE),
    Rule("GET", "/static/{path:path}", _ANYONE),
    Rule("GET", "/trust", _ANYONE),
    Rule("GET", "/authority.crt", _ANYONE),
    Rule("GET", "/manifest.webmanifest", _ANYONE),
    Rule("GET", "/worker.js", _ANYONE),
    Rule("GET", "/offline", _ANYONE),
    Rule("GET", "/help/reasons", _ANYONE),
    Rule("GET", "/docs", _ANYONE),
    Rule("GET", "/docs/{path:path}", _ANYONE),
    Rule("GET", "/api/session", _ANYONE),
    Rule("POST", "/api/session", _ANYONE, "log in"),
    Rule("POST", "/api/session/link", _ANYONE, "log in by link"),
    Rule("GET", "/login/openid", _ANYONE),
    Rule("POST", "/api/session/openid", _ANYONE, "begin log-in by OpenID"),
    Rule("POST", "/api/session/openid/return", _ANYONE, "log in by OpenID"),
    Rule("POST", "/api/setup", _ANYONE, "set up"),
    # The user's own account.
    Rule("GET", "/account", _VIEWER),
    Rule("DELETE", "/api/session", _VIEWER, "log out"),
    Rule("DELETE", "/api/session/all", _VIEWER, "log out everywhere"),
    Rule("POST", "/api/session/confirm", _VIEWER, "confirm password"),
    Rule("PUT", "/api/account/password", _VIEWER, "change own password"),
    Rule("GET", "/api/account/preferences", _VIEWER),
    Rule("PUT", "/api/account/preferences", _VIEWER),  # changes only what the user sees
    # Users, tokens and the audit log.
    Rule("GET", "/users", _ADMIN),
    Rule("GET", "/api/users", _ADMIN),
    Rule("POST", "/api/users", _ADMIN, "add user"),
    Rule("PUT", "/api/users/{name}/role", _ADMIN, "change role"),
    Rule("PUT", "/api/users/{name}/password", _ADMIN, "set password"),
    Rule("PUT", "/api/users/{name}/lock-out", _ADMIN, "lock out user"),
    Rule("DELETE", "/api/users/{name}/lock-out", _ADMIN, "let in user"),
    Rule("DELETE", "/api/users/{name}", _ADMIN, "remove user"),
    Rule("GET", "/api/tokens", _ADMIN),
    Rule("POST", "/api/tokens", _ADMIN, "create token"),
    Rule("DELETE", "/api/tokens/{name}", _ADMIN, "revoke token"),
    Rule("GET", "/api/audit", _ADMIN),
    # Reading.
    Rule("GET", "/", _VIEWER),
    Rule("GET", "/alarms", _VIEWER),
    Rule("GET", "/nodes/{node}", _VIEWER),
    *(Rule("GET", f"/nodes/{{node}}/{room}", _VIEWER) for room in (
        "charts", "crop", "water", "climate", "log", "setup")),
    Rule("GET", "/nodes/{node}/calibrate", _VIEWER),
    Rule("GET", "/nodes/{node}/wiring.svg", _VIEWER),
    Rule("GET", "/metrics", _VIEWER),
    Rule("GET", "/api/openapi.json", _VIEWER),
    Rule("GET", "/api/live", _VIEWER),
    Rule("GET", "/api/health", _VIEWER),
    Rule("GET", "/api/status", _VIEWER),
    Rule("GET", "/hosts", _VIEWER),
    Rule("GET", "/api/hosts", _VIEWER),
    Rule("GET", "/api/rejected", _VIEWER),
    Rule("GET", "/api/nodes", _VIEWER),
    Rule("GET", "/api/nodes/{node}", _VIEWER),
    Rule("GET", "/api/nodes/{node}/series", _VIEWER),
    Rule("GET", "/api/nodes/{node}/events", _VIEWER),
    Rule("GET", "/api/nodes/{node}/setpoints", _VIEWER),
    Rule("GET", "/api/nodes/{node}/export", _VIEWER),
    Rule("GET", "/api/nodes/{node}/export/{name}", _VIEWER),
    Rule("GET", "/api/export/{name}", _VIEWER),
    Rule("GET", "/api/admin/export/{name}", _ADMIN),
    Rule("GET", "/api/nodes/{node}/happened", _VIEWER),
    Rule("GET", "/api/nights", _VIEWER),
    Rule("GET", "/api/nodes/{node}/report", _VIEWER),
    Rule("GET", "/api/nodes/{node}/report.pdf", _VIEWER),
    Rule("GET", "/nodes/{node}/report", _VIEWER),
    Rule("GET", "/api/commands/{command_id}", _VIEWER),
    Rule("GET", "/api/nodes/{node}/balance", _VIEWER),
    # Feeds.
    Rule("GET", "/api/feeds", _VIEWER),
    Rule("POST", "/api/feeds/{name}/fill", _ADMIN, "fill feed"),
    # Foreign readings.
    Rule("GET", "/api/foreign", _VIEWER),
    Rule("GET", "/api/foreign/seen", _VIEWER),
    Rule("PUT", "/api/foreign/{name}", _OPERATOR, "adopt foreign reading"),
    Rule("DELETE", "/api/foreign/{name}", _OPERATOR, "forget foreign reading"),
    # Bottles.
    Rule("GET", "/api/nodes/{node}/bottles", _VIEWER),
    Rule("PUT", "/api/nodes/{node}/bottles/{doser}", _OPERATOR, "fill bottle"),
    Rule("DELETE", "/api/nodes/{node}/bottles/{doser}", _OPERATOR, "undo bottle filling"),
    # Tasks.
    Rule("GET", "/tasks", _VIEWER),
    Rule("GET", "/api/tasks", _VIEWER),
    # Commands and setpoints.
    Rule("GET", "/api/nodes/{node}/dose-preview", _VIEWER),
    Rule("POST", "/api/nodes/{node}/commands", _OPERATOR, "command"),
    Rule("POST", "/api/stop", _OPERATOR, "stop all nodes"),
    Rule("POST", "/api/sites/{site}/stop", _OPERATOR, "stop site"),
    Rule("PUT", "/api/nodes/{node}/config", _OPERATOR, "change settings"),
    Rule("DELETE", "/api/nodes/{node}/config/restored", _OPERATOR, "keep node settings"),
    # Settings of the host.
    Rule("GET", "/settings", _VIEWER),
    Rule("GET", "/settings/nodes", _VIEWER),
    Rule("GET", "/api/settings/nodes", _VIEWER),
    Rule("GET", "/settings/notifications", _VIEWER),
    Rule("GET", "/api/settings/notifications", _VIEWER),
    Rule("PUT", "/api/settings/notifications", _ADMIN, "change notifications"),
    Rule("PUT", "/api/settings/recipients/{name}", _ADMIN, "set recipient"),
    Rule("DELETE", "/api/settings/recipients/{name}", _ADMIN, "remove recipient"),
    Rule("POST", "/api/settings/recipients/{name}/test", _OPERATOR, "test recipient"),
    Rule("GET", "/settings/alarms", _VIEWER),
    Rule("GET", "/api/settings/alarms", _VIEWER),
    Rule("PUT", "/api/settings/alarms/{rule}", _ADMIN, "change alarm"),
    Rule("GET", "/settings/foreign", _VIEWER),
    Rule("GET", "/settings/backup", _VIEWER),
    Rule("GET", "/api/settings/backup", _VIEWER),
    Rule("POST", "/api/settings/backup", _ADMIN, "make backup"),
    Rule("DELETE", "/api/settings/backup", _ADMIN, "delete backup"),
    Rule("POST", "/api/settings/backup/download", _ADMIN, "allow backup download"),
    Rule("GET", "/api/settings/backup/file", _ADMIN),
    Rule("PUT", "/api/nodes/{node}/title", _ADMIN, "name node"),
    # Boards.
    Rule("GET", "/settings/boards", _VIEWER),
    Rule("GET", "/settings/boards/edit", _ADMIN),
    Rule("GET", "/api/boards", _VIEWER),
    Rule("POST", "/api/boards/check", _ADMIN),  # changes nothing
    Rule("GET", "/api/boards/{name}/file", _VIEWER),
    Rule("PUT", "/api/boards/{name}", _ADMIN, "keep board"),
    Rule("DELETE", "/api/boards/{name}", _ADMIN, "delete board"),
    # Keys of nodes.
    Rule("GET", "/api/nodes/{node}/key", _ADMIN),
    Rule("PUT", "/api/nodes/{node}/key", _ADMIN, "adopt node"),
    Rule("POST", "/api/nodes/{node}/key/settle", _ADMIN, "settle key"),
    Rule("PUT", "/api/nodes/{node}/certificate", _ADMIN, "send certificate"),
    Rule("GET", "/api/nodes/{node}/leaving", _ADMIN),
    Rule("PUT", "/api/nodes/{node}/leaving", _ADMIN, "let node go"),
    Rule("DELETE", "/api/nodes/{node}", _ADMIN, "forget node"),
    # Installation of a board at the browser.
    Rule("GET", "/settings/install", _ADMIN),
    Rule("POST", "/api/install", _ADMIN, "install node"),
    Rule("GET", "/api/install/line", _ADMIN),  # the WebSocket
    # Sites.
    Rule("GET", "/sites/{site}", _VIEWER),
    Rule("GET", "/api/sites", _VIEWER),
    Rule("PUT", "/api/sites/{site}", _ADMIN, "rename site"),
    Rule("PUT", "/api/nodes/{node}/site", _ADMIN, "move node"),
    # Recipes.
    Rule("GET", "/recipes", _VIEWER),
    Rule("GET", "/recipes/{name}", _VIEWER),
    Rule("GET", "/api/recipes", _VIEWER),
    Rule("GET", "/api/recipes/{name}", _VIEWER),
    Rule("GET", "/api/recipes/{name}/file", _VIEWER),
    Rule("GET", "/api/recipes/{name}/diff", _VIEWER),
    Rule("POST", "/api/recipes", _OPERATOR, "add recipe"),
    Rule("POST", "/api/recipes/{name}/clone", _OPERATOR, "clone recipe"),
    Rule("PUT", "/api/recipes/{name}", _OPERATOR, "change recipe"),
    Rule("DELETE", "/api/recipes/{name}", _OPERATOR, "delete recipe"),
    Rule("GET", "/api/nodes/{node}/recipe", _VIEWER),
    Rule("GET", "/api/nodes/{node}/recipe/start", _VIEWER),
    Rule("GET", "/api/nodes/{node}/recipe/notes", _VIEWER),
    Rule("POST", "/api/nodes/{node}/recipe", _OPERATOR, "start recipe"),
    Rule("POST", "/api/nodes/{node}/recipe/skip", _OPERATOR, "skip stage"),
    Rule("POST", "/api/nodes/{node}/recipe/resume", _OPERATOR, "resume recipe"),
    Rule("POST", "/api/nodes/{node}/recipe/stop", _OPERATOR, "stop recipe"),
    # Comparisons.
    Rule("GET", "/compare", _VIEWER),
    Rule("GET", "/api/compare", _VIEWER),
    Rule("GET", "/api/compare/export", _VIEWER),
    Rule("GET", "/api/nodes/{node}/spans", _VIEWER),
    # The stock calculator.
    Rule("GET", "/stock", _VIEWER),
    Rule("GET", "/design", _VIEWER),
    Rule("GET", "/api/stock/batch", _VIEWER),
    Rule("GET", "/api/stock/dose", _VIEWER),
    Rule("POST", "/api/stock/recipe", _VIEWER),  # changes nothing
    # Previews.
    Rule("GET", "/api/nodes/{node}/preview", _VIEWER),
    Rule("POST", "/api/nodes/{node}/preview", _OPERATOR, "begin preview"),
    Rule("DELETE", "/api/nodes/{node}/preview", _OPERATOR, "cancel preview"),
    # Calibrations.
    Rule("GET", "/api/nodes/{node}/calibrations", _VIEWER),
    Rule("GET", "/api/nodes/{node}/calibrations/{calibration}", _VIEWER),
    Rule("POST", "/api/nodes/{node}/calibrations", _OPERATOR, "begin calibration"),
    Rule("POST", "/api/nodes/{node}/calibrations/back", _OPERATOR, "revert calibration"),
    Rule("POST", "/api/nodes/{node}/calibrations/{calibration}/points", _OPERATOR, "record point"),
    Rule("DELETE", "/api/nodes/{node}/calibrations/{calibration}/points/last", _OPERATOR,
         "delete point"),
    Rule("POST", "/api/nodes/{node}/calibrations/{calibration}/runs", _OPERATOR, "run pump"),
    Rule("POST", "/api/nodes/{node}/calibrations/{calibration}/factory", _OPERATOR,
         "factory calibration"),
    Rule("POST", "/api/nodes/{node}/calibrations/{calibration}/finish", _OPERATOR,
         "finish calibration"),
    Rule("POST", "/api/nodes/{node}/calibrations/{calibration}/cancel", _OPERATOR,
         "cancel calibration"),
    # Updates over the air.
    Rule("GET", "/updates", _VIEWER),
    Rule("GET", "/api/updates", _VIEWER),
    Rule("POST", "/api/updates/releases", _ADMIN, "add release"),
    Rule("DELETE", "/api/updates/releases/{release}", _ADMIN, "remove release"),
    Rule("POST", "/api/updates/rollouts", _ADMIN, "roll out release"),
    Rule("POST", "/api/updates/rollouts/{rollout}/cancel", _ADMIN, "cancel roll-out"),
    # The journal.
    Rule("GET", "/journal", _VIEWER),
    Rule("GET", "/api/journal", _VIEWER),
    Rule("POST", "/api/journal", _OPERATOR, "write note"),
    Rule("GET", "/api/journal/yields", _VIEWER),
    Rule("GET", "/api/journal/export", _VIEWER),
    Rule("GET", "/api/journal/{note}", _VIEWER),
    Rule("PUT", "/api/journal/{note}", _OPERATOR, "change note"),
    Rule("DELETE", "/api/journal/{note}", _OPERATOR, "delete note"),
    Rule("POST", "/api/journal/{note}/photos", _OPERATOR, "add photo"),
    Rule("GET", "/api/journal/{note}/photos/{photo}", _VIEWER),
    Rule("DELETE", "/api/journal/{note}/photos/{photo}", _OPERATOR, "delete photo"),
    # Alarms.
    Rule("GET", "/api/alarms", _VIEWER),
    Rule("GET", "/api/alarms/history", _VIEWER),
    Rule("GET", "/api/alarms/kpis", _VIEWER),
    Rule("POST", "/api/alarms/acknowledge", _OPERATOR, "acknowledge alarm"),
    Rule("POST", "/api/alarms/shelve", _OPERATOR, "shelve alarm"),
    Rule("POST", "/api/alarms/unshelve", _OPERATOR, "unshelve alarm"),
    Rule("POST", "/api/alarms/test", _OPERATOR, "test alarms"),
    Rule("POST", "/api/alarms/take-out", _OPERATOR, "remove alarm from service"),
    Rule("POST", "/api/alarms/put-back", _OPERATOR, "return alarm to service"),
)

_PATTERNS: tuple[tuple[re.Pattern[str], Rule], ...] = tuple(
    (compile_path(rule.path)[0], rule) for rule in MATRIX)


def rule_of(method: str, path: str) -> Rule | None:
    """Return the row of a request, or None: the request is refused."""
    wanted = "GET" if method == "HEAD" else method
    return next((rule for pattern, rule in _PATTERNS
                 if rule.method == wanted and pattern.match(path)), None)


def target_of(rule: Rule, path: str) -> str:
    """Return the target of a request from its path: a node, user or token; "" if it has none."""
    found = next(pattern.match(path) for pattern, one in _PATTERNS if one is rule)
    return "" if found is None else " ".join(found.groupdict().values())
