"""The tasks of an admin: adopt a simulated board, name it and set it up, alarm limits, recipients,
a release and a backup."""

import re
import tarfile

from playwright.sync_api import expect

from browser.walks.walk_look import NODE

BOARD, SITE = "serra-sud", "test"
TITLE = {"en": "Basil bench", "it": "Bancale di basilico", "zh": "罗勒种植台"}
RELEASE = "2.0.1"
RULE = "[data-rule=ec_high]"


def settings(walker, name):
    """Open a page of the settings by its links."""
    walker.place("/settings")
    link = walker.page.locator(f".side a[href='{name}']")
    if link.get_attribute("aria-current") is None:
        walker.follow(link)


def adopt(walker):
    """A provisioned board that waits: adopted with its key file, then moved to the other site."""
    page, title = walker.page, TITLE[walker.language]
    settings(walker, "/settings/nodes")
    expect(page.locator(f"#waiting [data-node={BOARD}]")).to_be_visible()
    walker.step("waiting", "#waiting")
    page.locator(f"#waiting [data-node={BOARD}] button").click()
    page.locator("#adopt [name=file]").set_input_files(walker.board.key_file)
    expect(page.locator("#adopt [name=key]")).not_to_have_value("")
    page.locator("#adopt [name=title]").fill(title)
    page.locator("#adopt [name=site]").fill("Sud")
    walker.step("adopt")
    page.locator("#adopt [value=yes]").click()
    walker.done("#nodes-outcome", "{node} is adopted: the host now confirms its records and may "
                "command it.", node=BOARD)
    known = f"#known [data-node={BOARD}]"
    expect(page.locator(known)).to_contain_text("Sud")
    walker.says(f"{known} [data-level]", "online")
    page.locator(f"{known} button").first.click()
    expect(page.locator("#change [name=title]")).to_have_value(title)
    page.locator("#change [name=site]").fill(SITE)
    walker.step("name-and-site")
    page.locator("#change [value=yes]").click()
    walker.done("#nodes-outcome", "{node} changed.", node=BOARD)
    expect(page.locator(known)).to_contain_text(SITE)
    walker.step("adopted", known)


def board_settings(walker):
    """Its settings, confirmed by its firmware, and its first readings."""
    page, title = walker.page, TITLE[walker.language]
    walker.place("/")
    name = page.locator(f".node-card[data-node={BOARD}] h2 a")
    expect(name).to_have_text(title)
    walker.follow(name)
    expect(page.locator(".room-bar h1")).to_have_text(title)
    walker.follow(page.locator(".rooms [data-room=setup]"))
    walker.step("setup-room")
    search = page.locator("#settings [type=search]")
    search.fill("reservoir.area_cm2")
    walker.type("[name='reservoir.area_cm2']", 0.32, 2)
    search.fill("dosing.enabled")
    page.locator("[name='dosing.enabled']").check()
    search.fill("level.")
    page.locator("[name='level.low_mm']").fill("110")
    walker.step("board-settings", "#settings .save-bar")
    page.locator("#settings .save-bar [type=submit]").click()
    expect(page.locator("#settings-sure .changes li")).to_have_count(3)
    walker.step("board-settings-sure")
    page.locator("#settings-sure [value=yes]").click()
    walker.done("#settings .outcome", "Confirmed by the node: {changes}.")
    walker.step("board-settings-confirmed", "#settings .outcome")
    values = _values(walker)
    assert (values["reservoir.area_cm2"], values["level.low_mm"]) == (3_200, 110)
    assert values["dosing.enabled"] is True
    walker.step("wiring", "#wiring")
    walker.follow(page.locator(".rooms [data-room=now]"))
    expect(page.locator(".tile[data-channel='reservoir.ph'] .value")).to_contain_text(
        re.compile(r"\d"))
    walker.step("board-now")


def _values(walker):
    return walker.host.view(BOARD)["config"]["values"]


