"""Account pages: setup, login, own account, users, and what each role is shown."""

import os

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.delayed_responses import DelayedResponses
from support.pages import DESKTOP, PHONE, MonitoredTab
from support.real_host import PASSWORD

OTHER = "another sentence for them"
SIZES = pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])


@pytest.fixture
def stranger(browser, host):
    """stranger(size, scheme) returns a tab without a session."""
    tabs = []

    def new_tab(size=DESKTOP, scheme="light"):
        tabs.append(MonitoredTab(browser, host.url, size, scheme))
        return tabs[-1]

    yield new_tab
    for one in tabs:
        one.close()


def shot(tab, name):
    """Keep a picture where IDROSERRA_SHOTS names a folder: for a person to look at."""
    folder = os.environ.get("IDROSERRA_SHOTS")
    if folder:
        tab.page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def fill(page, form, **fields):
    for name, value in fields.items():
        page.locator(f"{form} [name={name}]").fill(value)


def is_live(page):
    expect(page.locator("#link")).to_have_attribute("data-state", "live")


def test_a_newcomer_follows_the_link_and_is_the_first_admin(host, stranger):
    tab = stranger()  # on a phone: test_walk.py
    page = tab.page
    page.goto(f"{host.url}/")
    expect(page.locator("h1")).to_have_text("First admin")
    tab.check()
    page.goto("about:blank")
    page.goto(f"{host.url}/setup#{host.service.access.users.new_setup_token()}")
    expect(page.locator(".token")).to_be_hidden()
    assert "#" not in page.url  # the secret is not left in the address
    shot(tab, "setup")
    fill(page, "#setup", name="Ada", password=PASSWORD, again=OTHER)
    page.click("#setup button")
    expect(page.locator(".outcome")).to_have_text("The two passwords differ.")
    tab.check()
    # As a browser that kept the page shows it again after "back": its token is nowhere else.
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    fill(page, "#setup", again=PASSWORD)
    page.click("#setup button")
    is_live(page)
    expect(page.locator(".who")).to_contain_text("ada admin")
    assert page.evaluate("document.cookie") == ""  # no script reads it
    tab.check()
    page.goto(f"{host.url}/setup")
    is_live(page)  # who is in is not asked again


def test_the_link_of_a_demo_is_one_click(host, stranger):
    host.service.access.users.add("demo", Role.ADMIN, PASSWORD)
    link = f"{host.url}/login#{host.service.access.open_link('demo')}"
    for tab in (stranger(), stranger(PHONE)):  # and not only once
        tab.page.goto(link)
        is_live(tab.page)
        expect(tab.page.locator(".who")).to_contain_text("demo admin")
        tab.check()


@SIZES
def test_log_in_log_out_and_back_to_where_one_was(host, node, stranger, size, scheme):
    host.service.access.users.add("ada", Role.ADMIN, PASSWORD)
    tab = stranger(size, scheme)
    page = tab.page
    page.goto(f"{host.url}/nodes/idro-a")
    expect(page.locator("h1")).to_have_text("Log in")
    shot(tab, f"login-{scheme}")
    tab.check()
    fill(page, "#login", name="Ada", password="not the one at all")
    page.click("#login button")
    expect(page.locator(".outcome")).to_have_text("name or password is wrong")
    tab.troubles.clear()  # the browser's own line about the 403
    fill(page, "#login", password=PASSWORD)
    page.click("#login button")
    page.wait_for_url("**/nodes/idro-a")
    is_live(page)
    page.click(".who")
    expect(page.locator("#me-title")).to_have_text("ada")
    shot(tab, f"account-{scheme}")
    tab.check()
    fill(page, "#password", password=PASSWORD, new_password=OTHER, again=OTHER)
    page.click("#password button")
    expect(page.locator("#password .outcome")).to_contain_text("Changed.")
    page.click("#out")
    expect(page.locator("h1")).to_have_text("Log in")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Log in")
    tab.check()


def test_a_form_that_is_sent_while_the_page_loads_waits_for_its_script(host, tab):
    """The browser itself would send it, with the password in the address."""
    host.service.access.users.add("ada", Role.ADMIN, PASSWORD)
    page = tab(role=None, worker=False).page
    script = DelayedResponses(page, "**/login.js")
    page.goto(f"{host.url}/login", wait_until="commit")
    script.wait()
    fill(page, "#login", name="ada", password=PASSWORD)
    for _ in range(2):  # one who is impatient
        page.click("#login button")
    assert page.url == f"{host.url}/login"
    script.deliver()
    is_live(page)
    assert page.url == f"{host.url}/"
    log_ins = [row for row in host.service.access.audit.newest(9) if row.action == "log in"]
    assert [row.result for row in log_ins] == ["done"]


def test_log_out_can_be_pressed_once_it_does_something(host, tab):
    page = tab(role=Role.ADMIN, worker=False).page
    script = DelayedResponses(page, "**/account.js")
    page.goto(f"{host.url}/account", wait_until="commit")
    script.wait()
    for name in ("#out", "#out-all"):
        expect(page.locator(name)).to_be_disabled()
    script.let_go()
    page.click("#out")
    expect(page.locator("h1")).to_have_text("Log in")


