"""Finds the root cause of alarms. Pure.

Suppression is by design: a rule names the rules that may cause it, and the cause must concern the
same channel, its bus, its node, its site, or the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from idroserra.alarms.finding import Finding
from idroserra.alarms.rules import Rule

Found = Mapping[str, tuple[Rule, Finding]]


def causes_of(found: Found, may_cause: Callable[[str], bool]) -> dict[str, str]:
    """Return {key: key of its cause} of every finding that another finding explains.

    A pending cause suppresses already, so that no consequence is annunciated before it. The first
    rule of `caused_by` that matches is the cause."""
    candidates: dict[tuple[str, str], list[tuple[str, Finding]]] = {}
    for key, (rule, finding) in found.items():
        if may_cause(key):
            candidates.setdefault((rule.name, finding.node), []).append((key, finding))
    causes: dict[str, str] = {}
    for key, (rule, finding) in found.items():
        for name in rule.caused_by:
            cause = (_first_cause(candidates.get((name, ""), ()), finding)
                     or _first_cause(candidates.get((name, finding.node), ()), finding))
            if cause is not None and cause != key:
                causes[key] = cause
                break
    return causes


def root_of(key: str, causes: Mapping[str, str]) -> str:
    """Return the first cause of an alarm, or its own key if it has none."""
    while key in causes:
        key = causes[key]
    return key


def _first_cause(candidates: Sequence[tuple[str, Finding]], finding: Finding) -> str | None:
    return next((key for key, cause in candidates if _explains(cause, finding)), None)


def _explains(cause: Finding, finding: Finding) -> bool:
    """True if a cause of the host, the site or the same node covers the finding."""
    if not cause.node:  # the host explains everything, a site its own nodes
        return not cause.part.startswith("@") or cause.site == finding.site
    return not cause.covers or finding.part in cause.covers
