"""Every page in Italian, the longest language: no barrier that axe finds, no overflow, no request
to anywhere else. `make screenshots` walks all languages and keeps the pictures."""

import pytest
from everywhere import Walk, lived_in, pages
from playwright.sync_api import expect
from real_host import Host

from idroserra.access.roles import Role
from idroserra.broker import Broker
from waiting import wait_until


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("everywhere")
    broker = Broker(folder / "broker", "mosquitto")
    broker.start()
    running = Host(folder / "host", broker.port, wait_until)
    yield running
    running.stop()
    broker.stop()


@pytest.fixture(scope="module")
def walk(browser, host):
    lived_in(host, wait_until)
    walking = Walk(browser, host, "it")
    yield walking
    walking.close()


def test_no_page_has_a_barrier(walk):
    wrong = []
    for name, (path, role) in pages().items():
        wrong += [f"{name}: {found}" for found in walk.judge(walk.open(path, role))]
    assert wrong == []


def test_numbers_are_typed_as_the_language_writes_them(host, walk):
    page = walk.open("/nodes/idro-a", Role.ADMIN).page
    expect(page.locator(".tile[data-channel='reservoir.ph'] .value")).to_contain_text(",")
    page.fill("[name='ph.target']", "6,05")
    assert page.evaluate("document.querySelector(\"[name='ph.target']\").checkValidity()")
    page.fill("[name='ph.target']", "6,05,1")
    assert not page.evaluate("document.querySelector(\"[name='ph.target']\").checkValidity()")


def test_a_person_chooses_language_and_units(host, walk):
    page = walk.open("/account", Role.ADMIN).page
    page.select_option("[name=language]", "zh")
    page.select_option("[name=ec]", "ppm500")
    page.select_option("[name=temperature]", "F")
    page.locator("#speech button").click()
    expect(page.locator("#speech-title")).to_have_text("语言和单位")
    page = walk.open("/nodes/idro-a", Role.ADMIN).page
    expect(page.locator(".tile[data-channel='reservoir.ec_us_cm'] .value")).to_contain_text("ppm")
    expect(page.locator(".tile[data-channel='reservoir.temp_c'] .value")).to_contain_text("°F")
    expect(page.locator("#strip strong")).not_to_contain_text("All")
    assert host.view("idro-a")["channels"]["reservoir.ec_us_cm"]["display"]["unit"] == "mS/cm"
