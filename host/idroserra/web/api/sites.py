"""The HTTP API of sites: their state, moving nodes, renaming sites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request

from idroserra.alarms.engine import AlarmEngine
from idroserra.core.natural_order import natural_key
from idroserra.core.sites import MAX_CHARS
from idroserra.i18n.translate import gettext as _
from idroserra.i18n.translate import ngettext
from idroserra.journal.service import Journal
from idroserra.node_state.causes import LEVELS
from idroserra.nodes.registry import Nodes
from idroserra.web.api.schemas import In, Out, error_replies
from idroserra.web.node_view import NodeViews
from idroserra.web.routing import Routes

Node = Mapping[str, Any]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_CHARS,
                            description="Letters of any language, digits, spaces, _ . or -.")]
SitePath = Annotated[str, Meta(max_length=MAX_CHARS, description="The site's name.")]

_ERROR_REPLIES = error_replies({
    404: "No such node or site.", 503: "The host's database cannot be written.",
})


class SiteIn(In):
    """The site of a node. A new name creates the site."""

    site: Name


class SiteNameIn(In):
    """The new name of a site."""

    name: Name


class NodeSiteOut(Out):
    """The site of a node."""

    node: str
    site: str


class SiteOut(Out):
    """The state of one site."""

    site: str
    level: Annotated[str, Meta(description="Of its worst node: ok, note, warn or bad.")]
    text: Annotated[str, Meta(description="The state in words.")]
    nodes: Annotated[list[str], Meta(description="Its nodes, worst first.")]
    troubled: Annotated[int, Meta(description="Number of nodes that need attention.")]


class SitesOut(Out):
    """Every site that has a node, worst first."""

    sites: list[SiteOut]


def sites_of(nodes: Iterable[Node]) -> list[dict[str, Any]]:
    """Return SiteOut for each site of these nodes, worst first."""
    there: dict[str, list[Node]] = {}
    for node in nodes:
        there.setdefault(node["site"], []).append(node)
    found = [_site(name, sorted(of_site, key=_worst_first)) for name, of_site in there.items()]
    return sorted(found, key=lambda one: (
        -LEVELS.index(one["level"]), -one["troubled"], natural_key(one["site"])))


def _worst_first(node: Node) -> tuple[int, Any]:
    return (-LEVELS.index(node["state"]["level"]), natural_key(node["node"]))


def _site(name: str, nodes: list[Node]) -> dict[str, Any]:
    troubled = [node for node in nodes if node["state"]["level"] in ("warn", "bad")]
    paused = [node for node in nodes if node["dosing"]["state"] == "held"]
    if troubled:
        worst = troubled[0]
        text = attention_text(len(troubled), len(nodes), worst["title"], worst["state"]["text"])
    elif len(paused) == 1:
        text = _("Dosing is paused at {node}.").format(node=paused[0]["title"])
    elif paused:
        text = _("Dosing is paused at {count} nodes.").format(count=len(paused))
    else:
        text = fine_text(len(nodes))
    return {"site": name, "level": nodes[0]["state"]["level"], "text": text,
            "nodes": [node["node"] for node in nodes], "troubled": len(troubled)}


def attention_text(count: int, total: int, node: str, why: str) -> str:
    """Return how many nodes need attention, and the worst of them with its state."""
    return ngettext("{count} of {all} nodes needs attention. {node}: {why}",
                    "{count} of {all} nodes need attention. First {node}: {why}",
                    count).format(count=count, all=total, node=node, why=why)


def fine_text(total: int) -> str:
    """Return that all nodes are fine."""
    if total == 1:
        return _("The node is fine.")
    return _("All {count} nodes are fine.").format(count=total)


def sites_router(nodes: Nodes, views: NodeViews, journal: Journal, alarms: AlarmEngine) -> Routes:
    """Return the routes."""
    router = Routes("/api", _ERROR_REPLIES)

    @router.get("/sites", answer=SitesOut)
    def list_sites(request: Request) -> dict[str, Any]:
        """List every site that has a node, worst first."""
        nodes = views.all()
        request.app.state.feed_hub.handed_out(nodes)
        return {"sites": sites_of(nodes)}

    @router.put("/sites/{site}", answer=SiteOut)
    def rename(site: SitePath, body: SiteNameIn) -> dict[str, Any]:
        """Rename a site, with its nodes, notes and alarm history.

        New nodes still join the site of the host's configuration."""
        nodes.rename_site(site, body.name)
        journal.rename_site(site, body.name)
        alarms.rename_site(site, body.name)
        [found] = [one for one in sites_of(views.all()) if one["site"] == body.name]
        return found

    @router.put("/nodes/{node}/site", answer=NodeSiteOut)
    def move(node: str, body: SiteIn) -> dict[str, Any]:
        """Move a node to a site. A site without nodes no longer exists."""
        moved = nodes.move(node, body.site)
        return {"node": moved.node, "site": moved.site}

    return router
