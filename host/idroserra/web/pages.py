"""Renders the pages, with their initial data, and the public pages before log-in."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from idroserra.auth.identity import current_identity
from idroserra.auth.roles import Role, role_of, rule_of
from idroserra.calibration.ec import DRY
from idroserra.calibration.reference_solutions import BUFFERS, STANDARDS
from idroserra.core.errors import UnknownNode
from idroserra.core.sites import MAX_CHARS, UnknownSite
from idroserra.core.validation import plain
from idroserra.i18n.translate import (
    LANGUAGES,
    TAGS,
    Locale,
    current_locale,
    current_units,
    format_short,
    gettext,
    ngettext,
)
from idroserra.i18n.units import KINDS
from idroserra.inventory.stock_solutions import STOCKS
from idroserra.journal.models import KINDS as JOURNAL_KINDS
from idroserra.nodes.host_health import host_problems
from idroserra.nodes.system import system_texts
from idroserra.recipes.serialize import summary_json
from idroserra.reports.builder import Range
from idroserra.web.api.alarms import alarms_summary
from idroserra.web.api.ranges import FromMs, ToMs
from idroserra.web.api.reports import Choice, Since, TimeZone, choices_of, span_of
from idroserra.web.api.sites import sites_of
from idroserra.web.api.updates import updates_json
from idroserra.web.context import WebContext
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.places import navigation_of, place_of
from idroserra.web.routing import Routes
from idroserra.web.settings.alarms import alarms_off

TEMPLATES = Path(__file__).resolve().parent / "templates"

# The filter of the "why" list.
EVENT_KINDS = {
    "all": "decided,refused,dosed,ran,stopped,resumed,latched,armed,correction,authority,boot,"
           "configured,fault_began,fault_ended,restarted,memory_refused,flash_failed,gap,"
           "clock_set,water,"
           "irrigation_no_flow,irrigation_stuck_on,air_too_hot,air_warms,update_offered,"
           "update_refused,update_downloaded,update_trial,update_confirmed,update_reverted,"
           "certificate",
    "decisions": "decided,refused,stopped,resumed,latched,armed,correction,authority,water,"
                 "irrigation_no_flow,irrigation_stuck_on,air_too_hot,air_warms",
    "doses": "dosed,ran,correction",
    "faults": "fault_began,fault_ended,restarted,memory_refused,flash_failed,latched,water,gap,"
              "boot,"
              "irrigation_no_flow,irrigation_stuck_on,air_too_hot,air_warms",
}


def html(text: str, **values: Any) -> Markup:
    """Return a translated text that contains tags; `values` are escaped."""
    return Markup(gettext(text)).format(**values)


# Reference solutions by calibration kind, in the order of the list.
REFERENCES = {"ph": list(BUFFERS), "ec": [DRY, *STANDARDS]}


def in_script(value: Any) -> Markup:
    """Return a value as JSON that is safe within <script>."""
    text = msgspec.json.encode(value, enc_hook=plain).decode()
    for char in "<>&'":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)


@cache
def _templates() -> Environment:
    """Return the templates, which are compiled once for all applications of this process."""
    templates = Environment(autoescape=True, loader=FileSystemLoader(TEMPLATES))
    templates.policies["json.dumps_kwargs"] = {"sort_keys": False}  # channel order
    templates.globals |= {
        "_": gettext, "ngettext": ngettext, "html": html, "tags": TAGS, "languages": LANGUAGES,
        "locale": current_locale, "kinds_of_units": KINDS, "chosen_units": current_units,
        "plain": format_short, "system_texts": system_texts,
        "all_of": lambda texts: [gettext(text) for text in texts]}
    return templates


class Pages:
    """Renders the templates for the user of a request."""

    def __init__(
        self, app: Starlette, context: WebContext, digest: str, *, simulated: bool,
        howtos: dict[str, str],
    ) -> None:
        self._app = app
        self.context = context
        self._digest = digest
        openid = context.openid
        self._always = {
            "provider": "" if openid is None else openid.label,
            "static": f"/static/{digest}", "simulated": simulated, "version": version("idroserra"),
            "howtos": howtos}

    def public_page(
        self, request: Request, name: str, more: dict[str, Any] | None = None
    ) -> HTMLResponse:
        """Return a page that needs no log-in and shows nothing of the greenhouse."""
        return self._render(request, name, {**self._always, **(more or {})})

    def trust(self, request: Request) -> HTMLResponse:
        """Return the page on how to install the host's CA certificate."""
        lan = self.context.site_https
        authority = None if lan is None else lan.authority
        return self._render(request, "trust.html", self._always | {
            "url": None if lan is None else lan.url,
            "name": None if authority is None else authority.name,
            "fingerprint": None if authority is None else authority.fingerprint,
        })

    def authority(self) -> Response:
        """Return the host's own CA certificate, or 404."""
        lan = self.context.site_https
        if lan is None or lan.authority is None:
            return JSONResponse({"error": "this host has no own certificate authority"}, 404)
        return Response(lan.authority.der, media_type="application/x-x509-ca-cert")

    def node(
        self, request: Request, node: str, name: str, more: dict[str, Any] | None = None
    ) -> HTMLResponse:
        """Return a page about one node."""
        try:
            found = self.context.views.get(node)
        except UnknownNode:
            return self.refused(request, 404, gettext("This host does not know this node."))
        return self.page(request, name, found, more)

    def site(self, request: Request, site: str) -> HTMLResponse:
        """Return the page of one site."""
        try:
            self.context.nodes.at(site)
        except UnknownSite:
            return self.refused(request, 404, gettext("No node is at this site."))
        return self.page(request, "overview.html", None, {"shown_site": site, "place": "site"})

    def refused(self, request: Request, status: int, why: str = "") -> HTMLResponse:
        """Return the page for an address that is unknown, of another role or in error.

        `why` is in the reader's language. Without a log-in it shows nothing of the greenhouse."""
        rule = rule_of("GET", request.url.path)
        more = {"status": status, "why": why, "place": "refused",
                "needed": rule.role.label if status == 403 and rule is not None else None}
        if current_identity() is None:
            page = self.public_page(request, "refused_public.html", more)
        else:
            page = self.page(request, "refused.html", None, more)
        page.status_code = status
        return page

    def report(
        self, request: Request, node: str, span: Range, choices: list[Choice]
    ) -> HTMLResponse:
        """Return the report of a node for printing."""
        known = self.context.nodes.get(node)
        document = self.context.report(known, span)
        return self.page(request, "report.html", self.context.views.get(node), {
            "document": document, "choices": choices, "span": span})

    def page(
        self, request: Request, name: str, node: dict[str, Any] | None = None,
        more: dict[str, Any] | None = None,
    ) -> HTMLResponse:
        """Return a page that needs a log-in."""
        context = self.context
        feed = self._app.state.feed_hub.of(current_locale())
        newest_id = feed.newest_id  # before the data: later messages are replayed
        nodes, host = context.views.all(), host_problems(context.counts())
        feed.handed_out(nodes, host)
        sites = sites_of(nodes)
        boot = {"event_id": newest_id, "nodes": nodes, "sites": sites,
                "now_unix_ms": wall_unix_ms(), "digest": self._digest,
                "host_reasons": host,
                "alarms": alarms_summary(context.alarm_loop)}
        who = current_identity()
        role = Role.ANYONE if who is None else who.role
        return self._render(request, name, {
            **self._always, "preferences": self._preferences(), "boot": in_script(boot),
            "all_sites": sites,
            "all_nodes": [{key: one[key] for key in ("node", "title", "site")} for one in nodes],
            "node": node, "site": context.config.site,
            "place": name.removesuffix(".html"), "kinds": EVENT_KINDS,
            "recipes": self._recipes,
            "references": REFERENCES, "stocks": list(STOCKS.values()),
            "who": "" if who is None else who.name, "role": role.label,
            "is_of_provider": context.openid is not None and who is not None
            and who.kind == "session" and context.openid.is_user(who.name),
            "journal_kinds": JOURNAL_KINDS, "shown_site": None if node is None else node["site"],
            "most_site_chars": MAX_CHARS, **(more or {}),
            "may": lambda word: role >= role_of(word), "navigation": navigation_of(
                role, has_hosts=context.other_hosts.are_configured),
            "part_of": place_of((more or {}).get("place", name.removesuffix(".html"))),
            "has_page": lambda path: rule_of("GET", path) is not None,
        })

    def _render(self, request: Request, name: str, values: dict[str, Any]) -> HTMLResponse:
        """Return a rendered page. Templates leave reference cycles that hold some megabytes for a
        page of many nodes: they are collected before the page is sent."""
        template = _templates().get_template(name)
        page = HTMLResponse(template.render(request=request, **values))
        gc.collect(0)
        return page

    def _recipes(self) -> list[dict[str, Any]]:
        """Return all recipes for a choice; few pages ask for them."""
        return [summary_json(one.recipe) for one in self.context.recipe_library.all()]

    def _preferences(self) -> Locale:
        """Return the preferences of the user; language is "" for the browser's own."""
        who = current_identity()
        if who is None or who.kind != "session":
            return current_locale()
        return self.context.auth.preferences.of(who.name)


