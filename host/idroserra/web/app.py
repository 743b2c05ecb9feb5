"""The web application: pages, static files, API, and how every error becomes one clear line."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Scope

from idro.protocol.texts import SETTING_TEXTS
from idroserra import contract, recipe
from idroserra.alarms.alarms import AlarmRefused, UnknownAlarm
from idroserra.errors import ConfigError, HostError, NotAdopted, StoreError, UnknownNode
from idroserra.recipes.view import summary_json
from idroserra.service import Service
from idroserra.web.alarms import alarms_router, alarms_summary
from idroserra.web.api import BadRequest, UnknownCommand, api_router
from idroserra.web.calibrations import calibrations_router
from idroserra.web.events import Feed
from idroserra.web.export import export_router
from idroserra.web.guard import Guard
from idroserra.web.metrics import metrics_router
from idroserra.web.recipes import recipes_router
from idroserra.web.verdict import host_reasons
from idroserra.web.views import Views, wall_unix_ms

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"
YEAR_S = 31_536_000

# The filter of the "why" list.
KINDS = {
    "all": "decided,refused,dosed,ran,stopped,resumed,latched,armed,correction,authority,boot,"
           "configured,fault_began,fault_ended,restarted,flash_failed,gap,clock_set,water,"
           "irrigation_no_flow,irrigation_stuck_on,air_too_hot,air_warms",
    "decisions": "decided,refused,stopped,resumed,latched,armed,correction,authority,water,"
                 "irrigation_no_flow,irrigation_stuck_on,air_too_hot,air_warms",
    "doses": "dosed,ran,correction",
    "faults": "fault_began,fault_ended,restarted,flash_failed,latched,water,gap,boot,"
              "irrigation_no_flow,irrigation_stuck_on,air_too_hot,air_warms",
}

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (UnknownNode, 404), (UnknownCommand, 404), (UnknownAlarm, 404), (NotAdopted, 409),
    (AlarmRefused, 409), (BadRequest, 422),
    (contract.ProtocolError, 422), (contract.SettingsError, 422), (StoreError, 503),
)


def create_app(service: Service, *, simulated: bool = False) -> FastAPI:
    """Return the application over a started service. `simulated` puts a banner on every page.

    Raises ConfigError where the page's JavaScript was never built."""
    if not (STATIC / "vendor" / "uPlot.esm.js").is_file():
        raise ConfigError(str(STATIC / "vendor"), "", "not built: run python host/web/build.py")
    digest = static_digest()
    views = Views(service)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.feed = Feed(service, views, digest)
        task = asyncio.create_task(app.state.feed.run())
        yield
        app.state.feed.end()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    app = FastAPI(
        title="Idroserra", version=version("idroserra"), lifespan=lifespan,
        openapi_url="/api/openapi.json", docs_url=None, redoc_url=None,
        description="Read and operate hydroponic greenhouses. Times are UTC in ms unless the "
                    "name says otherwise; EC is in uS/cm at 25 C.",
    )
    app.include_router(api_router(service, views))
    app.include_router(calibrations_router(service))
    app.include_router(alarms_router(service))
    app.include_router(recipes_router(service))
    app.include_router(export_router(service))
    app.include_router(metrics_router(service))
    app.mount(f"/static/{digest}", _Static(directory=STATIC), name="static")
    _add_pages(app, service, views, digest, simulated=simulated)
    _add_errors(app)
    app.add_middleware(GZipMiddleware, minimum_size=2_000, compresslevel=5)
    app.add_middleware(Guard)
    return app


def static_digest() -> str:
    """Return a name for the present content of the static files: a new one, a new address."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(STATIC).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


class _Static(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
        return response

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if path.endswith(".js"):
            response.headers["Content-Type"] = "text/javascript; charset=utf-8"
        return response


def _add_pages(
    app: FastAPI, service: Service, views: Views, digest: str, *, simulated: bool
) -> None:
    templates = Jinja2Templates(directory=HERE / "templates")
    recipes = [summary_json(recipe.load(name)) for name in recipe.names()]
    templates.env.policies["json.dumps_kwargs"] = {"sort_keys": False}  # channels have an order

    def page(request: Request, name: str, node: dict[str, Any] | None) -> HTMLResponse:
        boot = {"event_id": app.state.feed.newest_id,  # first: what comes later is replayed
                "nodes": views.all(), "now_unix_ms": wall_unix_ms(), "digest": digest,
                "host_reasons": host_reasons(service.counts()),
                "alarms": alarms_summary(service)}
        status = 404 if name == "missing.html" else 200
        return templates.TemplateResponse(request, name, status_code=status, context={
            "boot": boot, "node": node, "static": f"/static/{digest}", "simulated": simulated,
            "site": service.config.site, "place": name.removesuffix(".html"),
            "version": app.version, "kinds": KINDS, "recipes": recipes,
            "settings": {
                key: row._asdict() | {"text": SETTING_TEXTS[key]}
                for key, row in contract.SETTINGS.items()
            },
        })

    @app.get("/", include_in_schema=False)
    def overview(request: Request) -> HTMLResponse:
        """The page over all nodes."""
        return page(request, "overview.html", None)

    @app.get("/alarms", include_in_schema=False)
    def alarms_page(request: Request) -> HTMLResponse:
        """The page of the alarms."""
        return page(request, "alarms.html", None)

    @app.get("/nodes/{node}", include_in_schema=False)
    def node_page(request: Request, node: str) -> HTMLResponse:
        """The page of one node."""
        try:
            found = views.get(node)
        except UnknownNode:
            return page(request, "missing.html", None)
        return page(request, "node.html", found)


def _add_errors(app: FastAPI) -> None:
    def on_host_error(_request: Request, error: Exception) -> Response:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        return JSONResponse({"error": str(error)}, status)

    def on_invalid(_request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        return JSONResponse({"error": _first(found)}, 422)

    def on_http(_request: Request, error: Exception) -> Response:
        status, detail = (error.status_code, error.detail) if isinstance(
            error, HTTPException) else (500, "")
        return JSONResponse({"error": str(detail)}, status)

    for kind in (HostError, contract.ProtocolError, contract.SettingsError):
        app.add_exception_handler(kind, on_host_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)


def _first(errors: Any) -> str:
    """Return one line for the first thing wrong with a request, with the field's name."""
    first = dict(errors[0])
    if first["type"] == "json_invalid":
        return "body: not JSON"
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{'.'.join(where) or 'body'}: {message[:1].lower()}{message[1:]}"
