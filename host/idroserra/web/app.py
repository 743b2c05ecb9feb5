"""The web application: static files, API, pages, and how every error becomes one clear line."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from idroserra.alarms.engine import AlarmRefused, UnknownAlarm
from idroserra.auth.errors import (
    InvalidRequest,
    PasswordNotRecent,
    TooManyAttempts,
    UnknownUserOrToken,
    WrongPassword,
)
from idroserra.core import protocol
from idroserra.core.errors import (
    ConfigError,
    HostError,
    KeyMismatch,
    NotAdopted,
    StoreError,
    UnknownNode,
)
from idroserra.core.sites import BadSite, UnknownSite
from idroserra.i18n.translate import LANGUAGES, catalog_files, page_texts, translate_message
from idroserra.inventory.bottles import UnknownBottle
from idroserra.journal.errors import JournalFull, NotNoteAuthor, PhotoRefused, UnknownNote
from idroserra.journal.service import BadNote
from idroserra.nodes.commands import DuplicateCommandId
from idroserra.reports.builder import BadRange
from idroserra.reports.pdf import NoPdf
from idroserra.server.service import Service
from idroserra.updates.errors import BadRelease, CannotOffer, UnknownRelease
from idroserra.web.api.access import access_router
from idroserra.web.api.alarms import alarms_router
from idroserra.web.api.balance import balance_router
from idroserra.web.api.bottles import bottles_router
from idroserra.web.api.calibrations import calibrations_router
from idroserra.web.api.export import export_router
from idroserra.web.api.journal import journal_router
from idroserra.web.api.keys import keys_router
from idroserra.web.api.metrics import metrics_router
from idroserra.web.api.nodes import UnknownCommand, api_router
from idroserra.web.api.previews import previews_router
from idroserra.web.api.recipes import recipes_router
from idroserra.web.api.reports import reports_router
from idroserra.web.api.schemas import ErrorOut
from idroserra.web.api.sites import sites_router
from idroserra.web.api.tables import tables_router
from idroserra.web.api.updates import updates_router
from idroserra.web.help_site import help_routes, howtos
from idroserra.web.middleware.authentication import AuthMiddleware
from idroserra.web.middleware.security import SecurityMiddleware
from idroserra.web.node_view import NodeViews
from idroserra.web.openapi import described
from idroserra.web.pages import Pages, pages_routes
from idroserra.web.pwa import installed_routes
from idroserra.web.routing import BadRequest, Routes
from idroserra.web.sse_hub import FeedHub

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"
WORDS = "words"  # the folder of what the page's JavaScript says in each language
FOR_EVER = "public, max-age=31536000, immutable"

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (UnknownNode, 404),
    (UnknownCommand, 404),
    (UnknownAlarm, 404),
    (UnknownUserOrToken, 404),
    (UnknownSite, 404),
    (BadSite, 422),
    (WrongPassword, 403),
    (PasswordNotRecent, 403),
    (TooManyAttempts, 429),
    (InvalidRequest, 422),
    (NotAdopted, 409),
    (KeyMismatch, 409),
    (UnknownRelease, 404),
    (BadRelease, 422),
    (CannotOffer, 409),
    (DuplicateCommandId, 409),
    (AlarmRefused, 409),
    (UnknownBottle, 409),
    (BadRequest, 422),
    (UnknownNote, 404),
    (NotNoteAuthor, 403),
    (JournalFull, 409),
    (BadNote, 422),
    (PhotoRefused, 422),
    (BadRange, 422),
    (NoPdf, 501),
    (protocol.ProtocolError, 422),
    (protocol.SettingsError, 422),
    (StoreError, 503),
)


def create_app(
    service: Service, *, simulated: bool = False, help_site: Path | None = None
) -> Starlette:
    """Return the application over a started service. `simulated` puts a banner on every page;
    `help_site` is the folder of the built documentation, shown under /docs.

    Raises ConfigError where the page's JavaScript was never built."""
    if not (STATIC / "vendor" / "uPlot.esm.js").is_file():
        raise ConfigError(str(STATIC / "vendor"), "", "not built: run python host/web/build.py")
    digest = static_digest()
    views = NodeViews(service)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.feeds = FeedHub(service, views, digest)
        task = asyncio.create_task(app.state.feeds.run())
        yield
        app.state.feeds.end()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    app = Starlette(lifespan=lifespan)
    app.state.access = service.access
    app.state.lan = service.lan
    app.state.is_well = lambda: service.alarms.is_alive
    api = _api(service, views)
    pages = Pages(app, service, views, digest, simulated=simulated, howtos=howtos(help_site))
    shown = (_description(api), pages_routes(pages), help_routes(help_site),
             installed_routes(pages, f"/static/{digest}"))
    app.router.routes += [route for group in (*api, *shown) for route in group.served()]
    app.mount(f"/static/{digest}", _Static(directory=STATIC), name="static")
    _add_errors(app)
    app.add_middleware(AuthMiddleware, access=service.access)
    app.add_middleware(GZipMiddleware, minimum_size=2_000, compresslevel=5)
    app.add_middleware(
        SecurityMiddleware, public_url=service.config.http.public_url, lan=service.lan
    )
    return app


