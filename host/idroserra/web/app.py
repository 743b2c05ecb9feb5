"""Builds the web application: static files, API, pages and error handlers."""

from __future__ import annotations

import asyncio
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

from idroserra.auth.errors import PasswordNotRecent
from idroserra.auth.openid.errors import ProviderUnavailable
from idroserra.core import protocol
from idroserra.core.errors import (
    BoardError,
    ConfigError,
    Conflict,
    Forbidden,
    HostError,
    InvalidInput,
    NotFound,
    RecipeError,
    SpoolError,
    StoreError,
    TooMany,
)
from idroserra.i18n.errors import error_english, error_text, reason_of
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import translate
from idroserra.recipes.fields import recipe_error_text
from idroserra.reports.builder import build_report
from idroserra.reports.comparison import figures
from idroserra.reports.pdf import NoPdf
from idroserra.reports.sources import ReportSources
from idroserra.reports.summary import summarize
from idroserra.server.service import Service
from idroserra.simulation.nutrient_process import RecipeBusy
from idroserra.simulation.nutrient_recipe import NoSolver
from idroserra.simulation.stock_calculator import StockProblem
from idroserra.web.api.access import access_router
from idroserra.web.api.alarms import alarms_router
from idroserra.web.api.balance import balance_router
from idroserra.web.api.bottles import bottles_router
from idroserra.web.api.calibrations import calibrations_router
from idroserra.web.api.crops.compare import compare_router
from idroserra.web.api.crops.previews import previews_router
from idroserra.web.api.crops.recipe_library import recipe_library_router
from idroserra.web.api.crops.recipes import recipes_router
from idroserra.web.api.crops.stock import stock_router
from idroserra.web.api.export import export_router
from idroserra.web.api.feeds import feeds_router
from idroserra.web.api.foreign import foreign_router
from idroserra.web.api.hosts import hosts_router
from idroserra.web.api.journal import journal_router
from idroserra.web.api.keys import keys_router
from idroserra.web.api.metrics import metrics_router
from idroserra.web.api.nodes import nodes_router
from idroserra.web.api.openid import openid_router
from idroserra.web.api.reports import nights_router, reports_router
from idroserra.web.api.schemas import ErrorOut
from idroserra.web.api.setpoints import setpoints_router
from idroserra.web.api.sites import sites_router
from idroserra.web.api.stops import stops_router
from idroserra.web.api.tables import tables_router
from idroserra.web.api.updates import updates_router
from idroserra.web.boards.api import boards_router
from idroserra.web.boards.pages import board_pages_routes
from idroserra.web.computed_readings import lamp_ppfd
from idroserra.web.context import WebContext
from idroserra.web.help_page import help_page_routes
from idroserra.web.help_site import help_routes, howtos
from idroserra.web.install.routes import Installer
from idroserra.web.middleware.authentication import AuthMiddleware, wants_page
from idroserra.web.middleware.request_limits import RequestLimits
from idroserra.web.middleware.security import SecurityMiddleware
from idroserra.web.node_rooms import node_room_routes
from idroserra.web.node_settings import wiring_routes
from idroserra.web.node_titles import NodeTitles
from idroserra.web.node_view import NodeViews, wall_unix_ms
from idroserra.web.openapi import described
from idroserra.web.own_status import OwnStatus
from idroserra.web.pages import Pages, pages_routes
from idroserra.web.planning.dose_preview import dose_preview_router
from idroserra.web.planning.tasks import tasks_router
from idroserra.web.pwa import pwa_routes
from idroserra.web.recipe_pages import recipe_pages_routes
from idroserra.web.routing import Routes
from idroserra.web.settings.alarms import settings_alarms_router
from idroserra.web.settings.backup import settings_backup_router
from idroserra.web.settings.nodes import settings_nodes_router
from idroserra.web.settings.notifications import settings_notifications_router
from idroserra.web.settings.pages import settings_pages_routes
from idroserra.web.sse_hub import FeedHub
from idroserra.web.static_files import STATIC, PageFiles, static_digest

_NOT_FOUND = "Not Found"  # of Starlette, without a reason
HISTORY_UNREADABLE = N_(
    "History cannot be read from the database. New readings wait safely on this host. Check that"
    " the database runs and that the host may read it.")

