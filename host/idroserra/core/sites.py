"""Names of sites. A site is an attribute of its nodes and exists while it has at least one.

A name may contain letters of any language.
"""

from __future__ import annotations

import re

from idroserra.core.errors import InvalidInput, NotFound

MAX_CHARS = 40
_NAME = re.compile(rf"\w[\w .-]{{0,{MAX_CHARS - 1}}}")


class BadSite(InvalidInput):
    """An invalid name of a site. The message names the field."""


class UnknownSite(NotFound):
    """No node belongs to a site of this name."""

    def __init__(self, site: str) -> None:
        super().__init__(f"site: no node belongs to {site[:MAX_CHARS]!r}")


def check_site(site: str) -> str:
    """Return `site` if it is a valid name. Raises BadSite."""
    if not _NAME.fullmatch(site) or site != site.strip():
        raise BadSite(f"site: must be 1 to {MAX_CHARS} letters, digits, spaces, _ . or -")
    return site