def pages_routes(pages: Pages) -> Routes:
    """Return the routes of the pages."""
    routes = Routes()
    _add_report(routes, pages)

    @routes.get("/")
    def overview(request: Request) -> HTMLResponse:
        """The overview of all nodes."""
        return pages.page(request, "overview.html", None, {
            "has_foreign": bool(pages.context.foreign.readings())})

    @routes.get("/sites/{site}")
    def site_page(request: Request, site: str) -> HTMLResponse:
        """The page of one site."""
        return pages.site(request, site)

    @routes.get("/alarms")
    def alarms(request: Request) -> HTMLResponse:
        """The alarm page."""
        return pages.page(request, "alarms.html", None, {
            "alarms_off": alarms_off(pages.context.alarm_settings)})

    @routes.get("/updates")
    def updates(request: Request) -> HTMLResponse:
        """The page of over-the-air updates."""
        more = {"updates": updates_json(pages.context.updates, pages.context.nodes)}
        return pages.page(request, "updates.html", None, more)

    @routes.get("/nodes/{node}/calibrate")
    def calibrate(request: Request, node: str) -> HTMLResponse:
        """The page to calibrate the probes and pumps of a node."""
        return pages.node(request, node, "calibrate.html")

    for name in ("account", "compare", "design", "hosts", "journal", "tasks", "users"):
        add_plain_page(routes, f"/{name}", partial(pages.page, name=f"{name}.html"))
    _add_public(routes, pages)
    return routes


