"""The bands of the charts step with time, and are lighter where setpoints are not known."""

import re

from playwright.sync_api import expect

HOUR_MS = 3_600_000


def setpoints(host):
    now = host.view("idro-a")["last_seen_unix_ms"]
    answer = host.client.get("/api/nodes/idro-a/setpoints", params={
        "from_unix_ms": now - 24 * HOUR_MS, "to_unix_ms": now + HOUR_MS})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_bands_step_with_the_setpoints(node, host, tab, eventually):
    page = tab().open("/nodes/idro-a/charts")
    panel, unknown = page.locator(".panel[data-quantity=ph]"), page.locator("#stack > p")
    expect(panel).to_have_attribute("data-bands", "2")  # not known, and known
    expect(unknown).to_be_visible()
    node.tell("configured", {"rev": 0, "by": "ann"}, 30 * HOUR_MS)
    eventually(lambda: setpoints(host)["known_from_unix_ms"]
               < setpoints(host)["from_unix_ms"], 10, "the time of the settings")
    host.client.put("/api/nodes/idro-a/config", json={
        "values": {"ph.target": 6.2}, "by": "ann"})
    expect(unknown).to_be_hidden()  # loaded again when the node reports new settings
    expect(panel).to_have_attribute("data-bands", "2")
    found = setpoints(host)
    assert [value for _, value in found["settings"]["ph.target"]] == [5.8, 6.2]
    assert [(one["low"], one["high"]) for one in found["bands"]["reservoir.ph"]] == [
        (5.6, 6.0), (6.0, 6.4)]
    assert found["bands"]["reservoir.ph"][0]["from_unix_ms"] == found["from_unix_ms"]
    page.locator("details.export summary").click()
    with page.expect_download() as download:
        page.locator("#export-setpoints").click()
    table = download.value.path().read_text().splitlines()
    assert [row.split(",")[-1] for row in table if ",ph.target," in row] == ["5.8", "6.2"]


def test_the_small_line_of_a_tile_has_the_bands_of_the_last_hour(node, host, tab, eventually):
    node.tell("configured", {"rev": 0, "by": "ann"}, 30 * HOUR_MS)
    eventually(lambda: setpoints(host)["known_from_unix_ms"]
               < setpoints(host)["from_unix_ms"], 10, "the time of the settings")
    page = tab().open("/nodes/idro-a")
    line = page.locator(".tile[data-channel='reservoir.ph'] .spark")
    area = line.locator(".area")
    expect(line).to_have_attribute("data-bands", "1")
    expect(area).to_have_attribute("d", re.compile(r"^M0\.\d+ [^M]*$"))  # all of the hour
    host.client.put("/api/nodes/idro-a/config", json={
        "values": {"ph.target": 6.2}, "by": "ann"})
    for _ in range(2):
        expect(line).to_have_attribute("data-bands", "2")
        old, new = [
            [float(one) for one in re.findall(r"[\d.]+", step)]
            for step in area.get_attribute("d").split("M")[1:]]
        assert old[0] < 1
        assert old[2] == new[0] > 90  # the old one until the change
        assert new[1] < old[1]  # and the new one above it
        page.reload()


def test_the_dli_has_a_band_in_its_tile_and_its_chart(node, host, tab):
    for minute in range(1_400, 0, -1):
        node.read({"light.duty_pct": 10.0}, ago_ms=minute * HOUR_MS // 60)
    host.settle("idro-a", 1_400)
    host.client.post("/api/nodes/idro-a/recipe", json={"recipe": "lettuce"})
    node.read({"light.duty_pct": 10.0})
    page = tab().open("/nodes/idro-a")
    tile = page.locator(".tile[data-channel='light.dli_mol_per_m2']")
    expect(tile).to_contain_text(re.compile(r"outside \d+\.\d–\d+\.\d"))
    expect(tile).to_have_attribute("data-state", "off_band")
    page.goto(page.url + "/charts")
    expect(page.locator(".panel[data-quantity=dli_mol_per_m2]")).to_have_attribute(
        "data-bands", re.compile("[1-9]"))