def limits(walker):
    """An alarm limit of all nodes, and another one of this node."""
    page = walker.page
    settings(walker, "/settings/alarms")
    page.locator(f"{RULE} button").click()
    expect(page.locator("#rule [name=limit]")).to_have_value(walker.figure(0.3, 1))
    walker.type("#rule [name=limit]", 0.45, 2)
    walker.step("limit")
    page.locator("#rule [value=yes]").click()
    walker.done("#rules-outcome", "{name} changed, applies now. {changes}")
    changed = f"{walker.figure(0.3, 1)} mS/cm → {walker.figure(0.45, 2)} mS/cm"
    expect(page.locator("#rules-outcome")).to_contain_text(changed)
    page.locator("#of-node").select_option(BOARD)
    expect(page.locator(RULE)).to_have_attribute("data-changed", "false")
    page.locator(f"{RULE} button").click()
    walker.type("#rule [name=limit]", 0.6, 1)
    walker.step("limit-of-node")
    page.locator("#rule [value=yes]").click()
    walker.done("#rules-outcome", "{name} changed, applies now. {changes}")
    expect(page.locator(RULE)).to_have_attribute("data-changed", "true")
    page.locator("#of-node").select_option("")
    page.locator("#only-changed").check()
    walker.says(RULE, "Changed for {nodes}", nodes=BOARD)
    expect(page.locator(RULE)).to_contain_text(f"{walker.figure(0.45, 2)} mS/cm")
    walker.step("limits")


def recipients(walker):
    """A recipient with a test, and the quiet hours."""
    page, receiver = walker.page, walker.receiver
    settings(walker, "/settings/notifications")
    page.locator("#add-recipient").click()
    page.locator("#recipient [name=name]").fill("lucia")
    page.locator("#recipient [name=service]").select_option("webhook")
    page.locator("#recipient [name=webhook_url]").fill(
        f"http://anna:s3cretToken@127.0.0.1:{receiver.port}/")
    page.locator("#recipient [name=from_priority]").select_option("medium")
    walker.step("recipient")
    page.locator("#recipient [value=yes]").click()
    walker.done("#recipients-outcome", "{name} added. Send a test.", name="lucia")
    page.locator("#recipients [data-name=lucia] .test").click()
    walker.done("#recipients-outcome", "The service of {name} accepted the test. Check that it "
                "arrived.", name="lucia")
    assert receiver.messages
    assert "s3cretToken" not in page.content()
    walker.step("recipient-tested", "#recipients")
    page.locator("#times [name=quiet_from]").fill("22:00")
    page.locator("#times [name=quiet_until]").fill("06:30")
    page.locator("#times [type=submit]").click()
    walker.done("#times .outcome", "Saved; it applies now.")
    walker.step("quiet-hours", "#times")


def rollout(walker):
    """A release added from its folder, and rolled out to one node."""
    page = walker.page
    settings(walker, "/updates")
    page.locator("#upload [name=folder]").set_input_files(walker.release)
    page.locator("#upload [type=submit]").click()
    walker.done("#upload .outcome", "Version {version} for {board} was added: its signature is "
                "valid.", version=RELEASE)
    walker.step("release-added", "#upload")
    page.locator("[data-begin]").click()
    for box in page.locator("#begin .picks input").all():
        box.set_checked(box.get_attribute("value") == NODE)
    walker.step("rollout")
    page.locator("#begin [value=yes]").click()
    walker.says("#updates .card", "Finished: {done} of {all} nodes updated", done=1, all=1)
    assert walker.node.received
    walker.step("rolled-out", "#updates")


def backup(walker):
    """Made with keys, and downloaded."""
    page = walker.page
    settings(walker, "/settings/backup")
    page.locator("#make [name=with_keys]").check()
    page.locator("#make [type=submit]").click()
    walker.done("#backup-outcome", "The backup is complete. Download it to another machine.")
    walker.step("backup")
    with page.expect_download() as coming:
        page.locator("#download").click()
    with tarfile.open(coming.value.path()) as archive:
        assert "state.db" in archive.getnames()