def test_an_admin_manages_users_and_tokens(host, tab):
    admin = tab(DESKTOP, "light", Role.ADMIN)
    page = admin.page
    page.goto(f"{host.url}/users")
    page.get_by_text("Add a user").click()
    fill(page, "#add-user", name="bert", password=PASSWORD)
    page.click("#add-user button")
    expect(page.locator("#users li")).to_have_count(2)
    page.get_by_label("Role of bert").select_option("operator")
    expect(page.locator("#users-outcome")).to_have_text("bert is now operator.")
    page.get_by_text("Create a token").click()
    fill(page, "#make-token", name="grafana")
    page.click("#make-token button")
    secret = page.locator(".secret code")
    expect(secret).to_be_visible()
    assert host.client_with(secret.text_content()).get("/metrics").status_code == 200
    expect(page.locator("#tokens")).to_contain_text("grafana")
    expect(page.locator("#audit tr").first).to_contain_text("create token")
    shot(admin, "users")
    admin.check()
    page.locator("#users li", has_text="bert").get_by_role("button", name="Remove").click()
    page.locator("#sure button", has_text="Confirm").click()
    expect(page.locator("#users li")).to_have_count(1)
    page.locator("#tokens").get_by_role("button", name="Revoke").click()
    page.locator("#sure button", has_text="Confirm").click()
    expect(page.locator("#tokens")).to_have_text("None.")
    admin.check()


def test_a_viewer_is_shown_what_is_and_no_button_that_acts(host, node, tab):
    viewer = tab(PHONE, "light", Role.VIEWER)
    page = viewer.open("/nodes/idro-a/water")
    expect(page.locator(".view-only")).to_contain_text("your role is viewer")
    for hidden in ("#control .stop", "#dose", "#setpoints button"):
        for element in page.locator(hidden).all():
            expect(element).to_be_hidden()
    shot(viewer, "viewer-node")
    viewer.check()
    page = viewer.open("/alarms")
    expect(page.locator("#test")).to_be_hidden()
    viewer.check()
    page.goto(f"{host.url}/account")
    expect(page.locator("main a[href='/users']")).to_have_count(0)
    operator = tab(DESKTOP, "dark")
    page = operator.open("/nodes/idro-a")
    expect(page.locator(".view-only")).to_have_count(0)
    expect(page.locator("#control .stop")).to_be_visible()
    operator.check()


def test_a_dose_asks_for_the_password_once_more_and_goes_on(host, node, tab):
    sessions = host.service.access.sessions
    operator = tab(PHONE, "light")
    page = operator.open("/nodes/idro-a/water")
    with sessions._changing() as database:
        database.execute("UPDATE sessions SET confirmed_unix_ms = confirmed_unix_ms - 360000")
    page.locator("#dose button").click()
    page.locator("#dose-sure [value=yes]").click()
    expect(page.locator("#again")).to_be_visible()
    shot(operator, "again")
    fill(page, "#again", password="not the one at all")
    page.locator("#again button", has_text="Continue").click()
    expect(page.locator("#again .outcome")).to_have_text("name or password is wrong")
    fill(page, "#again", password=PASSWORD)
    page.locator("#again button", has_text="Continue").click()
    expect(page.locator("#again")).to_be_hidden()
    expect(page.locator("#dose .outcome")).to_contain_text("2.00 ml of pH down dosed")


def test_a_calibration_asks_for_the_password_and_the_refusal_stays_shown(host, node, tab):
    page = tab(PHONE, "light").open("/nodes/idro-a/calibrate")
    with host.service.access.sessions._changing() as database:
        database.execute("UPDATE sessions SET confirmed_unix_ms = confirmed_unix_ms - 360000")
    start = page.locator("#choose").get_by_role("button", name="pH", exact=True)
    start.click()
    with page.expect_response("**/calibrations"):  # the page loads after it
        page.locator("#again button[type=button]").click()
    with page.expect_response("**/calibrations"):  # and again after some seconds
        pass
    expect(page.locator("#trouble")).to_have_text("No password entered: nothing was sent.")
    start.click()
    fill(page, "#again", password=PASSWORD)
    page.locator("#again button", has_text="Continue").click()
    expect(page.locator("#walk .do")).to_be_visible()
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_page_with_an_ended_session_redirects_to_login(host, node, tab):
    host.service.access.users.add("ada", Role.ADMIN, PASSWORD)
    page = tab().open("/nodes/idro-a")
    host.service.access.sessions.end_all("anna")
    expect(page.locator("h1")).to_have_text("Log in")
    assert page.url.endswith("/login?next=%2Fnodes%2Fidro-a")


# What a link to the log-in asks for, and what it opens. A tab or a newline in an address is
# removed by the browser: "/\t/x" is the host x.
ASKED = {
    "/%09/evil.example/": "/", "/%0a/evil.example/": "/", "/%5cevil.example/": "/",
    "//evil.example/": "/", "https://evil.example/": "/", "javascript:alert(1)": "/",
    "https://%5b": "/",
    "/.//evil.example/": "//evil.example/",  # a path of this host
    "/account%3Fa=%09b%23c": "/account?a=b#c",
}


def test_after_the_log_in_comes_a_page_of_this_host(host, tab):
    page = tab().page
    visited = []

    def record(route):
        visited.append(route.request.url)
        (route.continue_ if route.request.url.startswith(host.url) else route.abort)()

    page.route("**/*", record)
    for asked, opened in ASKED.items():
        page.goto(f"{host.url}/login?next={asked}")
        page.wait_for_url(lambda url: "/login?" not in url)
        assert page.url == f"{host.url}{opened}"
    assert visited
    assert all(url.startswith(f"{host.url}/") for url in visited), visited
