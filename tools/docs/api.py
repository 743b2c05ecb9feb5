"""Generates the reference of the HTTP API, from its OpenAPI description, and of the metrics."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

from prometheus_client.metrics_core import Metric

from idroserra.auth.roles import rule_of
from idroserra.core.config import load_config
from idroserra.prometheus.host import host_series
from idroserra.prometheus.nodes import NodeSeries
from idroserra.server.service import Service
from idroserra.web.app import described_api
from tools.docs.tables import anchor, span, table

_API = """# HTTP API

For developers of programs that talk to the host: every route, its role and its parameters.

Generated from the host's OpenAPI description by `make site`. The full description, with the
responses, is at `/api/openapi.json` of a running host.

A program sends `Authorization: Bearer TOKEN`; `idroserra user token NAME --role viewer` makes one
([users](../users.md)). Bodies are JSON. Errors are `{"error": "..."}`: 401 or 403 without the
right, 422 with the name of the wrong field. Times are UTC in ms unless the name says otherwise.

```sh
curl -s -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/api/nodes
```
"""
_METRICS = """# Metrics

For technicians who monitor the host with Prometheus: every series of `/metrics`. Set-up and the
meaning of gaps: [Prometheus](../integrations.md#prometheus).

Generated from `host/idroserra/prometheus/` by `make site`.
"""


def pages() -> dict[str, str]:
    """Return the pages by their path under docs/. Needs the page's JavaScript: `make web`."""
    with tempfile.TemporaryDirectory() as folder:
        service = Service(load_config(overrides={"data_dir": folder}))
        try:
            described = described_api(service)
            host = list(host_series(service.counts(), service.alarms))
        finally:
            service.stop()
    return {"reference/api.md": _api(described), "reference/metrics.md": _metrics(host)}


def _api(described: dict[str, Any]) -> str:
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(_group(path), []).append((method.upper(), path, operation))
    rows = [(f"[`{method} {path}`](#{_name(method, path)})", _role(method, path),
             _first_line(operation)) for found in groups.values()
            for method, path, operation in found]
    parts = [_API, "## All routes\n", table(("route", "role", "description"), rows)]
    for group, found in groups.items():
        parts.append(f"## {group}\n")
        parts += [_operation(described, *one) for one in found]
    return "\n".join(parts)


def _group(path: str) -> str:
    """Return the group of a path: the fixed word after the node, else the first."""
    words = [word for word in path.removeprefix("/api").split("/")[1:] if word[0] != "{"]
    return words[1] if words[0] == "nodes" and len(words) > 1 else words[0]


def _name(method: str, path: str) -> str:
    return f"{method.lower()}{path.replace('/', '-').replace('{', '').replace('}', '')}"


def _role(method: str, path: str) -> str:
    rule = rule_of(method, path)
    if rule is None:
        raise ValueError(f"{method} {path}: no row in auth/roles.py")
    return rule.role.label


def _first_line(operation: dict[str, Any]) -> str:
    return str(operation["description"].strip().split("\n\n")[0]).replace("\n", " ")


def _operation(described: dict[str, Any], method: str, path: str, found: dict[str, Any]) -> str:
    rows = [_field(one["name"], one["schema"] | {"description": one.get("description", "")},
                   one["in"], is_needed=one["required"])
            for one in found.get("parameters", ()) if one["in"] != "path"]
    for schema in _bodies(described, found):
        needed = schema.get("required", ())
        rows += [_field(name, one, "body", is_needed=name in needed)
                 for name, one in schema.get("properties", {}).items()]
    text = " ".join(found["description"].split())
    parts = [anchor(_name(method, path)), f"### `{method} {path}`\n",
             f"{text} Role: {_role(method, path)}.\n"]
    if rows:
        parts.append(table(("field", "in", "takes", "default", "meaning"), rows))
    return "\n".join(parts)


def _bodies(described: dict[str, Any], operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    for one in (schema, *schema.get("anyOf", ())):
        name = str(one.get("$ref", "")).rpartition("/")[2]
        if name:
            yield described["components"]["schemas"][name]


def _field(
    name: str, schema: dict[str, Any], where: str, *, is_needed: bool
) -> tuple[str, str, str, str, str]:
    default = schema.get("default")
    shown = "required" if is_needed else "" if default in (None, {}, []) else f"`{default}`"
    return f"`{name}`", where, _takes(schema), shown, str(schema.get("description", ""))


def _takes(schema: dict[str, Any]) -> str:
    """Return the type and limits of a field as text."""
    kinds = [one for one in schema.get("anyOf", (schema,)) if one.get("type") != "null"]
    words = []
    for kind in kinds:
        if "enum" in kind:
            words.append(" or ".join(f"`{value}`" for value in kind["enum"]))
        elif "const" in kind:
            words.append(f"`{kind['const']}`")
        elif kind.get("type") == "string":
            words.append("text" + _limited(kind, "minLength", "maxLength", " characters"))
        else:
            word = {"integer": "a whole number", "number": "a number", "array": "a list",
                    "boolean": "true or false", "object": "an object"}
            words.append(word.get(kind.get("type", ""), "an object")
                         + _limited(kind, "minimum", "maximum", ""))
    return " or ".join(dict.fromkeys(words))


def _limited(kind: dict[str, Any], low: str, high: str, unit: str) -> str:
    limits = span(kind.get(low), kind.get(high))
    return f", {limits}{unit}" if limits else ""


def _metrics(host: list[Metric]) -> str:
    nodes = [one for one in vars(NodeSeries(0)).values() if isinstance(one, Metric)]
    nodes += vars(NodeSeries(0))["_readings"].values()
    parts = [_METRICS]
    for title, families in (("Nodes and readings", nodes), ("The host", host)):
        rows = [(f"`{one.name}{'_total' if one.type == 'counter' else ''}`",
                 ", ".join(f"`{label}`" for label in getattr(one, "_labelnames", ())),
                 one.documentation) for one in families]
        parts += [f"## {title}\n", table(("metric", "labels", "meaning"), rows)]
    return "\n".join(parts)