# The first match counts: an exception may be of several kinds.
_STATUS: tuple[tuple[int, tuple[type[Exception], ...]], ...] = (
    (404, (NotFound,)), (403, (Forbidden,)), (429, (TooMany,)), (409, (Conflict,)),
    (422, (InvalidInput, protocol.ProtocolError, protocol.SettingsError)),
    (501, (NoPdf, NoSolver)), (503, (StoreError, SpoolError, RecipeBusy, ProviderUnavailable)),
)


def create_app(
    service: Service, *, simulated: bool = False, help_site: Path | None = None
) -> Starlette:
    """Return the application over a started service.

    `simulated` puts a banner on every page; `help_site` is the folder of the built documentation,
    served under /docs. Raises ConfigError if the page's JavaScript is not built."""
    if not (STATIC / "vendor" / "uPlot.esm.js").is_file():
        raise ConfigError(str(STATIC / "vendor"), "", "not built: run python host/web/build.py")
    digest = static_digest()
    context = web_context(service)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.feed_hub = hub = FeedHub(context, digest)
        task = asyncio.create_task(hub.run())
        yield
        hub.end()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    app = Starlette(lifespan=lifespan)
    app.state.auth = context.auth
    app.state.site_https = context.site_https
    app.state.is_healthy = lambda: context.alarm_loop.is_alive
    installer = Installer(context)
    api = [*_api(context), installer.router()]
    pages = Pages(app, context, digest, simulated=simulated, howtos=howtos(help_site))
    shown = (_description(api), pages_routes(pages), settings_pages_routes(pages),
             board_pages_routes(pages), node_room_routes(pages), recipe_pages_routes(pages),
             wiring_routes(context.nodes), help_page_routes(pages), help_routes(help_site),
             pwa_routes(pages, f"/static/{digest}"))
    # First, because most requests are for static files, and routes are tried one by one.
    app.mount(f"/static/{digest}", PageFiles(directory=STATIC), name="static")
    app.router.routes += [route for group in (*api, *shown) for route in group.served()]
    app.router.routes.append(installer.socket_route())
    _add_errors(app, pages)
    app.add_middleware(RequestLimits)
    app.add_middleware(AuthMiddleware, auth=context.auth, refused_page=pages.refused)
    app.add_middleware(GZipMiddleware, minimum_size=2_000, compresslevel=5)
    app.add_middleware(
        SecurityMiddleware, public_url=context.config.http.public_url,
        site_https=context.site_https)
    return app


def web_context(service: Service) -> WebContext:
    """Return the parts of a service that the web application uses."""
    def scrape(accept: str) -> tuple[bytes, str]:
        # Loaded on the first scrape: prometheus_client brings a web server of its own.
        from idroserra.prometheus import collector

        return collector.scrape(collector.HostCollector(
            nodes=service.nodes, live=service.live, alarms=service.alarms,
            states=service.states, counts=service.counts, feeds=service.feeds.states,
            now_unix_ms=wall_unix_ms), accept)

    ppfd_of = lamp_ppfd(service.recipes)
    sources = ReportSources(
        service.store, service.alarms.alarms, service.calibrations, service.journal,
        service.settings_history)
    titles = NodeTitles(service.page_settings)
    return WebContext(
        config=service.config, auth=service.access, openid=service.openid,
        nodes=service.nodes, titles=titles,
        alarm_settings=service.alarm_settings, settings_history=service.settings_history,
        backup=service.page_backup, boards=service.boards,
        views=NodeViews(service.nodes, service.live, service.latest_events, service.recipes,
                        service.states, titles.of, service.commands.stop_mark),
        states=service.states,
        live=service.live, commands=service.commands, store=service.store, spool=service.spool,
        feeds=service.feeds, foreign=service.foreign, other_hosts=service.other_hosts,
        counts=service.counts,
        alarm_loop=service.alarms, calibrations=service.calibrations, recipes=service.recipes,
        recipe_library=service.recipe_library, updates=service.updates,
        previews=service.previews, journal=service.journal, site_https=service.lan,
        report=lambda node, span: build_report(sources, node, span),
        summarize=lambda node, span: summarize(sources, node, span),
        figures=lambda node, span: figures(sources, node, span, ppfd_of(node.node)), scrape=scrape)


