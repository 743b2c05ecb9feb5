"""The places of the navigation: those that this host has and that the role may open."""

from __future__ import annotations

from typing import NamedTuple

from idroserra.auth.roles import Role, rule_of
from idroserra.i18n.marker import N_

IN_BAR = 5  # places of the bar at the bottom of a phone


class Place(NamedTuple):
    """One place: its name in templates, its path and its label in English."""

    name: str
    path: str
    label: str


# In the order of a day. The first ones are always in the bar of a phone.
_PLACES = (
    Place("hosts", "/hosts", N_("Hosts")),
    Place("overview", "/", N_("Overview")), Place("alarms", "/alarms", N_("Alarms")),
    Place("tasks", "/tasks", N_("Tasks")), Place("journal", "/journal", N_("Journal")),
    Place("recipes", "/recipes", N_("Recipes")), Place("settings", "/settings", N_("Settings")),
)


class Navigation(NamedTuple):
    """The places in the bar of a phone, and those that fold into its last one, a menu."""

    in_bar: tuple[Place, ...]
    folded: tuple[Place, ...]


def navigation_of(role: Role, *, has_hosts: bool = False) -> Navigation:
    """Return the places for a role; has_hosts: with that of the other hosts."""
    there = tuple(one for one in _PLACES if _may_open(one, role)
                  and (has_hosts or one.name != "hosts"))
    count = IN_BAR if len(there) <= IN_BAR else IN_BAR - 1
    return Navigation(there[:count], there[count:])


def place_of(name: str) -> str:
    """Return the name of the place that a page is part of, by the name of its template."""
    if name.startswith("settings") or name in ("updates", "users", "account"):
        return "settings"
    return "recipes" if name.startswith(("recipe", "compare", "stock")) else name.partition("_")[0]


def _may_open(place: Place, role: Role) -> bool:
    rule = rule_of("GET", place.path)
    return rule is not None and rule.role <= role
