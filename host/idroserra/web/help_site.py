"""The documentation site under /docs, where it was built: help on the site's own network.

`make site` builds it in a checkout; a wheel carries it. Anybody may read it: it tells nothing of
the greenhouse, and who cannot get in needs it most.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from idroserra.alarms.rules import load_rules
from idroserra.core.paths import CHECKOUT, DATA
from idroserra.web.routing import Routes

# The page with a section for every alarm, whose anchor is the name of its rule.
ALARMS = "/docs/alarm-howto/"


def site_dir() -> Path | None:
    """Return the folder of the built site, in the checkout or the installed wheel; or None."""
    for folder in (CHECKOUT / "build" / "site", DATA / "site"):
        if (folder / "index.html").is_file():
            return folder
    return None


def howtos(site: Path | None) -> dict[str, str]:
    """Return the address of the how-to of each shipped rule; none where there is no site.

    A rule that only the host's own file has is in no page of ours."""
    return {} if site is None else {name: f"{ALARMS}#{name}" for name in load_rules()}


def help_routes(site: Path | None) -> Routes:
    """Return the routes of the site. Without one they say how to get it."""
    routes = Routes()
    files = None if site is None else StaticFiles(directory=site, html=True)

    @routes.get("/docs")
    def front() -> RedirectResponse:
        """The front page, for who types the address."""
        return RedirectResponse("/docs/", 307)

    @routes.get("/docs/{path:path}")
    async def page(request: Request, path: str) -> Response:
        """A file of the site."""
        if files is None:
            return JSONResponse({"error": "the help is not built here: run `make site`"}, 404)
        answer = await files.get_response(path or ".", request.scope)
        answer.headers["Cache-Control"] = "no-cache"  # asked again each time, sent if it changed
        return answer

    return routes
