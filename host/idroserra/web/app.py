"""The web application: static files, API, pages, and how every error becomes one clear line."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Scope

from idroserra import contract
from idroserra.access.errors import NotFresh, Refused, TooMany, Unknown, WrongPassword
from idroserra.alarms.alarms import AlarmRefused, UnknownAlarm
from idroserra.alarms.bottles import NoBottle
from idroserra.commands import IdTaken
from idroserra.errors import (
    ConfigError,
    HostError,
    NotAdopted,
    OtherKey,
    StoreError,
    UnknownNode,
)
from idroserra.i18n import LANGUAGES, catalog_files, page_texts, said
from idroserra.journal.errors import JournalFull, NotYours, PhotoRefused, UnknownNote
from idroserra.journal.journal import BadNote
from idroserra.report.build import BadRange
from idroserra.report.pdf import NoPdf
from idroserra.service import Service
from idroserra.sites import BadSite, UnknownSite
from idroserra.update.errors import BadRelease, CannotOffer, UnknownRelease
from idroserra.web.access import access_router
from idroserra.web.alarms import alarms_router
from idroserra.web.api import BadRequest, UnknownCommand, api_router
from idroserra.web.balance import balance_router
from idroserra.web.bottles import bottles_router
from idroserra.web.calibrations import calibrations_router
from idroserra.web.export import export_router
from idroserra.web.feeds import Feeds
from idroserra.web.gate import Gate
from idroserra.web.guard import Guard
from idroserra.web.help import add_help, howtos
from idroserra.web.installed import add_installed
from idroserra.web.journal import journal_router
from idroserra.web.keys import keys_router
from idroserra.web.metrics import metrics_router
from idroserra.web.pages import Pages, add_pages
from idroserra.web.previews import previews_router
from idroserra.web.recipes import recipes_router
from idroserra.web.reports import reports_router
from idroserra.web.sites import sites_router
from idroserra.web.tables import tables_router
from idroserra.web.updates import updates_router
from idroserra.web.views import Views

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"
WORDS = "words"  # the folder of what the page's JavaScript says in each language
FOR_EVER = "public, max-age=31536000, immutable"

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (UnknownNode, 404), (UnknownCommand, 404), (UnknownAlarm, 404), (Unknown, 404),
    (UnknownSite, 404), (BadSite, 422),
    (WrongPassword, 403), (NotFresh, 403), (TooMany, 429), (Refused, 422), (NotAdopted, 409),
    (OtherKey, 409), (UnknownRelease, 404), (BadRelease, 422), (CannotOffer, 409), (IdTaken, 409),
    (AlarmRefused, 409), (NoBottle, 409), (BadRequest, 422), (UnknownNote, 404), (NotYours, 403),
    (JournalFull, 409), (BadNote, 422), (PhotoRefused, 422), (BadRange, 422), (NoPdf, 501),
    (contract.ProtocolError, 422), (contract.SettingsError, 422), (StoreError, 503),
)


def create_app(
    service: Service, *, simulated: bool = False, help_site: Path | None = None
) -> FastAPI:
    """Return the application over a started service. `simulated` puts a banner on every page;
    `help_site` is the folder of the built documentation, shown under /docs.

    Raises ConfigError where the page's JavaScript was never built."""
    if not (STATIC / "vendor" / "uPlot.esm.js").is_file():
        raise ConfigError(str(STATIC / "vendor"), "", "not built: run python host/web/build.py")
    digest = static_digest()
    views = Views(service)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.feeds = Feeds(service, views, digest)
        task = asyncio.create_task(app.state.feeds.run())
        yield
        app.state.feeds.end()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    app = FastAPI(
        title="Idroserra", version=version("idroserra"), lifespan=lifespan,
        openapi_url="/api/openapi.json", docs_url=None, redoc_url=None,
        description="Read and operate hydroponic greenhouses. Times are UTC in ms unless the "
                    "name says otherwise; EC is in uS/cm at 25 C.",
    )
    app.state.access = service.access
    app.include_router(access_router(service.access))
    app.state.lan = service.lan
    app.state.is_well = lambda: service.alarms.is_alive
    app.include_router(api_router(service, views))
    app.include_router(keys_router(service))
    app.include_router(sites_router(service, views))
    app.include_router(tables_router(service, views))
    app.include_router(calibrations_router(service))
    app.include_router(alarms_router(service))
    app.include_router(bottles_router(service))
    app.include_router(balance_router(service))
    app.include_router(recipes_router(service))
    app.include_router(previews_router(service, views))
    app.include_router(updates_router(service))
    app.include_router(export_router(service))
    app.include_router(journal_router(service))
    app.include_router(reports_router(service))
    app.include_router(metrics_router(service))
    app.mount(f"/static/{digest}", _Static(directory=STATIC), name="static")
    pages = Pages(app, service, views, digest, simulated=simulated, howtos=howtos(help_site))
    add_pages(app, pages)
    add_installed(app, pages, f"/static/{digest}")
    add_help(app, help_site)
    _add_errors(app)
    app.add_middleware(Gate, access=service.access)
    app.add_middleware(GZipMiddleware, minimum_size=2_000, compresslevel=5)
    app.add_middleware(Guard, public_url=service.config.http.public_url, lan=service.lan)
    return app


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


def _add_errors(app: FastAPI) -> None:
    def on_host_error(_request: Request, error: Exception) -> Response:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        answer: dict[str, Any] = _told(str(error))
        if isinstance(error, NotFresh):
            answer["needs_password"] = True
        headers = {"Retry-After": str(error.wait_s)} if isinstance(error, TooMany) else None
        return JSONResponse(answer, status, headers)

    def on_invalid(_request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        return JSONResponse(_told(_first(found)), 422)

    def on_http(_request: Request, error: Exception) -> Response:
        status, detail = (error.status_code, error.detail) if isinstance(
            error, HTTPException) else (500, "")
        return JSONResponse(_told(str(detail)), status)

    def on_file(_request: Request, error: Exception) -> Response:
        return JSONResponse({"error": f"the host's file does not answer: {error}"}, 503)

    app.add_exception_handler(sqlite3.Error, on_file)
    for kind in (HostError, contract.ProtocolError, contract.SettingsError):
        app.add_exception_handler(kind, on_host_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)


def _told(error: str) -> dict[str, Any]:
    """Return the body of a refusal: in English, and in words where the person reads others."""
    words = said(error)
    return {"error": error} if words == error else {"error": error, "words": words}


def _first(errors: Any) -> str:
    """Return one line for the first thing wrong with a request, with the field's name."""
    first = dict(errors[0])
    if first["type"] == "json_invalid":
        return "body: not JSON"
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{'.'.join(where) or 'body'}: {message[:1].lower()}{message[1:]}"