def add_plain_page(
    routes: Routes, path: str, render: Callable[[Request], HTMLResponse]
) -> None:
    """Add the route of a page without data of its own."""
    @routes.get(path)
    def shown(request: Request) -> HTMLResponse:
        return render(request)


def _add_public(routes: Routes, pages: Pages) -> None:
    for path, name in (("/login", "login"), ("/login/openid", "login_openid"),
                       ("/setup", "setup")):
        add_plain_page(routes, path, partial(pages.public_page, name=f"{name}.html"))

    @routes.get("/trust")
    def trust(request: Request) -> HTMLResponse:
        """How to install the host's CA certificate on a device."""
        return pages.trust(request)

    @routes.get("/authority.crt")
    def authority() -> Response:
        """The host's CA certificate."""
        return pages.authority()


def _add_report(routes: Routes, pages: Pages) -> None:
    @routes.get("/nodes/{node}/report")
    def report(
        request: Request, node: str, since: Since = None, from_unix_ms: FromMs | None = None,
        to_unix_ms: ToMs | None = None, time_zone: TimeZone = None,
    ) -> HTMLResponse:
        """The report of a node for printing."""
        context = pages.context
        span = span_of(context, node, since, from_unix_ms, to_unix_ms, time_zone)
        return pages.report(request, node, span, choices_of(context, node))
