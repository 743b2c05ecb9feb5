"""Declares HTTP routes as functions and validates requests and responses.

The signature of a function declares its parameters: a name in the path is a path parameter, a
Struct is the body, a Request is the request, all others are query parameters, or header parameters
if Param says so. openapi.py describes the same declarations.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from idroserra.core.errors import InvalidInput
from idroserra.core.validation import ValidationError, plain, raise_validation_error, validate

UNKNOWN = "unknown field"
# A slow store takes no thread from requests that change something: those have 40 of their own.
MOST_READING_THREADS = 24
_READING: RunVar[CapacityLimiter] = RunVar("idroserra_reading")
# OpenAPI response objects by status.
Replies = Mapping[int, Mapping[str, Any]]
_Call = TypeVar("_Call", bound=Callable[..., Any])


class BadRequest(InvalidInput):
    """An invalid request. The message names the field."""


class Param(NamedTuple):
    """The name and place of a parameter, as an annotation of its type."""

    name: str
    where: str = "query"


class Parameter(NamedTuple):
    """A path, query or header parameter. `default` is NODEFAULT if it is required."""

    name: str  # in the request
    where: str
    argument: str  # of the function
    kind: Any
    default: Any


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    call: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    body: Any  # a Struct type, or None
    body_argument: str
    request_argument: str
    status: int
    answer: Any  # a type; None for a Response or any JSON
    replies: Replies
    takes: Mapping[str, Any]  # accepted bodies other than JSON, by media type


class Routes:
    """A group of routes with a common prefix and common error replies."""

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
        """Return a decorator that adds a function as a route.

        `answer` is the type of its result, `status` that of success, `replies` are other
        responses, `takes` the bodies other than JSON, which the function reads itself."""
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
        self.methods = {operation.method}  # no implicit HEAD


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
    metadata = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return next((one for one in metadata if isinstance(one, Param)), Param(argument))


def _endpoint(operation: Operation) -> Callable[[Request], Any]:
    """Return the endpoint: it validates the request, calls the function and checks the result."""
    call, is_async = operation.call, inspect.iscoroutinefunction(operation.call)
    types = _parameters_type(operation.parameters) if operation.parameters else None
    decoder = None if operation.body is None else msgspec.json.Decoder(
        operation.body, strict=False)

    async def endpoint(request: Request) -> Response:
        arguments: dict[str, Any] = {}
        if operation.request_argument:
            arguments[operation.request_argument] = request
        try:
            if types is not None:
                arguments |= msgspec.structs.asdict(
                    validate(_values(request, operation.parameters), types))
            if decoder is not None:
                arguments[operation.body_argument] = _read(decoder, await request.body())
        except ValidationError as error:
            raise BadRequest(str(error)) from None
        if is_async:
            return _serialize(operation, await call(**arguments))
        limiter = _reading_limiter() if operation.method == "GET" else None
        return await to_thread.run_sync(
            lambda: _serialize(operation, call(**arguments)), limiter=limiter)

    return endpoint


def _reading_limiter() -> CapacityLimiter:
    """Return the limiter of this event loop for the threads of requests that only read."""
    try:
        return _READING.get()
    except LookupError:
        limiter = CapacityLimiter(MOST_READING_THREADS)
        _READING.set(limiter)
        return limiter


async def in_reading_threads(
    parts: Iterator[str] | Iterator[bytes]
) -> AsyncIterator[str | bytes]:
    """Yield the parts of a response, which are read while it is sent, in these threads too."""
    limiter = _reading_limiter()
    while True:
        part = await to_thread.run_sync(lambda: next(parts, None), limiter=limiter)
        if part is None:
            return
        yield part


def _parameters_type(parameters: tuple[Parameter, ...]) -> type[msgspec.Struct]:
    """Return a Struct type of all parameters of an operation."""
    return msgspec.defstruct(
        "Asked", [(one.argument, one.kind) if one.default is msgspec.NODEFAULT
                  else (one.argument, one.kind, one.default) for one in parameters],
        rename={one.argument: one.name for one in parameters}, kw_only=True)


def _values(request: Request, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    places: dict[str, Mapping[str, Any]] = {
        "path": request.path_params, "query": request.query_params, "header": request.headers}
    return {one.name: places[one.where][one.name] for one in parameters
            if one.name in places[one.where]}


def _read(decoder: msgspec.json.Decoder[Any], content: bytes) -> Any:
    """Return the decoded body of a request. Raises ValidationError."""
    if not content:
        raise ValidationError(["body"], "field required")
    try:
        return decoder.decode(content)
    except msgspec.ValidationError as error:
        try:
            raise_validation_error(error, decoder.type, UNKNOWN)
        except ValidationError as found:
            raise (found if found.path else ValidationError(["body"], found.why)) from None
    except (ValueError, RecursionError):
        raise ValidationError(["body"], "not JSON") from None


def _serialize(operation: Operation, answer: Any) -> Response:
    """Return a result as a response. Raises msgspec.ValidationError if it breaks its type."""
    if isinstance(answer, Response):
        return answer
    if operation.answer is not None:
        msgspec.convert(answer, operation.answer, from_attributes=True)
    return Response(msgspec.json.encode(answer, enc_hook=plain), operation.status,
                    media_type="application/json")
