"""Log-in at an OpenID provider, which for the browser is another site: from the page and back."""

import os

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.openid_provider import ADA, openid_host
from support.pages import DESKTOP, PHONE, MonitoredTab
from support.real_host import PASSWORD

SIZES = pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])


@pytest.fixture
def pair(tmp_path, mosquitto):
    with openid_host(tmp_path / "host", mosquitto.port) as (host, provider):
        host.service.access.users.add("root", Role.ADMIN, PASSWORD)
        yield host, provider


def shot(page, name):
    """Keep a picture where IDROSERRA_SHOTS names a folder: for a person to look at."""
    folder = os.environ.get("IDROSERRA_SHOTS")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def at_provider(page, provider, subject):
    page.wait_for_url(f"{provider.issuer}/interaction/**")
    page.fill("[name=login]", subject)
    page.fill("[name=password]", "any")
    page.click("button[type=submit]")


def make_token(page):
    page.click("text=Create a token")
    page.fill("#make-token [name=name]", "grafana")
    page.click("#make-token button")


@SIZES
def test_log_in_confirm_a_limit_and_log_out(pair, browser, size, scheme):
    host, provider = pair
    host.node("idro-a")
    tab = MonitoredTab(browser, host.url, size, scheme)
    page = tab.page
    page.goto(f"{host.url}/nodes/idro-a/setup")
    shot(page, f"openid-login-{scheme}")
    tab.check()
    page.click("text=Log in with Farm login")
    at_provider(page, provider, ADA)
    page.wait_for_url(f"{host.url}/nodes/idro-a/setup")
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    expect(page.locator(".who")).to_contain_text("ada admin")
    assert page.evaluate("document.cookie") == ""
    tab.troubles.clear()  # the requests at the provider, and what its page lacks
    (cookie,) = page.context.cookies(host.url)
    assert (cookie["sameSite"], cookie["httpOnly"]) == ("Strict", True)

    with host.service.access.sessions._changing() as database:
        database.execute("UPDATE sessions SET confirmed_unix_ms = 0")
    page.goto(f"{host.url}/users")
    make_token(page)
    expect(page.locator("#again")).to_be_visible()
    shot(page, f"openid-confirm-{scheme}")
    tab.troubles.clear()  # the browser's own line about the 403
    tab.check()
    page.click("#again button[type=submit]")
    at_provider(page, provider, ADA)
    page.wait_for_url(f"{host.url}/users")
    expect(page.locator("#users")).to_contain_text(f"logs in at {provider.issuer} as {ADA}")
    shot(page, f"openid-users-{scheme}")
    make_token(page)
    expect(page.locator("#make-token .secret")).to_be_visible()
    tab.troubles.clear()
    tab.check()

    page.goto(f"{host.url}/account")
    expect(page.locator("#password")).to_have_count(0)
    shot(page, f"openid-account-{scheme}")
    page.click("#out")
    page.wait_for_url(f"{provider.issuer}/session/end**")
    page.click("button[value=yes]")
    page.wait_for_url(f"{host.url}/login")
    page.click("text=Log in with Farm login")
    at_provider(page, provider, "id-of-nina")  # who is asked again, as the provider forgot Ada
    expect(page.locator(".outcome")).to_contain_text("gives you no role here")
    shot(page, f"openid-no-role-{scheme}")
    tab.troubles.clear()
    tab.check()
    tab.close()


def test_without_its_provider_a_host_says_so_and_lets_in_by_password(pair, browser):
    host, provider = pair
    provider.stop()
    tab = MonitoredTab(browser, host.url, PHONE, "light")
    page = tab.page
    page.route(f"{host.url}/api/session", lambda route: None)  # a slow answer to who is logged in
    page.goto(f"{host.url}/login")
    page.click("text=Log in with Farm login")
    expect(page.locator(".outcome")).to_contain_text("Log in with a password, or try again later")
    page.unroute(f"{host.url}/api/session")
    shot(page, "openid-down")
    page.fill("#login [name=name]", "root")
    page.fill("#login [name=password]", PASSWORD)
    page.click("#login [type=submit]")
    expect(page.locator(".who")).to_contain_text("root admin")
    tab.close()
    provider.start()  # for the fixture to stop
