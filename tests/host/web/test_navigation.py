"""The places of the navigation, by role."""

import pytest

from idroserra.auth.roles import Role, rule_of
from idroserra.web.places import IN_BAR, navigation_of, place_of


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ADMIN])
def test_every_place_may_be_opened_and_the_bar_of_a_phone_holds(role):
    in_bar, folded = navigation_of(role)
    assert [one.name for one in in_bar][:2] == ["overview", "alarms"]
    assert len(in_bar) + bool(folded) <= IN_BAR
    assert "settings" in [one.name for one in (*in_bar, *folded)]
    assert all(rule_of("GET", one.path).role <= role for one in (*in_bar, *folded))


def test_without_a_log_in_there_is_no_place():
    assert navigation_of(Role.ANYONE) == ((), ())


@pytest.mark.parametrize(("page", "place"), [
    ("overview", "overview"), ("settings_nodes", "settings"), ("updates", "settings"),
    ("account", "settings"), ("recipe_page", "recipes"), ("recipes", "recipes"),
    ("tasks", "tasks"), ("node_now", "node")])
def test_a_page_marks_its_place(page, place):
    assert place_of(page) == place