def _api(service: Service, views: NodeViews) -> list[Routes]:
    return [
        access_router(service.access), api_router(service, views), keys_router(service),
        sites_router(service, views), tables_router(service, views),
        calibrations_router(service), alarms_router(service), bottles_router(service),
        balance_router(service), recipes_router(service), previews_router(service, views),
        updates_router(service), export_router(service), journal_router(service),
        reports_router(service), metrics_router(service),
    ]


def described_api(service: Service) -> dict[str, Any]:
    """Return the OpenAPI description of the API of a service."""
    return _described(_api(service, NodeViews(service)))


def _described(groups: Iterable[Routes]) -> dict[str, Any]:
    return described(
        [one for group in groups for one in group.operations], also=(ErrorOut,),
        title="Idroserra", version=version("idroserra"),
        description="Read and operate hydroponic greenhouses. Times are UTC in ms unless the "
                    "name says otherwise; EC is in uS/cm at 25 C.")


def _description(api: list[Routes]) -> Routes:
    routes = Routes()

    @routes.get("/api/openapi.json")
    def openapi() -> dict[str, Any]:
        """The description itself. It is made anew each time: few ask, and it is large."""
        return _described(api)

    return routes


def static_digest() -> str:
    """Return a name for the present content of the static files: a new one, a new address."""
    digest = hashlib.sha256()
    for file in catalog_files():  # what the page's JavaScript says is made of these
        digest.update(file.read_bytes())
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(STATIC).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


class _Static(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = FOR_EVER
        return response

    async def get_response(self, path: str, scope: Scope) -> Response:
        folder, _, language = path.removesuffix(".json").partition("/")
        if folder == WORDS and language in LANGUAGES:  # made from the .po files, not a file
            return JSONResponse(page_texts(language), headers={"Cache-Control": FOR_EVER})
        response = await super().get_response(path, scope)
        if path.endswith(".js"):
            response.headers["Content-Type"] = "text/javascript; charset=utf-8"
        return response


def _add_errors(app: Starlette) -> None:
    def on_host_error(_request: Request, error: Exception) -> Response:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        answer: dict[str, Any] = _told(str(error))
        if isinstance(error, PasswordNotRecent):
            answer["needs_password"] = True
        headers = (
            {"Retry-After": str(error.wait_s)} if isinstance(error, TooManyAttempts) else None)
        return JSONResponse(answer, status, headers)

    def on_http(_request: Request, error: Exception) -> Response:
        status, detail = (error.status_code, error.detail) if isinstance(
            error, HTTPException) else (500, "")
        return JSONResponse(_told(str(detail)), status)

    def on_file(_request: Request, error: Exception) -> Response:
        return JSONResponse({"error": f"the host's file does not answer: {error}"}, 503)

    app.add_exception_handler(sqlite3.Error, on_file)
    for kind in (HostError, protocol.ProtocolError, protocol.SettingsError):
        app.add_exception_handler(kind, on_host_error)
    app.add_exception_handler(HTTPException, on_http)


def _told(error: str) -> dict[str, Any]:
    """Return the body of a refusal: in English, and in words where the person reads others."""
    words = translate_message(error)
    return {"error": error} if words == error else {"error": error, "words": words}
