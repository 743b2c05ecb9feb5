"""Sites: where nodes stand. A site is the host's attribute of a node; it is there while one is.

Its name is what people call the place: letters of any language.
"""

from __future__ import annotations

import re

from idroserra.core.errors import HostError

MOST_CHARS = 40
_NAME = re.compile(rf"\w[\w .-]{{0,{MOST_CHARS - 1}}}")


class BadSite(HostError):
    """A name no site can have. The message names the field."""


class UnknownSite(HostError):
    """No node stands at a site of this name."""

    def __init__(self, site: str) -> None:
        super().__init__(f"site: no node stands at {site[:MOST_CHARS]!r}")


def check_site(site: str) -> str:
    """Return the name of a site. Raises BadSite."""
    if not _NAME.fullmatch(site) or site != site.strip():
        raise BadSite(f"site: 1 to {MOST_CHARS} letters, digits, spaces, _ . or - needed")
    return site
