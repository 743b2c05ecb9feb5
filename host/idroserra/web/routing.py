"""The routes as they are declared: what each takes and gives, checked on the way in and out.

One declaration is a function: its signature says what it takes. A parameter whose name stands in
the path is of the path, one that is a Struct is the body, the Request is the request, and all
others are of the query, or of a header where Named says so. openapi.py describes the same.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from idroserra.core.errors import HostError
from idroserra.core.validation import ValidationError, plain, raise_validation_error, validate

UNKNOWN = "unknown field"
# By status, as OpenAPI has it.
Replies = Mapping[int, Mapping[str, Any]]
_Call = TypeVar("_Call", bound=Callable[..., Any])


class BadRequest(HostError):
    """A request that means nothing. The message names the field."""


class Param(NamedTuple):
    """In an Annotated type: where a parameter is, and what it is called there."""

    name: str
    where: str = "query"


class Parameter(NamedTuple):
    """One parameter of the path, the query or a header. `default` is NODEFAULT where needed."""

    name: str  # as the request calls it
    where: str
    argument: str  # as the function calls it
    kind: Any
    default: Any


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    call: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    body: Any  # a Struct, None for none
    body_argument: str
    request_argument: str
    status: int
    answer: Any  # a type, None where the function gives a Response, or JSON of any kind
    replies: Replies
    takes: Mapping[str, Any]  # what is taken that is no JSON, by its media type


class Routes:
    """A group of routes under a prefix, with what each of them may reply besides its answer."""

    def __init__(self, prefix: str = "", replies: Replies | None = None) -> None:
        self.operations: list[Operation] = []
        self._prefix = prefix
        self._replies = replies or {}

    def get(self, path: str, **declared: Any) -> Callable[[_Call], _Call]:
        """Declare a GET; see `declare`."""
        return self.declare("GET", path, **declared)

    def post(self, path: str, **declared: Any) -> Callable[[_Call], _Call]:
        """Declare a POST; see `declare`."""
        return self.declare("POST", path, **declared)

    def put(self, path: str, **declared: Any) -> Callable[[_Call], _Call]:
        """Declare a PUT; see `declare`."""
        return self.declare("PUT", path, **declared)

    def delete(self, path: str, **declared: Any) -> Callable[[_Call], _Call]:
        """Declare a DELETE; see `declare`."""
        return self.declare("DELETE", path, **declared)

    def declare(
        self, method: str, path: str, *, answer: Any = None, status: int = 200,
        replies: Replies | None = None, takes: Mapping[str, Any] | None = None,
    ) -> Callable[[_Call], _Call]:
        """Declare the function that follows: what it answers with which status, what else may be
        replied, and what it takes that is no JSON and that it reads itself."""
        def add(call: _Call) -> _Call:
            self.operations.append(_operation(
                method, f"{self._prefix}{path}", call, status, answer,
                {**self._replies, **(replies or {})}, takes or {}))
            return call

        return add

    def served(self) -> list[Route]:
        """Return the routes for the application."""
        return [_Served(one) for one in self.operations]


class _Served(Route):
    def __init__(self, operation: Operation) -> None:
        super().__init__(operation.path, _endpoint(operation), methods=[operation.method],
                         name=operation.call.__name__)
        self.methods = {operation.method}  # no HEAD where nobody declared one


def _operation(
    method: str, path: str, call: Callable[..., Any], status: int, answer: Any, replies: Replies,
    takes: Mapping[str, Any],
) -> Operation:
    hints = get_type_hints(call, include_extras=True)
    of_path = set(re.findall(r"{(\w+)", path))
    parameters, body, body_argument, request_argument = [], None, "", ""
    for argument, one in inspect.signature(call).parameters.items():
        kind = hints[argument]
        if kind is Request:
            request_argument = argument
        elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            body, body_argument = kind, argument
        else:
            default = msgspec.NODEFAULT if one.default is one.empty else one.default
            named = Param(argument, "path") if argument in of_path else _named(argument, kind)
            parameters.append(Parameter(named.name, named.where, argument, kind, default))
    return Operation(method, path, call, tuple(parameters), body, body_argument, request_argument,
                     status, answer, replies, takes)


def _named(argument: str, kind: Any) -> Param:
    told = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return next((one for one in told if isinstance(one, Param)), Param(argument))


def _endpoint(operation: Operation) -> Callable[[Request], Any]:
    """Return what answers a request: reads it, calls the function, checks what comes of it."""
    call, is_async = operation.call, inspect.iscoroutinefunction(operation.call)
    asked = _asked_of(operation.parameters) if operation.parameters else None
    reads = None if operation.body is None else msgspec.json.Decoder(
        operation.body, strict=False)

    async def endpoint(request: Request) -> Response:
        given: dict[str, Any] = {}
        if operation.request_argument:
            given[operation.request_argument] = request
        try:
            if asked is not None:
                given |= msgspec.structs.asdict(
                    validate(_found(request, operation.parameters), asked))
            if reads is not None:
                given[operation.body_argument] = _read(reads, await request.body())
        except ValidationError as error:
            raise BadRequest(str(error)) from None
        if is_async:
            return _serialize(operation, await call(**given))
        return await run_in_threadpool(lambda: _serialize(operation, call(**given)))

    return endpoint


def _asked_of(parameters: tuple[Parameter, ...]) -> type[msgspec.Struct]:
    """Return the shape of all parameters of an operation together."""
    return msgspec.defstruct(
        "Asked", [(one.argument, one.kind) if one.default is msgspec.NODEFAULT
                  else (one.argument, one.kind, one.default) for one in parameters],
        rename={one.argument: one.name for one in parameters}, kw_only=True)


def _found(request: Request, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    places: dict[str, Mapping[str, Any]] = {
        "path": request.path_params, "query": request.query_params, "header": request.headers}
    return {one.name: places[one.where][one.name] for one in parameters
            if one.name in places[one.where]}


def _read(reads: msgspec.json.Decoder[Any], content: bytes) -> Any:
    """Return the body of a request. Raises Misfit."""
    if not content:
        raise ValidationError(["body"], "field required")
    try:
        return reads.decode(content)
    except msgspec.ValidationError as error:
        try:
            raise_validation_error(error, reads.type, UNKNOWN)
        except ValidationError as found:
            raise (found if found.path else ValidationError(["body"], found.why)) from None
    except (ValueError, RecursionError):
        raise ValidationError(["body"], "not JSON") from None


def _serialize(operation: Operation, answer: Any) -> Response:
    """Return an answer as a response; one that is not as it is declared is an error of ours."""
    if isinstance(answer, Response):
        return answer
    if operation.answer is not None:
        msgspec.convert(answer, operation.answer, from_attributes=True)
    return Response(msgspec.json.encode(answer, enc_hook=plain), operation.status,
                    media_type="application/json")
