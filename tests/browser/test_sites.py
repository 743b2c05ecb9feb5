"""Several sites: overview with the worst first, moving nodes, renaming, alarms and notes."""


import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.all_pages import AXE, axe_violations
from support.command_line import idroserra
from support.fleet import fleet, read
from support.pages import DESKTOP, SMALLEST, MonitoredTab
from support.real_host import standing_host
from support.wait import wait_until


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with standing_host(tmp_path_factory.mktemp("sites")) as running:
        running.fleet = fleet(running, wait_until)
        yield running


@pytest.fixture(autouse=True)
def fresh(host):
    read(host, wait_until, host.fleet)


@pytest.fixture(scope="module")
def open_page(browser, host):
    tabs = {}

    def opened(path, size=DESKTOP, number=1):
        key = (size["width"], number)
        if key not in tabs:
            tabs[key] = MonitoredTab(browser, host.url, size, "light", host.session_of(Role.ADMIN))
        return tabs[key], tabs[key].open(path)

    yield opened
    for tab in tabs.values():
        tab.close()


def sites(host):
    return host.client.get("/api/sites").json()["sites"]


def move(host, node, site):
    return host.client.put(f"/api/nodes/{node}/site", json={"site": site})


def texts(host, **query):
    return [one["text"] for one in host.client.get("/api/journal", params=query).json()["notes"]]


def note(host, text, **about):
    return host.client.post("/api/journal", json={
        "kind": "note", "unix_ms": 1_750_000_000_000, "text": text, **about})


def test_the_worst_site_comes_first_in_words(host):
    nord, sud, alta = sites(host)
    assert [one["site"] for one in (nord, sud, alta)] == ["Nord", "Sud", "Città Alta"]
    assert nord["text"] == (
        "2 of 7 nodes need attention. First nord-1: pH has no reading: the "
        "probe seems to be out of the water.")
    assert nord["nodes"][:2] == ["nord-1", "nord-2"]
    assert sud["text"] == "1 of 7 nodes needs attention. sud-1: All dosing is stopped, by anna."
    assert alta == {"site": "Città Alta", "level": "ok", "troubled": 0, "nodes": alta["nodes"],
                    "text": "All 6 nodes are fine."}


def test_twenty_nodes_fit_the_smallest_phone_and_the_old_looks_old(host, open_page):
    tab, page = open_page("/", SMALLEST)
    expect(page.locator("#strip strong")).to_have_text("2 of 3 sites need attention.")
    assert page.locator(".site").evaluate_all("all => all.map((one) => one.dataset.site)") == [
        "Nord", "Sud", "Città Alta"]
    expect(page.locator("#fleet tbody tr")).to_have_count(20)
    expect(page.locator("[data-site=Nord] > .sentence")).to_contain_text(
        "2 of 7 nodes need attention")
    old = page.locator("#fleet [data-node=nord-2]")
    expect(old.locator("[data-column=state]")).to_contain_text("no reading arrives")
    expect(old.locator("[data-label]:visible")).to_have_text(["—", "—", "—"])
    expect(page.locator("#fleet [data-node=nord-3] [data-column=ph]")).to_have_text("5.85")
    assert page.evaluate("document.documentElement.scrollHeight") < 3 * SMALLEST["height"]
    page.evaluate(AXE.read_text("utf-8"))
    assert axe_violations(page) == []
    tab.check()
    page.locator("[data-site=Nord] h2 a").click()
    expect(page).to_have_url(f"{host.url}/sites/Nord")
    expect(page.locator("#fleet tbody tr")).to_have_count(7)
    expect(page.locator("#strip strong")).to_have_text("2 of 7 greenhouses need attention.")
    expect(page.locator("#switch b")).to_have_text("Nord")
    tab.check()


def test_a_site_is_kept_in_the_address(host, open_page, eventually):
    eventually(lambda: host.client.get("/api/alarms").json()["alarms"], 60, "it")
    _, page = open_page("/alarms?site=Città%20Alta")
    expect(page.locator("#of-site")).to_have_value("Città Alta")
    expect(page.locator("#calm")).to_be_visible()
    page.select_option("#of-site", "Nord")
    expect(page.locator(".alarm").first).to_be_visible()
    expect(page).to_have_url(f"{host.url}/alarms?site=Nord")
    of_nord = host.client.get("/api/alarms", params={"site": "Nord"}).json()["alarms"]
    assert {one["node"] for one in of_nord} <= {"nord-1", "nord-2"}
    changes = host.client.get("/api/alarms/history", params={"site": "Città Alta"}).json()
    assert changes == {"changes": []}


