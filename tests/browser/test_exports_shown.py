"""Each page with tables, lists or charts has an export menu with all of them."""

import csv
import io
import re

import pytest

from idroserra.auth.roles import Role
from idroserra.web.api.tables import ADMIN_TABLES, HOST_TABLES, NODE_TABLES
from support.all_pages import PageChecker, pages, populate_host
from support.real_host import standing_host
from support.wait import wait_until

# Elements that show data; dialogs do not.
_SHOWN = ("table, dl, .stack, .trend, .plots, .tiles, .sites, .nodes, .why-list, #notes,"
          " .lines.parts, .targets, #standing, #audit, #happened > ul, .bottles > ul,"
          " .recent-notes ol")
# Forms, and the samples of the design system; a recipe is exported as its file. Other hosts export
# what they have themselves.
_FORMS = ("/settings", "/recipes", "/stock", "/design", "/hosts")
_WITHOUT_MENU = """(shown) => !document.querySelector("main a[download]") &&
  [...document.querySelectorAll(shown)].some((one) => !one.closest("dialog"))"""
_LINKS = """() => [...document.querySelectorAll("a[download]")]
  .map((one) => one.getAttribute("href")).filter((href) => href.startsWith("/api/"))"""


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with standing_host(tmp_path_factory.mktemp("exports")) as running:
        populate_host(running, wait_until)
        running.client.post("/api/journal", json={
            "node": "idro-a", "kind": "harvest", "unix_ms": 1_750_000_000_000, "crop": "=basil",
            "weight_g": 420})
        yield running


@pytest.fixture(scope="module")
def walk(browser, host):
    walking = PageChecker(browser, host, "en")
    yield walking
    walking.close()


def rows(host, path, **query):
    answer = host.client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_each_page_that_shows_data_has_an_export_menu(host, walk):
    wrong, links = [], set()
    for name, (path, role) in pages().items():
        if role is Role.ANYONE or path.startswith(_FORMS):
            continue  # public pages show no data
        page = walk.open(path, role).page
        wrong += [name] if page.evaluate(_WITHOUT_MENU, _SHOWN) else []
        links |= set(page.evaluate(_LINKS))
    assert not wrong
    # Each table of the API has a link, and each link returns a table.
    tables = {re.sub(r"\?.*", "", link) for link in links}
    wanted = {f"/api/export/{name}" for name in HOST_TABLES if name != "sites"}
    wanted |= {f"/api/nodes/idro-a/export/{name}" for name in NODE_TABLES}
    wanted |= {f"/api/admin/export/{name}" for name in ADMIN_TABLES}
    assert wanted <= tables
    for table in wanted:
        host.client.get(table).raise_for_status()


def test_a_link_exports_the_shown_time_range(walk):
    page = walk.open("/nodes/idro-a/charts?range=1h", Role.ADMIN).page
    page.locator(".export summary").click()
    with page.expect_download() as download:
        page.locator("#export-history").click()
    query = dict(part.split("=") for part in download.value.url.partition("?")[2].split("&"))
    assert 3_590_000 < int(query["to_unix_ms"]) - int(query["from_unix_ms"]) < 3_610_000
    assert query["time_zone"] == "Europe%2FRome"
    assert download.value.suggested_filename.startswith("idro-a_readings_")


def test_exported_texts_are_in_english(host):
    decisions = rows(host, "/api/nodes/idro-a/export/decisions", time_zone="Europe/Rome")
    assert "time_local [Europe/Rome]" in decisions[0]
    dosed = next(one for one in decisions if one["kind"] == "dosed")
    assert dosed["text"].startswith("pH down, 2.50 ml given")
    assert {"reason", "code"} <= set(dosed)
    changes = rows(host, "/api/export/alarm-history")
    assert {"serra-nord"} <= {one["node"] for one in changes}
    assert all(one["text"] and one["code"] for one in changes if one["state"] == "unacknowledged")
    assert rows(host, "/api/export/alarms", site="nowhere") == []
    readings = rows(host, "/api/nodes/serra-nord/export/readings")
    acid = next(one for one in readings if one["channel"] == "reservoir.ph")
    assert (acid["value"], acid["fault"]) == ("", "in_air")
    assert rows(host, "/api/export/yields")[0]["crop"] == "'=basil"
    assert rows(host, "/api/nodes/idro-a/export/calibrations") == []


def test_the_audit_log_is_for_admins(host):
    session = host.session_of(Role.OPERATOR)
    refused = host.client_with().get(
        "/api/admin/export/audit", headers={"Cookie": "=".join(session)})
    assert refused.status_code == 403
    log = rows(host, "/api/admin/export/audit")
    assert [int(one["seq"]) for one in log] == list(range(1, len(log) + 1))
    assert "log in" in {one["action"] for one in log}
