"""The settings of the host on the page, as an admin sets them up, and as others see them."""

import json
import tarfile

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.delayed_responses import DelayedResponses, settled
from support.pages import DESKTOP, PHONE, MonitoredTab
from support.real_host import KEY, standing_host
from support.wait import wait_until


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with standing_host(tmp_path_factory.mktemp("settings")) as running:
        running.service.nodes.adopt("idro-v", KEY)
        yield running


@pytest.fixture(scope="module")
def open_tab(browser, host):
    tabs = []

    def opened(path, role=Role.ADMIN, size=DESKTOP, scheme="light", worker=False):
        tabs.append(MonitoredTab(
            browser, host.url, size, scheme, host.session_of(role), worker=worker))
        return tabs[-1], tabs[-1].open(path)

    yield opened
    for tab in tabs:
        tab.close()


def confirm(dialog):
    dialog.locator("[value=yes]").click()


def test_an_admin_sets_the_host_up_without_a_terminal(host, open_tab, receiver, tmp_path):
    host.node("idro-a", adopt=False)
    tab, page = open_tab("/settings/nodes")
    adopt_and_name(host, page, tmp_path)
    add_and_test_recipient(host, page, receiver)
    change_a_limit(host, page)
    back_up(host, page, tmp_path)
    tab.check()


def adopt_and_name(host, page, folder):
    file = folder / "idro-a.key"
    file.write_text(json.dumps({"node": "idro-a", "key": KEY.hex()}))
    page.locator("#waiting [data-node=idro-a] button").click()
    dialog = page.locator("#adopt")
    dialog.locator("[name=file]").set_input_files(file)
    expect(dialog.locator("[name=key]")).not_to_have_value("")
    dialog.locator("[name=title]").fill("Basil bench")
    dialog.locator("[name=site]").fill("Nord")
    confirm(dialog)
    expect(page.locator("#nodes-outcome")).to_have_attribute("data-state", "done")
    expect(page.locator("#known [data-node=idro-a]")).to_contain_text("Basil bench")
    expect(page.locator("#waiting")).to_be_hidden()
    assert KEY.hex() not in page.content()
    expect(page.locator("#adopt [name=key]")).to_have_value("")
    node = host.view("idro-a")
    assert (node["adopted"], node["title"], node["site"]) == (True, "Basil bench", "Nord")


def add_and_test_recipient(host, page, receiver):
    page.goto(f"{host.url}/settings/notifications")
    page.locator("#add-recipient").click()
    dialog = page.locator("#recipient")
    dialog.locator("[name=name]").fill("anna")
    dialog.locator("[name=service]").select_option("webhook")
    dialog.locator("[name=webhook_url]").fill(f"http://anna:s3cretToken@127.0.0.1:{receiver.port}/")
    dialog.locator("[name=sites][value=Nord]").check()
    confirm(dialog)
    outcome = page.locator("#recipients-outcome")
    expect(outcome).to_have_attribute("data-state", "done")
    page.locator("#recipients [data-name=anna] .test").click()
    wait_until(lambda: len(receiver.messages) == 1, 20, "the test to arrive")
    expect(page.locator("#recipients [data-name=anna] .delivery")).to_have_attribute(
        "data-level", "ok")
    expect(outcome).to_have_attribute("data-state", "done")
    receiver.status = 500
    page.locator("#recipients [data-name=anna] .test").click()
    expect(outcome).to_have_attribute("data-state", "failed")
    assert "s3cretToken" not in page.content()
    page.locator("#times [name=quiet_from]").fill("22:00")
    page.locator("#times [name=quiet_until]").fill("06:30")
    page.locator("#times [type=submit]").click()
    expect(page.locator("#times .outcome")).to_have_attribute("data-state", "done")
    times = host.client.get("/api/settings/notifications").json()["times"]
    assert times["quiet_until"] == {"value": "06:30", "source": None}


def test_the_quiet_hours_cannot_be_changed_before_they_are_known(open_tab):
    """Saved before, they would be deleted."""
    _, page = open_tab("/settings/notifications", worker=False)
    expect(page.locator("#times [name=quiet_from]")).to_be_enabled()
    times = DelayedResponses(page, "**/api/settings/notifications")
    page.reload()
    times.wait()
    for control in page.locator("#times :is(input, select, button)").all():
        expect(control).to_be_disabled()
    times.let_go()
    for control in page.locator("#times :is(input, select, button)").all():
        expect(control).to_be_enabled()


def test_times_cannot_be_changed_while_others_are_saved(open_tab):
    """What was typed meanwhile would be overwritten by the answer."""
    _, page = open_tab("/settings/notifications", worker=False)
    daily = page.locator("#times [name=daily_at]")
    daily.fill("07:00")
    saved = DelayedResponses(page, "**/api/settings/notifications", method="PUT")
    page.locator("#times [type=submit]").click()
    saved.wait()
    expect(daily).to_be_disabled()
    saved.let_go()
    expect(daily).to_be_enabled()
    expect(daily).to_have_value("07:00")


def test_an_answer_for_a_dialog_that_was_closed_leaves_the_next_one(open_tab):
    _, page = open_tab("/settings/nodes", worker=False)
    change = page.locator("#known [data-node=idro-v]").get_by_role("button", name="Change…")
    change.click()
    saved = DelayedResponses(page, "**/api/nodes/idro-v/site", method="PUT")
    dialog = page.locator("#change")
    confirm(dialog)
    saved.wait()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    change.click()
    dialog.locator("[name=title]").fill("Attic")
    with page.expect_response("**/api/settings/nodes"):  # the list after the change
        saved.let_go()
    settled(page)
    expect(dialog).to_be_visible()
    expect(dialog.locator("[name=title]")).to_have_value("Attic")


