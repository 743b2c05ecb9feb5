"""Root cause first: which alarm explains which. Pure.

By design, not by guess: a rule names the rules that explain it, and the cause must be about the
same thing: the same channel, its bus, its node, its site, or the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from idroserra.alarms.finding import Finding
from idroserra.alarms.rules import Rule

Found = Mapping[str, tuple[Rule, Finding]]


def causes_of(found: Found, stands: Callable[[str], bool]) -> dict[str, str]:
    """Return {key: key of the cause} of what is explained by something that stands.

    A cause whose own delay is still running explains already, so that its consequences are never
    told before it. The first rule named that fits is the cause."""
    standing: dict[tuple[str, str], list[tuple[str, Finding]]] = {}
    for key, (rule, finding) in found.items():
        if stands(key):
            standing.setdefault((rule.name, finding.node), []).append((key, finding))
    causes: dict[str, str] = {}
    for key, (rule, finding) in found.items():
        for name in rule.caused_by:
            cause = (_fitting(standing.get((name, ""), ()), finding)
                     or _fitting(standing.get((name, finding.node), ()), finding))
            if cause is not None and cause != key:
                causes[key] = cause
                break
    return causes


def root_of(key: str, causes: Mapping[str, str]) -> str:
    """Return the first cause of an alarm; itself where nothing explains it."""
    while key in causes:
        key = causes[key]
    return key


def _fitting(standing: Sequence[tuple[str, Finding]], finding: Finding) -> str | None:
    for key, cause in standing:
        if _explains(cause, finding):
            return key
    return None


def _explains(cause: Finding, finding: Finding) -> bool:
    """True where a cause of the host, of a site, or of the same node is about this as well."""
    if not cause.node:  # the host explains everything, a site what is its own
        return not cause.part.startswith("@") or cause.site == finding.site
    return not cause.covers or finding.part in cause.covers
