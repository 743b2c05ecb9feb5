"""Sites: each in one line, worst first; and the API that moves nodes and names sites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from msgspec import Meta

from idroserra.core.sites import MAX_CHARS
from idroserra.i18n.translate import gettext as _
from idroserra.i18n.translate import ngettext
from idroserra.nodes.health import LEVELS
from idroserra.server.service import Service
from idroserra.web.api.schemas import In, Out, refused
from idroserra.web.node_view import NodeViews
from idroserra.web.routing import Replies, Routes

Node = Mapping[str, Any]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_CHARS,
                            description="Letters of any language, digits, spaces, _ . or -.")]
SitePath = Annotated[str, Meta(max_length=MAX_CHARS, description="The site's name.")]

_REFUSALS: Replies = {
    404: refused("No such node or site."),
    422: refused("A field is wrong; the message names it."),
    503: refused("It could not be written down."),
}


class SiteIn(In):
    """Where a node stands. A site that is new is there with its first node."""

    site: Name


class SiteNameIn(In):
    """What a site is called from now on."""

    name: Name


class NodeSiteOut(Out):
    """Where a node stands."""

    node: str
    site: str


class SiteOut(Out):
    """One site in one line."""

    site: str
    level: Annotated[str, Meta(description="That of its worst node: ok, note, warn or bad.")]
    text: Annotated[str, Meta(description="How it is, in words.")]
    nodes: Annotated[list[str], Meta(description="Its nodes, worst first.")]
    troubled: Annotated[int, Meta(description="So many of them need somebody.")]


class SitesOut(Out):
    """Every site that has a node, worst first."""

    sites: list[SiteOut]


def sites_of(nodes: Iterable[Node]) -> list[dict[str, Any]]:
    """Return what SiteOut describes for each site of these nodes, worst first."""
    there: dict[str, list[Node]] = {}
    for node in nodes:
        there.setdefault(node["site"], []).append(node)
    found = [_site(name, sorted(of_site, key=_worst_first)) for name, of_site in there.items()]
    return sorted(found, key=lambda one: (
        -LEVELS.index(one["level"]), -one["troubled"], one["site"]))


def _worst_first(node: Node) -> tuple[int, str]:
    return (-LEVELS.index(node["verdict"]["level"]), node["node"])


def _site(name: str, nodes: list[Node]) -> dict[str, Any]:
    troubled = [node for node in nodes if node["verdict"]["level"] in ("warn", "bad")]
    if troubled:
        worst = troubled[0]
        text = ngettext("{count} of {all} nodes needs you. {node}: {why}",
                        "{count} of {all} nodes need you. First {node}: {why}",
                        len(troubled)).format(count=len(troubled), all=len(nodes),
                                              node=worst["node"], why=worst["verdict"]["summary"])
    elif len(nodes) == 1:
        text = _("Nothing needs you: its node is fine.")
    else:
        text = _("Nothing needs you: all {count} nodes are fine.").format(count=len(nodes))
    return {"site": name, "level": nodes[0]["verdict"]["level"], "text": text,
            "nodes": [node["node"] for node in nodes], "troubled": len(troubled)}


def sites_router(service: Service, views: NodeViews) -> Routes:
    """Return the routes."""
    router = Routes("/api", _REFUSALS)

    @router.get("/sites", answer=SitesOut)
    def list_sites() -> dict[str, Any]:
        """Every site that has a node, worst first, each in one line."""
        return {"sites": sites_of(views.all())}

    @router.put("/sites/{site}", answer=SiteOut)
    def rename(site: SitePath, body: SiteNameIn) -> dict[str, Any]:
        """Call a site otherwise: its nodes, its notes and its alarms of the past go along.

        A node that is new comes to the site of the host's configuration, whatever this says."""
        service.nodes.rename_site(site, body.name)
        service.journal.rename_site(site, body.name)
        service.alarms.alarms.rename_site(site, body.name)
        [found] = [one for one in sites_of(views.all()) if one["site"] == body.name]
        return found

    @router.put("/nodes/{node}/site", answer=NodeSiteOut)
    def move(node: str, body: SiteIn) -> dict[str, Any]:
        """Say at which site a node stands. A site whose last node goes is gone with it."""
        moved = service.nodes.move(node, body.site)
        return {"node": moved.node, "site": moved.site}

    return router