def test_limits_of_one_node_are_not_offered_for_another(open_tab):
    _, page = open_tab("/settings/alarms", worker=False)
    expect(page.locator("[data-rule=ec_high] button")).to_be_visible()
    rules = DelayedResponses(page, "**/api/settings/alarms?node=idro-v")
    page.locator("#of-node").select_option("idro-v")
    rules.wait()
    expect(page.locator("[data-rule]")).to_have_count(0)
    rules.let_go()
    expect(page.locator("[data-rule=ec_high] button")).to_be_visible()


def test_a_limit_saved_for_one_node_is_not_shown_as_that_of_others(open_tab):
    _, page = open_tab("/settings/alarms?node=idro-v", worker=False)
    page.locator("[data-rule=ec_high] button").click()
    page.locator("#rule [name=limit]").fill("0.6")
    saved = DelayedResponses(page, "**/api/settings/alarms/ec_high", method="PUT")
    confirm(page.locator("#rule"))
    saved.wait()
    page.keyboard.press("Escape")
    page.locator("#of-node").select_option("")
    expect(page.locator("[data-rule=ec_high]")).to_contain_text("0.3 mS/cm")
    with page.expect_response("**/api/settings/alarms?node="):  # asked for once more
        saved.let_go()
    settled(page)
    expect(page.locator("[data-rule=ec_high]")).not_to_contain_text("0.6 mS/cm")
    page.request.put(f"{page.url.partition('/settings')[0]}/api/settings/alarms/ec_high",
                     data={"node": "idro-v", "values": {"limit": None}})


def change_a_limit(host, page):
    page.goto(f"{host.url}/settings/alarms")
    page.locator("[data-rule=ec_high] button").click()
    limit = page.locator("#rule [name=limit]")
    expect(limit).to_have_value("0.3")  # mS/cm
    limit.fill("9")
    confirm(page.locator("#rule"))
    assert limit.evaluate("field => field.matches(':invalid')")
    limit.fill("0.45")
    confirm(page.locator("#rule"))
    expect(page.locator("#rules-outcome")).to_have_attribute("data-state", "done")
    expect(page.locator("#rules-outcome")).to_contain_text("0.3 mS/cm → 0.45 mS/cm")
    expect(page.locator("[data-rule=ec_high]")).to_have_attribute("data-changed", "true")
    page.locator("#of-node").select_option("idro-a")
    expect(page.locator("[data-rule=ec_high]")).to_have_attribute("data-changed", "false")
    expect(page.locator("[data-rule=ec_high]")).to_contain_text("0.45 mS/cm")
    page.locator("#of-node").select_option("")
    page.locator("[data-rule=ec_high][data-changed=true] button").click()
    page.locator("#reset-rule").click()
    expect(page.locator("[data-rule=ec_high]")).to_have_attribute("data-changed", "false")
    host.client.put("/api/settings/alarms/ec_high",
                    json={"node": "idro-a", "values": {"enabled": False}})
    page.goto(f"{host.url}/nodes/idro-a/setup")
    expect(page.locator("#alarms-off")).to_contain_text("1 alarm is off")
    page.goto(f"{host.url}/alarms")
    expect(page.locator("#alarms-off")).to_contain_text("Off for idro-a")
    page.locator("#alarms-off a").click()
    page.locator("#only-changed").check()
    expect(page.locator("[data-rule=ec_high]")).to_contain_text("Off for idro-a")
    page.goto(f"{host.url}/settings/alarms?node=idro-a")
    expect(page.locator("#of-node")).to_have_value("idro-a")
    page.locator("[data-rule=ec_high][data-changed=true] button").click()
    page.locator("#reset-rule").click()
    expect(page.locator("[data-rule=ec_high]")).to_have_attribute("data-changed", "false")


def back_up(host, page, folder):
    page.goto(f"{host.url}/settings/backup")
    page.locator("#make [name=with_keys]").check()
    page.locator("#make [type=submit]").click()
    expect(page.locator("#backup-outcome")).to_have_attribute("data-state", "done")
    with page.expect_download() as waiting:
        page.locator("#download").click()
    waiting.value.save_as(folder / "a.backup")
    with tarfile.open(folder / "a.backup") as archive:
        assert "state.db" in archive.getnames()
    assert waiting.value.suggested_filename.startswith("idroserra-test-")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_others_see_the_settings_without_their_controls(host, open_tab, role):
    tab, page = open_tab("/settings/nodes", role, PHONE, "dark")
    expect(page.locator("#known [data-node=idro-v]")).to_be_visible()
    assert page.locator("main button:visible").count() == 0
    tab.check()
    # What appears with the answer of the host.
    for name, content in (("notifications", "#recipients li, #no-recipients"),
                          ("backup", "#newest"), ("alarms", "[data-rule=ph_high]")):
        page.goto(f"{host.url}/settings/{name}")
        expect(page.locator(content).filter(visible=True).first).to_be_visible()
        allowed = 0 if role is Role.VIEWER else page.locator("main .test").count()
        assert page.locator("main button:visible").count() == allowed
        assert page.locator("main form :enabled:visible").count() == 0
        tab.check()
