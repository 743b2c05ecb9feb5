"""Selects the nodes that a release is rolled out to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from idroserra.core.reasons import Reason
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.updates import eligibility
from idroserra.updates.errors import CannotOffer
from idroserra.updates.release import Release


@dataclass(frozen=True)
class TargetSelection:
    """The requested roll-out. nodes empty: every eligible node. None: the configured value."""

    release: str
    nodes: tuple[str, ...] = ()
    canary: str | None = None
    wave_nodes: int | None = None
    watch_ms: int | None = None
    per_site: int | None = None


def eligible_nodes(nodes: Nodes, wanted: Release, selection: TargetSelection) -> tuple[str, ...]:
    """Return the selected nodes, the canary first. Raises UnknownNode, CannotOffer.

    Nodes given by name must all be eligible; of all nodes the eligible ones are selected."""
    named = [nodes.get(name) for name in dict.fromkeys(selection.nodes)]
    candidates: Iterable[Node] = named or nodes.all()
    reasons = {one.node: _obstacle(one, wanted) for one in candidates}
    refused = [(name, why) for name, why in reasons.items() if why is not None]
    eligible = [name for name, why in reasons.items() if why is None]
    if refused and (named or not eligible):
        raise CannotOffer(Reason(
            "not_offered", node=refused[0][0], why=refused[0][1], count=len(refused)))
    if not eligible:
        raise CannotOffer(Reason("no_nodes"))
    if selection.canary is not None:
        if selection.canary not in eligible:
            nodes.get(selection.canary)
            raise CannotOffer(Text(
                N_("{node}: is not among the nodes that get the release"), node=selection.canary))
        eligible.sort(key=lambda name: name != selection.canary)
    return tuple(eligible)


def open_to(nodes: Nodes, wanted: Release) -> list[str]:
    """Return the names of the nodes that may take a release and do not run it yet, sorted."""
    return sorted(one.node for one in nodes.all() if _obstacle(one, wanted) is None)


def _obstacle(node: Node, wanted: Release) -> Reason | None:
    running = eligibility.runs(node, wanted.sha256)
    return eligibility.incompatibility(node, wanted.manifest) or (
        Reason("runs_already") if running is not None and running.state == "ok" else None)
