"""Routes as they are declared: what they take, what they answer, how they describe themselves."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import httpx
import msgspec
import pytest
from msgspec import Meta
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from idroserra.core.errors import HostError
from idroserra.core.validation import string_pattern
from idroserra.web.api.schemas import ErrorOut, In, Out, error_reply
from idroserra.web.openapi import described
from idroserra.web.routing import Param, Routes

Id = Annotated[str, string_pattern(r"^[0-9a-f]{4}$", description="Of the pot.")]


class PotIn(In):
    litres: Annotated[float, Meta(gt=0, le=50, description="What it holds.")]
    kind: Literal["clay", "plastic"] = "clay"
    more: dict[str, Any] = {}


class PotOut(Out):
    pot: str
    litres: float


def declared():
    """Return some routes."""
    routes = Routes("/api", {422: error_reply("Wrong.")})

    @routes.get("/pots/{pot}", answer=PotOut)
    def show(
        pot: Id, request: Request,
        size: Annotated[int, Meta(ge=1, le=9, description="How many.")] | None = None,
        form: Annotated[Literal["csv", "line"], Param("format")] = "csv",
        after: Annotated[str | None, Param("last-event-id", "header")] = None,
    ) -> dict[str, Any]:
        """One pot.

        With all that is known of it."""
        return {"pot": pot, "litres": 1, "size": size, "form": form, "after": after,
                "path": request.url.path}

    @routes.put("/pots/{pot}", status=201, answer=PotOut)
    async def change(pot: Id, body: PotIn) -> dict[str, Any]:
        """Change a pot."""
        return {"pot": pot, "litres": body.litres, "kind": body.kind}

    @routes.get("/wrong", answer=PotOut)
    def wrong() -> dict[str, Any]:
        """An answer that is not as it is declared."""
        return {"pot": "a"}

    return routes


@pytest.fixture
def client():
    def on_error(_request, error):
        return JSONResponse({"error": str(error)}, 422)

    app = Starlette(routes=declared().served(), exception_handlers={HostError: on_error})

    async def ask(method, path, **more):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://pots") as client:
            return await client.request(method, path, **more)

    return lambda *asked, **more: asyncio.run(ask(*asked, **more))


def test_what_is_asked_comes_as_it_is_declared(client):
    answer = client("GET", "/api/pots/00ff?size=3&format=line&other=1",
                        headers={"Last-Event-ID": "7"})
    assert answer.json() == {"pot": "00ff", "litres": 1, "size": 3, "form": "line", "after": "7",
                             "path": "/api/pots/00ff"}
    assert answer.headers["content-type"] == "application/json"
    assert client("GET", "/api/pots/00ff").json()["form"] == "csv"


def test_a_body_comes_as_it_is_declared(client):
    answer = client("PUT", "/api/pots/00ff", json={"litres": 5})
    assert (answer.status_code, answer.json()) == (
        201, {"pot": "00ff", "litres": 5, "kind": "clay"})


@pytest.mark.parametrize(("path", "why"), [
    ("/api/pots/00FF", "pot: string should match pattern '^[0-9a-f]{4}$'"),
    ("/api/pots/00ff%0A", "pot: string should match pattern '^[0-9a-f]{4}$'"),
    ("/api/pots/00ff?size=0", "size: input should be greater than or equal to 1"),
    ("/api/pots/00ff?size=", "size: input should be a valid integer"),
    ("/api/pots/00ff?format=pdf", "format: input should be 'csv' or 'line'"),
])
def test_a_wrong_question_names_the_field(client, path, why):
    answer = client("GET", path)
    assert (answer.status_code, answer.json()) == (422, {"error": why})


@pytest.mark.parametrize(("content", "why"), [
    (b"", "body: field required"),
    (b"{", "body: not JSON"),
    (b"\xff", "body: not JSON"),
    (b'{"litres": NaN}', "body: not JSON"),
    (b'{"litres": 5, "more": {"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}", "body: not JSON"),
    (b"[]", "body: input should be a valid object"),
    (b"{}", "litres: field required"),
    (b'{"litres": 5, "colour": 1}', "colour: unknown field (known: litres, kind, more)"),
    (b'{"litres": 1e999}', "litres: number out of range"),
    (b'{"litres": 5, "kind": "tin"}', "kind: input should be 'clay' or 'plastic'"),
])
def test_a_wrong_body_names_the_field(client, content, why):
    answer = client("PUT", "/api/pots/00ff", content=content)
    assert (answer.status_code, answer.json()) == (422, {"error": why})


def test_an_answer_that_is_not_as_declared_is_an_error_of_ours(client):
    with pytest.raises(msgspec.ValidationError, match="litres"):
        client("GET", "/api/wrong")


def test_only_what_is_declared_is_there(client):
    assert client("HEAD", "/api/pots/00ff").status_code == 405
    assert client("POST", "/api/pots/00ff").status_code == 405


def test_the_description_is_of_the_same_declarations():
    found = described(declared().operations, title="Pots", version="1", description="",
                      also=(ErrorOut,))
    assert set(found["components"]["schemas"]) == {"ErrorOut", "PotIn", "PotOut"}
    show, change = (found["paths"]["/api/pots/{pot}"][method] for method in ("get", "put"))
    pot, size, form, after = show["parameters"]
    assert pot == {"name": "pot", "in": "path", "required": True, "description": "Of the pot.",
                   "schema": {"type": "string", "pattern": "^[0-9a-f]{4}$",
                              "description": "Of the pot."}}
    assert (size["required"], size["description"]) == (False, "How many.")
    assert size["schema"]["anyOf"] == [{"type": "integer", "minimum": 1, "maximum": 9},
                                       {"type": "null"}]
    assert (form["name"], form["schema"]["default"]) == ("format", "csv")
    assert (after["name"], after["in"]) == ("last-event-id", "header")
    assert show["description"] == "One pot.\n\nWith all that is known of it."
    assert list(show["responses"]) == ["200", "422"]
    assert list(change["responses"]) == ["201", "422"]
    assert change["requestBody"] == {"required": True, "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/PotIn"}}}}
