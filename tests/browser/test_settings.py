"""The settings of the host on the page, as an admin sets them up, and as others see them."""

import json

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.pages import DESKTOP, PHONE, MonitoredTab
from support.real_host import KEY, standing_host


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with standing_host(tmp_path_factory.mktemp("settings")) as running:
        yield running


@pytest.fixture(scope="module")
def open_tab(browser, host):
    tabs = []

    def opened(path, role=Role.ADMIN, size=DESKTOP, scheme="light"):
        tabs.append(MonitoredTab(browser, host.url, size, scheme, host.session_of(role)))
        return tabs[-1], tabs[-1].open(path)

    yield opened
    for tab in tabs:
        tab.close()


def confirm(dialog):
    dialog.locator("[value=yes]").click()


def test_an_admin_sets_the_host_up_without_a_terminal(host, open_tab, tmp_path):
    host.node("idro-a", adopt=False)
    tab, page = open_tab("/settings/nodes")
    adopt_and_name(host, page, tmp_path)
    tab.check()


def adopt_and_name(host, page, folder):
    file = folder / "idro-a.key"
    file.write_text(json.dumps({"node": "idro-a", "key": KEY.hex()}))
    page.locator("#waiting [data-node=idro-a] button").click()
    dialog = page.locator("#adopt")
    dialog.locator("[name=file]").set_input_files(file)
    dialog.locator("[name=title]").fill("Basil bench")
    dialog.locator("[name=site]").fill("Nord")
    confirm(dialog)
    expect(page.locator("#nodes-outcome")).to_have_attribute("data-state", "done")
    expect(page.locator("#known [data-node=idro-a]")).to_contain_text("Basil bench")
    expect(page.locator("#waiting")).to_be_hidden()
    assert KEY.hex() not in page.content()
    assert page.locator("#adopt [name=key]").input_value() == ""
    [node] = host.client.get("/api/nodes").json()["nodes"]
    assert (node["adopted"], node["title"], node["site"]) == (True, "Basil bench", "Nord")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_others_see_the_settings_without_their_controls(open_tab, role):
    tab, page = open_tab("/settings/nodes", role, PHONE, "dark")
    expect(page.locator("#known [data-node=idro-a]")).to_be_visible()
    assert page.locator("main button:visible").count() == 0
    tab.check()