def test_notes_of_a_site_are_its_own_and_its_nodes(host, open_page):
    assert note(host, "all swept").status_code == 201
    assert note(host, "new pump", site="Nord").status_code == 201
    assert note(host, "leaf", node="nord-3").status_code == 201
    assert note(host, "both", node="nord-3", site="Nord").json()["error"].startswith("site: ")
    assert note(host, "x", site="Nowhere").status_code == 404
    assert set(texts(host, site="Nord")) == {"all swept", "new pump", "leaf"}
    assert texts(host, site="Sud") == texts(host, node="sud-1") == ["all swept"]
    assert set(texts(host, node="nord-4")) == {"all swept", "new pump"}
    rows = host.client.get("/api/journal/export", params={"site": "Nord"}).text.splitlines()
    assert sum(",Nord," in row for row in rows) == 2
    _, page = open_page("/journal?site=Nord")
    expect(page.locator("#notes li")).to_have_count(3)
    page.select_option("#note [name=node]", "@Sud")
    page.fill("#note [name=text]", "gate shut")
    page.locator("#note [type=submit]").click()
    expect(page.locator("#note .outcome")).to_have_text("Saved.")
    assert "gate shut" in texts(host, site="Sud")


def test_a_node_is_moved_in_the_settings_and_the_overview_follows(host, open_page):
    _, overview = open_page("/", number=2)
    _, page = open_page("/nodes/citta-6/setup")
    page.locator("#identity .button").click()
    page.locator("#known [data-node=citta-6] button").first.click()
    page.fill("#change [name=site]", "Sud/Est")
    page.locator("#change [value=yes]").click()
    expect(page.locator("#change .outcome")).to_have_text(
        "site: must be 1 to 40 letters, digits, spaces, _ . or -")
    page.fill("#change [name=site]", "Sud")
    page.locator("#change [value=yes]").click()
    expect(page.locator("#change")).to_be_hidden()
    expect(overview.locator("[data-node=citta-6] [data-column=site]")).to_have_text("Sud")
    assert 'site="Sud"' in next(
        line for line in host.client.get("/metrics").text.splitlines()
        if line.startswith("idroserra_node_up") and 'node="citta-6"' in line)
    moved = host.service.access.audit.newest(1)[0]
    assert (moved.action, moved.target, moved.result) == ("move node", "citta-6", "done")
    assert move(host, "citta-6", "Città Alta").status_code == 200


def test_renaming_a_site_keeps_all_its_data(host, open_page):
    note(host, "old roof", site="Nord")
    taken = host.client.put("/api/sites/Nord", json={"name": "Sud"})
    assert taken.json()["error"] == "name: there is a site Sud: move the nodes one by one"
    assert host.client.put("/api/sites/Nowhere", json={"name": "X"}).status_code == 404
    _, page = open_page("/sites/Nord")
    page.locator(".site-form summary").click()
    page.fill("#rename-site [name=site]", "Nord 1")
    page.locator("#rename-site button").click()
    expect(page).to_have_url(f"{host.url}/sites/Nord%201")
    expect(page.locator("#fleet tbody tr")).to_have_count(7)
    assert "old roof" in texts(host, site="Nord 1")
    changes = host.client.get("/api/alarms/history", params={"site": "Nord 1"}).json()["changes"]
    assert any(change["node"] == "nord-1" for change in changes)
    host.client.put("/api/sites/Nord 1", json={"name": "Nord"}).raise_for_status()


def test_the_terminal_moves_names_and_lists(host):
    def run(*words):
        done = idroserra("node", "site", *words, url=host.url, env={"COLUMNS": "160"})
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("sud-7", "Est") == "sud-7 moved to Est\n"
    assert run("--rename", "Est", "Ovest") == "Est renamed to Ovest: sud-7\n"
    listed = run()
    assert "2 of 7 nodes need attention. First nord-1" in listed
    assert "The node is fine." in listed
    move(host, "sud-7", "Sud")
    assert "Ovest" not in [one["site"] for one in sites(host)]  # its last node went
