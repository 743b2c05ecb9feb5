"""Serves the help by code, `/help/reasons`, without log-in and in the reader's language."""

from __future__ import annotations

import re

from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from idroserra.auth.identity import current_identity
from idroserra.core.reasons import REASONS
from idroserra.help.texts import SEVERITIES, mender_of, sentence_of, severity_of
from idroserra.help.topics import PAGE, SEE, Topic, groups
from idroserra.web.pages import Pages
from idroserra.web.routing import Routes

# The levels of the page for the severities of reasons.
LEVELS = dict(zip(SEVERITIES, ("ok", "note", "warn", "bad"), strict=True))
_EMPHASIS = re.compile(r"\*([^*]+)\*")
_CODE = re.compile(r"`([^`]+)`")


def help_page_routes(pages: Pages) -> Routes:
    """Return the route of the page."""
    routes = Routes()

    @routes.get(PAGE)
    def help_reasons(request: Request) -> HTMLResponse:
        """What each reason and fault means, with an anchor for each code."""
        return pages.public_page(request, "help.html", {
            "groups": groups(), "see": SEE, "sentence_of": sentence_of, "marked": marked,
            "severity_of": severity_of, "menders_of": menders_of, "level_of": level_of,
            "is_anonymous": current_identity() is None})

    return routes


def menders_of(topic: Topic) -> list[str]:
    """Return who ends the reasons of a topic, in words."""
    return list(dict.fromkeys(filter(None, map(mender_of, topic.codes))))


def level_of(code: str) -> str:
    """Return the level of a code for its colour; a fault needs a person soon."""
    return LEVELS[REASONS[code].severity] if code in REASONS else "warn"


def marked(text: str) -> Markup:
    """Return a text with its *emphasis* and `code` as tags."""
    return Markup(_CODE.sub(r"<code>\1</code>", _EMPHASIS.sub(r"<i>\1</i>", str(escape(text)))))
