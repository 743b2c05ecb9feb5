"""Generates the OpenAPI 3.1 description from the declared routes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from idroserra.core.validation import public_pattern
from idroserra.web.routing import Operation, Parameter

TEMPLATE = "#/components/schemas/{name}"


def described(
    operations: Iterable[Operation], *, title: str, version: str, description: str,
    also: tuple[type, ...] = (),
) -> dict[str, Any]:
    """Return the description of `operations`; `also` are types that replies refer to."""
    operations = list(operations)
    kinds: list[Any] = list(also)
    for one in operations:
        kinds += [kind for kind in (one.answer, one.body) if kind is not None]
        kinds += [parameter.kind for parameter in one.parameters]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=TEMPLATE)
    left = iter(schemas[len(also):])  # in the order of `kinds`
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        answer = None if one.answer is None else next(left)
        body = None if one.body is None else next(left)
        parameters = [_parameter(parameter, next(left)) for parameter in one.parameters]
        path = re.sub(r":\w+}", "}", one.path)
        paths.setdefault(path, {})[one.method.lower()] = _operation(one, answer, body, parameters)
    _normalize(components)
    return {"openapi": "3.1.0",
            "info": {"title": title, "description": description, "version": version},
            "paths": paths, "components": {"schemas": dict(sorted(components.items()))}}


def _operation(
    one: Operation, answer: Any, body: Any, parameters: list[dict[str, Any]]
) -> dict[str, Any]:
    name = one.call.__name__
    found: dict[str, Any] = {
        "summary": name.replace("_", " ").title(), "description": inspect.getdoc(one.call) or "",
        "operationId": re.sub(r"\W", "_", f"{name}{one.path}") + f"_{one.method.lower()}"}
    if parameters:
        found["parameters"] = parameters
    content = {"application/json": {"schema": body}} if body is not None else dict(one.takes)
    if content:
        found["requestBody"] = {"required": True, "content": content}
    answered: dict[str, Any] = {"description": "Successful Response",
                                "content": {"application/json": {"schema": answer or {}}}}
    replies = {one.status: answered, **one.replies}
    found["responses"] = {str(status): dict(replies[status]) for status in sorted(replies)}
    return found


def _parameter(one: Parameter, schema: dict[str, Any]) -> dict[str, Any]:
    _normalize(schema)
    is_needed = one.default is msgspec.NODEFAULT
    if not is_needed and one.default is not None:
        schema["default"] = one.default
    found = {"name": one.name, "in": one.where, "required": is_needed, "schema": schema}
    if "description" in schema:
        found["description"] = schema["description"]
    return found


def _normalize(schema: Any) -> None:
    """Move the description of a nullable type to its field; restore declared patterns."""
    if isinstance(schema, list):
        for one in schema:
            _normalize(one)
    if isinstance(schema, dict):
        for one in schema.values():
            _normalize(one)
        for one in schema.get("anyOf", ()):
            if "description" in one:
                schema.setdefault("description", one.pop("description"))
        for name, convert in (("pattern", public_pattern), ("description", inspect.cleandoc)):
            if isinstance(schema.get(name), str):
                schema[name] = convert(schema[name])
