"""The audit rows of what a recipe does by itself, also when a request makes it do so."""

import pytest

from idroserra.auth.identity import Identity, current_identity, set_identity
from idroserra.auth.roles import Role
from idroserra.recipes import model
from support.host_without_broker import BEGIN_UNIX_MS, NODE, HostWithoutBroker

VERA = Identity("session", "vera", Role.OPERATOR)
LETTUCE = model.load("lettuce")


@pytest.fixture
def host(tmp_path):
    host = HostWithoutBroker(tmp_path)
    host.unix_ms = BEGIN_UNIX_MS
    host.boot()
    set_identity(VERA)
    yield host
    set_identity(None)
    host.close()


def changes(host):
    """Return who changed settings of the node, newest first."""
    return [(row.who, row.target) for row in host.service.access.audit.newest(9)
            if row.action == "change settings"]


def test_the_day_that_an_open_page_begins_is_audited_as_the_recipes(host):
    recipes = host.service.recipes
    recipes.start(NODE, LETTUCE, "vera")
    assert changes(host) == []  # the request has a row of its own
    host.unix_ms += LETTUCE.stages[1].first_day * model.DAY_MS
    host.views.all()
    assert changes(host) == [("recipe lettuce", NODE)]
    assert current_identity() == VERA
    host.unix_ms += model.DAY_MS // 24
    host.views.all()
    recipes.update()
    assert len(changes(host)) == 1
