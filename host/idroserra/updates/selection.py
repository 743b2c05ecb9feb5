"""Which nodes a release goes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from idroserra.nodes.registry import Node, Nodes
from idroserra.updates import eligibility
from idroserra.updates.errors import CannotOffer
from idroserra.updates.release import Release


@dataclass(frozen=True)
class TargetSelection:
    """What somebody wants rolled out. nodes empty: every node the release fits. None: as set."""

    release: str
    nodes: tuple[str, ...] = ()
    canary: str | None = None
    wave_nodes: int | None = None
    watch_ms: int | None = None
    per_site: int | None = None


def eligible_nodes(nodes: Nodes, wanted: Release, wish: TargetSelection) -> tuple[str, ...]:
    """Return the nodes of a wish, the canary first. Raises UnknownNode, CannotOffer.

    Of nodes that were named each must fit; of all nodes those that do are taken."""
    asked = [nodes.get(name) for name in dict.fromkeys(wish.nodes)]
    meant: Iterable[Node] = asked or nodes.all()
    reasons = {one.node: eligibility.incompatibility(one, wanted.manifest) or _runs_it(one, wanted)
               for one in meant}
    misfits = [f"{name}: {why}" for name, why in reasons.items() if why]
    fit = [name for name, why in reasons.items() if not why]
    if (asked and misfits) or not fit:
        raise CannotOffer("; ".join(misfits[:5]) or "this host knows no node")
    if wish.canary is not None:
        if wish.canary not in fit:
            nodes.get(wish.canary)
            raise CannotOffer(f"{wish.canary}: is not among the nodes that get the release")
        fit.sort(key=lambda name: name != wish.canary)
    return tuple(fit)


def open_to(nodes: Nodes, wanted: Release) -> list[str]:
    """Return the nodes that may take a release and do not run it yet, by name."""
    return sorted(
        one.node
        for one in nodes.all()
        if not eligibility.incompatibility(one, wanted.manifest) and not _runs_it(one, wanted)
    )


def _runs_it(node: Node, wanted: Release) -> str:
    running = eligibility.runs(node, wanted.sha256)
    return "runs it already" if running is not None and running.state == "ok" else ""
