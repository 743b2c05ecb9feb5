"""Serves the built documentation under /docs, without log-in.

`make site` builds it in a checkout; a wheel contains it.
"""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from idroserra.alarms.rules import load_rules
from idroserra.core.paths import CHECKOUT, DATA
from idroserra.i18n.marker import N_
from idroserra.web.routing import Routes

# The page with a section for each alarm; the anchor is the name of its rule.
ALARMS = "/docs/alarm-howto/"
NOT_BUILT = N_("The documentation is not installed on this host.")


def site_dir() -> Path | None:
    """Return the folder of the built site, in the checkout or the wheel, or None."""
    for folder in (CHECKOUT / "build" / "site", DATA / "site"):
        if (folder / "index.html").is_file():
            return folder
    return None


def howtos(site: Path | None) -> dict[str, str]:
    """Return the address of the how-to by name of each shipped rule; {} without a site."""
    return {} if site is None else {name: f"{ALARMS}#{name}" for name in load_rules()}


def help_routes(site: Path | None) -> Routes:
    """Return the routes of the site; without a site they answer 404."""
    routes = Routes()
    files = None if site is None else StaticFiles(directory=site, html=True)

    @routes.get("/docs")
    def front() -> RedirectResponse:
        """Redirect to the front page."""
        return RedirectResponse("/docs/", 307)

    @routes.get("/docs/{path:path}")
    async def page(request: Request, path: str) -> Response:
        """A file of the site."""
        if files is None:
            raise HTTPException(404, NOT_BUILT)
        answer = await files.get_response(path or ".", request.scope)
        answer.headers["Cache-Control"] = "no-cache"  # revalidated on each request
        return answer

    return routes