def _api(context: WebContext) -> list[Routes]:
    site, nodes, alarm_loop = context.config.site, context.nodes, context.alarm_loop
    return [
        access_router(context.auth, context.openid), openid_router(context.auth, context.openid),
        nodes_router(context), keys_router(context),
        settings_nodes_router(nodes, context.titles, site),
        settings_notifications_router(context.alarm_settings, alarm_loop),
        settings_alarms_router(context.alarm_settings, nodes, context.journal),
        settings_backup_router(context.backup, context.auth.audit, site),
        boards_router(context.boards, nodes),
        sites_router(nodes, context.views, context.journal, alarm_loop.alarms),
        stops_router(context), nights_router(context),
        tables_router(context), calibrations_router(context.calibrations, nodes),
        alarms_router(alarm_loop, nodes, site), bottles_router(alarm_loop.bottles, nodes),
        dose_preview_router(context), tasks_router(context), balance_router(context),
        setpoints_router(nodes, context.settings_history, lamp_ppfd(context.recipes)),
        recipes_router(context.recipes, context.recipe_library, nodes),
        recipe_library_router(context.recipe_library, context.recipes), previews_router(context),
        updates_router(context.updates, nodes),
        export_router(context),
        feeds_router(context.feeds), foreign_router(context.foreign),
        hosts_router(OwnStatus(context, version("idroserra")), site, context.other_hosts),
        journal_router(context.journal, nodes),
        reports_router(context), stock_router(), compare_router(context),
        metrics_router(context.scrape),
    ]


def described_api(service: Service) -> dict[str, Any]:
    """Return the OpenAPI description of the API of a service."""
    context = web_context(service)
    return _described([*_api(context), Installer(context).router()])


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
        """This description, built for each request: it is large and rarely requested."""
        return _described(api)

    return routes


def _add_errors(app: Starlette, pages: Pages) -> None:
    """Answer errors with JSON, or with a page where a person opened an address."""
    def answered(
        request: Request, answer: dict[str, Any], status: int,
        headers: dict[str, str] | None = None,
    ) -> Response:
        if wants_page(request.scope):
            with suppress(HostError, sqlite3.Error):  # the page may need what just failed
                why = answer.get("words") or answer["error"]
                return pages.refused(request, status, "" if why == _NOT_FOUND else why)
        return JSONResponse(answer, status, headers)

    def on_host_error(request: Request, error: Exception) -> Response:
        status = next((code for code, kinds in _STATUS if isinstance(error, kinds)), 500)
        answer = error_json(error)
        if isinstance(error, StoreError) and error.failed_unix_ms is not None:
            answer = _said(HISTORY_UNREADABLE, translate(HISTORY_UNREADABLE)) | {
                "detail": error.why, "since_unix_ms": error.failed_unix_ms}
        if isinstance(error, PasswordNotRecent):
            answer["needs_password"] = True
        wait_s = error.wait_s if isinstance(error, TooMany) else None
        headers = None if wait_s is None else {"Retry-After": str(wait_s)}
        return answered(request, answer, status, headers)

    def on_http_error(request: Request, error: Exception) -> Response:
        status, detail = (error.status_code, error.detail) if isinstance(
            error, HTTPException) else (500, "")
        return answered(request, _said(detail, translate(detail)), status)

    def on_database_error(request: Request, error: Exception) -> Response:
        return answered(request, {"error": f"host database: {error}"}, 503)

    app.add_exception_handler(sqlite3.Error, on_database_error)
    for kind in (HostError, protocol.ProtocolError, protocol.SettingsError):
        app.add_exception_handler(kind, on_host_error)
    app.add_exception_handler(HTTPException, on_http_error)


def error_json(error: Exception) -> dict[str, Any]:
    """Return the body of an error response: error in English, words in the reader's language if
    it is another, and the code of its reason if it has one."""
    if isinstance(error, RecipeError):
        return _said(error_english(error), recipe_error_text(error)) | {"field": error.key}
    if isinstance(error, BoardError):
        return {"error": error_english(error), "words": translate(error.why), "field": error.key}
    if isinstance(error, StockProblem):
        return _said(error_english(error), error.words) | {"field": error.field}
    reason = reason_of(error)
    answer = _said(error_english(error), error_text(error))
    return answer if reason is None else answer | {"code": reason.code}


def _said(english: str, words: str) -> dict[str, Any]:
    return {"error": english} if words == english else {"error": english, "words": words}
