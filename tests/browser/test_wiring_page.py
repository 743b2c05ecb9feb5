"""A board is put together on a phone: parts, a conflict and its remedy, kept, found again."""

from playwright.sync_api import expect

from idroserra.auth.roles import Role
from idroserra.boards import compiler
from support.pages import PHONE, MonitoredTab
from support.real_host import own_host

host = own_host


def add(page, part, section):
    """Choose a part by its words and add it with the keyboard."""
    option = page.locator("#part option").filter(has_text=part).first
    page.locator("#part").select_option(value=option.get_attribute("value"))
    entries = page.locator(f"[data-section={section}] > li")
    count = entries.count()
    page.locator("#add").press("Enter")
    expect(entries).to_have_count(count + 1)
    expect(page.locator("[data-entry] summary:focus")).to_contain_text(part.split(" (")[0])


def test_a_board_is_made_on_a_phone_without_an_editor(browser, host):
    tab = MonitoredTab(browser, host.url, PHONE, "light", host.session_of(Role.ADMIN))
    page = tab.open("/settings/boards")
    page.get_by_role("link", name="New board").click()
    verdict, pin = page.locator("#verdict"), page.locator("[data-key='actuator[0].pin'] select")
    expect(verdict).to_have_text("Add the first sensor.")
    page.locator("[data-key='board.name'] input").fill("my-tank")
    for part in ("sen0161", "ds18b20"):
        add(page, part, "sensor")
    expect(verdict).to_have_text("Valid: 2 channels, 0 outputs")
    add(page, "pH down (doser)", "actuator")
    expect(verdict).to_have_text("Valid: 2 channels, 1 output")
    expect(page.locator("#wires")).to_contain_text("ph_down (doser)")
    # A pin that is used: in words, at the field, and nothing is kept meanwhile.
    pin.select_option(label="GPIO 1, used")
    expect(verdict).to_contain_text("pH down, doser, Pin: GPIO 1 is used by onewire.main.pin")
    expect(page.locator("#keep")).to_be_disabled()
    page.reload()
    expect(page.locator("#restored")).to_be_visible()
    page.locator("#show").click()
    expect(pin).to_be_focused()
    expect(pin).to_have_attribute("aria-invalid", "true")
    pin.select_option(label="GPIO 5")
    expect(verdict).to_have_attribute("data-state", "done")
    tab.check()
    # What is typed while the host checks is not lost.
    page.locator("[data-key='reservoir.volume_l'] input").fill("75")
    page.locator("#keep").click()
    expect(page.locator("#kept")).to_contain_text("A node can now be set up with my-tank.")
    kept = compiler.read(host.config.data_dir / "boards" / "my-tank.toml").compiled
    assert (kept["volume_l"], kept["actuators"][0]["pin"]) == (75, 5)
    # Another board of this name asks first, and the file of it is replaced.
    page.goto(f"{host.url}/settings/boards/edit?board=esp32-reservoir")
    expect(verdict).to_have_text("Valid: 6 channels, 7 outputs")
    page.locator("[data-key='board.name'] input").fill("my-tank")
    page.locator("#keep").click()
    page.locator("#replace [value=yes]").click()
    expect(page.locator("#kept")).to_contain_text("my-tank")
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename == "my-tank.toml"
    assert download.value.path().read_text() == (
        host.config.data_dir / "boards" / "my-tank.toml").read_text()
    tab.check()
    tab.close()
